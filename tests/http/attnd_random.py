"""Random requests that are right: every member of the contract, in every combination that makes sense.

make() draws one; its keyword arguments pin what a family of tests is about. The shapes are small: what is looked for
is a wrong index, a wrong axis, a wrong order of steps, and small sizes find those.
"""

import random

import attnd_reference as reference
import attnd_tensors as tensors

WORDS = ("you", "start", "나는", "집에", "café", "", "emoji 🙂", "quote \" and \\", "line\nbreak", "tab\t", "</script>", "é")
PARTS = ("causal", "window", "lengths", "attend", "block", "bias", "multiply", "padding", "query_padding")


class Draw:
    """Random numbers, and the choices built on them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.positive = False

    def chance(self, probability):
        return self.random.random() < probability

    def choose(self, *options):
        return self.random.choice(options)

    def count(self, low, high):
        return self.random.randint(low, high)

    def number(self):
        number = self.random.uniform(-1, 1)
        number = abs(number) + 0.1 if self.positive else number
        return self.choose(number, round(number, 2), round(number, 6), round(number, 3), float(round(number * 4)))

    def array(self, *shape):
        if not shape:
            return self.number()
        return [self.array(*shape[1:]) for _ in range(shape[0])]

    def weight(self, rows, columns):
        size = max(rows, columns) ** 0.5
        return [[self.random.uniform(-1.5, 1.5) / size for _ in range(columns)] for _ in range(rows)]

    def booleans(self, *shape, share=0.7):
        if not shape:
            return self.chance(share)
        return [self.booleans(*shape[1:], share=share) for _ in range(shape[0])]


def make(seed, route=None, dtype=None, rank=None, parts=None, heads=None, maps=None, forms=None, extras=True,
         normalize=None):
    """A request and its route. None leaves a choice open."""
    for attempt in range(200):
        draw = Draw(f"{seed}/{attempt}")
        chosen, request = draw_request(draw, route, dtype, rank, parts, heads, maps, forms, extras, normalize)
        answer = reference.evaluate(request, chosen.endswith("masked"))
        if answer.condition <= 20:
            return chosen, request, answer
    raise ValueError(f"no well-conditioned request for seed {seed}")


def draw_request(draw, route, dtype, rank, parts, heads, maps, forms, extras, normalize):
    if route is None:
        route = draw.choose("self", "masked", "cross", "", *["multi-head"] * (heads != 0))
    rank = rank or draw.choose(1, 2, 2, 3, 3, 4)
    if route == "self":
        rank = max(rank, 2)
    normalize = normalize or draw.choose(*["softmax"] * 6, "sum", "none")
    draw.positive = normalize == "sum"
    apart = route != "self" and (rank == 1 or route == "cross" or draw.chance(0.5))
    if rank == 4 and heads == 0:
        rank = 3
    if heads is None:
        heads = draw.choose(0, 1, 2, 3, 4) if route != "multi-head" else draw.count(1, 4)
    head_count = heads or 1
    size = Sizes(draw, rank, apart, head_count)
    request = {}

    maps = maps if maps is not None else draw.choose("none", "none", "none", "in_out", "out_in", "state_dict")
    if rank == 4 or (maps == "state_dict" and not heads):
        maps = "none"
    if rank == 4:
        draw_split(draw, request, size, apart, head_count)
        if route == "multi-head" or draw.chance(0.5):
            request["num_heads"] = head_count
    else:
        draw_unsplit(draw, request, size, apart, head_count, heads, maps)
    write_tensors(draw, request, ("inputs", "query", "key", "value", "context"), forms)

    if normalize != "softmax" or draw.chance(0.1):
        request["normalize"] = normalize
    if draw.chance(0.4):
        request["scale"] = draw.choose(1, 0.5, 2, 0.1, 1e-3, 1.25e0)
    mask = draw_mask(draw, size, parts, forms, normalize)
    if mask is not None:
        request["mask"] = mask
    if dtype or draw.chance(0.4):
        request["dtype"] = dtype or draw.choose("float32", "float64")
    if extras:
        draw_extras(draw, request, size, rank, heads, normalize)
    if draw.chance(0.8):
        wanted = [stage for stage in reference.STAGES if draw.chance(0.6)] or ["weights"]
        draw.random.shuffle(wanted)
        request["return"] = wanted
    items = list(request.items())
    draw.random.shuffle(items)
    return "/v1/attention" + ("/" + route if route else ""), dict(items)


class Sizes:
    def __init__(self, draw, rank, apart, heads):
        self.rank = rank
        self.batch = draw.count(1, 3) if rank >= 3 else 1
        self.queries = 1 if rank == 1 else draw.count(1, 6)
        self.keys = draw.count(1, 7) if apart else self.queries
        self.heads = heads
        self.kv_heads = draw.choose(*[g for g in range(1, heads + 1) if heads % g == 0]) if apart else heads
        self.size = draw.count(1, 5)
        self.value_size = draw.count(1, 5)

    def query_shape(self, features):
        return {1: (features,), 2: (self.queries, features), 3: (self.batch, self.queries, features)}[self.rank]

    def key_shape(self, features):
        return (self.batch, self.keys, features) if self.rank == 3 else (self.keys, features)


def draw_split(draw, request, size, apart, heads):
    """Rank 4: already [B,heads,L,D]."""
    if not apart:
        request["inputs"] = draw.array(size.batch, heads, size.queries, size.size)
        return
    request["query"] = draw.array(size.batch, heads, size.queries, size.size)
    keys = draw.array(size.batch, size.kv_heads, size.keys, size.size)
    if draw.chance(0.5):
        request["context"] = keys
        return
    request["key"] = keys
    if draw.chance(0.8):
        request["value"] = draw.array(size.batch, size.kv_heads, size.keys, size.value_size)


def draw_unsplit(draw, request, size, apart, heads, num_heads, maps):
    """Ranks 1 to 3, with or without projections."""
    if num_heads:
        request["num_heads"] = num_heads
    projected = {name: maps in ("in_out", "out_in") and draw.chance(0.75) for name in ("query", "key", "value", "output")}
    one_source = not apart or draw.chance(0.4)
    if maps == "state_dict":
        size.kv_heads = heads
        features = heads * size.size
        key_features = features if one_source and not apart else draw.choose(features, draw.count(1, 6))
        value_features = key_features if one_source else draw.choose(features, draw.count(1, 6))
        size.value_size = size.size
        features_in = (features, key_features, value_features)
    else:
        if not apart and projected["key"] and projected["value"]:
            size.kv_heads = draw.choose(*[g for g in range(1, heads + 1) if heads % g == 0])
        if num_heads and (size.kv_heads != heads or draw.chance(0.3)):
            request["num_kv_heads"] = size.kv_heads
        features_in = feature_sizes(draw, size, apart, one_source, projected)
    features, key_features, value_features = features_in
    if not apart:
        request["inputs"] = draw.array(*size.query_shape(features))
    else:
        request["query"] = draw.array(*size.query_shape(features))
        keys = draw.array(*size.key_shape(key_features))
        if one_source:
            request[draw.choose("context", "key")] = keys
        else:
            request["key"] = keys
            request["value"] = draw.array(*size.key_shape(value_features))
    merged = heads * size.value_size
    if maps == "state_dict":
        merged = features
        request["projections"] = {"state_dict": draw_state_dict(draw, features, key_features, value_features)}
    elif any(projected.values()):
        output = features if draw.chance(0.5) else draw.count(1, 6)
        request["projections"] = draw_projections(draw, size, projected, features_in, output, maps)
        merged = output if projected["output"] else merged
    if merged == features and draw.chance(0.5):
        request["add_norm"] = draw.choose(True, {"epsilon": 0.001}, {"weight": draw.array(features)},
                                          {"weight": draw.array(features), "bias": draw.array(features),
                                           "epsilon": 0.1})


def feature_sizes(draw, size, apart, one_source, projected):
    """Features of query, key and value: free where a projection follows, given by the heads where none does."""
    shares_unprojected = not projected["key"] or (not apart and not projected["query"])
    if (one_source or not apart) and not projected["value"] and shares_unprojected:
        size.value_size = size.size
    needed = {"query": size.heads * size.size, "key": size.kv_heads * size.size,
              "value": size.kv_heads * size.value_size}

    def features(*names):
        fixed = [needed[name] for name in names if not projected[name]]
        return fixed[0] if fixed else draw.count(1, 6)

    if not apart:
        return (features("query", "key", "value"),) * 3
    if one_source:
        shared = features("key", "value")
        return features("query"), shared, shared
    return features("query"), features("key"), features("value")


def draw_projections(draw, size, projected, features_in, output, layout):
    shapes = {"query": (features_in[0], size.heads * size.size), "key": (features_in[1], size.kv_heads * size.size),
              "value": (features_in[2], size.kv_heads * size.value_size),
              "output": (size.heads * size.value_size, output)}
    given = {}
    for name, is_projected in projected.items():
        if is_projected:
            rows, columns = shapes[name]
            weight = draw.weight(rows, columns) if layout == "in_out" else draw.weight(columns, rows)
            given[name] = {"weight": tensors.write(weight, draw.choose("nested", "nested", "flat", "float32"))}
            if draw.chance(0.5):
                given[name]["bias"] = draw.array(columns)
    if layout == "out_in" or draw.chance(0.5):
        given["layout"] = layout
    return given


def draw_state_dict(draw, features, key_features, value_features):
    entries = {}
    if key_features == features and value_features == features:
        entries["in_proj_weight"] = draw.weight(3 * features, features)
    else:
        entries["q_proj_weight"] = draw.weight(features, features)
        entries["k_proj_weight"] = draw.weight(features, key_features)
        entries["v_proj_weight"] = draw.weight(features, value_features)
    if draw.chance(0.7):
        entries["in_proj_bias"] = draw.array(3 * features)
        entries["out_proj.bias"] = draw.array(features)
    entries["out_proj.weight"] = draw.weight(features, features)
    return entries


def write_tensors(draw, request, names, forms):
    for name in names:
        if name in request:
            request[name] = tensors.write(request[name], draw.choose(*(forms or ("nested",) * 4 + tensors.FORMS)))


def draw_mask(draw, size, parts, forms, normalize):
    if parts is None and draw.chance(0.3):
        return None
    if parts is None and draw.chance(0.2):
        return "causal"
    if parts is None and draw.chance(0.1):
        return draw.booleans(size.queries, size.keys)
    if parts is None:
        parts = [part for part in PARTS if draw.chance(0.25)]
    four = (draw.choose(1, size.batch), draw.choose(1, size.heads), draw.choose(1, size.queries), size.keys)
    mask = {}
    for part in parts:
        shape = draw.choose((size.queries, size.keys), four)
        if part == "causal":
            mask[part] = draw.chance(0.9)
        elif part == "window":
            mask[part] = draw.choose(draw.count(0, 3), [draw.count(-1, 3), draw.count(-1, 3)])
        elif part == "lengths":
            mask[part] = [draw.count(1 if draw.chance(0.8) else 0, size.keys) for _ in range(size.batch)]
        elif part in ("attend", "block"):
            mask[part] = boolean_tensor(draw, draw.booleans(*shape, share=0.75 if part == "attend" else 0.25), forms)
        elif part == "bias":
            mask[part] = draw_bias(draw, shape)
        elif part == "multiply":
            mask[part] = draw.array(*shape)
        elif part == "padding":
            shape = (size.batch, size.keys) if size.batch > 1 or draw.chance(0.5) else (size.keys,)
            mask[part] = boolean_tensor(draw, draw.booleans(*shape, share=0.2), forms)
        elif part == "query_padding":
            shape = (size.batch, size.queries) if size.batch > 1 or draw.chance(0.5) else (size.queries,)
            mask[part] = boolean_tensor(draw, draw.booleans(*shape, share=0.2), forms)
    if draw.chance(0.4) and {"causal", "window"} & set(parts):
        mask["align"] = draw.choose("top_left", "bottom_right", "auto")
    return mask


def boolean_tensor(draw, nested, forms):
    form = draw.choose(*(forms or ("nested",) * 4 + tensors.FORMS))
    if form not in ("nested", "flat", "shaped") or draw.chance(0.4):
        nested = tensors.each(nested, int)
    return tensors.write(nested, form)


def draw_bias(draw, shape):
    bias = draw.array(*shape)
    if draw.chance(0.5):
        bias = tensors.each(bias, lambda x: None if draw.chance(0.2) else x)
    if draw.chance(0.3):
        return tensors.encode(tensors.each(bias, lambda x: float("-inf") if x is None else x),
                              draw.choose("float16", "bfloat16", "float32", "float64"))
    return tensors.write(bias, draw.choose("nested", "nested", "flat", "shaped"))


def draw_extras(draw, request, size, rank, heads, normalize):
    if normalize == "softmax" and draw.chance(0.3):
        request["fully_masked"] = draw.choose("zero", "uniform")
    if draw.chance(0.3):
        request["average_heads"] = draw.chance(0.7)
    if draw.chance(0.15):
        request["decimals"] = draw.count(0, 17)
    elif draw.chance(0.2):
        request["encoding"] = draw.choose("json", "b64")
    if draw.chance(0.2):
        request[draw.choose("softcap", "alibi", "sinks", "rotary", "past_key", "gate", "seed", "pad_token")] = None
    if draw.chance(0.2):
        def labels(count):
            row = [draw.choose(*WORDS) for _ in range(count)]
            return [[draw.choose(*WORDS) for _ in range(count)] for _ in range(size.batch)] \
                if rank >= 3 and draw.chance(0.5) else row
        if "inputs" in request:
            request["tokens"] = labels(size.queries)
        else:
            request["query_tokens"] = labels(size.queries)
            request["key_tokens"] = labels(size.keys)
