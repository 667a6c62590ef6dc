"""The weights that torch.manual_seed(seed) followed by nn.Linear holds, in plain Python.

torch's generator on the CPU is the Mersenne Twister of Matsumoto and Nishimura (1998) with its plain seeding, which
Python's own generator also is once its state is set. nn.Linear draws its weight [out,in], then its bias [out], each
uniform in [-bound, bound]: u·2^-24·(high − low) + low with u the low 24 bits of a word, in float32 with one rounding for
the multiplication and the addition together (a fused multiply-add).
"""

import math
import random
from fractions import Fraction

import attnd_tensors as tensors


class Generator:
    """torch's default generator after torch.manual_seed(seed)."""

    def __init__(self, seed):
        words = [seed & 0xffffffff]
        for place in range(1, 624):
            last = words[-1]
            words.append((1812433253 * (last ^ last >> 30) + place) & 0xffffffff)
        self.random = random.Random()
        self.random.setstate((3, (*words, 624), None))

    def word(self):
        return self.random.getrandbits(32)

    def uniform(self, bound):
        """One float32 of tensor.uniform_(-bound, bound)."""
        low, high = tensors.single(-bound), tensors.single(bound)
        width = tensors.single(high - low)
        u = (self.word() & 0xffffff) / (1 << 24)
        return single_of(Fraction(u) * Fraction(width) + Fraction(low))


def single_of(exact):
    """The float32 nearest to a fraction. Rounding twice, to a double and then to a float32, is wrong only where the double
    is a float32's halfway point and the fraction is not: there the fraction decides."""
    double = float(exact)
    nearest = tensors.single(double)
    if Fraction(double) == exact or Fraction(nearest) == exact:
        return nearest
    for other in neighbours(nearest):
        if abs(exact - Fraction(other)) < abs(exact - Fraction(nearest)):
            return other
    return nearest


def neighbours(single):
    """The float32 numbers to either side."""
    step = 2.0 ** (math.frexp(single)[1] - 25) if single else 2.0 ** -149
    return [tensors.single(single + factor * step) for factor in (-2, -1, 1, 2)]


def linear(generator, features_in, features_out, has_bias):
    """(weight [out][in], bias or None) of nn.Linear(features_in, features_out)."""
    # kaiming_uniform_(weight, a=sqrt(5)): the gain of a leaky ReLU over the square root of the inputs, times sqrt(3)
    gain = math.sqrt(2.0 / (1 + math.sqrt(5) ** 2))
    bound = math.sqrt(3.0) * (gain / math.sqrt(features_in))
    weight = [[generator.uniform(bound) for _ in range(features_in)] for _ in range(features_out)]
    bias = [generator.uniform(1 / math.sqrt(features_in)) for _ in range(features_out)] if has_bias else None
    return weight, bias
