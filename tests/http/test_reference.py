#!/usr/bin/env python3
"""Random requests against a naive double-precision implementation, every stage of every answer compared.

A failing request is printed with its seed; ATTND_SEED repeats a run, ATTND_COUNT scales how many are drawn.
"""

import json
import os
import random
import sys

import attnd_compare as compare
import attnd_random as requests
import attnd_tensors as tensors
import attnd_trial as trial
from attnd_client import Claims, Server, expect, problem
from attnd_trial import checked

# One family a line: what the claim says, how many requests, and what make() is held to.
FAMILIES = [
    ("self: all members in random company", 60, {"route": "self"}),
    ("masked: all members in random company", 60, {"route": "masked"}),
    ("cross: all members in random company", 60, {"route": "cross"}),
    ("multi-head: all members in random company", 60, {"route": "multi-head"}),
    ("attention: all members in random company", 60, {"route": ""}),
    ("rank 1: one query", 25, {"rank": 1, "route": "cross"}),
    ("rank 2", 25, {"rank": 2}),
    ("rank 3: batches", 25, {"rank": 3}),
    ("rank 4: heads already split", 25, {"rank": 4, "route": ""}),
    ("float64 to 1e-12", 40, {"dtype": "float64"}),
    ("no num_heads: no axis for heads", 15, {"heads": 0}),
    ("num_heads 1: an axis of one head", 15, {"heads": 1}),
    ("num_heads 4, num_kv_heads 1, 2 or 4: grouped queries", 25, {"heads": 4, "route": "cross", "rank": 3}),
    ("projections in_out", 25, {"maps": "in_out", "rank": 3}),
    ("projections out_in", 25, {"maps": "out_in", "rank": 2}),
    ("projections state_dict of torch.nn.MultiheadAttention", 25, {"maps": "state_dict", "rank": 3, "heads": 2}),
    ("normalize sum", 20, {"normalize": "sum"}),
    ("normalize none", 20, {"normalize": "none"}),
    ("tensors as shape and flat data", 15, {"forms": ["flat"]}),
    ("tensors as shape and nested data", 15, {"forms": ["shaped"]}),
    ("tensors as b64 of float16", 15, {"forms": ["float16"]}),
    ("tensors as b64 of bfloat16", 15, {"forms": ["bfloat16"]}),
    ("tensors as b64 of float32", 15, {"forms": ["float32"]}),
    ("tensors as b64 of float64", 15, {"forms": ["float64"]}),
] + [(f"mask: {' and '.join(parts)}", 12, {"parts": list(parts), "rank": rank, "route": "cross"})
     for rank, parts in enumerate([("causal",), ("window",), ("causal", "window"), ("lengths",), ("lengths", "causal"),
                                   ("attend",), ("block",), ("bias",), ("multiply",), ("padding",),
                                   ("query_padding",), ("lengths", "window", "padding"),
                                   ("attend", "block", "bias", "multiply", "causal")], 0)
     for rank in [2 + rank % 3]]


def embeddings(connection, seed):
    draw = requests.Draw(f"{seed}/embeddings")
    for _ in range(20):
        words = ["one", "two", "drei", "넷"]
        features = draw.choose(2, 4)
        table = {word: draw.array(features) for word in words}
        request = {"embeddings": table, "return": ["weights", "output", "query"]}
        kind = draw.choose("self", "batch", "cross")
        if kind == "self":
            request["tokens"] = [draw.choose(*words) for _ in range(draw.count(1, 5))]
        elif kind == "batch":
            length = draw.count(1, 4)
            request["tokens"] = [[draw.choose(*words) for _ in range(length)] for _ in range(draw.count(1, 3))]
        else:
            request["query_tokens"] = [draw.choose(*words) for _ in range(draw.count(1, 4))]
            request["key_tokens"] = [draw.choose(*words) for _ in range(draw.count(1, 4))]
        if draw.chance(0.5):
            request["num_heads"] = 2
        if draw.chance(0.3):
            request["mask"] = {"causal": True}
        checked(connection, "/v1/attention/" + ("cross" if kind == "cross" else "self"), request)


