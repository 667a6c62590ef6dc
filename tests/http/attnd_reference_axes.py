"""attention_axes, naively: the attended axes become one axis, all others join the batch, and back again."""

import math

import attnd_tensors as tensors

SOURCES = ("inputs", "query", "key", "value", "context")


def fold(request):
    """The same request with inputs of rank 3, and what gives its results the axes back."""
    plain = {name: value for name, value in request.items() if name != "attention_axes"}
    shapes = {}
    for name in SOURCES:
        if name in request:
            array = tensors.read(request[name])
            shape = tensors.shape_of(array)
            attended, others = parted(request["attention_axes"], len(shape))
            order = others + attended + [len(shape) - 1]
            moved = [shape[axis] for axis in order]
            shapes[name] = shape
            rows = 1
            for axis in attended:
                rows *= shape[axis]
            flat = permuted(tensors.flatten(array), shape, order)
            batch = len(flat) // (rows * moved[-1])
            plain[name] = tensors.nest(flat, [batch, rows, moved[-1]])
    query = shapes.get("inputs") or shapes["query"]
    key = shapes.get("inputs") or shapes.get("context") or shapes["key"]
    attended, others = parted(request["attention_axes"], len(query))
    return plain, lambda results: {name: unfold(name, array, query, key, attended, others, "num_heads" in request,
                                                request.get("average_heads", False))
                                   for name, array in results.items()}


def parted(axes, rank):
    """The attended axes, in the order in which they are named, and all others but the features."""
    attended = [axis % rank for axis in ([axes] if isinstance(axes, int) else axes)]
    return attended, [axis for axis in range(rank - 1) if axis not in attended]


def unfold(name, array, query, key, attended, others, has_heads, averaged):
    """Keras: scores are [B, other axes…, heads, attended axes of the query…, those of the keys…], outputs have the
    query's axes. The contract is silent on the other results; they follow the scores. Keys that come from elsewhere, such
    as a cache, have no such axes: then all keys stay one axis."""
    if name in ("present_key", "present_value"):
        return array
    shape, flat = tensors.shape_of(array), tensors.flatten(array)
    outer = [query[axis] for axis in others]
    rows = [(key if name in ("key", "value") else query)[axis] for axis in attended]
    if name == "output":
        order = others + attended
        back = [order.index(axis) for axis in range(len(order))] + [len(order)]
        moved = outer + rows + shape[-1:]
        return tensors.nest(permuted(flat, moved, back), [moved[axis] for axis in back])
    inner = [shape[1]] if has_heads and not (averaged and name == "weights") else []
    last = [] if name == "lse" else shape[-1:]
    if name in ("scores", "capped", "masked", "weights") and math.prod(key[axis] for axis in attended) == shape[-1]:
        last = [key[axis] for axis in attended]
    return tensors.nest(flat, outer + inner + rows + last)


def permuted(flat, shape, order):
    """The flat row-major numbers of an array whose axes are put into this order."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    places = [0]
    for axis in order:
        places = [place + index * strides[axis] for place in places for index in range(shape[axis])]
    return [flat[place] for place in places]
