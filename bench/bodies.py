"""The requests: self-attention over standard normal numbers from a fixed seed, written to files for the clients."""

import base64

import numpy
import orjson

SMALL = [[0.43, 0.15, 0.89], [0.55, 0.87, 0.66], [0.57, 0.85, 0.64], [0.22, 0.58, 0.33], [0.77, 0.25, 0.1],
         [0.05, 0.8, 0.55]]


class Bodies:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name, call):
        path = self.folder / f"{name}.json"
        path.write_bytes(orjson.dumps(call, option=orjson.OPT_SERIALIZE_NUMPY))
        return path

    def small(self):
        return self.write("6x3", {"inputs": SMALL})

    def self_attention(self, length, features, results=None, encoding="json", **members):
        numbers = numpy.random.default_rng(length * 1000 + features).standard_normal((length, features), numpy.float32)
        name = f"{length}x{features}"
        call = {"inputs": numbers}
        if encoding == "b64":
            text = base64.b64encode(numbers.astype("<f4")).decode()
            call = {"inputs": {"shape": numbers.shape, "dtype": "float32", "b64": text}, "encoding": "b64"}
            name += "-b64"
        if results:
            call["return"] = results
            name += "-" + "-".join(results)
        for member, value in members.items():
            name += f"-{member}-{value}"
        return self.write(name, {**call, **members})
