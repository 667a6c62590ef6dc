#!/usr/bin/env python3
"""Records tests/golden/options.json: small requests and the figures that PyTorch, Keras, JAX and ONNX Runtime give for them,
so that every machine compares with these peers, those without them too.

    python3 tests/peers/record_options.py >tests/golden/options.json

Each part is run in an interpreter that has its peer (tests/peers/environment.sh installs them).
"""

import json
import random
import subprocess
import sys

import attnd_peers

PARTS = {"onnx": ("onnxruntime", "onnx", "numpy"), "torch": ("torch",), "keras": ("keras", "jax"), "jax": ("jax",)}
ANY = "/v1/attention"
numbers = random.Random("options")


def array(*shape):
    if not shape:
        return round(numbers.uniform(-2, 2), 2)
    return [array(*shape[1:]) for _ in range(shape[0])]


def case(name, about, request, expected):
    def plain(value):
        value = value.tolist() if hasattr(value, "tolist") else value
        return [plain(part) for part in value] if isinstance(value, list) else round(value, 7)
    return {"name": name, "about": about, "route": ANY,
            "request": {**request, "return": list(expected)}, "tolerance": 3e-6,
            "expect": {result: plain(value) for result, value in expected.items()}}


def onnx():
    import numpy
    import test_onnxruntime as peer
    q, k, v, bias = array(1, 2, 3, 4), array(1, 1, 3, 4), array(1, 1, 3, 2), array(3, 5)
    past = {"past_key": array(1, 1, 2, 4), "past_value": array(1, 1, 2, 2)}
    request = {"query": q, "key": k, "value": v, **past, "softcap": 1.5, "mask": {"bias": bias}}
    floats = {name: numpy.array(value, "float32") for name, value in
              {"query": q, "key": k, "value": v, "mask": bias, **past}.items()}
    due = {}
    for mode, stage in enumerate(peer.STAGES):
        due |= peer.run("Attention", "", floats, ["output", "present_key", "present_value", stage],
                        {"softcap": 1.5, "qk_matmul_output_mode": mode})
    yield case("onnx-attention-softcap-cache", "ONNX Runtime's Attention, opset 23, all four modes.", request, due)
    heads, size, length = 2, 16, 4
    sides = {"query": array(1, length, heads * size), "key": array(1, length, size), "value": array(1, length, size)}
    sinks = array(heads)
    angles = numpy.outer(numpy.arange(length), 10000.0 ** (-2 * numpy.arange(size // 2) / size))
    due = peer.run("GroupQueryAttention", "com.microsoft",
                   {**{name: numpy.array(value, "float32") for name, value in sides.items()}, "past_key": None,
                    "past_value": None, "lengths": numpy.array([length - 1], "int32"), "total": numpy.array(length, "int32"),
                    "cosines": numpy.cos(angles).astype("float32"), "sines": numpy.sin(angles).astype("float32"),
                    "positions": None, "added": None, "sink": numpy.array(sinks, "float32")},
                   ["output", "present_key", "present_value"],
                   {"num_heads": heads, "kv_num_heads": 1, "do_rotary": 1, "local_window_size": 3})
    yield case("onnxruntime-grouped-query-rotary-window-sinks", "ONNX Runtime's GroupQueryAttention.",
               {**sides, "num_heads": heads, "num_kv_heads": 1, "sinks": sinks, "rotary": {},
                "mask": {"causal": True, "window": [2, 0]}}, due)


def torch():
    import torch as peer
    peer.manual_seed(7)
    module = peer.nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True)
    for parameter in module.parameters():
        peer.nn.init.uniform_(parameter, -1, 1)
        parameter.data = (parameter.data * 64).round() / 64
    inputs = array(1, 3, 4)
    padding = [[False, True, False]]
    with peer.no_grad():
        x = peer.tensor(inputs)
        output, weights = module(x, x, x, key_padding_mask=peer.tensor(padding), average_attn_weights=False)
    state = {name: value.tolist() for name, value in module.state_dict().items()}
    yield case("torch-multihead-attention-bias-kv-zero-attn", "torch.nn.MultiheadAttention of Debian 12's PyTorch 1.13.",
               {"inputs": inputs, "num_heads": 2, "projections": {"state_dict": state}, "add_zero_attn": True,
                "mask": {"padding": padding}}, {"weights": weights, "output": output})


def keras():
    import keras as peer
    import numpy
    inputs = array(1, 2, 3, 4)
    layer = peer.layers.MultiHeadAttention(num_heads=2, key_dim=3, value_dim=2, attention_axes=(1, 2), use_gate=True)
    x = numpy.array(inputs, "float32")
    layer(x, x)
    layer.set_weights([numpy.array(array(*weight.shape), "float32") for weight in layer.get_weights()])
    output, weights = layer(x, x, return_attention_scores=True)
    named = {variable.path.split("/", 1)[1]: numpy.asarray(variable) for variable in layer.variables}

    def dense(name, rows):
        return {"weight": named[name + "/kernel"].reshape(rows, -1).tolist(),
                "bias": named[name + "/bias"].reshape(-1).tolist()}
    request = {"inputs": inputs, "attention_axes": [1, 2], "num_heads": 2, "gate": dense("gate", 4),
               "projections": {"query": dense("query", 4), "key": dense("key", 4), "value": dense("value", 4),
                               "output": dense("attention_output", 4)}}
    yield case("keras-multi-head-attention-axes-gate", f"keras.layers.MultiHeadAttention of Keras {peer.__version__}.",
               request, {"weights": numpy.asarray(weights), "output": numpy.asarray(output)})


def jax():
    import jax as peer
    import numpy
    query, key, value = array(1, 4, 2, 3), array(1, 5, 1, 3), array(1, 5, 1, 3)
    arrays = [numpy.array(part, "float32") for part in (query, key, value)]
    output, logs = peer.nn.dot_product_attention(*arrays, local_window_size=(1, 2), return_residual=True)

    def split(part):
        return part.transpose(0, 2, 1, 3).tolist()
    yield case("jax-dot-product-attention-window-lse", f"jax.nn.dot_product_attention of JAX {peer.__version__}.",
               {"query": split(arrays[0]), "key": split(arrays[1]), "value": split(arrays[2]), "mask": {"window": [1, 2]}},
               {"lse": numpy.asarray(logs).transpose(0, 2, 1), "output": numpy.asarray(output).transpose(0, 2, 1, 3)})


def main():
    if len(sys.argv) > 1:
        json.dump(list(globals()[sys.argv[1]]()), sys.stdout)
        return
    cases = []
    for part, names in PARTS.items():
        python = attnd_peers.interpreter(*names)
        if python is None:
            sys.exit(f"No Python here has {' '.join(names)}; tests/peers/environment.sh installs it.")
        cases += json.loads(subprocess.run(
            [python, __file__, part], check=True, stdout=subprocess.PIPE,
            env=attnd_peers.environment() | {"ATTND_PEERS_ASKED": " ".join(names)}).stdout)
    about = "What other implementations give for the options, recorded by tests/peers/record_options.py."
    json.dump({"about": about, "cases": cases}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
