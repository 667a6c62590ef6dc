#!/usr/bin/env python3
"""The same numbers as ONNX Runtime's Attention, MultiHeadAttention and GroupQueryAttention give, over random shapes and
options. Skipped where onnxruntime is not installed (tests/peers/environment.sh).

Left out, since ONNX Runtime differs there from ONNX's text or from attnd on purpose: rows without any key but for the
zeros that Attention gives them (MultiHeadAttention weighs padding by e^-10000, which shows only in such rows), masks
shorter than the keys, NaN and infinite keys behind a mask (its zero times NaN is NaN; attnd refuses such input), rank-3
masks (attnd refuses them), causal where a cache is followed by one query and several keys (ONNX Runtime's Attention lets
the query see them all, ONNX only the first) or, with MultiHeadAttention, by other than as many (it aligns them at the
bottom right), and what is beyond seqlens_k, which GroupQueryAttention leaves undefined.

ATTND_SEED repeats a run, ATTND_COUNT scales how many requests are drawn.
"""

import os
import random
import sys

import attnd_peers

attnd_peers.require("onnxruntime", "onnx", "numpy")

# pylint: disable=wrong-import-position
import numpy
import onnxruntime
from attnd_client import Claims, Failure, Server, excerpt, expect
from attnd_shrink import curl
from onnx import TensorProto, helper

TOLERANCE = 2e-5
TYPES = {"float32": TensorProto.FLOAT, "bool": TensorProto.BOOL, "int32": TensorProto.INT32}
STAGES = ("scores", "capped", "masked", "weights")  # by qk_matmul_output_mode
ANY = "/v1/attention"


def run(operator, domain, inputs, outputs, attributes):
    """The named outputs of a model of one node. An input or output that is None keeps its place and is left out."""
    given = {name: array for name, array in inputs.items() if array is not None}
    node = helper.make_node(operator, [name if name in given else "" for name in inputs],
                            [name or "" for name in outputs], domain=domain, **attributes)
    graph = helper.make_graph(
        [node], "attention",
        [helper.make_tensor_value_info(name, TYPES[str(array.dtype)], array.shape) for name, array in given.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs if name])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 23),
                                                                   helper.make_opsetid("com.microsoft", 1)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [name for name in outputs if name]
    return dict(zip(names, session.run(names, given)))


class Draw(random.Random):
    """Random choices and arrays of float32."""

    def chance(self, probability):
        return self.random() < probability

    def array(self, *shape):
        return numpy.array([self.gauss(0, 1) for _ in range(numpy.prod(shape, dtype=int))], "float32").reshape(shape)

    def booleans(self, shape, share):
        return numpy.array([self.chance(share) for _ in range(numpy.prod(shape, dtype=int))], bool).reshape(shape)


def attention(draw):
    """ai.onnx Attention, opset 23."""
    batch, kv_heads = draw.randint(1, 3), draw.randint(1, 3)
    heads = kv_heads * draw.randint(1, 3)
    queries, past = draw.randint(1, 7), draw.choice((0, 0, draw.randint(1, 6)))
    new = draw.choice((queries, draw.randint(1, 9)))
    size, value_size = draw.randint(1, 9), draw.randint(1, 9)
    keys = past + new
    split = draw.chance(0.6)
    arrays = {"query": draw.array(batch, heads, queries, size), "key": draw.array(batch, kv_heads, new, size),
              "value": draw.array(batch, kv_heads, new, value_size)}
    if not split:
        arrays = {name: merged(array) for name, array in arrays.items()}
    request = {name: array.tolist() for name, array in arrays.items()}
    request.update(num_heads=heads, num_kv_heads=kv_heads, mask={})
    attributes = {} if split else {"q_num_heads": heads, "kv_num_heads": kv_heads}
    if draw.chance(0.4):
        attributes["scale"] = request["scale"] = draw.choice((0.5, 1.0, 0.25))
    if draw.chance(0.4):
        attributes["softcap"] = request["softcap"] = draw.choice((0.5, 2.0, 30.0))
    # Aligned at the top left without a cache, after the cached keys with one: align "auto" is the same.
    if draw.chance(0.4) and not (past and queries == 1 and new > 1):
        attributes["is_causal"] = 1
        request["mask"]["causal"] = True
    mask = None
    if draw.chance(0.6):
        shape = draw.choice(((queries, keys), (draw.choice((1, batch)), draw.choice((1, heads)), queries, keys)))
        if draw.chance(0.5):
            mask = draw.booleans(shape, 0.7)
            mask[..., 0] = True  # no row without a key: those are a claim of their own
            request["mask"]["attend"] = mask.tolist()
        else:
            mask = draw.array(*shape)
            request["mask"]["bias"] = mask.tolist()
    cache = {"past_key": None, "past_value": None}
    if past:
        cache = {"past_key": draw.array(batch, kv_heads, past, size),
                 "past_value": draw.array(batch, kv_heads, past, value_size)}
        request.update({name: array.tolist() for name, array in cache.items()})
    mode = draw.randint(0, 3)
    attributes["qk_matmul_output_mode"] = mode
    request["return"] = ["output", STAGES[mode]] + ["present_key", "present_value"] * bool(past)
    names = ["output", "present_key" if past else None, "present_value" if past else None, STAGES[mode]]
    due = run("Attention", "", {**arrays, "mask": mask, **cache}, names, attributes)
    return request, due, None


