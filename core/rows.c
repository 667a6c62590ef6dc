/* The plain steps around attention, row by row: chooses the kernel of core/row.c by dtype. */
#include "core/rows.h"

#include "core/kernels.h"

#include <string.h>

/* Row `row` of an array whose rows are `stride` elements apart. */
static const void *rows_at(enum dtype dtype, const void *x, size_t stride, size_t row) {
    return (const char *)x + row * stride * dtype_size(dtype);
}

bool rows_add_norm(enum dtype dtype, const struct rows_norm *norm, const void *x, size_t x_stride, size_t count,
                   size_t cols, void *y, size_t y_stride) {
    const struct kernels *kernels = kernels_of(dtype);
    for (size_t row = 0; row < count; row++) {
        const void *from = rows_at(dtype, x, x_stride, row);
        void *to = (void *)rows_at(dtype, y, y_stride, row);
        if (!kernels->row_add_norm(norm, from, cols, to))
            return false;
    }
    return true;
}

void rows_accumulate(enum dtype dtype, const void *x, double factor, size_t count, void *sum) {
    kernels_of(dtype)->row_accumulate(x, factor, count, sum);
}

void rows_gate(enum dtype dtype, const void *x, size_t count, void *gate) {
    kernels_of(dtype)->row_gate(x, count, gate);
}

double rows_magnitude(enum dtype dtype, const void *x, size_t count) {
    return kernels_of(dtype)->row_magnitude(x, count, false);
}

size_t rows_poisoned(enum dtype dtype, void *x, size_t stride, size_t count, size_t cols, unsigned char *flags) {
    const struct kernels *kernels = kernels_of(dtype);
    size_t poisoned = 0;
    for (size_t row = 0; row < count; row++) {
        void *at = (void *)rows_at(dtype, x, stride, row);
        flags[row] = !kernels->row_finite(at, cols);
        if (flags[row])
            memset(at, 0, cols * dtype_size(dtype));
        poisoned += flags[row];
    }
    return poisoned;
}
