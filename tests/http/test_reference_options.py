#!/usr/bin/env python3
"""Softcap, alibi, sinks, rotary, cache, extra keys, gate, axes, drawn weights, 16-bit numbers and merge: random requests
against the naive implementation, figures worked out by hand, and laws that need no second implementation.

ATTND_SEED repeats a run, ATTND_COUNT scales how many requests are drawn.
"""

import math
import os
import random
import sys

import attnd_laws as laws
import attnd_trial as trial
import attnd_twister as twister
from attnd_client import Claims, Server, expect, problem
from attnd_trial import checked

FAMILIES = [
    ("softcap", 40, {"options": ["softcap"]}),
    ("alibi", 40, {"options": ["alibi"]}),
    ("sinks", 40, {"options": ["sinks"]}),
    ("rotary", 40, {"options": ["rotary"]}),
    ("past_key and past_value", 40, {"options": ["past_key"]}),
    ("add_zero_attn", 30, {"options": ["add_zero_attn"]}),
    ("state_dict with bias_k and bias_v", 30, {"options": ["bias_k"]}),
    ("bias_k, add_zero_attn and a cache: their keys in this order", 20,
     {"options": ["bias_k", "add_zero_attn", "past_key"]}),
    ("gate", 30, {"options": ["gate"]}),
    ("gate, output projection and add_norm: in this order", 20, {"options": ["gate", "add_norm"], "maps": "in_out"}),
    ("attention_axes", 40, {"options": ["attention_axes"]}),
    ("embeddings", 30, {"options": ["embeddings"]}),
    ("projections drawn by projections.init", 40, {"maps": "init"}),
    ("dtype float16", 40, {"dtype": "float16"}),
    ("dtype bfloat16", 40, {"dtype": "bfloat16"}),
    ("rotary with a cache", 30, {"options": ["rotary", "past_key"]}),
    ("rotary and alibi with lengths, causal and align", 30,
     {"options": ["rotary", "alibi"], "parts": ["lengths", "causal"]}),
    ("softcap, alibi, sinks and rotary with causal and window", 30,
     {"options": ["softcap", "alibi", "sinks", "rotary"], "parts": ["causal", "window"]}),
    ("a cache with every part of the mask", 30,
     {"options": ["past_key"], "parts": ["causal", "window", "lengths", "attend", "block", "bias", "multiply", "padding",
                                         "query_padding"]}),
    ("alibi and softcap with normalize none", 15, {"options": ["alibi", "softcap"], "normalize": "none"}),
    ("a cache, rotary and zeros with normalize sum", 15,
     {"options": ["past_key", "rotary", "add_zero_attn"], "normalize": "sum"}),
]
CROSS = "/v1/attention/cross"


def near(value, due, tolerance=2e-6):
    """Nested lists that agree number by number."""
    if isinstance(due, list):
        expect(isinstance(value, list) and len(value) == len(due), f"{value}, not {due}")
        for a, b in zip(value, due):
            near(a, b, tolerance)
    else:
        expect(value == due if due is None or value is None else abs(value - due) <= tolerance, f"{value}, not {due}")


def softcap_before_masks(connection):
    """2·tanh(s/2) of s = 0.5·2·1 = 1 and 0.5·2·4 = 4, then times 3, plus 1; and a hidden key stays hidden."""
    request = {"query": [[2]], "context": [[1], [4], [9]], "scale": 0.5, "softcap": 2, "normalize": "none",
               "mask": {"multiply": [[3, 3, 1]], "bias": [[1, 1, None]]}, "return": ["scores", "capped", "masked"]}
    answer = checked(connection, CROSS, request)
    near(answer["scores"], [[1, 4, 9]])
    near(answer["capped"], [[2 * math.tanh(0.5), 2 * math.tanh(2), 2 * math.tanh(4.5)]])
    near(answer["masked"], [[6 * math.tanh(0.5) + 1, 6 * math.tanh(2) + 1, None]])


def slopes_of_the_paper(connection):
    """With queries of zeros the masked scores are the biases themselves."""
    due = {1: [2 ** -8], 2: [2 ** -4, 2 ** -8], 8: [2.0 ** -k for k in range(1, 9)],
           3: [2 ** -4, 2 ** -8, 2 ** -2], 6: [2 ** -2, 2 ** -4, 2 ** -6, 2 ** -8, 2 ** -1, 2 ** -3],
           12: [2.0 ** -k for k in range(1, 9)] + [2 ** -0.5, 2 ** -1.5, 2 ** -2.5, 2 ** -3.5]}
    for heads, slopes in due.items():
        request = {"query": [[[[0]]]] if heads == 1 else [[[[0]]] * heads], "key": [[[[1]] * 3] * heads], "alibi": True,
                   "return": ["masked"]}
        answer = checked(connection, "/v1/attention", request)
        near(answer["masked"], [[[[-slope * j for j in range(3)]] for slope in slopes]])


