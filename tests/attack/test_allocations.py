#!/usr/bin/env python3
"""Whichever allocation of a request fails, once or from there on: the server lives, and the client gets the right
answer, a 503 or a closed connection, never half an answer or one without its Content-Type. The next request is answered
as ever. A preloaded library (fail_alloc.c) counts the allocations of all libraries, and fails those it is told to.

Every allocation of each kind of request is tried: on a connection of its own, and in the whole run also on one that has
had a request before. What OpenBLAS allocates when it starts comes before; it has no way to go on without."""

import mmap
import os
import struct
import sys
import tempfile

from attnd_attack import FULL
import attnd_mix as mix
from attnd_client import (SELF, SMALL, Claims, Closed, Failure, Server, as_bytes, chunked, expect, is_small_answer, message,
                          problem)

LIBRARY = os.path.join(os.environ.get("ATTND_BUILD_DIR", ""), "tests", "fail_alloc.so")


class Orders:
    """What the library reads and counts: see struct orders in fail_alloc.c."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="attnd-fail-alloc-")
        self.file.write(bytes(32))
        self.file.flush()
        self.memory = mmap.mmap(self.file.fileno(), 32)

    def give(self, at, for_good=False):
        """From here on calls are counted, and the one with that number fails; 0: none."""
        self.memory[8:16] = struct.pack("=q", 0)
        self.memory[16:24] = struct.pack("=q", for_good)
        self.memory[0:8] = struct.pack("=q", 0)
        self.memory[24:32] = struct.pack("=q", 0)
        self.memory[8:16] = struct.pack("=q", at)

    def end(self):
        """None fails any more."""
        self.memory[8:16] = struct.pack("=q", 0)

    def calls(self):
        return struct.unpack("=q", self.memory[0:8])[0]


def kinds():
    draw = mix.requests.Draw("allocations")
    large = {"inputs": mix.packed(draw, 400, 32)}
    tokens = {"tokens": ["a", "b", "a"], "embeddings": {"a": [1, 0], "b": [0, 1]}}
    head = f"POST {SELF} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return {
        "a small request": message("POST", SELF, SMALL),
        "tokens": message("POST", SELF, tokens),
        "base64": message("POST", SELF, {"inputs": mix.packed(draw, 3, 4), "encoding": "b64"}),
        "a chunked one": head.encode() + chunked([as_bytes(SMALL)[:9], as_bytes(SMALL)[9:]]),
        "a streamed one": message("POST", SELF, large),
        "one that is held whole": message("POST", "/v1/attention", {**large, "normalize": "sum"}),
        "bad JSON": message("POST", SELF, '{"inputs":[[1,0],[0,1]'),
        "one over its limit": message("POST", SELF, {"inputs": [[0.5] * 64] * 512}),
        "a page": message("GET", "/v1/attention"),
        "no such path": message("GET", "/nothing"),
    }


def ask(server, data, orders=None, at=0, for_good=False, used=False):
    """The response, or None where the connection was closed in place of one. The orders are given before there is a
    connection or, on a `used` one, after its first request; they end with the response."""
    try:
        if orders and not used:
            orders.give(at, for_good)
        with server.connect() as connection:
            try:
                if used:
                    is_small_answer(connection.post(SELF, SMALL))
                    orders.give(at, for_good)
                connection.send(data)
                return connection.read()
            except Closed:
                expect(not connection.buffer, lambda: f"cut after {connection.buffer[:200]!r}")
                return None
            except (ConnectionResetError, BrokenPipeError):
                return None
    finally:
        if orders:
            orders.end()


def judged(response, due):
    """An answer under a failing allocation; what it is called when they are counted."""
    if response is None:
        return "closed"
    kind = response.field("Content-Type")
    expect(kind, lambda: f"no Content-Type: {response.status} {response.fields}")
    if (response.status, response.body) == (due.status, due.body):
        expect(kind == due.field("Content-Type"), f"Content-Type {kind}")
        return "right"
    problem(response, 503, "out_of_memory")
    expect(response.field("Retry-After"), lambda: f"no Retry-After: {response.fields}")
    return "503"


def try_all(server, orders, data, for_good, used):
    due = ask(server, data, orders, used=used)
    total = orders.calls()
    tallies, wrong = {"right": 0, "503": 0, "closed": 0}, []
    for at in range(1, total + 1):
        try:
            tallies[judged(ask(server, data, orders, at, for_good, used), due)] += 1
        except Failure as error:
            wrong.append(f"allocation {at} of {total}: {error}")
        is_small_answer(server.request("POST", SELF, SMALL))
    print(f"      {total} allocations: {tallies}")
    expect(total > 3, "the allocations were not counted")
    expect(not wrong, lambda: f"{len(wrong)} wrong answers, the first: {wrong[0]}")


def main():
    if os.environ.get("ATTND_SANITIZE"):
        print("skipped: a sanitizer has an allocator of its own")
        sys.exit(77)
    claims, orders = Claims(), Orders()
    environment = {"LD_PRELOAD": LIBRARY, "FAIL_ALLOC_FILE": orders.file.name}
    with Server("--io-threads", 1, "--threads", 2, "--max-elements", 20000, env=environment) as server:
        for data in kinds().values():
            ask(server, data)
        for name, data in kinds().items():
            for for_good, way in ((False, "one allocation fails"), (True, "all fail from one on")):
                claims.check(f"{name}: {way}", try_all, server, orders, data, for_good, False)
                if FULL:
                    claims.check(f"{name} as the second: {way}", try_all, server, orders, data, for_good, True)
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