def rows_without_keys(draw):
    """Attention gives zeros in the output and the weights of a row that may see no key, as the default of fully_masked."""
    heads, queries, keys = draw.randint(1, 3), draw.randint(2, 6), draw.randint(1, 5)
    arrays = {"query": draw.array(1, heads, queries, 4), "key": draw.array(1, heads, keys, 4),
              "value": draw.array(1, heads, keys, 3)}
    mask = draw.booleans((queries, keys), 0.5)
    mask[draw.randrange(queries)] = False
    request = {name: array.tolist() for name, array in arrays.items()}
    request.update(mask=mask.tolist())
    request["return"] = ["weights", "output"]
    due = run("Attention", "", {**arrays, "mask": mask}, ["output", None, None, "weights"], {"qk_matmul_output_mode": 3})
    return request, due, None


def multi_head(draw):
    """com.microsoft MultiHeadAttention."""
    batch, heads = draw.randint(1, 3), draw.randint(1, 4)
    queries, past = draw.randint(1, 7), draw.choice((0, 0, draw.randint(1, 5)))
    new = draw.choice((queries, draw.randint(1, 9)))
    size, value_size = draw.randint(1, 9), draw.randint(1, 9)
    if past:
        value_size = size
    keys = past + new
    arrays = {"query": draw.array(batch, queries, heads * size), "key": draw.array(batch, new, heads * size),
              "value": draw.array(batch, new, heads * value_size)}
    request = {name: array.tolist() for name, array in arrays.items()}
    request.update(num_heads=heads, mask={})
    attributes = {"num_heads": heads}
    if draw.chance(0.4):
        attributes["scale"] = request["scale"] = draw.choice((0.5, 1.0, 0.25))
    if draw.chance(0.4) and queries == new:
        attributes["unidirectional"] = 1
        request["mask"]["causal"] = True
    bias = None
    if draw.chance(0.3):
        bias = draw.array(heads * (size + size + value_size))
        parts = numpy.split(bias, [heads * size, 2 * heads * size])
        request["projections"] = {name: {"weight": numpy.eye(len(part)).tolist(), "bias": part.tolist()}
                                  for name, part in zip(("query", "key", "value"), parts)}
    padding = None
    if draw.chance(0.5) and "causal" not in request["mask"]:
        padding = draw.booleans((batch, keys), 0.7).astype("int32")
        padding[:, 0] = 1
        request["mask"]["padding"] = (padding == 0).tolist()
    added = None
    if draw.chance(0.4):
        added = draw.array(draw.choice((1, batch)), draw.choice((1, heads)), queries, keys)
        request["mask"]["bias"] = added.tolist()
    cache = {"past_key": None, "past_value": None}
    if past:
        cache = {"past_key": draw.array(batch, heads, past, size), "past_value": draw.array(batch, heads, past, size)}
        request.update({name: array.tolist() for name, array in cache.items()})
    names = ["output"] + ["present_key", "present_value"] * bool(past)
    request["return"] = names
    due = run("MultiHeadAttention", "com.microsoft",
              {**arrays, "bias": bias, "padding": padding, "added": added, **cache}, names, attributes)
    return request, due, None