def alibi_is_two_sided(connection):
    request = {"inputs": [[0], [0], [0]], "alibi": [0.5], "return": ["masked"], "num_heads": 1}
    near(checked(connection, "/v1/attention/self", request)["masked"], [[[0, -0.5, -1], [-0.5, 0, -0.5], [-1, -0.5, 0]]])
    aligned = dict(request, query=[[0]], key=[[0]] * 3, mask={"align": "bottom_right"})
    del aligned["inputs"]
    near(checked(connection, CROSS, aligned)["masked"], [[[-1, -0.5, 0]]])


def sinks_take_weight(connection):
    """Scores 0 and ln 2 with a sink at ln 3: weights 1/6 and 2/6, and the lse is ln 6."""
    request = {"query": [[1]], "key": [[0], [math.log(2)]], "value": [[6], [12]], "sinks": [math.log(3)], "scale": 1,
               "return": ["weights", "lse", "output"]}
    answer = checked(connection, CROSS, request)
    near(answer["weights"], [[1 / 6, 2 / 6]])
    near(answer["lse"], [math.log(6)])
    near(answer["output"], [[5]])
    hidden = checked(connection, CROSS, dict(request, mask={"attend": [[0, 0]]}))
    expect(hidden["weights"] == [[0, 0]], f"{hidden}")
    near(hidden["lse"], [math.log(3)])
    near(checked(connection, CROSS, dict(request, sinks=[1000]))["weights"], [[0, 0]])


def rotary_by_hand(connection):
    """Both layouts on one row of four at position 2: angles 2 and 2/100."""
    a, b = (math.cos(2), math.sin(2)), (math.cos(0.02), math.sin(0.02))
    row = [1, 2, 3, 4]
    halves = [row[0] * a[0] - row[2] * a[1], row[1] * b[0] - row[3] * b[1],
              row[2] * a[0] + row[0] * a[1], row[3] * b[0] + row[1] * b[1]]
    pairs = [row[0] * a[0] - row[1] * a[1], row[1] * a[0] + row[0] * a[1],
             row[2] * b[0] - row[3] * b[1], row[3] * b[0] + row[2] * b[1]]
    first = [row[0] * a[0] - row[1] * a[1], row[1] * a[0] + row[0] * a[1], 3, 4]
    for rotary, due in (({}, halves), ({"interleaved": True}, pairs), ({"dim": 2}, first),
                        ({"dim": 2, "interleaved": True}, first)):
        request = {"inputs": [row], "rotary": {**rotary, "positions": [2]}, "return": ["query", "key", "value"]}
        answer = checked(connection, "/v1/attention/self", request)
        near(answer["query"], [due])
        near(answer["key"], [due])
        near(answer["value"], [row])


def extra_keys_come_last(connection):
    """Zero queries give equal weights: to the past, the new, bias_k's and the zero key, seen by every query."""
    eye = [[1, 0], [0, 1]]
    request = {"inputs": [[0, 0], [0, 0]], "num_heads": 1, "add_zero_attn": True, "mask": "causal",
               "past_key": [[[[1, 1]]]], "past_value": [[[[6, 0]]]],
               "return": ["masked", "weights", "output", "present_value"],
               "projections": {"state_dict": {"in_proj_weight": eye * 3, "out_proj.weight": eye, "bias_k": [[[9, 9]]],
                                              "bias_v": [[[0, 12]]]}}}
    answer = checked(connection, "/v1/attention/self", request)
    near(answer["weights"], [[[0.25, 0.25, 0, 0.25, 0.25], [0.2] * 5]])
    near(answer["output"], [[1.5, 3], [1.2, 2.4]])
    near(answer["masked"], [[[0, 0, None, 0, 0], [0] * 5]])
    near(answer["present_value"], [[[[6, 0], [0, 0], [0, 0]]]])


def gate_by_hand(connection):
    request = {"inputs": [[1, 2]], "gate": {"weight": [[0, 1], [0, 0]], "bias": [0, -1]}, "return": ["heads", "output"]}
    answer = checked(connection, "/v1/attention/self", request)
    near(answer["heads"], [[1, 2]])
    near(answer["output"], [[0.5, 1]])


