"""Times core/ against other implementations of attention on the same shapes, on this machine, in one run.

    python3 bench/core_peers.py BUILD_FOLDER [--threads N] [--rounds N] [--shapes 8x512x64,12x1024x64,1x4096x64]

Needs numpy, onnxruntime and onnx (pip install numpy onnxruntime onnx); uses torch too where it is installed. All take
turns, round by round, and ratios are taken within a round, so that what else the machine does hits all alike. Printed
are medians and least times in milliseconds, and the median of the ratios attnd : peer, from the clock on the wall and
from the time the threads were busy.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time


def limit_threads(count):
    """Before any of the libraries is loaded: they read this when they start."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)


class Core:
    """bench_core, which computes once for each line it is sent."""

    def __init__(self, program, shape, what, threads, rows=None):
        command = [program, *map(str, shape), what, "float32", str(threads)] + ([str(rows)] if rows else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __call__(self):
        self.process.stdin.write("\n")
        return tuple(map(float, self.process.stdout.readline().split()))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """A function of this process."""

    def __init__(self, function):
        self.function = function

    def __call__(self):
        wall, busy = time.perf_counter(), time.process_time()
        self.function()
        return (time.perf_counter() - wall) * 1e3, (time.process_time() - busy) * 1e3

    def close(self):
        pass


def onnx_session(node, inputs, outputs, threads):
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph([node], "attention", [value(*pair) for pair in inputs.items()],
                              [value(*pair) for pair in outputs.items()])
    model = helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)])
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def onnx_attention(arrays, threads, keep=False, causal=False):
    """ONNX's own operator, opset 23; mode 3 gives the weights after softmax."""
    from onnx import helper
    heads, length, size = arrays["q"].shape[1:]
    outputs = {"y": [1, heads, length, size], **({"w": [1, heads, length, length]} if keep else {})}
    names, more = (["y", "", "", "w"], {"qk_matmul_output_mode": 3}) if keep else (["y"], {})
    node = helper.make_node("Attention", list(arrays), names, is_causal=int(causal), **more)
    session = onnx_session(node, {name: array.shape for name, array in arrays.items()}, outputs, threads)
    return Peer(lambda: session.run(None, arrays))


def onnx_multi_head(arrays, threads):
    """onnxruntime's own operator, which gives no weights."""
    import numpy
    from onnx import helper
    heads, length, size = arrays["q"].shape[1:]
    flat = {name: numpy.ascontiguousarray(array[0].transpose(1, 0, 2).reshape(1, length, heads * size))
            for name, array in arrays.items()}
    node = helper.make_node("MultiHeadAttention", list(flat), ["y"], num_heads=heads, domain="com.microsoft")
    shape = [1, length, heads * size]
    session = onnx_session(node, {name: shape for name in flat}, {"y": shape}, threads)
    return Peer(lambda: session.run(None, flat))


def numpy_attention(arrays, causal=False):
    import numpy
    q, k, v = arrays.values()
    hidden = numpy.triu(numpy.full((q.shape[2], k.shape[2]), -numpy.inf, q.dtype), 1) if causal else None

    def compute():
        scores = q @ k.swapaxes(-1, -2)
        scores *= q.dtype.type(q.shape[-1] ** -0.5)
        if causal:
            scores += hidden
        scores -= scores.max(axis=-1, keepdims=True)
        numpy.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        return scores @ v, scores
    return Peer(compute)


def torch_attention(arrays, threads, keep=False, causal=False):
    import torch
    torch.set_num_threads(threads)
    q, k, v = (torch.from_numpy(array) for array in arrays.values())

    def compute():
        with torch.inference_mode():
            if not keep:
                return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
            weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1)
            return weights @ v, weights
    return Peer(compute)


def has_torch():
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


def make_peers(what, arrays, threads):
    keep, causal = what == "weights", what == "causal"
    peers = {"onnx Attention": onnx_attention(arrays, threads, keep, causal)}
    if what == "output":
        peers["onnx MultiHeadAttention"] = onnx_multi_head(arrays, threads)
    peers["numpy"] = numpy_attention(arrays, causal)
    if has_torch():
        peers["torch"] = torch_attention(arrays, threads, keep, causal)
    return peers


def measure(runs, rounds):
    """[(wall, busy) of each round] for each run; the first two rounds warm up."""
    times = {name: [] for name in runs}
    for _ in range(rounds + 2):
        for name, run in runs.items():
            times[name].append(run())
    return {name: rows[2:] for name, rows in times.items()}


def report(shape, what, times):
    attnd = times["attnd"]
    for name, rows in times.items():
        cells = []
        for clock in (0, 1):
            mine, theirs = [row[clock] for row in attnd], [row[clock] for row in rows]
            ratio = statistics.median(a / b for a, b in zip(mine, theirs))
            cells.append(f"{statistics.median(theirs):9.2f} {min(theirs):9.2f} {ratio:6.2f} {min(mine) / min(theirs):6.2f}")
        print(f"{'x'.join(map(str, shape)):>12} {what:8} {name:24} {'  '.join(cells)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--shapes", default="8x512x64,12x1024x64,1x4096x64", help="heads x length x size")
    parser.add_argument("--what", default="output,weights,causal")
    options = parser.parse_args()
    limit_threads(options.threads)
    import numpy
    random = numpy.random.default_rng(1)
    print(f"{'heads x length x size':21} {'':24} {'wall: median, least, ratios of both':>33}  "
          f"{'busy: median, least, ratios of both':>33}")
    for text in options.shapes.split(","):
        shape = tuple(map(int, text.split("x")))
        arrays = {name: random.standard_normal((1, *shape), dtype=numpy.float32) for name in "qkv"}
        for what in options.what.split(","):
            core = {"attnd": Core(options.build / "bench" / "bench_core", shape, what, options.threads)}
            if what == "causal":
                core["attnd, no mask"] = Core(options.build / "bench" / "bench_core", shape, "output", options.threads)
            runs = {**core, **make_peers(what, arrays, options.threads)}
            report(shape, what, measure(runs, options.rounds))
            for run in runs.values():
                run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