def group_query(draw):
    """com.microsoft GroupQueryAttention: a prompt, with lengths of its own for each batch item, or one more token after a
    cache. It is causal always."""
    batch, kv_heads = draw.randint(1, 3), draw.randint(1, 3)
    heads, size = kv_heads * draw.randint(1, 3), draw.choice((16, 32))
    past = draw.choice((0, draw.randint(1, 6)))
    queries = 1 if past else draw.randint(1, 8)
    keys = past + queries
    arrays = {"query": draw.array(batch, queries, heads * size), "key": draw.array(batch, queries, kv_heads * size),
              "value": draw.array(batch, queries, kv_heads * size)}
    request = {name: array.tolist() for name, array in arrays.items()}
    request.update(num_heads=heads, num_kv_heads=kv_heads, mask={"causal": True})
    attributes = {"num_heads": heads, "kv_num_heads": kv_heads}
    lengths = [keys] * batch
    if not past and draw.chance(0.4):
        lengths = [draw.randint(1, keys) for _ in range(batch)]
        request["mask"]["lengths"] = lengths
    if draw.chance(0.4):
        attributes["scale"] = request["scale"] = draw.choice((0.5, 1.0, 0.25))
    if draw.chance(0.4):
        attributes["softcap"] = request["softcap"] = draw.choice((0.5, 2.0, 30.0))
    if draw.chance(0.4):
        window = draw.randint(1, keys + 1)
        attributes["local_window_size"] = window  # so many keys, the query's own one counted
        request["mask"]["window"] = [window - 1, 0]
    tables = {"cosines": None, "sines": None}
    if draw.chance(0.5):
        attributes.update(do_rotary=1, rotary_interleaved=draw.randint(0, 1))
        request["rotary"] = {"base": 10000, "interleaved": bool(attributes["rotary_interleaved"])}
        angles = numpy.outer(numpy.arange(keys), 10000.0 ** (-2 * numpy.arange(size // 2) / size))
        tables = {"cosines": numpy.cos(angles).astype("float32"), "sines": numpy.sin(angles).astype("float32")}
    sink = None
    if draw.chance(0.3):
        sink = draw.array(heads)
        request["sinks"] = sink.tolist()
    elif draw.chance(0.3):
        attributes["smooth_softmax"] = 1  # one more in the sum: a sink of 0
        request["sinks"] = [0] * heads
    added = None
    if draw.chance(0.3):
        added = draw.array(draw.choice((1, batch)), draw.choice((1, heads)), queries, keys)
        request["mask"]["bias"] = added.tolist()
    cache = {"past_key": None, "past_value": None}
    if past:
        cache = {"past_key": draw.array(batch, kv_heads, past, size), "past_value": draw.array(batch, kv_heads, past, size)}
        request.update({name: array.tolist() for name, array in cache.items()})
    names = ["output", "present_key", "present_value"]
    if draw.chance(0.4) and "lengths" not in request["mask"]:
        attributes["qk_output"] = 2
        names.append("weights")
    request["return"] = names
    inputs = {**arrays, **cache, "lengths": numpy.array(lengths, "int32") - 1, "total": numpy.array(keys, "int32"), **tables,
              "positions": None, "added": added, "sink": sink}
    due = run("GroupQueryAttention", "com.microsoft", inputs, names, attributes)
    return request, due, lengths


def merged(array):
    """[B,H,L,D] → [B,L,H·D]."""
    return numpy.ascontiguousarray(array.transpose(0, 2, 1, 3)).reshape(array.shape[0], array.shape[2], -1)


def compare(request, due, answer, lengths):
    for name, right in due.items():
        got = numpy.array([[x] for x in flat(answer[name])], "float64").reshape(answer["shape"][name])
        if name == "output" and len(answer["shape"][name]) == 4 and right.ndim == 3:
            got = merged(got)
        expect(got.shape == right.shape, f"{name} has shape {got.shape}, not {right.shape}")
        hidden = numpy.isnan(got)  # null: disallowed, which ONNX Runtime writes as a number far below all others
        expect(numpy.all(right[hidden] < -1e4), f"{name} is null where ONNX Runtime has {right[hidden]}")
        right = numpy.where(hidden, 0, right)
        got = numpy.where(hidden, 0, got)
        for b, length in enumerate(lengths or []):
            rows = (slice(None),) * (right.ndim - 3) + (slice(length, None),)
            got[b][rows] = right[b][rows] = 0
        scale = numpy.maximum(1, numpy.abs(right).max(axis=-1, keepdims=True))
        off = numpy.abs(got - right) / scale
        expect(numpy.all(off <= TOLERANCE), f"{name} is off by {numpy.nanmax(off):.3g} of its row at "
               f"{numpy.unravel_index(numpy.argmax(off), off.shape)}\n      {curl(ANY, request)}")


def flat(nested):
    if not isinstance(nested, list):
        return [numpy.nan if nested is None else nested]
    return [x for part in nested for x in flat(part)]


def family(connection, seed, kind, count):
    for number in range(count):
        one_seed = f"{seed}/{kind.__name__}/{number}"
        request, due, lengths = kind(Draw(one_seed))
        response = connection.post(ANY, request)
        try:
            expect(response.status == 200, lambda: f"status {response.status}: {excerpt(response.body, 700)}\n      "
                                                   f"{curl(ANY, request)}")
            compare(request, due, response.json(), lengths)
        except Failure as error:
            raise Failure(f"{error}\n      seed {one_seed}") from None


FAMILIES = [("Attention", attention, 300), ("Attention: rows without keys", rows_without_keys, 30),
            ("MultiHeadAttention", multi_head, 200), ("GroupQueryAttention", group_query, 300)]


def main():
    seed = os.environ.get("ATTND_SEED") or str(random.SystemRandom().randrange(10 ** 9))
    factor = float(os.environ.get("ATTND_COUNT", "1"))
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    print(f"seed {seed}, onnxruntime {onnxruntime.__version__}")
    claims = Claims()
    with Server() as server, server.connect() as connection:
        for name, kind, count in FAMILIES:
            if only in name:
                claims.check(f"{name}, {int(count * factor)} requests", family, connection, seed, kind, int(count * factor))
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
