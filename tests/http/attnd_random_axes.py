"""Random inputs of rank 4 and 5 for attention_axes: drawn with one attended axis and given all their axes at the end."""

import math

import attnd_reference_axes as reference
import attnd_tensors as tensors
from attnd_random_sides import SOURCES


class Folding:
    """Chooses the axes and sets the sizes: the batch counts all axes not attended over, the lengths all that are."""

    def __init__(self, draw, size, apart):
        self.rank = draw.choose(4, 4, 5)
        inner = range(1, self.rank - 1)
        count = draw.count(1, len(inner))
        self.attended = draw.random.sample(list(inner), count)  # in any order
        self.outer = {axis: draw.count(1, 2) for axis in range(self.rank - 1) if axis not in self.attended}
        self.query = {axis: draw.count(1, 3 if count == 1 else 2) for axis in self.attended}
        self.key = {axis: draw.count(1, 3 if count == 1 else 2) for axis in self.attended} if apart else self.query
        size.batch = math.prod(self.outer.values())
        size.queries, size.keys = math.prod(self.query.values()), math.prod(self.key.values())

    def unfold(self, draw, request):
        for name in SOURCES:
            if name in request:
                rows = self.query if name in ("inputs", "query") else self.key
                features = tensors.shape_of(request[name])[-1]
                order = list(self.outer) + self.attended + [self.rank - 1]
                sizes = {**self.outer, **rows, self.rank - 1: features}
                moved = [sizes[axis] for axis in order]
                back = [order.index(axis) for axis in range(self.rank)]
                flat = reference.permuted(tensors.flatten(request[name]), moved, back)
                request[name] = tensors.nest(flat, [moved[place] for place in back])
        named = [axis - self.rank if draw.chance(0.2) else axis for axis in self.attended]
        request["attention_axes"] = named[0] if len(named) == 1 and draw.chance(0.5) else named
