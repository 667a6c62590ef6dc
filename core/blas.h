/* The one door to OpenBLAS: dense products, and the checks without which it must not be used.
 * Matrices are row-major; leading dimensions are row strides in elements. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Sets one thread per call, refuses any flavour but the pthread one (the serial flavour returns wrong numbers when two
 * threads call it, the openmp one is slow then), and compares products of awkward shapes with a plain loop. Call
 * once, before any other thread. ERROR_INTERNAL with a sentence that says what to install. */
bool blas_init(struct error *error);

/* Maps the calling thread's work buffer, so that its first request does not pay for it. */
void blas_warm(void);

/* One line on the library in use: version, kernel. */
const char *blas_name(void);

/* c[m,n] = alpha · a[m,k] · b, with b[k,n], or b[n,k] where `transposed`. */
void blas_gemm_f32(bool transposed, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                   const float *b, size_t ldb, float *c, size_t ldc);
void blas_gemm_f64(bool transposed, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
                   const double *b, size_t ldb, double *c, size_t ldc);
