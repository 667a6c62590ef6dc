"""The body of test_same_bytes.py and test_same_bytes_long.py."""

import multiprocessing
import os
import random
import time

import attnd_mix as mix
from attnd_client import Claims, Failure, PATIENCE, Server, expect

CLIENTS = 4


def client(port, kinds, count, seed, results):
    try:
        results.put(mix.mixed_calls(port, kinds, count, seed))
    except (Failure, OSError, ValueError) as error:
        results.put(f"{type(error).__name__}: {error}")


def run(count, seconds):
    """`count` mixed calls by CLIENTS clients at once, compared with the answers one at a time."""
    seed = os.environ.get("ATTND_SEED") or str(random.SystemRandom().randrange(10 ** 9))
    print(f"seed {seed}")
    claims = Claims()
    with Server("--threads", 1, "--io-threads", 1, quiet=True) as server:
        kinds = claims.check("one at a time, on one thread", mix.kinds_alone, server, seed)
        claims.check("that server stops cleanly", server.stop)
    if kinds is None:
        claims.finish()
    claims.check("the mix holds answers of every sort", lambda: expect(
        {200, 400, 422} <= {status for _, _, answers in kinds for status, _ in answers}
        and all(status < 500 for _, _, answers in kinds for status, _ in answers), "statuses"))
    with Server(quiet=True) as server:
        started = time.monotonic()
        claims.check(f"{count} mixed calls by {CLIENTS} clients: the same bytes as one at a time", at_once, server, kinds,
                     count, seed, seconds)
        print(f"      {count} calls in {time.monotonic() - started:.1f} s")
        claims.check("and once more one at a time", once_more, server, kinds)
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


def at_once(server, kinds, count, seed, seconds):
    results = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=client, args=(server.port, kinds, count // CLIENTS, f"{seed}/{number}",
                                                            results)) for number in range(CLIENTS)]
    for process in clients:
        process.start()
    deadline = time.monotonic() + seconds * PATIENCE
    answers = []
    try:
        for _ in clients:
            answers.append(results.get(timeout=max(0.1, deadline - time.monotonic())))
    except Exception as error:  # multiprocessing raises queue.Empty
        raise Failure(f"not done within {seconds} s: {answers}, {type(error).__name__}") from None
    finally:
        for process in clients:
            process.join(1)
            if process.is_alive():
                process.kill()
    wrong = [answer for answer in answers if not isinstance(answer, int)]
    expect(not wrong, lambda: f"{len(wrong)} of {CLIENTS} clients: {wrong[0]}")
    expect(sum(answers) == count // CLIENTS * CLIENTS, f"{answers} calls")


def once_more(server, kinds):
    for _, messages, answers in kinds:
        for data, due, got in zip(messages, answers, mix.alone(server, messages)):
            expect(got == due, lambda: f"{data[:300]!r}: {got!r:.400}, before {due!r:.400}")
