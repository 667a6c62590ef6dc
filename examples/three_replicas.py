#!/usr/bin/env python3
"""Attention over one long sequence, its keys split over several attnd replicas.

    three_replicas.py http://127.0.0.1:8081 http://127.0.0.1:8082 http://127.0.0.1:8083
    three_replicas.py build/run/attnd        starts three of its own, and ends them (./run has built it there)

Each replica attends from all queries to its share of the keys and answers with output and lse, the log of the sum of
exponentials; POST /v1/attention/merge joins them. Prints the largest difference from one call with all keys, and exits
with 1 if that is more than float32 explains. Python's standard library only."""

import base64
import concurrent.futures
import json
import random
import re
import struct
import subprocess
import sys
import urllib.error
import urllib.request

QUERIES, KEYS, FEATURES = 64, 3000, 32


def post(address, path, body):
    request = urllib.request.Request(address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as refusal:
        sys.exit(f"{address}{path}: {refusal.read().decode()}")
    except urllib.error.URLError as failure:
        sys.exit(f"{address}: {failure.reason}")


def tensor(rows):
    """Rows of numbers as base64, which is shorter than text and sooner read."""
    numbers = [number for row in rows for number in row]
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return {"shape": [len(rows), len(rows[0])], "dtype": "float32", "b64": base64.b64encode(data).decode()}


def start(binary):
    """A replica on a free port, and its address, which it logs."""
    try:
        process = subprocess.Popen([binary, "--port", "0"], stderr=subprocess.PIPE, text=True)
    except OSError as failure:
        sys.exit(f"{binary}: {failure.strerror}")
    for line in process.stderr:
        found = re.search(r"listening on \"?(http://[0-9.:]+)", line)
        if found:
            return process, found.group(1)
    sys.exit(f"{binary} did not say where it listens")


def attend(address, query, key, value, results):
    return post(address, "/v1/attention/cross", {"query": tensor(query), "key": tensor(key), "value": tensor(value),
                                                 "return": results})


def split(replicas, query, key, value):
    """The answer of all replicas together."""
    cuts = [len(key) * i // len(replicas) for i in range(len(replicas) + 1)]
    with concurrent.futures.ThreadPoolExecutor(len(replicas)) as pool:
        answers = list(pool.map(
            lambda i: attend(replicas[i], query, key[cuts[i]:cuts[i + 1]], value[cuts[i]:cuts[i + 1]],
                             ["lse", "output"]),
            range(len(replicas))))
    parts = [{"output": answer["output"], "lse": answer["lse"]} for answer in answers]
    return post(replicas[0], "/v1/attention/merge", {"parts": parts})


def difference(name, joined, whole):
    def flat(value):
        return [number for item in value for number in flat(item)] if isinstance(value, list) else [value]
    largest = max(abs(a - b) for a, b in zip(flat(joined[name]), flat(whole[name])))
    print(f"{name} {joined['shape'][name]}: the largest difference from one call is {largest:.3g}")
    return largest


def compare(replicas):
    numbers = random.Random(1)
    query, key, value = ([[numbers.gauss(0, 1) for _ in range(FEATURES)] for _ in range(rows)]
                         for rows in (QUERIES, KEYS, KEYS))
    print(f"{QUERIES} queries, {KEYS} keys of {FEATURES} features on {len(replicas)} replicas")
    joined = split(replicas, query, key, value)
    whole = attend(replicas[0], query, key, value, ["lse", "output"])
    return all([difference(name, joined, whole) <= 2e-6 for name in ("lse", "output")])


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    if sys.argv[1].startswith("http"):
        sys.exit(0 if compare([address.rstrip("/") for address in sys.argv[1:]]) else 1)
    started = []
    try:
        for _ in range(3):
            started.append(start(sys.argv[1]))
        same = compare([address for _, address in started])
    finally:
        for process, _ in started:
            process.terminate()
            process.communicate()
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
