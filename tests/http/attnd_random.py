"""Random requests that are right: every member of the contract, in every combination that makes sense.

make() draws one; its keyword arguments pin what a family of tests is about. The shapes are small: what is looked for
is a wrong index, a wrong axis, a wrong order of steps, and small sizes find those.
"""

import attnd_random_axes as axes
import attnd_random_sides as sides
import attnd_reference as reference
from attnd_draw import Draw
from attnd_random_mask import draw_mask, with_align

WORDS = ("you", "start", "나는", "집에", "café", "", "emoji 🙂", "quote \" and \\", "line\nbreak", "tab\t", "</script>", "é")

# What can be switched on, and in what share of the requests that leave it open.
OPTIONS = {"softcap": 0.2, "alibi": 0.2, "sinks": 0.2, "rotary": 0.25, "past_key": 0.25, "add_zero_attn": 0.15,
           "bias_k": 0.5, "gate": 0.2, "add_norm": 0.25, "attention_axes": 0.1, "embeddings": 0.1}


def make(seed, route=None, dtype=None, rank=None, parts=None, heads=None, maps=None, forms=None, extras=True,
         normalize=None, options=(), without=()):
    """A request, its route and the right answer. None leaves a choice open; of the members and options named here, those in
    `options` must be there and those in `without` must not."""
    for attempt in range(200):
        draw = Draw(f"{seed}/{attempt}")
        chosen, request = draw_request(draw, route, dtype, rank, parts, heads, maps, forms, extras, normalize,
                                       options, without)
        if any(request.get(name) is None for name in options if name != "bias_k"):
            continue
        answer = reference.evaluate(request, chosen.endswith("masked"))
        if answer.condition <= 20:
            return chosen, request, answer
    raise ValueError(f"no well-conditioned request for seed {seed}")


def draw_request(draw, route, dtype, rank, parts, heads, maps, forms, extras, normalize, forced, without):
    options = {name for name, share in OPTIONS.items() if name in forced or draw.chance(share)}
    if not extras:
        options = set(forced)
    options -= set(without)
    if "bias_k" in forced:
        maps, heads = "state_dict", heads or draw.count(1, 4)
    if route is None:
        route = draw.choose("self", "masked", "cross", "", *["multi-head"] * (heads != 0))
    if rank is not None or "embeddings" in options:
        options.discard("attention_axes")
    unsplit = {"gate", "add_norm", "embeddings", "bias_k"} & set(forced) or maps not in (None, "none")
    rank = 3 if "attention_axes" in options else rank or draw.choose(1, 2, 2, 3, 3, *[4] * (not unsplit))
    if route == "self" or "embeddings" in forced:
        rank = max(rank, 2)
    normalize = "softmax" if "sinks" in forced else normalize or draw.choose(*["softmax"] * 6, "sum", "none")
    draw.positive = normalize == "sum"
    apart = route != "self" and (rank == 1 or route == "cross" or draw.chance(0.5))
    if rank == 4 and heads == 0:
        rank = 3
    if heads is None:
        heads = draw.choose(0, 1, 2, 3, 4) if route != "multi-head" else draw.count(1, 4)
    size = sides.Sizes(draw, rank, apart, heads or 1, options, draw.chance(0.02))
    request = {}
    maps = maps if maps is not None else draw.choose("none", "none", "none", "in_out", "out_in", "state_dict", "init")
    if rank == 4 or (maps == "state_dict" and not heads):
        maps = "none"
    if "attention_axes" in options:
        folded = axes.Folding(draw, size, apart)
    if rank == 4:
        sides.draw_split(draw, request, size, apart, size.heads)
        if route == "multi-head" or draw.chance(0.5):
            request["num_heads"] = size.heads
    else:
        output = sides.draw_unsplit(draw, request, size, apart, heads, maps, options)
        draw_ends(draw, request, size, output, options)
    if "embeddings" in options:
        sides.look_up(draw, request, size)
    if "attention_axes" in options:
        folded.unfold(draw, request)
    for name in sides.SOURCES:
        if name in request:
            request[name] = draw.written(request[name], forms)

    if normalize != "softmax" or draw.chance(0.1):
        request["normalize"] = normalize
    if draw.chance(0.4):
        request["scale"] = draw.choose(1, 0.5, 2, 0.1, 1e-3, 1.25e0)
    draw_scores(draw, request, size, options, normalize)
    draw_positions(draw, request, size, options, forms)
    mask = with_align(draw, draw_mask(draw, size, parts, forms), {"alibi", "rotary"} & set(request))
    if mask is not None:
        request["mask"] = mask
    if dtype or draw.chance(0.5):
        request["dtype"] = dtype or draw.choose("float32", "float64", "float64", "float16", "bfloat16")
    if extras:
        draw_extras(draw, request, size, rank, normalize)
    if draw.chance(0.8):
        offered = [stage for stage in reference.STAGES if stage != "lse" or normalize == "softmax"]
        offered += ["projections"] * (maps == "init")
        wanted = [stage for stage in offered if draw.chance(0.6)] or ["weights"]
        draw.random.shuffle(wanted)
        request["return"] = wanted
    items = [(name, value) for name, value in request.items() if name not in without]
    draw.random.shuffle(items)
    return "/v1/attention" + ("/" + route if route else ""), dict(items)


