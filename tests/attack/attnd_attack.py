"""What the attacks share: whether this is the whole run, and the older connections beside which each of them is tried.

An attack that is harmless on its own may not be so beside a connection that was there before it: libmicrohttpd looks at
the oldest connection of a thread in another way than at the others. A proxy's kept connections are such ones."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))

from attnd_client import SELF, SMALL, is_small_answer

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