def pad_token(connection):
    table = {"a": [1, 0.5], "b": [-1, 2]}
    checked(connection, "/v1/attention/self", {"tokens": ["a", "b", "<pad>"], "embeddings": table, "pad_token": "<pad>"})
    answer = checked(connection, "/v1/attention/self",
                     {"tokens": [["a", "b", "a"], ["b", "<pad>", "<pad>"]], "embeddings": table, "pad_token": "<pad>",
                      "return": ["weights", "masked", "output"]})
    expect(answer["weights"][1][0] == [1, 0, 0], f"weights on padding: {answer['weights'][1]}")
    expect(answer["masked"][1][0][1:] == [None, None], f"masked on padding: {answer['masked'][1]}")


def short_token_lists(connection):
    """A shorter list of a batch is filled up with pad_token: the same bytes but for the echo of the tokens."""
    table = {"a": [1, 0.5], "b": [-1, 2]}
    full = connection.post("/v1/attention/self", {"tokens": [["a", "b", "a"], ["b", "P", "P"]], "embeddings": table,
                                                  "pad_token": "P"}).json()
    short = connection.post("/v1/attention/self", {"tokens": [["a", "b", "a"], ["b"]], "embeddings": table,
                                                   "pad_token": "P"})
    expect(short.status == 200, f"{short!r}")
    short = short.json()
    for name in ("shape", "weights", "output"):
        expect(short[name] == full[name], f"{name}: {short[name]}, not {full[name]}")


def missing_batch_axis(connection):
    draw = requests.Draw("missing batch axis")
    for query_shape, key_shape in (((1, 3, 4), (5, 4)), ((3, 4), (1, 5, 4))):
        request = {"query": draw.array(*query_shape), "context": draw.array(*key_shape)}
        flat = {"query": draw_flat(request["query"], query_shape), "context": draw_flat(request["context"], key_shape)}
        answer = connection.post("/v1/attention/cross", request).json()
        plain = connection.post("/v1/attention/cross", flat).json()
        batched = len(query_shape) == 3
        expect(answer["shape"]["weights"] == ([1, 3, 5] if batched else [3, 5]), f"{answer['shape']}")
        for name in ("weights", "output"):
            expect((answer[name][0] if batched else answer[name]) == plain[name], f"{name}: {answer[name]}")


def draw_flat(nested, shape):
    return nested[0] if len(shape) == 3 else nested


def order_of_operations(connection):
    """Scaled, then multiplied, then the bias added: 2·1·0.5 → ·3 → +1, by hand."""
    request = {"query": [[2]], "context": [[1]], "scale": 0.5, "normalize": "none",
               "mask": {"multiply": [[3]], "bias": [[1]]}, "return": ["scores", "masked", "weights", "output"]}
    answer = checked(connection, "/v1/attention/cross", request)
    expect([answer[name] for name in ("scores", "masked", "weights", "output")] == [[[1]], [[4]], [[4]], [[4]]],
           f"{answer}")


def zero_sum(connection):
    answer = checked(connection, "/v1/attention/self",
                     {"inputs": [[1, -1], [1, 1]], "normalize": "sum", "mask": {"multiply": [[0, 0], [1, 1]]}})
    expect(answer["weights"][0] == [0, 0] and answer["output"][0] == [0, 0], f"{answer}")


def disallowed_keys_reach_nothing(connection):
    """A key so large that its score overflows, and a value so large that any weight on it shows: both hidden."""
    request = {"query": [[1.5e19], [2e19]], "key": [[1e-19], [3e38], [-1e-19]], "value": [[1], [3e38], [2]],
               "mask": {"attend": [[1, 0, 1], [1, 0, 1]]}}
    expect(connection.post("/v1/attention/cross", dict(request, mask=None)).status == 422, "unmasked it must overflow")
    answer = checked(connection, "/v1/attention/cross", request)
    expect(all(row[1] == 0 for row in answer["weights"]), f"{answer}")


def hidden_key_changes_no_bit(connection, seed):
    draw = requests.Draw(f"{seed}/hidden")
    rows = draw.array(6, 4)
    changed = rows[:5] + [draw.array(4)]
    first = connection.post("/v1/attention/masked", {"inputs": rows}).json()
    second = connection.post("/v1/attention/masked", {"inputs": changed}).json()
    for name in ("weights", "output"):
        expect(first[name][:5] == second[name][:5], f"{name}: a future key changed an earlier row")


