/* A learned map on a block of rows: a kernel, compiled for float32 and float64. */
#include "core/blas.h"
#include "core/kernels.h"
#include "core/real.h"

bool REAL(project_rows)(const struct projection *projection, const real *x, size_t x_stride, size_t count, real *y,
                        size_t y_stride) {
    size_t in = projection_in(projection), out = projection_out(projection);
    REAL(blas_gemm)
    (projection->transposed, count, out, in, 1, x, x_stride, projection->weight.data, projection->weight.row_stride, y,
     y_stride);
    for (size_t row = 0; row < count; row++, y += y_stride)
        if (!(projection->bias ? REAL(row_add)(projection->bias, out, y) : REAL(row_finite)(y, out)))
            return false;
    return true;
}
