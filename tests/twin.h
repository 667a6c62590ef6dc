/* The naive twin: attention, maps and LayerNorm again, in double, one number at a time and straight from their
 * definitions. It shares no code with core but the types, and is kept slow and readable on purpose. */
#pragma once

#include "core/attention.h"
#include "core/projection.h"
#include "core/rows.h"

#include <stdbool.h>
#include <stddef.h>

/* One number of a view, wherever an axis of length 1 stands for every index. */
double twin_number(enum dtype dtype, const struct view *view, size_t batch, size_t head, size_t row, size_t col);

/* Whether query `row` may attend to `key`. */
bool twin_allows(const struct attention *attention, size_t batch, size_t head, size_t row, size_t key);

/* One row at `stage` in row [S], and its output in heads [Dv] (NULL: not wanted; only at ATTENTION_WEIGHTS). Returns
 * the log of its sum of exponentials there, whatever `normalize` is. */
double twin_row(const struct attention *attention, enum attention_stage stage, size_t batch, size_t head, size_t query,
                double *row, double *heads);

/* y [count,out] = x [count,in] · W + b. */
void twin_projection(enum dtype dtype, const struct projection *projection, const void *x, size_t x_stride,
                     size_t count, double *y);

/* y [cols] = LayerNorm(x + y) of one row. */
void twin_add_norm(enum dtype dtype, const struct rows_norm *norm, const void *x, const void *y, size_t cols,
                   double *result);
