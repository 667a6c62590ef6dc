/* A learned map on a block of rows: a kernel. */
#include "core/blas.h"
#include "core/steps.h"

bool REAL(project_rows)(const struct projection *projection, const void *x, size_t x_stride, size_t count, void *y,
                        size_t y_stride) {
    size_t in = projection_in(projection), out = projection_out(projection);
    REAL_TYPED(blas_gemm)
    (projection->transposed, count, out, in, 1, x, x_stride, projection->weight.data, projection->weight.row_stride, y,
     y_stride);
    real *to = y;
    bool finite = true; /* a row that overflows takes nothing from those behind it: a mask may hide it */
    for (size_t row = 0; row < count; row++, to += y_stride)
        finite &= projection->bias ? REAL(row_add)(projection->bias, out, to) : REAL(row_finite)(to, out);
    return finite;
}