def softmax_never_overflows(connection):
    answer = checked(connection, "/v1/attention/self", {"inputs": [[1e4, 0], [0, 1e4], [-1e4, 0]], "scale": 100})
    expect(answer["weights"] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]], f"{answer['weights']}")


def fully_masked_rows(connection):
    request = {"inputs": [[1, 0], [0, 1], [2, 3]], "mask": {"attend": [[1, 0, 1], [0, 0, 0], [1, 1, 1]]},
               "return": ["masked", "weights", "output"]}
    answer = checked(connection, "/v1/attention/masked", request)
    expect(answer["fully_masked"] == [1] and answer["weights"][1] == [0, 0, 0] and answer["masked"][1] == [None] * 3,
           f"{answer}")
    answer = checked(connection, "/v1/attention/masked", dict(request, fully_masked="uniform"))
    expect(answer["fully_masked"] == [1] and abs(answer["output"][1][1] - 4 / 3) < 1e-6, f"{answer}")
    problem(connection.post("/v1/attention/masked", dict(request, fully_masked="error")), 422, "fully_masked")
    many = {"inputs": [[1]] * 150, "mask": {"attend": [[0] * 150] * 150}}
    answer = checked(connection, "/v1/attention/masked", many)
    expect(answer["fully_masked"] == list(range(100)), f"{answer['fully_masked']}")


def padded_queries_are_no_error(connection):
    request = {"inputs": [[1, 0], [0, 1]], "fully_masked": "error", "mask": {"query_padding": [False, True]}}
    answer = checked(connection, "/v1/attention/self", request)
    expect(answer["fully_masked"] == [1], f"{answer}")
    request["mask"]["attend"] = [[0, 0], [1, 1]]
    problem(connection.post("/v1/attention/self", request), 422, "fully_masked")


def rounding_to_decimals(connection, seed):
    """Half to even on the exact binary value: what printf writes of the same bits."""
    draw = requests.Draw(f"{seed}/decimals")
    for dtype in ("float32", "float64"):
        for decimals in (0, 1, 2, 3, 5, 8, 12, 17):
            request = {"inputs": [[0.5, 1.5], [2.5, -0.25], [0.125, 1e-7]] + draw.array(3, 2), "dtype": dtype,
                       "scale": 1, "return": ["scores", "weights", "output"]}
            exact = connection.post("/v1/attention/self", request).json()
            rounded = json.loads(connection.post("/v1/attention/self", dict(request, decimals=decimals)).body,
                                 parse_float=compare.Text, parse_int=compare.Text)
            for name in request["return"]:
                for a, b in zip(tensors.flatten(exact[name]), tensors.flatten(rounded[name])):
                    number = float(a) if dtype == "float64" else tensors.single(float(a))
                    due = f"{number:.{decimals}f}"
                    expect(b == due or (float(due) == 0 and float(b) == 0 and b.lstrip("-") == due.lstrip("-")),
                           f"{dtype}, decimals {decimals}: {a} became {b}, not {due}")


def b64_holds_the_same_bits(connection, seed):
    draw = requests.Draw(f"{seed}/b64")
    for dtype in ("float32", "float64"):
        request = {"inputs": draw.array(5, 4), "dtype": dtype, "mask": "causal",
                   "return": ["scores", "masked", "weights", "output"]}
        plain = connection.post("/v1/attention/self", request).json()
        packed = connection.post("/v1/attention/self", dict(request, encoding="b64")).json()
        for name in request["return"]:
            for a, b in zip(tensors.flatten(plain[name]), tensors.flatten(tensors.read(packed[name]))):
                a = float("-inf") if a is None else a
                expect(b == (a if dtype == "float64" else tensors.single(a)), f"{dtype} {name}: {a} and {b}")


