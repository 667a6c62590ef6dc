#!/usr/bin/env python3
"""Clients that close their sending side once the request is sent get their whole answer, whoever else is connected."""

import contextlib
import socket
import time

from attnd_attack import FULL, SELF, Kept, held, is_whole, streamed

from attnd_client import Claims, Server, expect, message

COUNT = 120 if FULL else 30
REQUESTS = {"held": (held, 500), "streamed": (streamed, 700)}


def half_closed(server, framing, pause, at_once):
    """`pause`: between the last byte and the end; None sends the request in two pieces, the end glued to the second."""
    make, rows = REQUESTS[framing]
    request = message("POST", SELF, make(rows))
    lost = []
    for _ in range(COUNT // at_once):
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(server.connect(60)) for _ in range(at_once)]
            for connection in connections:
                if pause is None:
                    connection.send(request[:-1])
                    time.sleep(0.002)
                    connection.send(request[-1:])
                else:
                    connection.send(request)
                    time.sleep(pause)
                connection.socket.shutdown(socket.SHUT_WR)
            for connection in connections:
                try:
                    is_whole(connection.read(), rows, framing)
                    expect(connection.is_closed(10), "the connection stays open behind the answer")
                except AssertionError as failure:
                    lost.append(failure)
    expect(not lost, lambda: f"{len(lost)} of {COUNT} got no whole answer: {lost[0]}")


def main():
    claims = Claims()
    with Server() as server:
        for beside in ("alone", "beside kept connections"):
            with Kept(server) if beside != "alone" else contextlib.nullcontext() as kept:
                for framing in REQUESTS:
                    for pause, at_once in ((0, 1), (0.01, 1), (None, 1), (0, 10)):
                        claims.check(f"half-closed {beside}, {framing}, {at_once} at once, after {pause} s: all answers",
                                     half_closed, server, framing, pause, at_once)
                        if kept:
                            kept.ask()
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
