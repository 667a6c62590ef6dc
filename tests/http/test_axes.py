#!/usr/bin/env python3
"""attention_axes against what Keras' MultiHeadAttention gave (tests/golden/keras_axes.json), with its projections."""

import json
import os

import attnd_tensors as tensors
from attnd_client import Claims, Server, expect

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "keras_axes.json")


def a_case(connection, case):
    response = connection.post("/v1/attention", case["request"])
    expect(response.status == 200, f"{response!r}")
    answer = response.json()
    expect(answer["shape"] == case["shape"], f"{answer['shape']}")
    for name, right in case["expect"].items():
        expect(tensors.shape_of(answer[name]) == case["shape"][name], f"{name}: {tensors.shape_of(answer[name])}")
        for place, (a, b) in enumerate(zip(tensors.flatten(answer[name]), tensors.flatten(right))):
            expect(abs(a - b) <= case["tolerance"], f"{name}[{place}] is {a}, not {b} within {case['tolerance']}")


def main():
    claims = Claims()
    with open(GOLDEN, encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    expect(len(cases) > 4, "there are no cases")
    with Server() as server:
        with server.connect() as connection:
            for case in cases:
                claims.check(case["name"], a_case, connection, case)
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
