"""Attention once more, naively: plain loops over Python floats, one line of the contract after the other.

evaluate() takes a request as it is sent and returns what a right answer holds. It computes in double precision whatever
the dtype; numbers are first rounded to float32 where the request says so, as the service does on reading them. It is
kept simple enough to check by eye and is not meant to be fast.
"""

import math
import operator
from dataclasses import dataclass, field

import attnd_tensors as tensors

STAGES = ("query", "key", "value", "scores", "masked", "weights", "heads", "output")
MINUS_INFINITY = -math.inf


@dataclass
class Answer:
    """`results`: stage → nested lists. `condition`: how much rounding is amplified in the worst row, 1 = not at all."""
    results: dict = field(default_factory=dict)
    fully_masked: list = field(default_factory=list)
    unexplained: bool = False  # a fully masked row that query_padding does not account for
    condition: float = 1.0


def evaluate(request, masked_route=False):
    request = {name: value for name, value in request.items() if value is not None}
    round_number = tensors.single if request.get("dtype", "float32") == "float32" else float

    def tensor(value):
        return tensors.each(tensors.read(value), lambda x: x if x is None else round_number(float(x)))

    query, key, value, padding = inputs_of(request, tensor)
    answer = Answer()
    rank = len(tensors.shape_of(query))
    heads = request.get("num_heads")
    has_heads = heads is not None or rank == 4
    if rank == 4:
        heads, kv_heads = len(query[0]), len(key[0])
        q, k, v = query, key, value
        merged_input = None
    else:
        heads = heads or 1
        kv_heads = request.get("num_kv_heads") or heads
        merged_input = batched(query)
        maps = projections_of(request, tensor, len(merged_input[0][0]))
        q = split(project(merged_input, maps.get("query")), heads)
        k = split(project(batched(key), maps.get("key")), kv_heads)
        v = split(project(batched(value), maps.get("value")), kv_heads)

    batch, length, size = len(q), len(q[0][0]), len(q[0][0][0])
    keys, value_size = len(k[0][0]), len(v[0][0][0])
    scale = round_number(request["scale"]) if "scale" in request else 1 / math.sqrt(size)
    mask = request.get("mask", "causal" if masked_route else {})
    rules = Mask(mask, tensor, batch, length, keys, padding)
    normalize = request.get("normalize", "softmax")
    empty = request.get("fully_masked", "zero")

    scores = empty_array(batch, heads, length)
    masked = empty_array(batch, heads, length)
    weights = empty_array(batch, heads, length)
    outputs = empty_array(batch, heads, length)
    for b in range(batch):
        for h in range(heads):
            g = h // (heads // kv_heads)
            for i in range(length):
                row = [scale * dot(q[b][h][i], k[b][g][j]) for j in range(keys)]
                allowed = [rules.allows(b, h, i, j) for j in range(keys)]
                changed = [rules.change(row[j], b, h, i, j) if allowed[j] else MINUS_INFINITY for j in range(keys)]
                if not any(allowed):
                    answer.fully_masked.append((b * heads + h) * length + i)
                    answer.unexplained |= not rules.is_padded_query(b, i)
                    weight = [1 / keys if empty == "uniform" else 0.0] * keys
                else:
                    weight, condition = normalized(changed, allowed, normalize)
                    answer.condition = max(answer.condition, condition)
                scores[b][h][i] = row
                masked[b][h][i] = changed
                weights[b][h][i] = weight
                outputs[b][h][i] = [math.fsum(weight[j] * v[b][g][j][d] for j in range(keys) if weight[j] != 0)
                                    for d in range(value_size)]

    averaged = request.get("average_heads", False)
    results = {"query": q, "key": k, "value": v, "scores": scores, "masked": masked, "weights": weights,
               "heads": outputs}
    results = {name: with_axes(array, rank, has_heads, name not in ("key", "value"))
               for name, array in results.items()}
    if averaged:
        mean = [[[math.fsum(weights[b][h][i][j] for h in range(heads)) / heads for j in range(keys)]
                 for i in range(length)] for b in range(batch)]
        results["weights"] = mean if rank >= 3 else mean[0] if rank == 2 else mean[0][0]
    if rank == 4:
        results["output"] = outputs
    else:
        output = [[[x for h in range(heads) for x in outputs[b][h][i]] for i in range(length)] for b in range(batch)]
        output = project(output, maps.get("output"))
        norm = request.get("add_norm")
        if norm:
            output = [[layer_norm(x, y, norm if norm is not True else {}, tensor, answer)
                       for x, y in zip(rows, others)] for rows, others in zip(merged_input, output)]
        results["output"] = output if rank == 3 else output[0] if rank == 2 else output[0][0]
    answer.results = {name: results[name] for name in STAGES}
    return answer


