#!/usr/bin/env python3
"""What torch itself draws: prints the weights of query, key, value and output as torch.manual_seed(seed) and nn.Linear
give them. Needs torch (Debian's python3-torch, or PyPI's).

    tests/peers/torch_linear.py > tests/golden/torch_linear.json     the record that attnd is always compared with
    tests/peers/torch_linear.py - < cases.json                       the same for other cases, a list of them

A case is {"seed", "in": [E of query, of key, of value], "features", "bias", "output"}. Its tensors are b64, as attnd
answers them, or, where they are long, the SHA-256 of their bytes."""

import base64
import hashlib
import json
import sys

import torch

SHORT = 200  # numbers

SEEDS = [0, 1, 42, 123, 789, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 53 + 1, 17234987123498712349, 2 ** 64 - 1,
         -1, -2 ** 63]
SHAPES = [([3, 3, 3], 2), ([2, 2, 2], 2), ([1, 1, 1], 5), ([3, 4, 5], 6), ([7, 7, 7], 1)]
LARGE = [([64, 64, 64], 64), ([100, 300, 7], 96), ([1000, 1000, 1000], 512)]


def record_cases():
    for seed in SEEDS:
        for number, (sizes, features) in enumerate(SHAPES + LARGE[:2]):
            yield {"seed": seed, "in": sizes, "features": features, "bias": number % 2 == 0, "output": number % 3 == 0}
    for sizes, features in SHAPES + LARGE:
        for bias in (False, True):
            yield {"seed": 123, "in": sizes, "features": features, "bias": bias, "output": True}


def written(tensor):
    data = tensor.detach().contiguous().numpy().astype("<f4").tobytes()
    shape = list(tensor.shape)
    if tensor.numel() > SHORT:
        return {"shape": shape, "sha256": hashlib.sha256(data).hexdigest()}
    return {"shape": shape, "dtype": "float32", "b64": base64.b64encode(data).decode()}


def draw(case):
    torch.manual_seed(case["seed"])
    features, tensors = case["features"], {}
    for name, size in zip(("query", "key", "value", "output"), case["in"] + [features] * case["output"]):
        layer = torch.nn.Linear(size, features, bias=case["bias"])
        tensors[name] = {part: written(tensor) for part, tensor in layer.named_parameters()}
    return dict(case, tensors=tensors)


def main():
    cases = json.load(sys.stdin) if sys.argv[1:] == ["-"] else list(record_cases())
    print(json.dumps({"printed by": "tests/peers/torch_linear.py", "torch": torch.__version__, "cases": []})[:-2])
    print(",\n".join(json.dumps(draw(case)) for case in cases))
    print("]}")


if __name__ == "__main__":
    main()
