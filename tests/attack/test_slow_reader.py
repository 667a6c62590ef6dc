#!/usr/bin/env python3
"""Readers that are slow but legal: they take no place from others, and an answer's time has an end."""

import contextlib
import threading
import time

from attnd_attack import FULL, SELF, SMALL, Kept, held, is_whole, streamed

from attnd_client import PATIENCE, Claims, Connection, Server, expect, is_small_answer, message, wait_until

READERS = 64
ROUNDS = 75 if FULL else 8


class SlowReaders:
    """64 clients that take an answer of some 40 MB at 2 KiB a second each."""

    def __init__(self, server):
        request = message("POST", SELF, streamed(2000))
        self.connections = [Connection(server.port, receive_buffer=4096) for _ in range(READERS)]
        self.ending = threading.Event()
        self.taken = 0
        for connection in self.connections:
            connection.send(request)
            # One by one: an answer that has begun waits for its reader, so the next finds a place.
            head = connection.socket.recv(12)
            expect(head == b"HTTP/1.1 200", lambda: f"a slow reader was answered {head!r}")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending.wait(0.5):
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    self.taken += len(connection.socket.recv(1024))

    def close(self):
        self.ending.set()
        self.thread.join()
        for connection in self.connections:
            connection.close()


def others(server, kept):
    """While they read, everybody else's requests are answered, large ones too."""
    readers = SlowReaders(server)
    try:
        for number in range(ROUNDS):
            rows, framing, make = ((500, "held", held), (700, "streamed", streamed))[number % 2]
            is_whole(server.request("POST", SELF, make(rows)), rows, framing)
            is_small_answer(server.request("POST", SELF, SMALL))
            if kept:
                kept.ask()
            time.sleep(1 if FULL else 0.1)
        expect(readers.taken > 0, "the slow readers read nothing")
    finally:
        readers.close()
    request = held(500)
    expect(wait_until(lambda: server.request("POST", SELF, request).status == 200, 10), "after they left, a 503")


def work_fills_places():
    """A place is still for work: with more large requests at once than places and workers, some are told 503."""
    with Server("--max-waiting", 2, "--threads", 1) as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect(60)) for _ in range(12)]
        request = message("POST", SELF, held(2500))
        for connection in connections:
            connection.send(request)
        statuses = [connection.read().status for connection in connections]
        expect(set(statuses) == {200, 503} and statuses.count(200) >= 2, f"{statuses}")


def whole_time():
    """A reader over the minimum rate, but under the rate of a whole answer, is cut; without such a rate it is not."""
    for rate, ends in (("1MiB", True), (1, False)):
        with Server("--answer-timeout-ms", 500, "--min-answer-rate", rate) as server, \
                Connection(server.port, receive_buffer=16384) as connection:
            connection.send(message("POST", SELF, streamed(2000)))
            connection.socket.recv(1)
            base = server.descriptors()
            started = time.monotonic()
            cut = False
            while not cut and time.monotonic() - started < 6 * PATIENCE:
                connection.socket.recv(16384)
                time.sleep(0.1)
                cut = server.descriptors() < base  # the client has yet to read what was sent before
            expect(cut == ends, f"with --min-answer-rate {rate}: {'cut' if cut else 'not cut'}")


def main():
    claims = Claims()
    for beside in ("alone", "beside kept connections"):
        with Server() as server:
            with Kept(server) if beside != "alone" else contextlib.nullcontext() as kept:
                claims.check(f"beside {READERS} slow readers all large requests are answered ({beside})", others, server,
                             kept)
            claims.check(f"the server stops cleanly ({beside})", server.stop)
    claims.check("places are for work", work_fills_places)
    claims.check("an answer has a time by its size", whole_time)
    claims.finish()


if __name__ == "__main__":
    main()
