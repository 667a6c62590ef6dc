#!/usr/bin/env python3
"""Clients that send fast and then stop: what came fast buys no silence, whoever else is connected."""

import contextlib
import time

from attnd_attack import FULL, SELF, Kept, back_to

from attnd_client import PATIENCE, Claims, Server, expect

SPAN = 1.0
COUNT = 16 if FULL else 4
BYTES = (62 if FULL else 4) << 20
HEAD = b"POST " + SELF.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def stalled(server, kept, base, chunked):
    """All are told 408 after two spans at most; the factor is for a machine that is busy with the sending."""
    framing = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % (BYTES + 1000000)
    piece = b'{"inputs":[' + b"1," * (1 << 19)
    pieces = BYTES // len(piece)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect(30)) for _ in range(COUNT)]
        for connection in connections:
            connection.send(HEAD + framing)
            for _ in range(pieces):
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        started = time.monotonic()
        for connection in connections:
            answer = connection.read_to_end()
            expect(answer.startswith(b"HTTP/1.1 408 "), lambda: f"answered {answer[:200]!r}")
        took = time.monotonic() - started
        expect(took < 4 * SPAN * PATIENCE, f"{COUNT} silent senders were held for {took:.1f} s; the span is {SPAN} s")
    if kept:
        kept.ask()
    back_to(server, base)


def dripping(server, kept, base):
    """A large start, then a byte now and then."""
    with server.connect() as connection:
        connection.send(HEAD + b"Content-Length: 4000000\r\n\r\n" + b" " * 2000000)
        started = time.monotonic()
        connection.socket.settimeout(0.1 * PATIENCE)
        answer = b""
        while not answer:
            with contextlib.suppress(TimeoutError):
                answer = connection.socket.recv(200)
            took = time.monotonic() - started
            expect(took < 4 * SPAN * PATIENCE, f"still held after {took:.1f} s; the span is {SPAN} s")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(b" ")
        expect(answer.startswith(b"HTTP/1.1 408 "), lambda: f"answered {answer!r}")
    back_to(server, base)


def steady(server, kept, base):
    """A body over many spans that keeps to the rate is taken."""
    with server.connect() as connection:
        body = b'{"inputs":[[1,2],[3,4]]}'
        padding = 40 * 4096
        connection.send(HEAD + b"Content-Length: %d\r\n\r\n" % (padding + len(body)))
        for _ in range(40):
            connection.send(b" " * 4096)
            time.sleep(SPAN / 10)
        connection.send(body)
        response = connection.read()
        expect(response.status == 200, lambda: f"answered {response!r}")


def main():
    claims = Claims()
    for beside in ("alone", "beside kept connections"):
        with Server("--body-timeout-ms", int(SPAN * 1000 * PATIENCE), "--max-memory", "4GiB") as server:
            with Kept(server) if beside != "alone" else contextlib.nullcontext() as kept:
                base = server.descriptors()
                claims.check(f"{BYTES >> 20} MiB, then silence ({beside}): all are cut", stalled, server, kept, base, False)
                claims.check(f"the same in chunks ({beside})", stalled, server, kept, base, True)
                claims.check(f"2 MB, then a byte now and then ({beside}): cut", dripping, server, kept, base)
                claims.check(f"a slow body that keeps to the rate ({beside}): taken", steady, server, kept, base)
            claims.check(f"the server stops cleanly ({beside})", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
