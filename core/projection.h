/* A learned map: y = x·W + b, row by row. */
#pragma once

#include "core/dtype.h"
#include "core/view.h"

#include <stdbool.h>

struct projection {
    struct view weight; /* batch and heads 1; [in,out], or [out,in] where `transposed` (nn.Linear) */
    const void *bias;   /* [out] or NULL */
    bool transposed;
};

/* y[count,out] = x[count,in]·W + b. False: an entry of y is not finite. Rows are `x_stride` and `y_stride` elements
 * apart. Each row's bits are the same however the rows are cut only for equal `count`: keep the cut fixed. */
bool projection_run(enum dtype dtype, const struct projection *projection, const void *x, size_t x_stride, size_t count,
                    void *y, size_t y_stride);

/* Lengths of a row before and after the map. */
size_t projection_in(const struct projection *projection);
size_t projection_out(const struct projection *projection);
