/* Learned maps: sizes, and the choice of the kernel in core/project.c by dtype. */
#include "core/projection.h"

#include "core/kernels.h"

#include <assert.h>

size_t projection_in(const struct projection *projection) {
    return projection->transposed ? projection->weight.cols : projection->weight.rows;
}

size_t projection_out(const struct projection *projection) {
    return projection->transposed ? projection->weight.rows : projection->weight.cols;
}

bool projection_run(enum dtype dtype, const struct projection *projection, const void *x, size_t x_stride, size_t count,
                    void *y, size_t y_stride) {
    assert(projection->weight.data && count > 0);
    return kernels_of(dtype)->project_rows(projection, x, x_stride, count, y, y_stride);
}
