/* exp(x) for x ≤ 0, a vector of numbers at a time.
 *
 * exp by Cody and Waite, "Software Manual for the Elementary Functions", 1980, chapter 6: x = n·ln 2 + r with
 * |r| ≤ ln 2 / 2, exp(x) = 2ⁿ·exp(r), ln 2 in two parts of which the first times n is exact. exp(r) is
 * 1 + r + r²·p(r) with p by Remez for the least relative error: 2⁻²⁸ for float32, 2⁻⁵⁷ for float64. n is rounded by
 * adding a number whose last place is 1, which leaves n in the low bits. Plain operations only, so that compilers make
 * vector code of it everywhere; tests/core/prove_exp.c holds it against the library for every float32 that is 0 or
 * less. Below the smallest normal number the result is 0. */
#pragma once

#include "core/lanes.h"

#if REAL_BITS == 32
#define EXPONENTIAL_ROUND 0x1.8p23F
#define EXPONENTIAL_LN2_HIGH 0x1.62e4p-1F
#define EXPONENTIAL_LN2_LOW 0x1.7f7d1cp-20F
enum { EXPONENTIAL_BIAS = 127, EXPONENTIAL_FRACTION_BITS = 23 };
static const real exponential_terms[] = {0x1.6a23c8p-10F, 0x1.123a1fp-7F, 0x1.5558f2p-5F, 0x1.555492p-3F,
                                         0x1.fffffcp-2F};
#else
#define EXPONENTIAL_ROUND 0x1.8p52
#define EXPONENTIAL_LN2_HIGH 0x1.62e42fefa0000p-1
#define EXPONENTIAL_LN2_LOW 0x1.cf79abc9e3b3ap-40
enum { EXPONENTIAL_BIAS = 1023, EXPONENTIAL_FRACTION_BITS = 52 };
static const real exponential_terms[] = {
    0x1.ad7f6c74e4e49p-26, 0x1.28ad9b6090f22p-22, 0x1.71df259679ec7p-19, 0x1.a01999e28f45bp-16, 0x1.a01a012a1bd56p-13,
    0x1.6c16c184389fbp-10, 0x1.1111111127ceap-7,  0x1.555555555083fp-5,  0x1.55555555554f9p-3,  0x1.000000000000ap-1};
#endif

enum { EXPONENTIAL_TERMS = sizeof exponential_terms / sizeof *exponential_terms };

/* n in the low bits of `power`, and exp(r) − 1. */
struct exponential_parts {
    lanes power, rest;
};

static inline struct exponential_parts exponential_split(lanes x) {
    lanes power = x * (real)M_LOG2E + EXPONENTIAL_ROUND, n = power - EXPONENTIAL_ROUND;
    lanes r = x - n * EXPONENTIAL_LN2_HIGH - n * EXPONENTIAL_LN2_LOW, p = lanes_all(exponential_terms[0]);
    for (size_t i = 1; i < EXPONENTIAL_TERMS; i++)
        p = p * r + exponential_terms[i];
    return (struct exponential_parts){power, (p * r + 1) * r};
}

/* 2ⁿ; `bias`: of the exponent's field, less what n is to be less. */
static inline lanes exponential_power(lanes power, real_bits bias) {
    return (lanes)(((lanes_bits)power + bias) << EXPONENTIAL_FRACTION_BITS);
}

/* exp(x) · 2^−halvings for x ≤ 0, −∞ included. `bias`: EXPONENTIAL_BIAS less the halvings; where n is −bias the field
 * is 0, and so is the result. */
static inline lanes exponential(lanes x, real_bits bias) {
    struct exponential_parts parts = exponential_split(lanes_max(x, lanes_all(-(real)bias * (real)M_LN2)));
    return (parts.rest + 1) * exponential_power(parts.power, bias);
}

/* exp(x) − 1 for 0 ≥ x ≥ −80, to the last places for small x too: nothing cancels where n is 0, and little elsewhere.
 */
static inline lanes exponential_less_one(lanes x) {
    struct exponential_parts parts = exponential_split(x);
    lanes power = exponential_power(parts.power, EXPONENTIAL_BIAS);
    return parts.rest * power + (power - 1);
}
