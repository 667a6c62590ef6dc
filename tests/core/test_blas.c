/* core/blas.c: the right flavour, right products, the same bits each time. */
#include "core/blas.h"

#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(blas, this_machine_has_the_flavour_that_is_safe) {
    struct error error = {0};
    cr_assert(blas_init(&error), "%s", error.detail);
    blas_warm();
    cr_assert_not_null(strstr(blas_name(), "OpenBLAS"));
}

enum { SIDE = 70, STRIDE = 80 };

/* One random product against a plain loop in double; n and k leave the stride some slack. */
static void blas_compare(struct random *random, bool transposed, size_t m, size_t n, size_t k) {
    static double a64[SIDE * STRIDE], b64[SIDE * STRIDE], c64[SIDE * STRIDE];
    static float a32[SIDE * STRIDE], b32[SIDE * STRIDE], c32[SIDE * STRIDE];
    for (size_t i = 0; i < SIDE * STRIDE; i++) {
        a64[i] = (double)(a32[i] = (float)random_number(random, 1));
        b64[i] = (double)(b32[i] = (float)random_number(random, 1));
        c64[i] = (double)(c32[i] = NAN);
    }
    blas_gemm_f64(transposed, m, n, k, 0.25, a64, STRIDE, b64, STRIDE, c64, STRIDE);
    blas_gemm_f32(transposed, m, n, k, 0.25F, a32, STRIDE, b32, STRIDE, c32, STRIDE);
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < STRIDE; j++) {
            double sum = 0;
            if (i >= m || j >= n) {
                cr_assert(isnan(c64[i * STRIDE + j]) && isnan(c32[i * STRIDE + j]), "wrote outside of the product");
                continue;
            }
            for (size_t l = 0; l < k; l++)
                sum += a64[i * STRIDE + l] * (transposed ? b64[j * STRIDE + l] : b64[l * STRIDE + j]);
            cr_assert_float_eq(c64[i * STRIDE + j], 0.25 * sum, 1e-14);
            cr_assert_float_eq((double)c32[i * STRIDE + j], 0.25 * sum, 1e-5);
        }
}

Test(blas, products_agree_with_a_plain_loop_at_every_small_shape) {
    struct random random = {11};
    for (size_t m = 1; m <= SIDE; m += m < 9 ? 1 : 13)
        for (size_t n = 1; n <= SIDE; n += n < 9 ? 1 : 13)
            for (size_t k = 1; k <= SIDE; k += k < 9 ? 3 : 13) {
                blas_compare(&random, false, m, n, k);
                blas_compare(&random, true, m, n, k);
            }
}

Test(blas, a_single_row_may_have_any_stride) {
    double a[3] = {1, 2, 3}, b[3] = {4, 5, 6}, c = 0;
    blas_gemm_f64(true, 1, 1, 3, 1, a, 0, b, 0, &c, 0);
    cr_assert_eq(c, 32);
}

Test(blas, the_same_product_has_the_same_bits_at_another_address) {
    enum { LENGTH = 40 * 40 };
    static float a[LENGTH], b[LENGTH + 16], first[LENGTH], again[LENGTH];
    struct random random = {3};
    for (size_t i = 0; i < LENGTH; i++) {
        a[i] = (float)random_number(&random, 1);
        b[i] = (float)random_number(&random, 1);
    }
    blas_gemm_f32(true, 40, 40, 40, 1, a, 40, b, 40, first, 40);
    for (size_t shift = 1; shift < 16; shift++) {
        memmove(b + shift, b + shift - 1, LENGTH * sizeof *b);
        blas_gemm_f32(true, 40, 40, 40, 1, a, 40, b + shift, 40, again, 40);
        cr_assert_eq(memcmp(first, again, sizeof first), 0, "shifted by %zu", shift);
    }
}
