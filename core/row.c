/* Steps on one row of plain numbers: a kernel, compiled for float32 and float64. core/rows.c and core/projection.c
 * walk the rows. Means and sums run in double for both types. */
#include "core/lanes.h"
#include "core/steps.h"

/* The comparison is false for ±∞ and for NaN; flags are combined without branches, for vector code. */
bool REAL(row_finite)(const void *numbers, size_t count) {
    const real *x = numbers;
    int finite = 1;
    for (size_t i = 0; i < count; i++)
        finite &= REAL_MATH(fabs)(x[i]) <= REAL_MAX;
    return finite != 0;
}

/* Several maxima side by side, since each waits for the one before. A number times 0 is 0 if it is finite, else NaN. */
real REAL(row_most)(const real *x, size_t count, bool *finite) {
    enum { SIDES = 4, STEP = SIDES * LANES_COUNT };
    lanes most[SIDES], zero[SIDES] = {0};
    size_t i = 0;
    for (size_t side = 0; side < SIDES; side++)
        most[side] = lanes_all(-(real)INFINITY);
    for (; i + STEP <= count; i += STEP)
        LANES_UNROLL
    for (size_t side = 0; side < SIDES; side++) {
        lanes next = *(const lanes *)(x + i + side * LANES_COUNT);
        zero[side] += next * 0;
        most[side] = lanes_max(next, most[side]);
    }
    for (; i + LANES_COUNT <= count; i += LANES_COUNT) {
        lanes next = *(const lanes *)(x + i);
        zero[0] += next * 0;
        most[0] = lanes_max(next, most[0]);
    }
    lanes all = lanes_max(lanes_max(most[0], most[1]), lanes_max(most[2], most[3]));
    lanes zeros = zero[0] + zero[1] + (zero[2] + zero[3]);
    real largest = lanes_most(all), sum = lanes_sum(zeros);
    for (; i < count; i++) {
        sum += x[i] * 0;
        largest = x[i] > largest ? x[i] : largest;
    }
    *finite = sum == 0;
    return largest;
}

bool REAL(row_add)(const real *x, size_t count, real *y) {
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
    return REAL(row_finite)(y, count);
}

double REAL(row_magnitude)(const void *numbers, size_t count, bool masks) {
    const real *x = numbers;
    real most = 0;
    int finite = 1;
    for (size_t i = 0; i < count; i++) {
        real size = masks && x[i] == -(real)INFINITY ? 0 : REAL_MATH(fabs)(x[i]);
        finite &= size <= REAL_MAX;
        most = size > most ? size : most;
    }
    return finite ? (double)most : INFINITY;
}

void REAL(row_accumulate)(const void *numbers, double factor, size_t count, void *sums) {
    const real *x = numbers;
    real *sum = sums;
    for (size_t i = 0; i < count; i++)
        sum[i] = (real)((double)sum[i] + (double)x[i] * factor);
}

/* Pair i is (i, i + pairs), as GPT-NeoX and Hugging Face's rotate_half() have it, or interleaved (2i, 2i + 1), as
 * RoFormer and GPT-J. Rounded once, to `real`. */
void REAL(row_rotate)(const double *turns, size_t pairs, bool interleaved, void *row) {
    const double *cosines = turns, *sines = turns + pairs;
    real *x = row, *y = interleaved ? x + 1 : x + pairs;
    size_t step = interleaved ? 2 : 1;
    for (size_t i = 0; i < pairs; i++) {
        double a = (double)x[i * step], b = (double)y[i * step];
        x[i * step] = (real)(a * cosines[i] - b * sines[i]);
        y[i * step] = (real)(b * cosines[i] + a * sines[i]);
    }
}

/* Ba et al., "Layer Normalization", 2016, equation 4; two passes over the row for the variance, which subtract the mean
 * first: the sum of squares minus the square of the sum would cancel. */
bool REAL(row_add_norm)(const struct rows_norm *norm, const void *summand, size_t cols, void *result) {
    const real *weight = norm->weight, *bias = norm->bias, *x = summand;
    real *y = result;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < cols; i++)
        mean += (double)x[i] + (double)y[i];
    mean /= (double)cols;
    for (size_t i = 0; i < cols; i++) {
        double distance = (double)x[i] + (double)y[i] - mean;
        variance += distance * distance;
    }
    variance /= (double)cols;
    if (!isfinite(variance)) /* or the row would silently become its bias */
        return false;

    double deviation = sqrt(variance + norm->epsilon);
    for (size_t i = 0; i < cols; i++) {
        double normal = ((double)x[i] + (double)y[i] - mean) / deviation;
        y[i] = (real)(normal * (weight ? (double)weight[i] : 1) + (bias ? (double)bias[i] : 0));
    }
    return REAL(row_finite)(y, cols);
}
