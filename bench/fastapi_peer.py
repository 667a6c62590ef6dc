"""The peer: attention as one would serve it well from Python. FastAPI with orjson on both sides, no model classes
between, NumPy in place; or, with PEER_COMPUTE=onnxruntime, ONNX's Attention operator as the compute. Runs under uvicorn
with uvloop and httptools, and answers the requests of this benchmark as attnd does: nested or base64 inputs, `return`,
`decimals`, `encoding`."""

import base64
import math
import os

import numpy
import orjson
from fastapi import FastAPI, Request, Response

application = FastAPI()


class NumpyAttention:
    def attend(self, inputs, results):
        weights = inputs @ inputs.T
        weights *= numpy.float32(1 / math.sqrt(inputs.shape[1]))
        weights -= weights.max(axis=1, keepdims=True)
        numpy.exp(weights, out=weights)
        weights /= weights.sum(axis=1, keepdims=True)
        return {"weights": weights, "output": weights @ inputs}


class OnnxruntimeAttention:
    """Two sessions, since weights that are an output of the model are computed whether anyone reads them or not."""

    def __init__(self):
        self.sessions = {keeps_weights: self.session(keeps_weights) for keeps_weights in (False, True)}

    def session(self, keeps_weights):
        import onnx
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # It warns at every run that it guessed the shape of weights wrongly.
        shape = [1, 1, "length", "features"]
        tensor = onnx.helper.make_tensor_value_info
        outputs = ["output", "", "", "weights"] if keeps_weights else ["output"]
        node = onnx.helper.make_node("Attention", ["query", "key", "value"], outputs, qk_matmul_output_mode=3)
        graph = onnx.helper.make_graph(
            [node], "attention",
            [tensor(name, onnx.TensorProto.FLOAT, shape) for name in ("query", "key", "value")],
            [tensor("output", onnx.TensorProto.FLOAT, shape)]
            + ([tensor("weights", onnx.TensorProto.FLOAT, [1, 1, "length", "length"])] if keeps_weights else []))
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 23)], ir_version=11)
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def attend(self, inputs, results):
        heads = inputs[None, None]
        session = self.sessions["weights" in results]
        names = [output.name for output in session.get_outputs()]
        return {name: array[0, 0] for name, array in
                zip(names, session.run(names, {"query": heads, "key": heads, "value": heads}))}


compute = {"numpy": NumpyAttention, "onnxruntime": OnnxruntimeAttention}[os.environ.get("PEER_COMPUTE", "numpy")]()


def read(tensor):
    if isinstance(tensor, dict):
        return numpy.frombuffer(base64.b64decode(tensor["b64"]), dtype="<f4").reshape(tensor["shape"])
    return numpy.array(tensor, dtype=numpy.float32)


def written(array, call):
    if call.get("encoding") == "b64":
        text = base64.b64encode(numpy.ascontiguousarray(array)).decode()
        return {"shape": array.shape, "dtype": "float32", "b64": text}
    if "decimals" in call:
        array = array.round(call["decimals"])
    return numpy.ascontiguousarray(array)


@application.get("/readyz")
async def ready():
    return Response()


@application.post("/v1/attention/self")
async def attend_self(request: Request):
    call = orjson.loads(await request.body())
    results = call.get("return", ["weights", "output"])
    found = compute.attend(read(call["inputs"]), results)
    answer = {"dtype": "float32", "shape": {name: found[name].shape for name in results}}
    answer.update((name, written(found[name], call)) for name in results)
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