def numbers_are_read_correctly_rounded(connection):
    """Texts whose nearest float needs every digit; with one key the output is the value, bit for bit."""
    texts = ["0.1", "1e-1", "1E-1", "100e-3", "16777217", "16777217.0000000000000000001", "1.00000005960464477539062500",
             "1.0000000596046447753906250001", "3.4028234663852886e38", "1.1754943508222875e-38", "1e-45", "7e-46",
             "1.401298464324817e-45", "-0.0", "0e99999", "1e-400", "-5", "9007199254740993", "0." + "0" * 60 + "1",
             "123456789012345678901234567890", "1.7976931348623157e308", "4.9e-324", "2.4703282292062327e-324",
             "0.30000000000000004", "2.2250738585072011e-308", "8.5070591730234615e37"]
    for dtype in ("float32", "float64"):
        for text in texts:
            number = float(text)
            if dtype == "float32" and abs(number) > 3.5e38:
                continue
            body = f'{{"query":[0],"key":[[0]],"value":[[{text}]],"return":["value"],"dtype":"{dtype}"}}'
            response = connection.post("/v1/attention/cross", body)
            expect(response.status == 200, lambda: f"{body}: {response!r}")
            got = response.json()["value"][0][0]
            # 16777217.0000000000000000001 and its kin lie just above a halfway point that a double cannot hold.
            due = {"16777217.0000000000000000001": 16777218.0, "1.0000000596046447753906250001": 1.0000001192092896} \
                .get(text, tensors.single(number)) if dtype == "float32" else number
            got = tensors.single(got) if dtype == "float32" else got
            expect(got == due, f"{dtype}: {text} was read as {got!r}, not {due!r}")


def routes_listed(connection):
    response = connection.get("/v1/attention")
    expect(response.status == 200 and response.field("Content-Type") == "application/json", f"{response!r}")
    text = json.dumps(response.json())
    for name in ("self", "masked", "cross", "multi-head"):
        expect(f"/v1/attention/{name}" in text, f"{name} is not listed")
    for member in ("inputs", "query", "context", "num_heads", "mask", "projections", "return", "add_norm", "decimals",
                   "embeddings", "fully_masked"):
        expect(f'"{member}"' in text, f"{member} is not listed")


def plain_page(connection):
    response = connection.get("/")
    expect(response.status == 200 and response.field("Content-Type").startswith("text/"), f"{response!r}")
    expect(b"curl" in response.body and b"/v1/attention/" in response.body, f"{response!r}")


def server_timing(connection):
    response = connection.post("/v1/attention/self", {"inputs": [[1, 0], [0, 1]]})
    value = response.field("Server-Timing") or ""
    for name in ("parse", "compute", "encode"):
        expect(f"{name};dur=" in value, f"Server-Timing: {value}")


def main():
    seed = os.environ.get("ATTND_SEED") or str(random.SystemRandom().randrange(10 ** 9))
    factor = float(os.environ.get("ATTND_COUNT", "1"))
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    print(f"seed {seed}")
    claims = Claims()
    with Server() as server, server.connect() as connection:
        for name, count, held in FAMILIES:
            if only in name:
                claims.check(f"{name}, {int(count * factor)} requests", trial.run, connection, seed, name,
                             int(count * factor), held)
        for claim, function, *arguments in (
                ("tokens are looked up in embeddings", embeddings, seed),
                ("pad_token needs no embedding and hides its keys", pad_token),
                ("shorter token lists are filled up with pad_token", short_token_lists),
                ("a missing batch axis fits a batch of one, and the answer follows the query", missing_batch_axis),
                ("scale, then multiply, then bias", order_of_operations),
                ("a zero sum gives zero weights", zero_sum),
                ("nothing of a disallowed key reaches the result", disallowed_keys_reach_nothing),
                ("a future key changes no bit of an earlier row", hidden_key_changes_no_bit, seed),
                ("softmax never overflows", softmax_never_overflows),
                ("fully masked rows: zero, uniform, error, and their first 100 indices", fully_masked_rows),
                ("rows hidden by query_padding are no error", padded_queries_are_no_error),
                ("decimals round half to even on the exact value", rounding_to_decimals, seed),
                ("b64 results hold the same bits", b64_holds_the_same_bits, seed),
                ("numbers are read correctly rounded", numbers_are_read_correctly_rounded),
                ("GET /v1/attention lists routes and members", routes_listed),
                ("GET / is a plain page with curl lines", plain_page),
                ("Server-Timing on an answer that is not streamed", server_timing)):
            if only in claim:
                claims.check(claim, function, connection, *arguments)
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
