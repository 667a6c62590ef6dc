#!/usr/bin/env python3
"""POST /v1/attention/merge through HTTP: the example of three replicas, and a merge large enough to be streamed."""

import os
import random
import subprocess
import sys

import attnd_tensors as tensors
from attnd_client import Claims, PATIENCE, Server, binary, expect

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "three_replicas.py")
MERGE = "/v1/attention/merge"


def example(*arguments):
    ended = subprocess.run([sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, check=False,
                           timeout=120 * PATIENCE)
    expect(ended.returncode == 0, lambda: f"exit {ended.returncode}: {ended.stdout}{ended.stderr}")
    expect(ended.stdout.count("the largest difference from one call is") == 2, ended.stdout)


def example_astray(argument, said):
    """What is not there is one line, and no traceback."""
    ended = subprocess.run([sys.executable, EXAMPLE, argument], capture_output=True, text=True, check=False,
                           timeout=120 * PATIENCE)
    expect(ended.returncode == 1 and said in ended.stderr and "Traceback" not in ended.stderr, f"{ended}")


def streamed(server):
    """Two halves of equal weight: each number of the answer is their mean."""
    numbers = random.Random(2)
    rows, cols = 4000, 50
    halves = [[[numbers.randrange(-1000, 1000) for _ in range(cols)] for _ in range(rows)] for _ in range(2)]
    parts = [{"output": tensors.encode(half, "float32"), "lse": [0] * rows} for half in halves]
    with server.connect() as connection:
        response = connection.post(MERGE, {"parts": parts, "return": ["output"]})
    expect(response.status == 200, f"{response!r}")
    expect(response.chunked, "it is not streamed")
    answer = response.json()
    expect(answer["shape"] == {"output": [rows, cols]}, f"{answer['shape']}")
    right = [[(a + b) / 2 for a, b in zip(*both)] for both in zip(*halves)]
    expect(answer["output"] == right, "the numbers are others")


def overflowing(server):
    """What a mean of numbers near the end of the range comes to is the dtype's largest number or refused, no infinity."""
    largest = 1.7976931348623157e308
    body = {"parts": [{"output": [largest], "lse": 0}] * 5, "dtype": "float64"}
    with server.connect() as connection:
        response = connection.post(MERGE, body)
    if response.status == 200:
        expect(abs(response.json()["output"][0] / largest - 1) < 1e-15, f"{response.json()}")
    else:
        expect(response.status == 422 and response.json()["code"] == "overflow", f"{response!r}")


def main():
    claims = Claims()
    with Server() as server:
        claims.check("a large merge is streamed", streamed, server)
        claims.check("no infinity comes out", overflowing, server)
        claims.check("replicas given by address give what one call gives", example, *[server.address] * 2)
        claims.check("the example without its program", example_astray, "nowhere/attnd", "No such file")
        claims.check("the example without its replicas", example_astray, "http://127.0.0.1:9", "Connection refused")
        claims.check("the example's help", example_astray, "--help", "three_replicas.py http")
        claims.check("the server stops cleanly", server.stop)
    claims.check("three replicas of its own give what one call gives", example, binary())
    claims.finish()


if __name__ == "__main__":
    main()
