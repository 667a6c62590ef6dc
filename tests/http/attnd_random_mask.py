"""Random masks that are right."""

import attnd_tensors as tensors

PARTS = ("causal", "window", "lengths", "attend", "block", "bias", "multiply", "padding", "query_padding")


def draw_mask(draw, size, parts, forms):
    """None, "causal", a tensor of booleans, or an object with any of PARTS. Its keys are the cached and the new ones."""
    keys = size.cached + size.keys
    if parts is None and draw.chance(0.3):
        return None
    if parts is None and draw.chance(0.2):
        return "causal"
    if parts is None and draw.chance(0.1):
        return draw.booleans(size.queries, keys)
    if parts is None:
        parts = [part for part in PARTS if draw.chance(0.25)]
    four = (draw.choose(1, size.batch), draw.choose(1, size.heads), draw.choose(1, size.queries), keys)
    mask = {}
    for part in parts:
        shape = draw.choose((size.queries, keys), four)
        if part == "causal":
            mask[part] = draw.chance(0.9)
        elif part == "window":
            mask[part] = draw.choose(draw.count(0, 3), [draw.count(-1, 3), draw.count(-1, 3)])
        elif part == "lengths":
            mask[part] = [draw.count(1 if draw.chance(0.8) else 0, keys) for _ in range(size.batch)]
        elif part in ("attend", "block"):
            mask[part] = boolean_tensor(draw, draw.booleans(*shape, share=0.75 if part == "attend" else 0.25), forms)
        elif part == "bias":
            mask[part] = draw_bias(draw, shape)
        elif part == "multiply":
            mask[part] = draw.array(*shape)
        elif part == "padding":
            shape = (size.batch, keys) if size.batch > 1 or draw.chance(0.5) else (keys,)
            mask[part] = boolean_tensor(draw, draw.booleans(*shape, share=0.2), forms)
        elif part == "query_padding":
            shape = (size.batch, size.queries) if size.batch > 1 or draw.chance(0.5) else (size.queries,)
            mask[part] = boolean_tensor(draw, draw.booleans(*shape, share=0.2), forms)
    return mask


def with_align(draw, mask, placed):
    """The mask with `align`, in some requests; it is for those in which something has its place (`placed`)."""
    if mask == "causal" and draw.chance(0.5):
        mask = {"causal": True}
    has_place = placed or (isinstance(mask, dict) and {"causal", "window"} & set(mask))
    if has_place and (mask is None or isinstance(mask, dict) and "shape" not in mask) and draw.chance(0.5):
        mask = {**(mask or {}), "align": draw.choose("top_left", "bottom_right", "auto")}
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