def inputs_of(request, tensor):
    """query, key, value as nested lists, and which keys are padding by pad_token ([B,S], or None)."""
    if "embeddings" in request:
        return looked_up(request, tensor)
    if "inputs" in request:
        inputs = tensor(request["inputs"])
        return inputs, inputs, inputs, None
    query = tensor(request["query"])
    key = tensor(request["context"] if "context" in request else request["key"])
    value = tensor(request["value"]) if "value" in request else key
    if len(tensors.shape_of(query)) == 3 and len(tensors.shape_of(key)) == 2:
        key = [key]
    if len(tensors.shape_of(query)) == 3 and len(tensors.shape_of(value)) == 2:
        value = [value]
    return query, key, value, None


def looked_up(request, tensor):
    pad = request.get("pad_token")
    table = {token: tensor(vector) for token, vector in request["embeddings"].items()}
    features = len(next(iter(table.values())))
    if pad is not None:
        table.setdefault(pad, [0.0] * features)

    def sequences(tokens):
        if not isinstance(tokens[0], list):
            return [table[token] for token in tokens], [[token == pad for token in tokens]]
        longest = max(map(len, tokens))
        filled = [row + [pad] * (longest - len(row)) for row in tokens]
        return [[table[token] for token in row] for row in filled], [[token == pad for token in row] for row in filled]

    query, _ = sequences(request.get("query_tokens", request.get("tokens")))
    key, padding = sequences(request.get("key_tokens", request.get("tokens")))
    return query, key, key, padding if pad is not None else None


def projections_of(request, tensor, features):
    """name → (rows of W as [in][out], bias or None)."""
    given = request.get("projections")
    if not given:
        return {}
    if "state_dict" in given:
        return state_dict_of({name: tensor(value) for name, value in given["state_dict"].items()}, features)
    turned = given.get("layout", "in_out") == "out_in"
    maps = {}
    for name in ("query", "key", "value", "output"):
        if given.get(name) is not None:
            weight = tensor(given[name]["weight"])
            bias = given[name].get("bias")
            maps[name] = (transposed(weight) if turned else weight, None if bias is None else tensor(bias))
    return maps


