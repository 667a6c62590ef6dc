#!/usr/bin/env python3
"""Recorded figures through HTTP, each to its tolerance: what the project's origin notebooks print (tests/golden/seeds.json)
and what other implementations give for the options (tests/golden/options.json)."""

import json
import os
import random

import attnd_compare as compare
import attnd_reference as reference
import attnd_tensors as tensors
from attnd_client import Claims, Server, expect

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")


def near(name, got, right, tolerance):
    expect(tensors.shape_of(got) == tensors.shape_of(right), f"{name}: {tensors.shape_of(got)}")
    for place, (a, b) in enumerate(zip(tensors.flatten(got), tensors.flatten(right))):
        expect(abs(a - b) <= tolerance, f"{name}[{place}] is {a}, not {b} within {tolerance}")


def a_case(connection, case):
    response = connection.post(case["route"], case["request"])
    expect(response.status == 200, f"{response!r}")
    answer = response.json()
    for name, right in case["expect"].items():
        near(name, answer[name], right, case["tolerance"])
    for name in ("tokens", "query_tokens", "key_tokens"):
        if name in case["request"]:
            expect(answer[name] == case["request"][name], f"{name}: {answer[name]}")


def has_shapes(answer, shapes, batch=None):
    for name, shape in shapes.items():
        shape = [batch if size == "B" else size for size in shape]
        expect(answer["shape"][name] == shape, f"{name}: shape {answer['shape'][name]}, not {shape}")
        expect(tensors.shape_of(answer[name]) == shape, f"{name}: nested {tensors.shape_of(answer[name])}")


def padded_heads(connection, case, by_filling_up):
    """`by_filling_up`: the short sentence is left for the service to fill up."""
    random_numbers = random.Random(3)
    pad = case["pad_token"]
    words = sorted({word for sentence in case["sentences"] for word in sentence} - {pad})
    embeddings = {word: [random_numbers.gauss(0, 1) for _ in range(case["features"])] for word in words}
    sentences = case["sentences"]
    if by_filling_up:
        sentences = [[word for word in sentence if word != pad] for sentence in sentences]
    request = {"tokens": sentences, "embeddings": embeddings, "pad_token": pad, "num_heads": case["num_heads"]}
    response = connection.post(case["route"], request)
    expect(response.status == 200, f"{response!r}")
    answer = response.json()
    has_shapes(answer, case["expect_shape"])
    for b, sentence in enumerate(case["sentences"]):
        for h, head in enumerate(answer["weights"][b]):
            for i, row in enumerate(head):
                for j, weight in enumerate(row):
                    if sentence[j] == pad:
                        expect(weight == 0, f"weights[{b}][{h}][{i}][{j}] is {weight} on {pad}")
                expect(abs(sum(row) - 1) < 1e-6, f"weights[{b}][{h}][{i}] add up to {sum(row)}")


def four_heads(connection, case):
    request = {name: case[name] for name in ("inputs", "num_heads", "scale")}
    request["return"] = list(case["expect_shape"])
    response = connection.post(case["route"], request)
    expect(response.status == 200, f"{response!r}")
    has_shapes(response.json(), case["expect_shape"])
    compare.check_answer(request, response, reference.evaluate(request))


def keras_block(connection, case):
    random_numbers = random.Random(5)
    features, heads, size = case["features"], case["num_heads"], case["head_size"]
    batch = 1

    def matrix(rows, columns):
        limit = (6 / (rows + columns)) ** 0.5
        return [[random_numbers.uniform(-limit, limit) for _ in range(columns)] for _ in range(rows)]

    def vector(count):
        return [random_numbers.uniform(-0.1, 0.1) for _ in range(count)]

    projections = {name: {"weight": matrix(features, heads * size), "bias": vector(heads * size)}
                   for name in ("query", "key", "value")}
    projections["output"] = {"weight": matrix(heads * size, features), "bias": vector(features)}
    request = {"inputs": [matrix(case["length"], features) for _ in range(batch)], "num_heads": heads,
               "projections": projections, "add_norm": case["add_norm"]}
    packed = dict(request, projections={name: {part: tensors.encode(value, "float32") for part, value in maps.items()}
                                        for name, maps in projections.items()})
    response = connection.post(case["route"], packed)
    expect(response.status == 200, f"{response!r}")
    has_shapes(response.json(), case["expect_shape"], batch)
    compare.check_answer(request, response, reference.evaluate(packed))


def load(name):
    with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
        return json.load(file)


def main():
    golden, options = load("seeds.json"), load("options.json")
    claims = Claims()
    with Server() as server, server.connect(timeout=60) as connection:
        for case in golden["cases"]:
            claims.check(f"{case['name']}: the printed figures", a_case, connection, case)
        for case in options["cases"]:
            claims.check(f"{case['name']}: the recorded figures", a_case, connection, case)
        shapes = {case["name"]: case for case in golden["shapes"]}
        claims.check("every shapes entry is known here", lambda: expect(
            set(shapes) == {"coffee-padded-heads", "four-heads-of-two", "keras-block"}, f"{set(shapes)}"))
        claims.check("coffee-padded-heads: shapes, no weight on PAD, rows add up to 1", padded_heads, connection,
                     shapes["coffee-padded-heads"], False)
        claims.check("coffee-padded-heads: the same when the short sentence is left short", padded_heads, connection,
                     shapes["coffee-padded-heads"], True)
        claims.check("four-heads-of-two: shapes and figures", four_heads, connection, shapes["four-heads-of-two"])
        claims.check("keras-block: shapes and figures", keras_block, connection, shapes["keras-block"])
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
