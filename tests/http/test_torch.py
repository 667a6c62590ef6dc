#!/usr/bin/env python3
"""projections.init "torch.nn.Linear": the weights are torch's to the bit. Always compared with what torch printed once
(tests/golden/torch_linear.json); with torch itself, over other seeds and shapes, where a python3 has it. The result
"projections" can be sent back, and what is drawn computes what the same weights compute when they are given.

A failing request is printed with its seed; ATTND_SEED repeats a run."""

import base64
import hashlib
import json
import os
import random
import subprocess
import sys

import attnd_tensors as tensors
from attnd_client import Claims, PATIENCE, Server, excerpt, expect

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
RECORD = os.path.join(ROOT, "tests", "golden", "torch_linear.json")
SCRIPT = os.path.join(ROOT, "tests", "peers", "torch_linear.py")
ANY = "/v1/attention"


def sides(case):
    return {"query": [[0.5] * case["in"][0]], "key": [[0.25] * case["in"][1]], "value": [[1.0] * case["in"][2]]}


def init(case):
    return {"init": "torch.nn.Linear", "features": case["features"], "bias": case["bias"], "output": case["output"]}


def answered(connection, request):
    response = connection.post(ANY, request)
    expect(response.status == 200, lambda: f"{excerpt(json.dumps(request))}: {response!r}")
    return response.json()


def same_tensor(place, got, right):
    """`right`: b64, or the hash of its bytes."""
    data = base64.b64decode(got["b64"])
    expect(got["shape"] == right["shape"], f"{place}: shape {got['shape']}, not {right['shape']}")
    if "b64" in right:
        expect(got == right, lambda: f"{place}: {tensors.read(got)}, not {tensors.read(right)}")
    expect("b64" in right or hashlib.sha256(data).hexdigest() == right["sha256"], f"{place}: not torch's bits")


def a_case(connection, case):
    request = dict(sides(case), projections=init(case), seed=case["seed"], encoding="b64")
    request["return"] = ["projections"]
    answer = answered(connection, request)
    maps = answer["projections"]
    place = json.dumps({name: case[name] for name in ("seed", "in", "features", "bias", "output")})
    expect(list(maps) == list(case["tensors"]) + ["layout"], f"{place}: maps {list(maps)}")
    expect(maps.pop("layout") == "out_in", f"{place}: layout")
    expect(answer["shape"] == {"projections": {name: {part: tensor["shape"] for part, tensor in one.items()}
                                               for name, one in case["tensors"].items()}}, f"{place}: {answer['shape']}")
    for name, right in case["tensors"].items():
        expect(list(maps[name]) == list(right), f"{place}: {name} has {list(maps[name])}, not {list(right)}")
        for part, tensor in right.items():
            same_tensor(f"{place}: {name}.{part}", maps[name][part], tensor)


def cases(connection, record):
    expect(len(record["cases"]) >= 20, "there are few cases")
    for case in record["cases"]:
        a_case(connection, case)


def float64_is_float32_widened(connection, record):
    for case in record["cases"][:20]:
        request = dict(sides(case), projections=init(case), seed=case["seed"])
        request["return"] = ["projections"]
        narrow = answered(connection, request)["projections"]
        wide = answered(connection, dict(request, dtype="float64"))["projections"]
        for name in case["tensors"]:
            for part in case["tensors"][name]:
                right = [tensors.single(number) for number in tensors.flatten(narrow[name][part])]
                expect(tensors.flatten(wide[name][part]) == right, f"{name}.{part}")


def given_back(connection, record):
    """The same bytes, whether drawn or sent back as they were answered."""
    for case in record["cases"]:
        if max(case["in"]) > 64:
            continue
        request = dict(sides(case), projections=init(case), seed=case["seed"])
        request["return"] = ["query", "key", "value", "projections", "output"]
        drawn = connection.post(ANY, request)
        expect(drawn.status == 200, f"{drawn!r}")
        maps = drawn.json()["projections"]
        again = connection.post(ANY, {name: value for name, value in dict(request, projections=maps).items()
                                      if name != "seed"})
        expect(again.body == drawn.body, lambda: f"{excerpt(again.body)}, not {excerpt(drawn.body)}")