def draw_ends(draw, request, size, output, options):
    """What follows the heads: gate and add_norm."""
    if "gate" in options:
        request["gate"] = {"weight": draw.written(draw.weight(size.features, size.heads * size.value_size))}
        if draw.chance(0.5):
            request["gate"]["bias"] = draw.array(size.heads * size.value_size)
    if output == size.features and "add_norm" in options:
        features = size.features
        request["add_norm"] = draw.choose(True, {"epsilon": 0.001}, {"weight": draw.array(features)},
                                          {"weight": draw.array(features), "bias": draw.array(features),
                                           "epsilon": 0.1})


def draw_scores(draw, request, size, options, normalize):
    """What changes scores and what joins them."""
    if "softcap" in options:
        request["softcap"] = draw.choose(1, 2, 0.5, 30, 50.0, 1.7)
    if "alibi" in options:
        request["alibi"] = draw.choose(True, draw.array(size.heads), [0.5] * size.heads)
    if "sinks" in options and normalize == "softmax":
        request["sinks"] = draw.choose(draw.array(size.heads), [draw.random.uniform(-30, 30) for _ in range(size.heads)])
    if "add_zero_attn" in options:
        request["add_zero_attn"] = draw.chance(0.9)


def draw_positions(draw, request, size, options, forms):
    """Rotary positions and the cache."""
    if "rotary" in options and size.size >= 2:
        rotary = {}
        if draw.chance(0.4) or size.size % 2:
            rotary["dim"] = 2 * draw.count(1, size.size // 2)
        if draw.chance(0.5):
            rotary["interleaved"] = draw.chance(0.7)
        if draw.chance(0.3):
            rotary["base"] = draw.choose(10000, 100, 500000.0, 2)
        if size.queries == size.keys and draw.chance(0.4):
            highest = draw.choose(10, 10, 5000)
            rotary["positions"] = [draw.count(0, highest) for _ in range(size.keys)]
        request["rotary"] = rotary
    if size.cached:
        request["past_key"] = draw.written(draw.array(size.batch, size.kv_heads, size.cached, size.size), forms)
        request["past_value"] = draw.written(draw.array(size.batch, size.kv_heads, size.cached, size.value_size), forms)


def draw_extras(draw, request, size, rank, normalize):
    if normalize == "softmax" and draw.chance(0.3):
        request["fully_masked"] = draw.choose("zero", "uniform")
    if draw.chance(0.3):
        request["average_heads"] = draw.chance(0.7)
    if draw.chance(0.15):
        request["decimals"] = draw.count(0, 17)
    elif draw.chance(0.2):
        request["encoding"] = draw.choose("json", "b64")
    absent = draw.choose("softcap", "alibi", "sinks", "rotary", "past_key", "gate", "seed", "pad_token")
    if draw.chance(0.2) and absent not in request and not (absent == "past_key" and size.cached):
        request[absent] = None
    if draw.chance(0.2) and not {"embeddings", "attention_axes", "past_key"} & set(request):
        draw_labels(draw, request, size, rank)


def draw_labels(draw, request, size, rank):
    in_batch = rank >= 3 and draw.chance(0.5)

    def labels(count):
        row = [[draw.choose(*WORDS) for _ in range(count)] for _ in range(size.batch if in_batch else 1)]
        return row if in_batch else row[0]
    if "inputs" in request:
        request["tokens"] = labels(size.queries)
    else:
        request["query_tokens"] = labels(size.queries)
        request["key_tokens"] = labels(size.keys)
