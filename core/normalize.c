/* From scores to weights, one row at a time: a kernel.
 *
 * Softmax subtracts the row's maximum, so that it never overflows: every exponent is 0 or less and the sum is at least
 * 1 (Milakov and Gimelshein, 2018, call it the safe softmax). A disallowed key's score is −∞ and its exponential 0.
 * Rows can be long, so only a short stretch is summed in the row's type, and the stretches in double. */
#include "core/exponential.h"
#include "core/steps.h"

enum { NORMALIZE_STRETCH = 16 * LANES_COUNT }; /* numbers */

double REAL(normalize_exp)(void *numbers, size_t count, double most, unsigned halvings) {
    real *row = numbers, top = (real)most;
    real_bits bias = EXPONENTIAL_BIAS - halvings;
    size_t whole = count / LANES_COUNT * LANES_COUNT;
    double sums[LANES_COUNT] = {0};
    lanes sum = {0};
    for (size_t begin = 0, end; begin < whole; begin = end) {
        end = whole - begin < NORMALIZE_STRETCH ? whole : begin + NORMALIZE_STRETCH;
        for (size_t i = begin; i < end; i += LANES_COUNT) {
            lanes weights = exponential(*(lanes *)(row + i) - top, bias);
            *(lanes *)(row + i) = weights;
            sum += weights;
        }
        for (size_t i = 0; i < LANES_COUNT; i++)
            sums[i] += (double)sum[i];
        sum = lanes_all(0);
    }
    if (whole < count) {
        lanes rest = lanes_load(row + whole, count - whole, -(real)INFINITY);
        rest = exponential(rest - top, bias);
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

/* The log of a row's sum; log(exp(a) + exp(b)) = a + log(1 + exp(b − a)), with a the larger. Without an allowed key
 * there is the sink alone, so that rows which see no key in a piece of the keys can be joined with others; −∞ without
 * either. */
static double normalize_lse(double most, double sum, double sink) {
    if (most == -INFINITY)
        return sink;
    double keys = most + log(sum), larger = fmax(keys, sink);
    return larger + log1p(exp(fmin(keys, sink) - larger));
}

double REAL(normalize_sum)(const struct attention *attention, const struct mask_place *place, real most, double sum,
                           unsigned halvings) {
    const struct view *query = &attention->query;
    double sink = attention->sinks ? attention->sinks[place->head] : -INFINITY;
    if (attention->lse)
        ((real *)attention->lse)[(place->batch * query->heads + place->head) * query->rows + place->row] =
            (real)normalize_lse((double)most, ldexp(sum, (int)halvings), sink);
    return attention->sinks ? sum + ldexp(exp(sink - (double)most), -(int)halvings) : sum;
}

bool REAL(normalize_row)(const struct attention *attention, const struct mask_place *place, real most, real *row,
                         size_t count) {
    double sum;
    switch (attention->normalize) {
    case ATTENTION_SOFTMAX:
        sum = REAL(normalize_exp)(row, count, (double)most, 0);
        REAL(normalize_divide)(row, count, REAL(normalize_sum)(attention, place, most, sum, 0));
        return true;
    case ATTENTION_SUM:
        return normalize_by_sum(row, count);
    case ATTENTION_NONE:
        REAL(normalize_drop)(row, count);
        return true;
    }
    return false;
}