def turned(connection):
    """Given in_out, returned out_in; a map that is absent stays absent."""
    given = {"value": {"weight": [[1, 2, 3], [4, 5, 6]]}, "output": {"weight": [[1, 2], [3, 4], [5, 6]], "bias": [7, 8]}}
    answer = answered(connection, {"inputs": [[1, 2]], "projections": given, "return": ["projections"]})
    right = {"value": {"weight": [[1, 4], [2, 5], [3, 6]]}, "output": {"weight": [[1, 3, 5], [2, 4, 6]], "bias": [7, 8]},
             "layout": "out_in"}
    expect(answer["projections"] == right, f"{answer['projections']}")
    state = {"in_proj_weight": [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]], "in_proj_bias": [1, 2, 3, 4, 5, 6],
             "out_proj.weight": [[1, 2], [3, 4]]}
    answer = answered(connection, {"inputs": [[1, 2]], "num_heads": 1, "projections": {"state_dict": state},
                                   "return": ["projections"]})
    right = {"query": {"weight": [[1, 2], [3, 4]], "bias": [1, 2]}, "key": {"weight": [[5, 6], [7, 8]], "bias": [3, 4]},
             "value": {"weight": [[9, 10], [11, 12]], "bias": [5, 6]}, "output": {"weight": [[1, 2], [3, 4]]},
             "layout": "out_in"}
    expect(answer["projections"] == right, f"{answer['projections']}")


def a_large_one_is_streamed(connection):
    """Weights of several parts each, in chunks, with results before and after them."""
    request = {"inputs": [[0.5] * 700, [0.25] * 700], "projections": {"init": "torch.nn.Linear", "features": 900},
               "seed": 5, "return": ["weights", "projections", "output"]}
    response = connection.post(ANY, request)
    expect(response.status == 200, f"{response!r}")
    expect(response.field("Transfer-Encoding") == "chunked", "it was not streamed")
    answer = response.json()
    expect(list(answer) == ["dtype", "shape", "weights", "projections", "output"], f"{list(answer)}")
    for name in ("query", "key", "value"):
        expect(tensors.shape_of(answer["projections"][name]["weight"]) == [900, 700], f"{name}")
    in_out = {name: {"weight": list(map(list, zip(*answer["projections"][name]["weight"])))}
              for name in ("query", "key", "value")}
    again = connection.post(ANY, dict({name: request[name] for name in ("inputs", "return")}, projections=in_out))
    expect(again.status == 200 and again.json()["projections"] == answer["projections"],
           "turned there and back the weights are others")


def python_with_torch():
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL,
                                                     check=False, timeout=120 * PATIENCE).returncode == 0:
            return python
    return None


def torch_itself(connection, python, seed):
    draw = random.Random(seed)
    asked = [{"seed": draw.randrange(-2 ** 63, 2 ** 64) if draw.random() < 0.5 else draw.randrange(2 ** 33),
              "in": [draw.randint(1, 40) for _ in range(3)], "features": draw.randint(1, 60),
              "bias": draw.random() < 0.5, "output": draw.random() < 0.5} for _ in range(200)]
    printed = subprocess.run([python, SCRIPT, "-"], input=json.dumps(asked), capture_output=True, text=True, check=True,
                             timeout=120 * PATIENCE).stdout
    for case in json.loads(printed)["cases"]:
        a_case(connection, case)


def main():
    with open(RECORD, encoding="utf-8") as file:
        record = json.load(file)
    seed = os.environ.get("ATTND_SEED") or str(random.SystemRandom().randrange(10 ** 9))
    print(f"seed {seed}")
    claims = Claims()
    with Server() as server, server.connect(timeout=60) as connection:
        claims.check(f"the weights that torch {record['torch']} printed, to the bit", cases, connection, record)
        claims.check("in float64 they are the float32 ones, widened", float64_is_float32_widened, connection, record)
        claims.check("projections sent back compute the same bytes", given_back, connection, record)
        claims.check("given projections are returned in the out_in layout", turned, connection)
        claims.check("a large one is streamed", a_large_one_is_streamed, connection)
        python = python_with_torch()
        if python is None:
            print("skip  no python3 here has torch: compared with its record only")
        else:
            claims.check("200 random layers are torch's, to the bit", torch_itself, connection, python, seed)
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
