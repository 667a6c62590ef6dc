"""The members of `mask` and alibi, naively: whether query i may see key j, and what becomes of the score."""

import math

import attnd_tensors as tensors

MINUS_INFINITY = -math.inf


class Mask:
    """Every part must allow a key. The keys counted here are the cached and the new ones; those that add_zero_attn and
    bias_k put behind them are no business of a mask."""

    def __init__(self, request, masked_route, tensor, heads, length, keys, cached, pad_padding):
        mask = request.get("mask", "causal" if masked_route else {})
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
        self.length, self.keys, self.cached = length, keys, cached
        slopes = request.get("alibi", False)
        self.slopes = (paper_slopes(heads) if slopes else None) if isinstance(slopes, bool) else tensor(slopes)

    def offset(self, b):
        """Which key stands on the diagonal of query 0."""
        align = self.mask.get("align", "auto")
        if align == "auto":
            return self.cached
        if align == "top_left":
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
        if self.pad_padding and j >= self.cached and at(self.pad_padding, b)[j - self.cached]:
            return False
        return not self.is_padded_query(b, i)

    def change(self, score, b, h, i, j):
        if "multiply" in self.arrays:
            score *= self.number("multiply", b, h, i, j)
        if "bias" in self.arrays:
            score += self.number("bias", b, h, i, j)
        if self.slopes is not None:
            score -= self.slopes[h] * abs(i + self.offset(b) - j)
        return score

    def number(self, name, b, h, i, j):
        return at(at(at(self.arrays[name], b), h), i)[j]


def paper_slopes(heads):
    """Press, Smith and Lewis (2022): a geometric series for a power of two; else that of the power of two n below, and
    every other one of the series for 2n."""
    n = 1 << heads.bit_length() - 1
    series = [2.0 ** (-8 * k / n) for k in range(1, n + 1)]
    return series + [2.0 ** (-4 * (2 * k + 1) / n) for k in range(heads - n)]


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