def state_dict_of(entries, features):
    """The parameters of torch.nn.MultiheadAttention: y = x·Wᵀ + b, the three maps stacked where all take E features."""
    names = ("query", "key", "value")
    if "in_proj_weight" in entries:
        stacked = entries["in_proj_weight"]
        weights = [stacked[i * features:(i + 1) * features] for i in range(3)]
    else:
        weights = [entries[name] for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight")]
    bias = entries.get("in_proj_bias")
    biases = [bias[i * features:(i + 1) * features] if bias else None for i in range(3)]
    maps = {name: (transposed(weight), part) for name, weight, part in zip(names, weights, biases)}
    if "out_proj.weight" in entries:
        maps["output"] = (transposed(entries["out_proj.weight"]), entries.get("out_proj.bias"))
    return maps


class Mask:
    """The parts of `mask`; every one of them must allow a key."""

    def __init__(self, mask, tensor, batch, length, keys, pad_padding):
        if mask == "causal":
            mask = {"causal": True}
        elif isinstance(mask, list) or "shape" in mask:
            mask = {"attend": mask}
        self.mask = {name: value for name, value in mask.items() if value is not None}
        self.arrays = {name: four_axes(tensor(self.mask[name])) for name in ("attend", "block", "bias", "multiply")
                       if name in self.mask}
        self.padding = rows_of(tensor, self.mask.get("padding"))
        self.query_padding = rows_of(tensor, self.mask.get("query_padding"))
        self.pad_padding = pad_padding
        self.lengths = self.mask.get("lengths")
        self.length, self.keys = length, keys

    def offset(self, b):
        if self.mask.get("align", "auto") != "bottom_right":
            return 0
        return (self.lengths[b] if self.lengths else self.keys) - self.length

    def is_padded_query(self, b, i):
        return bool(self.query_padding) and bool(at(self.query_padding, b)[i])

    def allows(self, b, h, i, j):
        diagonal = i + self.offset(b)
        if self.mask.get("causal") and j > diagonal:
            return False
        if "window" in self.mask:
            window = self.mask["window"]
            left, right = window if isinstance(window, list) else (window, window)
            if (left >= 0 and j < diagonal - left) or (right >= 0 and j > diagonal + right):
                return False
        if self.lengths and j >= self.lengths[b]:
            return False
        if "attend" in self.arrays and not self.number("attend", b, h, i, j):
            return False
        if "block" in self.arrays and self.number("block", b, h, i, j):
            return False
        if "bias" in self.arrays and self.number("bias", b, h, i, j) in (None, MINUS_INFINITY):
            return False
        if self.padding and at(self.padding, b)[j]:
            return False
        if self.pad_padding and at(self.pad_padding, b)[j]:
            return False
        return not self.is_padded_query(b, i)

    def change(self, score, b, h, i, j):
        if "multiply" in self.arrays:
            score *= self.number("multiply", b, h, i, j)
        if "bias" in self.arrays:
            score += self.number("bias", b, h, i, j)
        return score

    def number(self, name, b, h, i, j):
        return at(at(at(self.arrays[name], b), h), i)[j]


def at(array, index):
    """array[index], where an axis of length 1 serves every index."""
    return array[index if len(array) > 1 else 0]


def four_axes(array):
    while len(tensors.shape_of(array)) < 4:
        array = [array]
    return array


def rows_of(tensor, value):
    if value is None:
        return None
    rows = tensor(value)
    return rows if isinstance(rows[0], list) else [rows]


def dot(a, b):
    return math.fsum(map(operator.mul, a, b))


def normalized(row, allowed, how):
    """The weights of one row, and by how much cancellation amplifies rounding."""
    if how == "none":
        return [s if ok else 0.0 for s, ok in zip(row, allowed)], 1.0
    if how == "sum":
        total = math.fsum(s for s, ok in zip(row, allowed) if ok)
        size = math.fsum(abs(s) for s, ok in zip(row, allowed) if ok)
        if total == 0:
            return [0.0] * len(row), 1.0 if size == 0 else math.inf
        return [s / total if ok else 0.0 for s, ok in zip(row, allowed)], size / abs(total)
    largest = max(s for s, ok in zip(row, allowed) if ok)
    powers = [math.exp(s - largest) if ok else 0.0 for s, ok in zip(row, allowed)]
    total = math.fsum(powers)
    return [power / total for power in powers], 1.0


def layer_norm(x, y, norm, tensor, answer):
    sums = [a + b for a, b in zip(x, y)]
    mean = math.fsum(sums) / len(sums)
    variance = math.fsum((s - mean) ** 2 for s in sums) / len(sums)
    deviation = math.sqrt(variance + norm.get("epsilon", 1e-5))
    answer.condition = max(answer.condition, (max(map(abs, sums)) + 1) / deviation)
    weight = tensor(norm["weight"]) if norm.get("weight") is not None else [1.0] * len(sums)
    bias = tensor(norm["bias"]) if norm.get("bias") is not None else [0.0] * len(sums)
    return [(s - mean) / deviation * w + b for s, w, b in zip(sums, weight, bias)]


def batched(array):
    """[B,L,E] of any rank 1 to 3."""
    rank = len(tensors.shape_of(array))
    return array if rank == 3 else [array] if rank == 2 else [[array]]


def project(rows, projection):
    if projection is None:
        return rows
    columns, bias = transposed(projection[0]), projection[1]
    return [[[dot(row, column) + (bias[o] if bias else 0.0) for o, column in enumerate(columns)] for row in item]
            for item in rows]


def split(rows, heads):
    """[B,L,heads·D] → [B,heads,L,D]."""
    size = len(rows[0][0]) // heads
    return [[[row[h * size:(h + 1) * size] for row in item] for h in range(heads)] for item in rows]


def transposed(matrix):
    return [list(column) for column in zip(*matrix)]


def empty_array(batch, heads, length):
    return [[[None] * length for _ in range(heads)] for _ in range(batch)]


def with_axes(array, rank, has_heads, of_queries):
    """[B,H,rows,·] with the axes that the query's rank and num_heads give the answer."""
    if not has_heads:
        array = [item[0] for item in array]
    if rank >= 3:
        return array
    array = array[0]
    if rank == 2 or not of_queries:
        return array
    return [head[0] for head in array] if has_heads else array[0]
