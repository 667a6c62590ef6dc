#!/usr/bin/env python3
"""mixed_load.py SECONDS: good, wrong, large, aborted and slow requests from four threads, every answer checked.

It is what the ThreadSanitizer and AddressSanitizer builds are put under; a sanitizer's report on the server's stderr
fails it, as does a wrong answer."""

import random
import sys
import threading
import time

import attnd_mix as mix
from attnd_client import Claims, Connection, Failure, Server, expect

THREADS = 4


def good(port, kinds, draw):
    mix.mixed_calls(port, kinds, draw.randint(5, 60), draw.random())


def aborted(port, kinds, draw):
    """Gone in the middle of the request, or of its answer."""
    _, messages, _ = draw.choice(kinds)
    data = draw.choice(messages)
    connection = Connection(port)
    if draw.random() < 0.5:
        connection.send(data[:draw.randrange(1, len(data))])
    else:
        connection.send(data)
        if draw.random() < 0.5:
            connection.socket.recv(draw.randint(1, 5000))
    connection.reset() if draw.random() < 0.5 else connection.close()


def slow(port, kinds, draw):
    """A request in small pieces, its answer read slowly; still right."""
    share, messages, answers = draw.choice(kinds)
    place = draw.randrange(len(messages))
    reader = mix.Reader(port)
    data = messages[place]
    step = max(1, len(data) // 20)
    for start in range(0, len(data), step):
        reader.socket.sendall(data[start:start + step])
        time.sleep(0.005)
    time.sleep(0.05)
    got = reader.read()
    reader.close()
    expect(got == answers[place], lambda: f"slowly: {got!r:.600}, alone {answers[place]!r:.600}")


def others(port, kinds, draw):
    """Requests without a body, and some that are refused at their head."""
    with Connection(port) as connection:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/", 200), ("/v1/attention", 200), ("/nothing", 404)):
            response = connection.get(path)
            expect(response.status == status, f"{path}: {response!r}")
            if response.closes:
                return


def work(port, kinds, seed, deadline, counts, failures):
    draw = random.Random(seed)
    actions = (good, good, good, aborted, slow, others)
    while time.monotonic() < deadline and not failures:
        action = draw.choice(actions)
        try:
            action(port, kinds, draw)
            counts[action.__name__] = counts.get(action.__name__, 0) + 1
        except (Failure, OSError, ValueError) as error:
            failures.append(f"{action.__name__}: {type(error).__name__}: {error}")


def load(server, kinds, seconds, seed):
    counts, failures = [{} for _ in range(THREADS)], []
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(server.port, kinds, f"{seed}/{number}", deadline, counts[number],
                                                   failures)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not failures, lambda: failures[0])
    total = {name: sum(count.get(name, 0) for count in counts) for name in ("good", "aborted", "slow", "others")}
    print(f"      rounds of each sort: {total}")
    expect(all(total.values()), f"too short to have tried everything: {total}")


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = str(random.SystemRandom().randrange(10 ** 9))
    print(f"seed {seed}")
    claims = Claims()
    with Server("--threads", 4, "--io-threads", 4) as server:
        kinds = claims.check("the answers one at a time", mix.kinds_alone, server, seed, 150)
        if kinds is not None:
            evened = [(share, messages, answers) for share, (_, messages, answers) in zip((0.7, 0.15, 0.1, 0.05), kinds)]
            claims.check(f"{seconds:.0f} s of mixed load from {THREADS} threads: every answer right", load, server, evened,
                         seconds, seed)
        claims.check("the server stops cleanly and reports nothing", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
