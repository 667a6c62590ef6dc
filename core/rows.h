/* What is done to plain rows of numbers: the steps around attention that need no matrix product. All take the dtype
 * first; arrays are of it. */
#pragma once

#include "core/dtype.h"

#include <stdbool.h>
#include <stddef.h>

/* LayerNorm (Ba et al., 2016) of x + y: population variance over the row. weight, bias: [cols] or NULL. */
struct rows_norm {
    double epsilon;
    const void *weight, *bias;
};

/* y[i] = LayerNorm(x[i] + y[i]) for `count` rows, in place. False: an entry is not finite. */
bool rows_add_norm(enum dtype dtype, const struct rows_norm *norm, const void *x, size_t x_stride, size_t count,
                   size_t cols, void *y, size_t y_stride);

/* sum[i] += x[i] · factor for `count` numbers: averaging heads. */
void rows_accumulate(enum dtype dtype, const void *x, double factor, size_t count, void *sum);

/* gate[i] = x[i] · sigmoid(gate[i]) for `count` numbers, all of them finite. */
void rows_gate(enum dtype dtype, const void *x, size_t count, void *gate);

/* The largest |x[i]|; NaN and ±∞ give INFINITY. */
double rows_magnitude(enum dtype dtype, const void *x, size_t count);

/* Zeroes each of `count` rows that holds a number that is not finite and sets its flag; returns how many. */
size_t rows_poisoned(enum dtype dtype, void *x, size_t stride, size_t count, size_t cols, unsigned char *flags);
