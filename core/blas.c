/* The one door to OpenBLAS: nothing else includes <cblas.h>.
 *
 * Debian has OpenBLAS in three flavours behind one library name. The serial one keeps its work buffers without a lock,
 * so that two threads which call it at once get wrong numbers; the OpenMP one ignores the limit on threads in threads
 * it did not make. Therefore the flavour is asked for at start, and products are compared with a plain loop: releases
 * for some processors have computed wrong ones. One thread a call makes the bits of a product depend on its shape only.
 */
#include "core/blas.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

/* A row stride as BLAS takes it: with a single row it says nothing, but must be no less than the row's length. */
static blasint blas_stride(size_t stride, size_t rows, size_t cols) {
    assert(stride <= INT_MAX && cols <= INT_MAX && (rows <= 1 || stride >= cols));
    return (blasint)(stride > cols ? stride : cols);
}

static blasint blas_length(size_t length) {
    assert(length > 0 && length <= INT_MAX);
    return (blasint)length;
}

void blas_gemm_f32(bool transposed, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                   const float *b, size_t ldb, float *c, size_t ldc) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, blas_length(m), blas_length(n),
                blas_length(k), alpha, a, blas_stride(lda, m, k), b,
                transposed ? blas_stride(ldb, n, k) : blas_stride(ldb, k, n), 0, c, blas_stride(ldc, m, n));
}

void blas_gemm_f64(bool transposed, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
                   const double *b, size_t ldb, double *c, size_t ldc) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, blas_length(m), blas_length(n),
                blas_length(k), alpha, a, blas_stride(lda, m, k), b,
                transposed ? blas_stride(ldb, n, k) : blas_stride(ldb, k, n), 0, c, blas_stride(ldc, m, n));
}

/* The self-test's shapes m, n, k: single rows and columns, and lengths next to the kernels' tiles. */
static const size_t blas_shapes[][3] = {{1, 1, 1}, {5, 7, 3}, {17, 33, 65}, {64, 1, 200}, {1, 96, 64}, {130, 129, 31}};

enum { BLAS_SIDE = 130, BLAS_DEPTH = 200, BLAS_STRIDE = 203 };

/* Small integers: every product and sum of them is exact in both types, so that results must agree to the bit. */
static double blas_sample(size_t row, size_t col) {
    return (double)((row * 31 + col * 17 + row * col) % 15) - 7;
}

/* A product of sample matrices by BLAS, in `product` [m,BLAS_STRIDE]. */
static void blas_try(bool single, bool transposed, const size_t shape[3], double *product) {
    static float a32[BLAS_SIDE * BLAS_STRIDE], b32[BLAS_DEPTH * BLAS_STRIDE], c32[BLAS_SIDE * BLAS_STRIDE];
    static double a64[BLAS_SIDE * BLAS_STRIDE], b64[BLAS_DEPTH * BLAS_STRIDE];
    size_t m = shape[0], n = shape[1], k = shape[2];
    for (size_t i = 0; i < BLAS_DEPTH; i++)
        for (size_t j = 0; j < BLAS_STRIDE; j++) {
            size_t place = i * BLAS_STRIDE + j;
            b64[place] = blas_sample(i, j);
            b32[place] = (float)b64[place];
            if (i < BLAS_SIDE) {
                a64[place] = blas_sample(j, i);
                a32[place] = (float)a64[place];
            }
        }
    if (!single) {
        blas_gemm_f64(transposed, m, n, k, 0.5, a64, BLAS_STRIDE, b64, BLAS_STRIDE, product, BLAS_STRIDE);
        return;
    }
    blas_gemm_f32(transposed, m, n, k, 0.5F, a32, BLAS_STRIDE, b32, BLAS_STRIDE, c32, BLAS_STRIDE);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            product[i * BLAS_STRIDE + j] = (double)c32[i * BLAS_STRIDE + j];
}

/* The same by a plain loop: one entry. */
static double blas_entry(bool transposed, size_t k, size_t i, size_t j) {
    double sum = 0;
    for (size_t l = 0; l < k; l++)
        sum += blas_sample(l, i) * (transposed ? blas_sample(j, l) : blas_sample(l, j));
    return 0.5 * sum;
}

static bool blas_agrees(bool single, bool transposed, const size_t shape[3]) {
    static double product[BLAS_SIDE * BLAS_STRIDE];
    blas_try(single, transposed, shape, product);
    for (size_t i = 0; i < shape[0]; i++)
        for (size_t j = 0; j < shape[1]; j++)
            if (product[i * BLAS_STRIDE + j] != blas_entry(transposed, shape[2], i, j))
                return false;
    return true;
}

static bool blas_self_test(struct error *error) {
    for (size_t i = 0; i < sizeof blas_shapes / sizeof *blas_shapes; i++)
        for (unsigned variant = 0; variant < 4; variant++) {
            bool single = variant & 1, transposed = variant & 2;
            const size_t *shape = blas_shapes[i];
            if (!blas_agrees(single, transposed, shape))
                return error_set(
                    error, ERROR_INTERNAL, NULL,
                    "OpenBLAS (%s) computes a wrong %s product of %zux%zu and %zux%zu%s: install another "
                    "version of libopenblas0-pthread, or set OPENBLAS_CORETYPE=Haswell in the environment.",
                    blas_name(), single ? "float32" : "float64", shape[0], shape[2], shape[2], shape[1],
                    transposed ? " (transposed)" : "");
        }
    return true;
}

bool blas_init(struct error *error) {
    static const char *const flavours[] = {"serial", "pthread", "openmp"};
    int flavour = openblas_get_parallel();
    if (flavour != OPENBLAS_THREAD)
        return error_set(error, ERROR_INTERNAL, NULL,
                         "OpenBLAS is of the %s flavour, which is not safe here: install libopenblas0-pthread "
                         "(apt-get install libopenblas0-pthread), and if it is installed choose it with "
                         "update-alternatives --config libopenblas.so.0-x86_64-linux-gnu.",
                         flavour >= 0 && flavour <= 2 ? flavours[flavour] : "unknown");
    openblas_set_num_threads(1);
    return blas_self_test(error);
}

void blas_warm(void) {
    /* Large enough for the buffer to be taken: tiny products may do without. */
    enum { SIDE = 32 };
    float a[SIDE * SIDE] = {1}, c[SIDE * SIDE];
    blas_gemm_f32(false, SIDE, SIDE, SIDE, 1, a, SIDE, a, SIDE, c, SIDE);
}

const char *blas_name(void) {
    return openblas_get_config();
}
