#!/usr/bin/env python3
"""Clients that leave while their answer is made or sent, beside connections that were there before them: every one of
their connections is closed, nobody else notices, and the end is quick."""

import random
import threading
import time

from attnd_attack import FULL, Kept
from attnd_client import SELF, SMALL, Claims, PATIENCE, Server, expect, is_small_answer, message, wait_until

ANY = "/v1/attention"
STREAMED = message("POST", ANY, {"inputs": [[0.5] * 64] * 2000, "return": ["output"]})
WIDE = message("POST", ANY, {"inputs": [[0.25] * 8] * 2000, "return": ["weights"]})
HELD = message("POST", ANY, {"inputs": [[1.0] * 8] * 1500, "normalize": "sum", "return": ["weights"]})


def sockets(server):
    """Descriptors, so that what libmicrohttpd has forgotten is counted too."""
    return server.descriptors()


def settles(server, before, what):
    """Soon there are as many descriptors as before."""
    left = wait_until(lambda: sockets(server) <= before and sockets(server), 15, 0.1)
    expect(left, lambda: f"{sockets(server) - before} connections of {what} are still open")


def leave(server, bytes_sent, how, reads):
    connection = server.connect()
    try:
        connection.send(bytes_sent)
        if reads:
            connection.socket.recv(reads)
        else:
            time.sleep(random.uniform(0, 0.05))
        if how == "reset":
            connection.reset()
    except OSError:
        pass  # it was refused or cut, which is not what this is about
    finally:
        connection.close()


def leave_many(server, count, requests, hows, reads, clients=6):
    """`count` clients, `clients` of them at once."""
    turns = list(range(count))
    lock = threading.Lock()

    def run():
        while True:
            with lock:
                if not turns:
                    return
                turn = turns.pop()
            leave(server, requests[turn % len(requests)], hows[turn % len(hows)], reads)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        is_small_answer(server.request("POST", SELF, SMALL))
        time.sleep(0.05)
    for thread in threads:
        thread.join()


def leaves_nothing(server, kept, count, requests, hows, reads):
    kept.ask()
    before = sockets(server)
    leave_many(server, count, requests, hows, reads)
    settles(server, before, f"{count} clients")
    kept.ask()


def ends_quickly(server, seconds):
    began = time.monotonic()
    server.stop()
    took = time.monotonic() - began
    expect(took < seconds * PATIENCE, f"the end took {took:.1f} s")


def leaves_during_the_body(server, kept, count):
    """Half a body, then away."""
    before = sockets(server)
    leave_many(server, count, [STREAMED[:40000], STREAMED[:500], STREAMED[:60]], ["reset", "close"], 0)
    settles(server, before, "half bodies")
    kept.ask()


claims = Claims()
count = 600 if FULL else 80
for threads in ("1", "2"):
    with Server("--io-threads", threads) as server, Kept(server) as kept:
        label = f"{threads} network thread{'s' if threads != '1' else ''}"
        claims.check(f"{label}: they leave after the first byte of a streamed answer", leaves_nothing, server, kept, count,
                     [STREAMED, WIDE], ["close", "reset"], 1)
        claims.check(f"{label}: they leave after 100 KB of it", leaves_nothing, server, kept, count // 2, [WIDE],
                     ["reset", "close"], 100000)
        claims.check(f"{label}: they leave while it is made", leaves_nothing, server, kept, count, [STREAMED, HELD, WIDE],
                     ["close", "reset"], 0)
        claims.check(f"{label}: they leave in the middle of a body", leaves_during_the_body, server, kept, count)
        claims.check(f"{label}: the end is quick", ends_quickly, server, 5)
claims.finish()
