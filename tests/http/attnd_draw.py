"""Random numbers, and the choices built on them."""

import random

import attnd_tensors as tensors


class Draw:
    """Everything random about a request comes from here, so that a seed gives it again."""

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

    def divisor(self, count):
        return self.choose(*[g for g in range(1, count + 1) if count % g == 0])

    def written(self, nested, forms=None):
        """The tensor in one of `forms`, or in any."""
        return tensors.write(nested, self.choose(*(forms or ("nested",) * 4 + tensors.FORMS)))
