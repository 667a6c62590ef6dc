/* The plain steps around attention, row by row: chooses the kernel of core/row.c by dtype. */
#include "core/rows.h"

#include "core/kernels.h"

#include <string.h>

/* Row `row` of an array whose rows are `stride` elements apart. */
static const void *rows_at(enum dtype dtype, const void *x, size_t stride, size_t row) {
    return (const char *)x + row * stride * dtype_size(dtype);
}

static bool rows_finite(enum dtype dtype, const void *x, size_t cols) {
    return dtype == DTYPE_FLOAT32 ? row_finite_f32(x, cols) : row_finite_f64(x, cols);
}

bool rows_add_norm(enum dtype dtype, const struct rows_norm *norm, const void *x, size_t x_stride, size_t count,
                   size_t cols, void *y, size_t y_stride) {
    for (size_t row = 0; row < count; row++) {
        const void *from = rows_at(dtype, x, x_stride, row);
        void *to = (void *)rows_at(dtype, y, y_stride, row);
        if (!(dtype == DTYPE_FLOAT32 ? row_add_norm_f32(norm, from, cols, to) : row_add_norm_f64(norm, from, cols, to)))
            return false;
    }
    return true;
}

void rows_accumulate(enum dtype dtype, const void *x, double factor, size_t count, void *sum) {
    if (dtype == DTYPE_FLOAT32)
        row_accumulate_f32(x, factor, count, sum);
    else
        row_accumulate_f64(x, factor, count, sum);
}

double rows_magnitude(enum dtype dtype, const void *x, size_t count) {
    return dtype == DTYPE_FLOAT32 ? row_magnitude_f32(x, count, false) : row_magnitude_f64(x, count, false);
}

size_t rows_poisoned(enum dtype dtype, void *x, size_t stride, size_t count, size_t cols, unsigned char *flags) {
    size_t poisoned = 0;
    for (size_t row = 0; row < count; row++) {
        void *at = (void *)rows_at(dtype, x, stride, row);
        flags[row] = !rows_finite(dtype, at, cols);
        if (flags[row])
            memset(at, 0, cols * dtype_size(dtype));
        poisoned += flags[row];
    }
    return poisoned;
}
