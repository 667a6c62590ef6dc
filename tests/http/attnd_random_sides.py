"""Random queries, keys and values, and the learned maps between them and the heads."""

import attnd_tensors as tensors

SOURCES = ("inputs", "query", "key", "value", "context")
MAPS = ("query", "key", "value", "output")


class Sizes:
    """The lengths of all axes; `large` ones are for what is worked on in blocks."""

    def __init__(self, draw, rank, apart, heads, options, large):
        self.rank = rank
        self.batch = draw.count(1, 3) if rank >= 3 else 1
        self.queries = 1 if rank == 1 else draw.count(10, 35) if large else draw.count(1, 6)
        self.keys = (draw.count(20, 80) if large else draw.count(1, 6)) if apart else self.queries
        self.cached = draw.count(1, 4) if "past_key" in options else 0
        self.heads = heads
        self.kv_heads = draw.divisor(heads) if apart else heads
        self.size = draw.count(2 if "rotary" in options else 1, 9 if large else 6)
        self.value_size = draw.count(1, 5)
        self.features = None  # of the query side before projection

    def query_shape(self, features):
        return {1: (features,), 2: (self.queries, features), 3: (self.batch, self.queries, features)}[self.rank]

    def key_shape(self, features):
        return (self.batch, self.keys, features) if self.rank == 3 else (self.keys, features)


def draw_split(draw, request, size, apart, heads):
    """Rank 4: already [B,heads,L,D]."""
    if not apart:
        size.value_size = size.size
        request["inputs"] = draw.array(size.batch, heads, size.queries, size.size)
        return
    request["query"] = draw.array(size.batch, heads, size.queries, size.size)
    keys = draw.array(size.batch, size.kv_heads, size.keys, size.size)
    own_value = draw.chance(0.4)
    request["key" if own_value else draw.choose("context", "key")] = keys
    if own_value:
        request["value"] = draw.array(size.batch, size.kv_heads, size.keys, size.value_size)
    else:
        size.value_size = size.size


def draw_unsplit(draw, request, size, apart, num_heads, maps, options):
    """Ranks 1 to 3, with or without projections. The features of the output."""
    heads = size.heads
    if num_heads:
        request["num_heads"] = num_heads
    projected = {name: maps in ("in_out", "out_in") and draw.chance(0.75) for name in MAPS}
    one_source = not apart or draw.chance(0.4)
    if maps in ("state_dict", "init"):
        size.kv_heads, size.value_size = heads, size.size
    if maps == "state_dict":
        features = heads * size.size
        key_features = features if not apart else draw.choose(features, draw.count(1, 6))
        value_features = key_features if one_source else draw.choose(features, draw.count(1, 6))
        features_in = (features, key_features, value_features)
    elif maps == "init":
        features_in = (draw.choose(heads * size.size, draw.count(1, 6)),) * 3
    else:
        if not apart and projected["key"] and projected["value"]:
            size.kv_heads = draw.divisor(heads)
        if num_heads and (size.kv_heads != heads or draw.chance(0.3)):
            request["num_kv_heads"] = size.kv_heads
        features_in = feature_sizes(draw, size, apart, one_source, projected)
    size.features, key_features, value_features = features_in
    if not apart:
        request["inputs"] = draw.array(*size.query_shape(size.features))
    else:
        request["query"] = draw.array(*size.query_shape(size.features))
        keys = draw.array(*size.key_shape(key_features))
        request["key" if not one_source else draw.choose("context", "key")] = keys
        if not one_source:
            request["value"] = draw.array(*size.key_shape(value_features))
    if maps == "state_dict":
        request["projections"] = {"state_dict": draw_state_dict(draw, heads, *features_in, "bias_k" in options)}
        return size.features
    if maps == "init":
        return draw_init(draw, request, size)
    output = size.features if draw.chance(0.5) else draw.count(1, 6)
    if any(projected.values()):
        request["projections"] = draw_projections(draw, size, projected, features_in, output, maps)
    return output if projected["output"] else heads * size.value_size


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


def draw_state_dict(draw, heads, features, key_features, value_features, has_ends):
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
    if has_ends:
        entries["bias_k"], entries["bias_v"] = draw.array(1, 1, features), draw.array(1, 1, features)
    return entries


def draw_init(draw, request, size):
    """Weights that the service draws itself. The features of the output."""
    features = size.heads * size.size
    given = {"init": "torch.nn.Linear"}
    if features != size.features or draw.chance(0.3):
        given["features"] = features
    for name in ("bias", "output"):
        if draw.chance(0.6):
            given[name] = draw.chance(0.7)
    if draw.chance(0.8):
        request["seed"] = draw.choose(0, 1, 42, 123, draw.count(0, 2 ** 32 - 1), draw.count(0, 2 ** 53))
    request["projections"] = given
    return features


def look_up(draw, request, size):
    """In place of tensors, tokens and a table of their vectors, for some with padding."""
    names = [name for name in SOURCES if name in request]
    if size.rank not in (2, 3) or "value" in names or len({tensors.shape_of(request[name])[-1] for name in names}) > 1:
        return
    table = {}
    pad = draw.choose(None, "<pad>")
    for name in names:
        member = {"inputs": "tokens", "query": "query_tokens"}.get(name, "key_tokens")
        rows = request.pop(name) if size.rank == 3 else [request.pop(name)]
        labels = []
        for item in rows:
            labels.append([f"{name[0]}{len(table) + place}" for place in range(len(item))])
            table.update(zip(labels[-1], item))
        if pad and draw.chance(0.7):
            labels = [[pad if draw.chance(0.3) else label for label in row] for row in labels]
        request[member] = labels if size.rank == 3 else labels[0]
    used = set(tensors.flatten([request.get(name, []) for name in ("tokens", "query_tokens", "key_tokens")]))
    request["embeddings"] = {label: row for label, row in table.items() if label in used} or table
    if pad:
        request["pad_token"] = pad
        if draw.chance(0.3):
            request["embeddings"][pad] = draw.array(size.features)
