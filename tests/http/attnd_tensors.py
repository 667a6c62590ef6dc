"""Tensors as the contract writes them, in plain Python: nested lists, shape + data, shape + dtype + b64."""

import base64
import math
import struct

CODES = {"float32": "f", "float64": "d", "float16": "e"}


def shape_of(nested):
    shape = []
    while isinstance(nested, list):
        shape.append(len(nested))
        nested = nested[0]
    return shape


def flatten(nested):
    if not isinstance(nested, list):
        return [nested]
    if nested and not isinstance(nested[0], list):
        return list(nested)
    return [number for part in nested for number in flatten(part)]


def nest(flat, shape):
    """The nested lists of this shape; a bare number for shape []."""
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return list(flat)
    step = math.prod(shape[1:])
    return [nest(flat[i * step:(i + 1) * step], shape[1:]) for i in range(shape[0])]


def each(nested, function):
    """The same lists with every number replaced."""
    if isinstance(nested, list):
        return [each(part, function) for part in nested]
    return function(nested)


def single(number):
    """The nearest float32, as a float."""
    if math.isinf(number) or math.isnan(number):
        return number
    return struct.unpack("<f", struct.pack("<f", number))[0]


def rounded(number, dtype):
    """The nearest number of this dtype, as a float; an infinity beyond them."""
    try:
        return unpack(pack([number], dtype), dtype)[0]
    except OverflowError:
        return math.copysign(math.inf, number)


def to_bfloat16(number):
    """The upper half of the float32, rounded half to even, as 16 bits."""
    bits = struct.unpack("<I", struct.pack("<f", number))[0]
    if (bits & 0x7fffffff) > 0x7f800000:
        return bits >> 16 | 0x40
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16


def pack(flat, dtype):
    if dtype == "bfloat16":
        return struct.pack(f"<{len(flat)}H", *map(to_bfloat16, flat))
    return struct.pack(f"<{len(flat)}{CODES[dtype]}", *flat)


def unpack(data, dtype):
    if dtype == "bfloat16":
        words = struct.unpack(f"<{len(data) // 2}H", data)
        return [struct.unpack("<f", struct.pack("<I", word << 16))[0] for word in words]
    return list(struct.unpack(f"<{len(data) // struct.calcsize(CODES[dtype])}{CODES[dtype]}", data))


def encode(nested, dtype):
    """A b64 tensor object."""
    flat = [float(number) for number in flatten(nested)]
    return {"shape": shape_of(nested), "dtype": dtype, "b64": base64.b64encode(pack(flat, dtype)).decode()}


FORMS = ("nested", "flat", "shaped", "float16", "bfloat16", "float32", "float64")


def write(nested, form):
    """The tensor in one of FORMS."""
    if form == "nested":
        return nested
    if form == "flat":
        return {"shape": shape_of(nested), "data": flatten(nested)}
    if form == "shaped":
        return {"shape": shape_of(nested), "data": nested}
    return encode(nested, form)


def read(value):
    """Any of the forms as nested lists."""
    if not isinstance(value, dict):
        return value
    if "b64" in value:
        return nest(unpack(base64.b64decode(value["b64"], validate=True), value["dtype"]), value["shape"])
    return nest(flatten(value["data"]), value["shape"])
