"""Laws: what must hold between answers of the service, whatever they are."""

import json
import math

import attnd_random as requests
import attnd_reference as reference
import attnd_tensors as tensors
from attnd_client import Failure, excerpt, expect
from attnd_compare import check_tensor

ATTENTION = "/v1/attention"
HUGE = (1e38, 3e38, 3.4e38, 2e19)


def hold(connection, seed, law, count):
    for number in range(count):
        one_seed = f"{seed}/{law.__name__}/{number}"
        try:
            law(connection, one_seed)
        except Failure as error:
            raise Failure(f"{error}\n      seed {one_seed}") from None


def answered(connection, request, path=ATTENTION):
    response = connection.post(path, request)
    expect(response.status == 200, lambda: f"status {response.status}: {excerpt(response.body, 700)}\n      POST {path} "
                                           f"{excerpt(json.dumps(request, ensure_ascii=False), 3000)}")
    return response.json()


def close(name, value, due, request):
    check_tensor(name, value, due, request.get("dtype") or "float32", {"encoding": "json"}, 4)


def hidden_rows_change_no_bit(connection, seed):
    """Hidden keys and values hold numbers whose products overflow, in the cache too: the bytes are those with zeros."""
    draw = requests.Draw(seed)
    held = {"route": "cross", "rank": draw.choose(2, 3, 4), "parts": ["padding"] + draw.choose([], ["causal"], ["bias"]),
            "dtype": draw.choose("float32", "float16"), "maps": draw.choose("none", "none", "in_out", "out_in"),
            "without": ("embeddings", "attention_axes", "fully_masked")}
    _, request, _ = requests.make(seed, **held)
    request["return"] = ["masked", "weights", "heads", "output"] + ["lse"] * (request.get("normalize") in (None, "softmax"))
    padding = tensors.read(request["mask"]["padding"])
    padding = padding if isinstance(padding[0], list) else [padding]
    cached = tensors.shape_of(tensors.read(request["past_key"]))[2] if request.get("past_key") else 0

    def filled(number):
        changed = dict(request)
        for name in ("past_key", "past_value", "key", "value", "context"):
            if request.get(name):
                first = 0 if name.startswith("past") else cached
                changed[name] = with_hidden(tensors.read(request[name]), padding, first, number)
        return changed

    zeros = connection.post(ATTENTION, filled(lambda: 0.0))
    expect(zeros.status == 200, lambda: f"{excerpt(zeros.body, 700)}\n      {json.dumps(request)}")
    huge = filled(lambda: draw.choose(*HUGE) * draw.choose(-1, 1))
    response = connection.post(ATTENTION, huge)
    expect(response.body == zeros.body, lambda: f"{excerpt(response.body, 1500)}\n      not {excerpt(zeros.body, 1500)}\n"
                                                f"      POST {ATTENTION} {json.dumps(huge)}")


def with_hidden(array, padding, first, number):
    """[S,E], [B,S,E] or [B,G,S,D] with the rows that padding hides replaced."""
    rank = len(tensors.shape_of(array))
    if rank == 2:
        return rows_replaced(array, padding[0], first, number)
    if rank == 3:
        return [rows_replaced(item, padding[b % len(padding)], first, number) for b, item in enumerate(array)]
    return [[rows_replaced(head, padding[b % len(padding)], first, number) for head in item]
            for b, item in enumerate(array)]


def rows_replaced(rows, hidden, first, number):
    return [[number() for _ in row] if hidden[first + j] else row for j, row in enumerate(rows)]


def cache_continues(connection, seed):
    """A causal sequence in two calls, the second with the first one's present_key and present_value, is one call."""
    draw = requests.Draw(seed)
    heads, size, batch = draw.count(1, 3), 2 * draw.count(1, 3), draw.count(1, 2)
    features = draw.count(1, 5)
    first, second = (draw.count(70, 140), draw.count(1, 70)) if draw.chance(0.05) else (draw.count(1, 4), draw.count(1, 4))
    rows = draw.array(batch, first + second, features)
    common = {"num_heads": heads, "mask": draw.choose("causal", {"causal": True, "window": [draw.count(0, 3) * 30, 0]}),
              "dtype": draw.choose("float32", "float64"),
              "return": ["weights", "lse", "output", "present_key", "present_value"],
              "projections": {name: {"weight": draw.weight(features, heads * size)} for name in ("query", "key", "value")}}
    common.update({name: value for name, value in (("rotary", {"interleaved": draw.chance(0.5)}), ("alibi", True),
                                                   ("sinks", draw.array(heads)), ("softcap", 2), ("add_zero_attn", True))
                   if draw.chance(0.4)})
    whole = answered(connection, {**common, "inputs": rows})
    begin = answered(connection, {**common, "inputs": [item[:first] for item in rows]})
    rest = answered(connection, {**common, "inputs": [item[first:] for item in rows], "past_key": begin["present_key"],
                                 "past_value": begin["present_value"]})
    close("output", rest["output"], [item[first:] for item in whole["output"]], common)
    for name in ("weights", "lse"):
        close(name, rest[name], [[head[first:] for head in item] for item in whole[name]], common)
    for name in ("present_key", "present_value"):
        close(name, rest[name], whole[name], common)


