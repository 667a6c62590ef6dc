"""What is attended from and to, naively: from the members of a request to heads of queries, keys and values."""

import math
import operator

import attnd_tensors as tensors
import attnd_twister as twister
from attnd_reference_mask import Mask


def dot(a, b):
    return math.fsum(map(operator.mul, a, b))


class Sides:
    """query [B,H,L,D]; keys [B,G,S + extra,D] and values: the cached ones, the new ones, and the `extra` ones at the end
    that no mask hides. `source` is the query side before projection, [B,L,E], None for heads already split."""

    def __init__(self, request, tensor, masked_route):
        query, key, value, padding = inputs_of(request, tensor)
        self.rank = len(tensors.shape_of(query))
        self.has_heads = "num_heads" in request or self.rank == 4
        self.maps, self.drawn, ends = {}, None, ([], [])
        if self.rank == 4:
            self.source = None
            self.query, self.new_keys, self.new_values = query, key, value
        else:
            heads = request.get("num_heads", 1)
            kv_heads = request.get("num_kv_heads", heads)
            self.source, key, value = batched(query), batched(key), batched(value)
            self.maps, self.drawn, ends = projections_of(request, tensor, *(len(x[0][0]) for x in
                                                                            (self.source, key, value)))
            self.query = split(project(self.source, self.maps.get("query")), heads)
            self.new_keys = split(project(key, self.maps.get("key")), kv_heads)
            self.new_values = split(project(value, self.maps.get("value")), kv_heads)
        self.heads, self.kv_heads = len(self.query[0]), len(self.new_keys[0])
        past_keys = tensor(request["past_key"]) if "past_key" in request else None
        cached = len(past_keys[0][0]) if past_keys else 0
        self.length, self.keys = len(self.query[0][0]), cached + len(self.new_keys[0][0])
        self.mask = Mask(request, masked_route, tensor, self.heads, self.length, self.keys, cached, padding)
        if "rotary" in request:
            self.rotate(request["rotary"], cached)
        self.present_keys, self.present_values = self.new_keys, self.new_values
        if past_keys:
            self.present_keys = joined(past_keys, self.new_keys)
            self.present_values = joined(tensor(request["past_value"]), self.new_values)
        self.extra = bool(ends[0]) + request.get("add_zero_attn", False)
        self.all_keys = self.with_ends(self.present_keys, ends[0], request)
        self.all_values = self.with_ends(self.present_values, ends[1], request)

    def rotate(self, rotary, cached):
        """Su et al. (2021): pair p of `dim` features is turned by position · base^(−2p/dim)."""
        positions = rotary.get("positions")

        def all_turned(array, first):
            return [[[turned(row, positions[i] if positions is not None else first(b) + i, rotary)
                      for i, row in enumerate(head)] for head in item] for b, item in enumerate(array)]

        self.query = all_turned(self.query, self.mask.offset)
        self.new_keys = all_turned(self.new_keys, lambda b: cached)

    def with_ends(self, array, end, request):
        """torch's order: the row of bias_k or bias_v, then the row of zeros."""
        size = len(array[0][0][0])
        rows = [[end[g * size:(g + 1) * size]] if end else [] for g in range(self.kv_heads)]
        zeros = [[0.0] * size] if request.get("add_zero_attn") else []
        return [[head + rows[g] + zeros for g, head in enumerate(item)] for item in array]


def turned(row, position, rotary):
    dim = rotary.get("dim", len(row))
    half = dim // 2
    result = list(row)
    for pair in range(half):
        angle = position * rotary.get("base", 10000) ** (-2 * pair / dim)
        a, b = (2 * pair, 2 * pair + 1) if rotary.get("interleaved") else (pair, pair + half)
        result[a] = row[a] * math.cos(angle) - row[b] * math.sin(angle)
        result[b] = row[b] * math.cos(angle) + row[a] * math.sin(angle)
    return result


def joined(first, second):
    """Both [B,G,·,D], one after the other along the rows."""
    return [[a + b for a, b in zip(x, y)] for x, y in zip(first, second)]


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


def projections_of(request, tensor, *features):
    """name → (rows of W as [in][out], bias or None); what was drawn for `init`; the rows of bias_k and bias_v."""
    given = {name: value for name, value in request.get("projections", {}).items() if value is not None}
    if "state_dict" in given:
        entries = {name: tensor(value) for name, value in given["state_dict"].items() if value is not None}
        ends = tuple(tensors.flatten(entries.get(name, [])) for name in ("bias_k", "bias_v"))
        return state_dict_of(entries, features[0]), None, ends
    if "init" in given:
        drawn = drawn_maps(given, request.get("seed", 0), features)
        return {name: (transposed(weight), bias) for name, (weight, bias) in drawn.items()}, drawn, ([], [])
    turned_round = given.get("layout", "in_out") == "out_in"
    maps = {}
    for name in ("query", "key", "value", "output"):
        if name in given:
            weight = tensor(given[name]["weight"])
            bias = given[name].get("bias")
            maps[name] = (transposed(weight) if turned_round else weight, None if bias is None else tensor(bias))
    return maps, None, ([], [])


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


def drawn_maps(given, seed, features):
    """name → (weight [out][in], bias or None) of one nn.Linear after the other."""
    generator = twister.Generator(seed)
    size = given.get("features", features[0])
    sizes = dict(zip(("query", "key", "value"), features))
    if given.get("output"):
        sizes["output"] = size
    return {name: twister.linear(generator, count, size, given.get("bias", False)) for name, count in sizes.items()}


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
