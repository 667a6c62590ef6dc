#!/usr/bin/env python3
"""A long run of mixed requests beside kept connections leaves nothing behind: 94 % good ones of every kind, with tokens,
base64 and large streamed answers among them, 5 % wrong ones, and 1 % whose client goes away at some point. Every answer
is compared with the one that the same request had alone. Whole, there are a million; the quick form has 20,000.

Descriptors and threads must be as many at the end as before, and the memory must not grow over the second half. Blocks
of the heap cannot be seen from outside: that none is left over is LeakSanitizer's to say, when the asan build ends."""

import multiprocessing
import random
import time

from attnd_attack import FULL, Kept
import attnd_mix as mix
from attnd_client import PATIENCE, Claims, Connection, Failure, Server, expect, message, wait_until

REQUESTS = 1_000_000 if FULL else 20_000
CLIENTS = 2
ROUND = 2000  # requests of a client between two looks at the server
ABORTED = ROUND // 100
GROWTH_KIB = 1024 if FULL else 4096  # the quick form ends before every buffer has had its largest request


def tokens(seed, count):
    """Requests that name their vectors."""
    draw = random.Random(f"{seed}/tokens")
    messages = []
    for _ in range(count):
        names = [f"word {number}" for number in range(draw.randint(1, 20))]
        body = {"tokens": draw.choices(names, k=draw.randint(1, 40)), "return": ["weights", "output"],
                "embeddings": {name: [draw.uniform(-1, 1) for _ in range(4)] for name in names}}
        messages.append(message("POST", "/v1/attention/self", body))
    return messages


def packed(seed, count):
    draw = mix.requests.Draw(f"{seed}/packed")
    return [message("POST", "/v1/attention", {"inputs": mix.packed(draw, 2 + number, 8), "encoding": "b64"})
            for number in range(count)]


def kinds_of(server, seed):
    kinds = [(0.745, mix.small(seed, 200)), (0.1, tokens(seed, 40)), (0.1, packed(seed, 30)), (0.05, mix.wrong()),
             (0.004, mix.medium(seed)), (0.001, mix.large(seed))]
    return [(share, messages, mix.alone(server, messages)) for share, messages in kinds]


def abort(port, kinds, draw):
    """Leaves in the head, in the body, before the answer, in it, or after it; politely or not."""
    data = draw.choice(draw.choice(kinds)[1])
    connection = Connection(port)
    if draw.random() < 0.5:
        connection.send(data[:draw.randrange(len(data))])
    else:
        connection.send(data)
        if draw.random() < 0.7:
            connection.socket.recv(draw.randint(1, 5000))
    connection.reset() if draw.random() < 0.5 else connection.close()


def client(port, kinds, seed, rounds, results):
    """One process: rounds as they are asked for, each answered by None or by what went wrong."""
    draw = random.Random(seed)
    while True:
        number = rounds.get()
        if number is None:
            return
        try:
            for part in range(ABORTED):
                mix.mixed_calls(port, kinds, ROUND // ABORTED - 1, f"{seed}/{number}/{part}")
                abort(port, kinds, draw)
            results.put(None)
        except (Failure, OSError, ValueError) as error:
            results.put(f"{type(error).__name__}: {error}")


class Figures:
    """What the server holds, looked at between rounds when only the kept connections are there."""

    def __init__(self, server):
        self.server = server
        self.resident = []

    def look(self):
        self.resident.append(self.server.status("VmRSS"))

    def growth(self):
        """KiB by which the memory grew over the second half, by the line of least squares through all looks in it."""
        half = self.resident[len(self.resident) // 2:]
        count = len(half)
        middle, mean = (count - 1) / 2, sum(half) / count
        slope = (sum((place - middle) * (value - mean) for place, value in enumerate(half)) /
                 sum((place - middle) ** 2 for place in range(count)))
        return slope * (count - 1)


def soak(server, kept, kinds, seed, figures):
    context = multiprocessing.get_context("fork")
    rounds, results = context.Queue(), context.Queue()
    clients = [context.Process(target=client, args=(server.port, kinds, f"{seed}/{number}", rounds, results), daemon=True)
               for number in range(CLIENTS)]
    for process in clients:
        process.start()
    started = time.monotonic()
    try:
        for number in range(REQUESTS // (ROUND * CLIENTS)):
            for place in range(CLIENTS):
                rounds.put(number * CLIENTS + place)
            for _ in range(CLIENTS):
                wrong = results.get(timeout=300 * PATIENCE)
                expect(wrong is None, wrong)
            kept.ask()
            figures.look()
    finally:
        for _ in clients:
            rounds.put(None)
        for process in clients:
            process.join(10)
            if process.is_alive():
                process.terminate()
    seconds = time.monotonic() - started
    print(f"      {REQUESTS} requests in {seconds:.0f} s, resident memory in KiB: first {figures.resident[0]}, half "
          f"{figures.resident[len(figures.resident) // 2]}, last {figures.resident[-1]}")


def as_before(name, count, before):
    expect(wait_until(lambda: count() <= before, 10), lambda: f"{name}: {count()}, before it {before}")


def main():
    seed = str(random.SystemRandom().randrange(10 ** 9))
    print(f"seed {seed}")
    claims = Claims()
    with Server("--io-threads", 2, quiet=True) as server, Kept(server) as kept:
        kinds = claims.check("the answers one at a time", kinds_of, server, seed)
        if kinds is not None:
            descriptors, threads = server.descriptors(), server.status("Threads")
            figures = Figures(server)
            claims.check(f"{REQUESTS} mixed requests beside kept connections are answered as they are alone", soak, server,
                         kept, kinds, seed, figures)
            claims.check("as many descriptors as before", as_before, "descriptors", server.descriptors, descriptors)
            claims.check("as many threads as before", as_before, "threads", lambda: server.status("Threads"), threads)
            if PATIENCE == 1:  # a sanitizer keeps freed memory aside: what is left over is told at the end
                claims.check(f"over the second half the memory grows by less than {GROWTH_KIB} KiB",
                             lambda: expect(figures.growth() < GROWTH_KIB,
                                            f"{figures.growth():.0f} KiB: {figures.resident}"))
            claims.check("the kept connections still work", kept.ask)
        claims.check("the server stops cleanly and reports nothing", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
