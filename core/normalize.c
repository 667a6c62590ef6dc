/* From scores to weights, one row at a time: a kernel.
 *
 * Softmax subtracts the row's maximum, so that it never overflows: every exponent is 0 or less and the sum is at least
 * 1 (Milakov and Gimelshein, 2018, call it the safe softmax). A disallowed key's score is −∞ and its exponential 0.
 * Rows can be long, so only a short stretch is summed in the row's type, and the stretches in double. */
#include "core/lanes.h"
#include "core/steps.h"

/* exp by Cody and Waite, "Software Manual for the Elementary Functions", 1980, chapter 6: x = n·ln 2 + r with
 * |r| ≤ ln 2 / 2, exp(x) = 2ⁿ·exp(r), ln 2 in two parts of which the first times n is exact. exp(r) is
 * 1 + r + r²·p(r) with p by Remez for the least relative error: 2⁻²⁸ for float32, 2⁻⁵⁷ for float64. n is rounded by
 * adding a number whose last place is 1, which leaves n in the low bits. Plain operations only, so that compilers make
 * vector code of it everywhere; tests/core/prove_exp.c holds it against the library for every float32 that is 0 or
 * less. Below the smallest normal number the result is 0. */
#if REAL_BITS == 32
#define NORMALIZE_ROUND 0x1.8p23F
#define NORMALIZE_LN2_HIGH 0x1.62e4p-1F
#define NORMALIZE_LN2_LOW 0x1.7f7d1cp-20F
enum { NORMALIZE_BIAS = 127, NORMALIZE_FRACTION_BITS = 23 };
static const real normalize_terms[] = {0x1.6a23c8p-10F, 0x1.123a1fp-7F, 0x1.5558f2p-5F, 0x1.555492p-3F, 0x1.fffffcp-2F};
#else
#define NORMALIZE_ROUND 0x1.8p52
#define NORMALIZE_LN2_HIGH 0x1.62e42fefa0000p-1
#define NORMALIZE_LN2_LOW 0x1.cf79abc9e3b3ap-40
enum { NORMALIZE_BIAS = 1023, NORMALIZE_FRACTION_BITS = 52 };
static const real normalize_terms[] = {
    0x1.ad7f6c74e4e49p-26, 0x1.28ad9b6090f22p-22, 0x1.71df259679ec7p-19, 0x1.a01999e28f45bp-16, 0x1.a01a012a1bd56p-13,
    0x1.6c16c184389fbp-10, 0x1.1111111127ceap-7,  0x1.555555555083fp-5,  0x1.55555555554f9p-3,  0x1.000000000000ap-1};
#endif

enum { NORMALIZE_STRETCH = 16 * LANES_COUNT }; /* numbers */

enum { NORMALIZE_TERMS = sizeof normalize_terms / sizeof *normalize_terms };

/* exp(x) · 2^−halvings for x ≤ 0, −∞ included. `bias`: that of the exponent's field less the halvings; where n is
 * −bias the field is 0, and so is the result. */
static inline lanes normalize_exp_of(lanes x, real_bits bias) {
    lanes within = lanes_max(x, lanes_all(-(real)bias * (real)M_LN2));
    lanes rounded = within * (real)M_LOG2E + NORMALIZE_ROUND, n = rounded - NORMALIZE_ROUND;
    lanes r = within - n * NORMALIZE_LN2_HIGH - n * NORMALIZE_LN2_LOW, p = lanes_all(normalize_terms[0]);
    for (size_t i = 1; i < NORMALIZE_TERMS; i++)
        p = p * r + normalize_terms[i];
    p = (p * r + 1) * r + 1;
    return p * (lanes)(((lanes_bits)rounded + bias) << NORMALIZE_FRACTION_BITS);
}

double REAL(normalize_exp)(void *numbers, size_t count, double most, unsigned halvings) {
    real *row = numbers, top = (real)most;
    real_bits bias = NORMALIZE_BIAS - halvings;
    size_t whole = count / LANES_COUNT * LANES_COUNT;
    double sums[LANES_COUNT] = {0};
    lanes sum = {0};
    for (size_t begin = 0, end; begin < whole; begin = end) {
        end = whole - begin < NORMALIZE_STRETCH ? whole : begin + NORMALIZE_STRETCH;
        for (size_t i = begin; i < end; i += LANES_COUNT) {
            lanes weights = normalize_exp_of(*(lanes *)(row + i) - top, bias);
            *(lanes *)(row + i) = weights;
            sum += weights;
        }
        for (size_t i = 0; i < LANES_COUNT; i++)
            sums[i] += (double)sum[i];
        sum = lanes_all(0);
    }
    if (whole < count) {
        lanes rest = lanes_load(row + whole, count - whole, -(real)INFINITY);
        rest = normalize_exp_of(rest - top, bias);
        lanes_store(rest, count - whole, row + whole);
        for (size_t i = 0; i < LANES_COUNT; i++)
            sums[i] += (double)rest[i];
    }
    for (size_t half = LANES_COUNT / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            sums[i] += sums[i + half];
    return sums[0];
}

/* Dividing, not multiplying by 1/sum: each weight is then the nearest number to its quotient, 1/3 is 1/3. */
void REAL(normalize_divide)(real *row, size_t count, double sum) {
    real divisor = (real)sum;
    for (size_t i = 0; i < count; i++)
        row[i] /= divisor;
}

void REAL(normalize_drop)(real *row, size_t count) {
    for (size_t i = 0; i < count; i++)
        row[i] = row[i] == -(real)INFINITY ? 0 : row[i];
}

/* The quotient is taken in double: scores of both signs may nearly cancel in the sum. */
static bool normalize_by_sum(real *row, size_t count) {
    double sum = 0;
    REAL(normalize_drop)(row, count);
    for (size_t i = 0; i < count; i++)
        sum += (double)row[i];
    if (!isfinite(sum))
        return false;
    for (size_t i = 0; i < count; i++)
        row[i] = sum == 0 ? 0 : (real)((double)row[i] / sum);
    return REAL(row_finite)(row, count);
}

bool REAL(normalize_row)(enum attention_normalize normalize, real most, real *row, size_t count) {
    switch (normalize) {
    case ATTENTION_SOFTMAX:
        REAL(normalize_divide)(row, count, REAL(normalize_exp)(row, count, (double)most, 0));
        return true;
    case ATTENTION_SUM:
        return normalize_by_sum(row, count);
    case ATTENTION_NONE:
        REAL(normalize_drop)(row, count);
        return true;
    }
    return false;
}
