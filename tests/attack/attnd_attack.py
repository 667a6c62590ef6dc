"""What the attacks share: whether this is the whole run, and the older connections beside which each of them is tried.

An attack that is harmless on its own may not be so beside a connection that was there before it: libmicrohttpd looks at
the oldest connection of a thread in another way than at the others. A proxy's kept connections are such ones."""

import base64
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))

from attnd_client import SELF, SMALL, as_bytes, expect, is_small_answer, wait_until

FULL = "full" in sys.argv[1:]


class Kept:
    """Connections that stay open, `each` of them on each of the server's network threads, and are asked again by
    `ask()`. The library gives a connection to a thread by its descriptor, so consecutive ones cover all threads."""

    def __init__(self, server, each=4, threads=2):
        self.connections = [server.connect() for _ in range(each * threads)]
        self.ask()

    def ask(self):
        for connection in self.connections:
            is_small_answer(connection.post(SELF, SMALL))

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        for connection in self.connections:
            connection.close()


def tensor(rows, features=4):
    """Random rows, small to send."""
    numbers = random.Random(rows)
    data = struct.pack(f"<{rows * features}f", *[numbers.uniform(-1, 1) for _ in range(rows * features)])
    return {"shape": [rows, features], "dtype": "float32", "b64": base64.b64encode(data).decode()}


def streamed(rows=1500):
    """A request whose answer, some ten bytes for each pair of rows, is sent while it is made."""
    return as_bytes({"inputs": tensor(rows), "return": ["weights"]})


def held(rows=500):
    """A request whose answer is sent when it is whole: a sum over all weights may overflow."""
    return as_bytes({"inputs": tensor(rows), "return": ["weights"], "normalize": "sum"})


def is_whole(response, rows, framing):
    expect(response.status == 200, lambda: f"answered {response!r}")
    expect(response.chunked == (framing == "streamed"), f"the answer is not {framing}")
    expect(response.json()["shape"]["weights"] == [rows, rows], "not all rows came")


def back_to(server, base, seconds=8):
    """The server's descriptors return to `base`: no connection is forgotten. Connections are accepted in order, so
    an answer to a new one says that all others have been."""
    is_small_answer(server.request("POST", SELF, SMALL))
    wait_until(lambda: server.descriptors() <= base, seconds)
    expect(server.descriptors() <= base, lambda: f"{server.descriptors()} descriptors are open, {base} before")
