"""A mix of requests of every kind, and the bytes that each is answered with when it is alone on the server.

The answers are what the same-bytes tests and the mixed load compare with: status and body must be the same bytes
whatever else the server is doing.
"""

import base64
import random
import socket
import struct

import attnd_random as requests
from attnd_client import PATIENCE, Failure, excerpt, expect, message
from attnd_wrong import TABLES


def packed(draw, *shape):
    count = 1
    for size in shape:
        count *= size
    data = struct.pack(f"<{count}f", *[draw.random.uniform(-1, 1) for _ in range(count)])
    return {"shape": list(shape), "dtype": "float32", "b64": base64.b64encode(data).decode()}


def small(seed, count):
    """Random requests of all routes and members."""
    drawn = (requests.make(f"{seed}/mix/{number}") for number in range(count))
    return [message("POST", route, request) for route, request, _ in drawn]


def wrong():
    """Wrong requests that leave the connection open."""
    rows = [row for table in TABLES.values() for row in table if row.claim[:17] != "nested too deep, "]
    return [message("POST", row.path, row.body) for row in rows if row.path != "/v1/attention/merge"]


def medium(seed):
    """Some hundred queries: still answered at once, or just beyond."""
    draw = requests.Draw(f"{seed}/medium")
    bodies = []
    for length in (64, 96, 128, 160, 200, 250):
        bodies.append({"inputs": packed(draw, length, 16), "mask": "causal"})
        bodies.append({"inputs": packed(draw, 2, length, 16), "num_heads": 4, "return": ["weights"], "decimals": 4})
        bodies.append({"inputs": packed(draw, length, 64), "return": ["output"], "dtype": "float64"})
    return [message("POST", "/v1/attention", body) for body in bodies]


def large(seed):
    """Worked on by the workers, streamed or held whole."""
    draw = requests.Draw(f"{seed}/large")
    bodies = [{"inputs": packed(draw, 600, 32)},
              {"inputs": packed(draw, 700, 64), "num_heads": 8, "average_heads": True, "mask": "causal"},
              {"inputs": packed(draw, 2, 500, 32), "num_heads": 2, "encoding": "b64", "mask": {"window": 20}},
              {"inputs": packed(draw, 400, 16), "return": ["scores", "weights", "output"], "dtype": "float64"},
              {"inputs": packed(draw, 800, 64), "return": ["output"], "add_norm": True,
               "projections": {"query": {"weight": packed(draw, 64, 64)}, "output": {"weight": packed(draw, 64, 64)}}},
              {"query": packed(draw, 500, 8), "context": packed(draw, 600, 8), "normalize": "sum", "return": ["weights"]}]
    return [message("POST", "/v1/attention", body) for body in bodies]


class Reader:
    """Reads responses from a socket as (status, body), quickly and without looking at fields that do not frame."""

    def __init__(self, port, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout * PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.place = 0

    def close(self):
        self.socket.close()

    def _more(self):
        data = self.socket.recv(1 << 18)
        expect(data, lambda: f"closed after {excerpt(self.buffer[self.place:])!r}")
        self.buffer = self.buffer[self.place:] + data
        self.place = 0

    def _until(self, mark):
        while True:
            end = self.buffer.find(mark, self.place)
            if end >= 0:
                data = self.buffer[self.place:end]
                self.place = end + len(mark)
                return data
            self._more()

    def _exactly(self, size):
        pieces = []
        while len(self.buffer) - self.place < size:
            pieces.append(self.buffer[self.place:])
            size -= len(pieces[-1])
            self.place = len(self.buffer)
            self._more()
        pieces.append(self.buffer[self.place:self.place + size])
        self.place += size
        return b"".join(pieces)

    def read(self):
        head = self._until(b"\r\n\r\n")
        status = int(head[9:12])
        start = head.find(b"\r\nContent-Length: ")
        if start >= 0:
            end = head.find(b"\r\n", start + 18)
            return status, self._exactly(int(head[start + 18:end if end >= 0 else len(head)]))
        expect(b"chunked" in head, lambda: f"no framing in {head!r}")
        pieces = []
        while True:
            size = int(self._until(b"\r\n"), 16)
            data = self._exactly(size + 2)
            if size == 0:
                return status, b"".join(pieces)
            pieces.append(data[:-2])


def alone(server, messages):
    """The answer to each message, sent one at a time on one connection."""
    reader = Reader(server.port)
    answers = []
    for data in messages:
        reader.socket.sendall(data)
        answers.append(reader.read())
    reader.close()
    return answers


def mixed_calls(port, kinds, count, seed):
    """Sends `count` requests drawn from `kinds`, a list of (share, messages, answers), some pipelined; every answer
    must be the expected bytes. Returns how many were right, or raises."""
    draw = random.Random(seed)
    shares = [share for share, _, _ in kinds]
    reader = Reader(port)
    done = 0
    while done < count:
        if draw.random() < 0.002:
            reader.close()
            reader = Reader(port)
        batch = []
        for share, messages, answers in draw.choices(kinds, shares, k=min(draw.randint(1, 24), count - done)):
            place = draw.randrange(len(messages))
            batch.append((messages[place], answers[place]))
        reader.socket.sendall(b"".join(data for data, _ in batch))
        for data, due in batch:
            got = reader.read()
            if got != due:
                raise Failure(f"seed {seed}, call {done}: {excerpt(data, 1200)}\n      got {got[0]} {excerpt(got[1], 700)}"
                              f"\n      alone {due[0]} {excerpt(due[1], 700)}{difference(got[1], due[1])}")
            done += 1
    reader.close()
    return done


def difference(got, due):
    place = next((i for i, (a, b) in enumerate(zip(got, due)) if a != b), min(len(got), len(due)))
    return f"\n      first difference at byte {place}: {got[place - 20:place + 40]!r}, alone {due[place - 20:place + 40]!r}"


def kinds_alone(server, seed, small_count=400):
    """The mix: mostly small requests, some wrong, few medium, fewer large ones."""
    mix = [(0.885, small(seed, small_count)), (0.1, wrong()), (0.014, medium(seed)), (0.001, large(seed))]
    return [(share, messages, alone(server, messages)) for share, messages in mix]