def parts_merge_to_the_whole(connection, seed):
    """Disjoint ranges of keys, each attended to by itself and joined by lse, give what all keys give at once; sinks are
    given with one of them. Rows see half of the keys, or those of one range only, or none."""
    draw = requests.Draw(seed)
    rank = draw.choose(2, 3, 4)
    outer = {2: (), 3: (draw.count(1, 3),), 4: (draw.count(1, 2), draw.count(1, 3))}[rank]
    keys = draw.count(300, 700) if draw.chance(0.1) else draw.count(2, 9)
    queries, size, value_size = draw.count(1, 5), draw.count(1, 4), draw.count(1, 4)
    dtype, encoding = draw.choose("float32", "float64"), draw.choose("json", "b64")
    attend = draw.booleans(queries, keys, share=draw.choose(0.5, 0.1))
    common = {"query": draw.array(*outer, queries, size), "return": ["lse", "output"], "dtype": dtype}
    if draw.chance(0.3):
        common["softcap"] = 1.5
    key, value = draw.array(*outer, keys, size), draw.array(*outer, keys, value_size)
    cuts = sorted({0, keys, *(draw.count(0, keys) for _ in range(3))})
    sinks = {"sinks": draw.array(outer[1] if rank == 4 else 1)} if draw.chance(0.5) else {}
    with_sinks = draw.count(0, len(cuts) - 2)
    parts = []
    for number, (begin, end) in enumerate(zip(cuts, cuts[1:])):
        part = answered(connection, {**common, "key": between(key, rank, begin, end), "encoding": encoding,
                                     "value": between(value, rank, begin, end),
                                     "mask": {"attend": [row[begin:end] for row in attend]},
                                     **(sinks if number == with_sinks else {})})
        parts.append({"output": part["output"], "lse": part["lse"]})
    whole = answered(connection, {**common, "key": key, "value": value, "mask": {"attend": attend}, **sinks})
    merged = answered(connection, {"parts": parts, "dtype": dtype}, ATTENTION + "/merge")
    for name in ("lse", "output"):
        due = tensors.each(whole[name], lambda x: float("-inf") if x is None else x)
        close(name, merged[name], due, common)


def between(array, rank, begin, end):
    """The rows of [..,S,·] from begin to end."""
    if rank == 2:
        return array[begin:end]
    return [between(part, rank - 1, begin, end) for part in array]


def merges_as_the_reference(connection, seed):
    """Any parts of any shape, with rows that have no keys."""
    draw = requests.Draw(seed)
    shape = [draw.count(1, 3) for _ in range(draw.count(0, 3))]
    width = draw.count(1, 4)
    request = {"dtype": draw.choose("float32", "float64"), "parts": []}
    for _ in range(draw.count(1, 4)):
        log = tensors.each(draw.array(*shape), lambda x: None if draw.chance(0.2) else x * draw.choose(1, 1, 100))
        output = draw.array(*shape, width)
        if shape and draw.chance(0.3):
            log = tensors.encode(tensors.each(log, lambda x: float("-inf") if x is None else x), "float64")
            output = draw.written(output)
        request["parts"].append({"output": output, "lse": log})
    answer = answered(connection, request, ATTENTION + "/merge")
    expect(list(answer) == ["dtype", "shape", "lse", "output"], f"members {list(answer)}")
    for name, right in reference.merge(request).results.items():
        expect(answer["shape"][name] == tensors.shape_of(right), f"{answer['shape']}")
        close(name, answer[name], right, request)


def lse_and_weights_agree(connection, seed):
    """exp(masked − lse) is the weight."""
    _, request, _ = requests.make(seed, normalize="softmax", dtype="float64",
                                  without=("decimals", "average_heads", "encoding", "fully_masked", "attention_axes"))
    request["return"] = ["masked", "weights", "lse"]
    got = answered(connection, request)
    weights, masked, logs = (tensors.flatten(got[name]) for name in ("weights", "masked", "lse"))
    width = len(weights) // len(logs)
    for place, weight in enumerate(weights):
        score, log = masked[place], logs[place // width]
        due = 0.0 if score is None or log is None else math.exp(score - log)
        expect(abs(weight - due) < 1e-12, lambda: f"weight {place} is {weight}, not {due}\n      {json.dumps(request)}")


LAWS = [
    ("hidden keys and values that overflow change no bit", 60, hidden_rows_change_no_bit),
    ("a cache continues a sequence", 40, cache_continues),
    ("parts over ranges of keys merge to the whole", 40, parts_merge_to_the_whole),
    ("merge joins any parts as the reference does", 60, merges_as_the_reference),
    ("a weight is exp(masked − lse)", 60, lse_and_weights_agree),
]
