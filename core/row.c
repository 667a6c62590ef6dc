/* Steps on one row of plain numbers: a kernel, compiled for float32 and float64. core/rows.c and core/projection.c
 * choose the number type and walk the rows. Means and sums run in double for both types. */
#include "core/kernels.h"
#include "core/real.h"

/* The comparison is false for ±∞ and for NaN; flags are combined without branches, for vector code. */
bool REAL(row_finite)(const real *x, size_t count) {
    int finite = 1;
    for (size_t i = 0; i < count; i++)
        finite &= REAL_MATH(fabs)(x[i]) <= REAL_MAX;
    return finite != 0;
}

bool REAL(row_add)(const real *x, size_t count, real *y) {
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
    return REAL(row_finite)(y, count);
}

double REAL(row_magnitude)(const real *x, size_t count, bool masks) {
    real most = 0;
    int finite = 1;
    for (size_t i = 0; i < count; i++) {
        real size = masks && x[i] == -(real)INFINITY ? 0 : REAL_MATH(fabs)(x[i]);
        finite &= size <= REAL_MAX;
        most = size > most ? size : most;
    }
    return finite ? (double)most : INFINITY;
}

void REAL(row_accumulate)(const real *x, double factor, size_t count, real *sum) {
    for (size_t i = 0; i < count; i++)
        sum[i] = (real)((double)sum[i] + (double)x[i] * factor);
}

/* Ba et al., "Layer Normalization", 2016, equation 4; two passes over the row for the variance, which subtract the mean
 * first: the sum of squares minus the square of the sum would cancel. */
bool REAL(row_add_norm)(const struct rows_norm *norm, const real *x, size_t cols, real *y) {
    const real *weight = norm->weight, *bias = norm->bias;
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