def axes_as_keras_has_them(connection):
    """[B,H,W,C] over both axes gives [B,N,H,W,H,W]; over one, the other stays before the heads."""
    inputs = [[[[0.1 * (i + 2 * j + c) for c in range(2)] for j in range(3)] for i in range(2)] for _ in range(2)]
    for attended, heads, weights, lse in (
            ([1, 2], 1, [2, 1, 2, 3, 2, 3], [2, 1, 2, 3]), ([1], 2, [2, 3, 2, 2, 2], [2, 3, 2, 2]),
            ([2], None, [2, 2, 3, 3], [2, 2, 3]), ([1, 2], None, [2, 2, 3, 2, 3], [2, 2, 3])):
        request = {"inputs": inputs, "attention_axes": attended, "num_heads": heads,
                   "return": ["weights", "lse", "output"]}
        answer = checked(connection, "/v1/attention", request)
        expect(answer["shape"] == {"weights": weights, "lse": lse, "output": [2, 2, 3, 2]}, f"{answer['shape']}")


def weights_that_torch_draws(connection):
    """The first numbers of torch.manual_seed(123): torch.rand gives 0.2961, 0.5166, 0.2517, 0.6886, 0.0740, 0.8665."""
    generator = twister.Generator(123)
    near([(generator.word() & 0xffffff) / (1 << 24) for _ in range(6)],
         [0.2961, 0.5166, 0.2517, 0.6886, 0.0740, 0.8665], 6e-5)
    request = {"inputs": [[1, 2, 3]], "projections": {"init": "torch.nn.Linear", "features": 2}, "seed": 123,
               "return": ["projections", "query"]}
    answer = checked(connection, "/v1/attention/self", request)
    bound = 1 / math.sqrt(3)
    near(answer["projections"]["query"]["weight"],
         [[(2 * u - 1) * bound for u in row] for row in ([0.2961, 0.5166, 0.2517], [0.6886, 0.0740, 0.8665])], 1e-4)


def sixteen_bits(connection):
    """1/3 in both: 0.33325195 and 0.33398438 are the nearest numbers, and 0.3333 and 0.334 their shortest texts."""
    request = {"query": [[0]], "key": [[1]] * 3, "value": [[1], [0], [0]], "return": ["output"]}
    for dtype, text, exact in (("float16", b"0.3333", 0.333251953125), ("bfloat16", b"0.334", 0.333984375)):
        response = connection.post(CROSS, dict(request, dtype=dtype))
        expect(response.status == 200 and b'"output":[[' + text + b"]]" in response.body.replace(b" ", b""), f"{response!r}")
        answer = checked(connection, CROSS, dict(request, dtype=dtype, encoding="b64"))
        near(checked(connection, CROSS, {"query": [0], "key": [[0]], "value": answer["output"], "return": ["output"],
                                         "dtype": "float64"})["output"], [exact], 0)
    problem(connection.post(CROSS, {"query": [[0]], "key": [[1]], "value": [[70000]], "dtype": "float16"}), 422)
    answer = checked(connection, CROSS, {"query": [[0]], "key": [[1]], "value": [[65519]], "dtype": "float16"})
    expect(answer["output"] == [[65504]] or answer["output"] == [[65500]], f"{answer}")


def error_on_rows_without_keys(connection):
    request = {"inputs": [[1, 0], [0, 1]], "fully_masked": "error", "mask": {"attend": [[0, 0], [1, 1]]}}
    problem(connection.post("/v1/attention/self", request), 422, "fully_masked")
    checked(connection, "/v1/attention/self", dict(request, add_zero_attn=True))


CLAIMS = [
    ("scaled, then capped, then multiplied, then biased", softcap_before_masks),
    ("alibi true has the slopes of the paper", slopes_of_the_paper),
    ("alibi counts to both sides, from the diagonal of align", alibi_is_two_sided),
    ("sinks take weight and join the lse", sinks_take_weight),
    ("rotary turns halves or pairs", rotary_by_hand),
    ("keys at the end: bias_k, then zeros, for every query", extra_keys_come_last),
    ("the gate is a sigmoid of the query", gate_by_hand),
    ("attention_axes gives Keras' shapes", axes_as_keras_has_them),
    ("projections.init gives torch's numbers", weights_that_torch_draws),
    ("float16 and bfloat16 are correctly rounded", sixteen_bits),
    ("fully_masked error, unless a zero key is there", error_on_rows_without_keys),
]


def main():
    seed = os.environ.get("ATTND_SEED") or str(random.SystemRandom().randrange(10 ** 9))
    factor = float(os.environ.get("ATTND_COUNT", "1"))
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    print(f"seed {seed}")
    claims = Claims()
    with Server() as server, server.connect() as connection:
        for claim, function in CLAIMS:
            if only in claim:
                claims.check(claim, function, connection)
        for name, count, held in FAMILIES:
            if only in name:
                claims.check(f"{name}, {int(count * factor)} requests", trial.run, connection, seed, name,
                             int(count * factor), held)
        for claim, count, law in laws.LAWS:
            if only in claim:
                claims.check(f"{claim}, {int(count * factor)} times", laws.hold, connection, seed, law,
                             int(count * factor))
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
