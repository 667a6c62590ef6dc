#!/usr/bin/env python3
"""Prints api/number_powers.c: the powers of ten in 128 bits, cut off after the last. Exact, since Python's integers are.

    tools/number_powers.py > api/number_powers.c
"""

LEAST, MOST = -342, 324  # what api/number_powers.h says, and why

HEAD = """/* Powers of ten in 128 bits: see number_powers.h. Printed by tools/number_powers.py; a test compares. */
#include "api/number_powers.h"

const struct number_power number_powers[NUMBER_POWERS_MOST - NUMBER_POWERS_LEAST + 1] = {"""


def power(exponent):
    """floor(10^exponent * 2^n) with the n that gives it 128 bits."""
    numerator, denominator = (10**exponent, 1) if exponent >= 0 else (1, 10**-exponent)
    shift = 128 - numerator.bit_length() + denominator.bit_length()
    value = (numerator << shift) // denominator if shift >= 0 else numerator // (denominator << -shift)
    return value >> (value.bit_length() - 128)


def entry(exponent):
    value = power(exponent)
    return f"{{0x{value >> 64:016x}, 0x{value & (1 << 64) - 1:016x}}},"


def main():
    print(HEAD)
    for exponent in range(LEAST, MOST + 1, 2):
        line = " ".join(entry(each) for each in range(exponent, min(exponent + 2, MOST + 1)))
        print(f"    {line}")
    print("};")


main()
