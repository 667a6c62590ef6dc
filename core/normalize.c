/* From scores to weights, one row at a time: a kernel, compiled for float32 and float64.
 *
 * Softmax subtracts the row's maximum, so that it never overflows: every exponent is 0 or less and the sum is at least
 * 1 (Milakov and Gimelshein, 2018, call it the safe softmax). A disallowed key's score is −∞ and its exponential 0.
 * Rows can be long, so sums run in double and in lanes, each over a short stretch: the error stays that of a few
 * additions, and the lanes become vector code without a licence to reorder. */
#include "core/kernels.h"
#include "core/real.h"

enum {
    NORMALIZE_LANES = 16,
    NORMALIZE_STRETCH = 256, /* numbers that lanes add up before they are emptied */
};

static real normalize_max(const real *row, size_t count) {
    real lanes[NORMALIZE_LANES], most = -(real)INFINITY;
    size_t i = 0;
    for (size_t lane = 0; lane < NORMALIZE_LANES; lane++)
        lanes[lane] = -(real)INFINITY;
    for (; i + NORMALIZE_LANES <= count; i += NORMALIZE_LANES)
        for (size_t lane = 0; lane < NORMALIZE_LANES; lane++)
            lanes[lane] = row[i + lane] > lanes[lane] ? row[i + lane] : lanes[lane];
    for (; i < count; i++)
        most = row[i] > most ? row[i] : most;
    for (size_t lane = 0; lane < NORMALIZE_LANES; lane++)
        most = lanes[lane] > most ? lanes[lane] : most;
    return most;
}

/* The sum of at most NORMALIZE_STRETCH numbers. */
static double normalize_sum_stretch(const real *row, size_t count) {
    double lanes[NORMALIZE_LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + NORMALIZE_LANES <= count; i += NORMALIZE_LANES)
        for (size_t lane = 0; lane < NORMALIZE_LANES; lane++)
            lanes[lane] += (double)row[i + lane];
    for (; i < count; i++)
        sum += (double)row[i];
    for (size_t lane = 0; lane < NORMALIZE_LANES; lane++)
        sum += lanes[lane];
    return sum;
}

static double normalize_sum(const real *row, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i += NORMALIZE_STRETCH) {
        size_t stretch = count - i < NORMALIZE_STRETCH ? count - i : NORMALIZE_STRETCH;
        sum += normalize_sum_stretch(row + i, stretch);
    }
    return sum;
}

/* The one place where exp is called, and so the place for a vector exp. */
static void normalize_exp(real *row, size_t count, real most) {
    for (size_t i = 0; i < count; i++)
        row[i] = REAL_MATH(exp)(row[i] - most);
}

/* Dividing, not multiplying by 1/sum: each weight is then the nearest number to its quotient, 1/3 is 1/3. */
static void normalize_divide(real *row, size_t count, double sum) {
    real divisor = (real)sum;
    for (size_t i = 0; i < count; i++)
        row[i] /= divisor;
}

/* Disallowed keys weigh nothing: −∞ becomes 0. */
static void normalize_drop(real *row, size_t count) {
    for (size_t i = 0; i < count; i++)
        row[i] = row[i] == -(real)INFINITY ? 0 : row[i];
}

/* The quotient is taken in double: scores of both signs may nearly cancel in the sum. */
static bool normalize_by_sum(real *row, size_t count) {
    normalize_drop(row, count);
    double sum = normalize_sum(row, count);
    if (!isfinite(sum))
        return false;
    for (size_t i = 0; i < count; i++)
        row[i] = sum == 0 ? 0 : (real)((double)row[i] / sum);
    return REAL(row_finite)(row, count);
}

bool REAL(normalize_row)(enum attention_normalize normalize, real *row, size_t count) {
    switch (normalize) {
    case ATTENTION_SOFTMAX:
        normalize_exp(row, count, normalize_max(row, count));
        normalize_divide(row, count, normalize_sum(row, count));
        return true;
    case ATTENTION_SUM:
        return normalize_by_sum(row, count);
    case ATTENTION_NONE:
        normalize_drop(row, count);
        return true;
    }
    return false;
}
