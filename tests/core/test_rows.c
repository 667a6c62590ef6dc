/* core/rows.c: LayerNorm, gates, averaging, magnitudes and rows that overflowed. */
#include "core/rows.h"

#include "tests/core/fixture.h"
#include "tests/core/random.h"
#include "tests/twin.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* x + y = [1,3]: mean 2, variance 1, so [−1,1]; times [2,3] plus [10,20] is [8,23]. */
Test(rows_add_norm, two_numbers_by_hand) {
    double x[] = {0, 1}, y[] = {1, 2}, weight[] = {2, 3}, bias[] = {10, 20};
    struct rows_norm norm = {0, weight, bias};
    cr_assert(rows_add_norm(DTYPE_FLOAT64, &norm, x, 2, 1, 2, y, 2));
    cr_assert_eq(y[0], 8);
    cr_assert_eq(y[1], 23);
}

Test(rows_add_norm, random_rows_agree_with_the_twin) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random random = {seed * 0x1000003};
        struct fixture fixture;
        fixture_init(&fixture, seed % 2 ? DTYPE_FLOAT32 : DTYPE_FLOAT64);
        enum dtype dtype = fixture.attention.dtype;
        enum { ROWS = 3, COLS_MAX = 200, STRIDE = 210 };
        size_t cols = random_size(&random, 2, COLS_MAX), width = dtype_size(dtype);
        double numbers[4 * ROWS * STRIDE], expected[ROWS][COLS_MAX], far = random_chance(&random, 30) ? 1000 : 0;
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            numbers[i] = far + random_number(&random, 1);
        char *x = fixture_array(&fixture, ROWS * STRIDE, numbers);
        char *y = fixture_array(&fixture, ROWS * STRIDE, numbers + ROWS * STRIDE);
        struct rows_norm norm = {1e-5, NULL, NULL};
        if (random_chance(&random, 50))
            norm.weight = fixture_array(&fixture, cols, numbers + 2 * ROWS * STRIDE);
        if (random_chance(&random, 50))
            norm.bias = fixture_array(&fixture, cols, numbers + 3 * ROWS * STRIDE);
        for (size_t row = 0; row < ROWS; row++)
            twin_add_norm(dtype, &norm, x + row * STRIDE * width, y + row * STRIDE * width, cols, expected[row]);
        cr_assert(rows_add_norm(dtype, &norm, x, STRIDE, ROWS, cols, y, STRIDE));
        struct view results = {y, 1, 1, ROWS, cols, 0, 0, STRIDE};
        for (size_t row = 0; row < ROWS; row++)
            for (size_t i = 0; i < cols; i++)
                cr_assert_float_eq(twin_number(dtype, &results, 0, 0, row, i), expected[row][i],
                                   (dtype == DTYPE_FLOAT32 ? 1e-6 : 1e-11) * (1 + far + fabs(expected[row][i])),
                                   "seed %llu", (unsigned long long)seed);
        fixture_done(&fixture);
    }
}

Test(rows_add_norm, a_row_has_mean_zero_and_variance_one) {
    float x[64], y[64], mean = 0, variance = 0;
    for (size_t i = 0; i < 64; i++) {
        x[i] = (float)(i * i % 37);
        y[i] = (float)(i % 5);
    }
    cr_assert(rows_add_norm(DTYPE_FLOAT32, &(struct rows_norm){0, NULL, NULL}, x, 64, 1, 64, y, 64));
    for (size_t i = 0; i < 64; i++) {
        mean += y[i] / 64;
        variance += y[i] * y[i] / 64;
    }
    cr_assert_float_eq((double)mean, 0, 1e-6);
    cr_assert_float_eq((double)variance, 1, 1e-6);
}

Test(rows_add_norm, a_variance_beyond_the_dtype_is_told) {
    double x[] = {1e200, -1e200}, y[] = {0, 0};
    cr_assert_not(rows_add_norm(DTYPE_FLOAT64, &(struct rows_norm){1e-5, NULL, NULL}, x, 2, 1, 2, y, 2));
    float large[] = {3e38F, -3e38F}, zero[] = {0, 0};
    cr_assert(rows_add_norm(DTYPE_FLOAT32, &(struct rows_norm){1e-5, NULL, NULL}, large, 2, 1, 2, zero, 2));
    cr_assert_eq(zero[0], 1);
}

Test(rows_accumulate, three_thirds_are_one) {
    float ones[] = {1, 1}, sum[] = {0, 0};
    for (int i = 0; i < 3; i++)
        rows_accumulate(DTYPE_FLOAT32, ones, 1.0 / 3, 2, sum);
    cr_assert_eq(sum[0], 1);
    cr_assert_eq(sum[1], 1);
}

/* 1/(1 + exp(−z)) in long double, which keeps both ends. */
static double gate_factor(double z) {
    return (double)(1 / (1 + expl(-(long double)z)));
}

Test(rows_gate, multiplies_by_the_sigmoid_at_both_ends_too) {
    enum { COUNT = 2001 };
    static double x[COUNT], gate[COUNT], z[COUNT];
    static float x_single[COUNT], gate_single[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        z[i] = ((double)i - 1000) * 0.7;
        x[i] = x_single[i] = (float)(1 + i % 7) / 4;
        gate[i] = z[i];
        gate_single[i] = (float)z[i];
    }
    rows_gate(DTYPE_FLOAT64, x, COUNT, gate);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert(fabs(gate[i] - x[i] * gate_factor(z[i])) <= 4e-16 * x[i] * gate_factor(z[i]), "z %g", z[i]);
    for (size_t i = 0; i < COUNT; i++)
        z[i] = (double)gate_single[i];
    rows_gate(DTYPE_FLOAT32, x_single, COUNT, gate_single);
    for (size_t i = 0; i < COUNT; i++) {
        double right = (double)x_single[i] * gate_factor(z[i]);
        cr_assert(fabs((double)gate_single[i] - right) <= 3e-7 * right + 2 * (double)FLT_MIN, "z %g", z[i]);
    }
}

Test(rows_gate, half_at_zero_nothing_far_below_all_far_above) {
    float x[] = {3, 3, 3, 3, 0}, gate[] = {0, -FLT_MAX, FLT_MAX, -0.0F, 5};
    rows_gate(DTYPE_FLOAT32, x, 5, gate);
    cr_assert_eq(memcmp(gate, (float[]){1.5F, 0, 3, 1.5F, 0}, sizeof gate), 0);
    double wide[] = {3, 3, -3}, gates[] = {-DBL_MAX, DBL_MAX, -DBL_MAX};
    rows_gate(DTYPE_FLOAT64, wide, 3, gates);
    cr_assert(gates[0] == 0 && gates[1] == 3 && gates[2] == 0);
}

Test(rows_magnitude, takes_the_largest_of_either_sign) {
    double numbers[] = {1, -7, 3};
    cr_assert_eq(rows_magnitude(DTYPE_FLOAT64, numbers, 3), 7);
    float single[] = {1, -FLT_MAX, 3};
    cr_assert_eq(rows_magnitude(DTYPE_FLOAT32, single, 3), (double)FLT_MAX);
}

Test(rows_magnitude, what_is_not_finite_has_no_bound) {
    const double strange[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        double numbers[] = {1, strange[i], 3};
        float single[] = {1, (float)strange[i], 3};
        cr_assert_eq(rows_magnitude(DTYPE_FLOAT64, numbers, 3), INFINITY);
        cr_assert_eq(rows_magnitude(DTYPE_FLOAT32, single, 3), INFINITY);
    }
}

Test(rows_poisoned, zeroes_and_flags_what_is_not_finite_and_nothing_else) {
    float x[] = {1, 2, 99, INFINITY, 4, 99, 5, NAN, 99, 7, 8, 99};
    unsigned char flags[4];
    cr_assert_eq(rows_poisoned(DTYPE_FLOAT32, x, 3, 4, 2, flags), 2);
    const float expected[] = {1, 2, 99, 0, 0, 99, 0, 0, 99, 7, 8, 99};
    cr_assert_eq(memcmp(x, expected, sizeof x), 0);
    cr_assert_eq(memcmp(flags, (unsigned char[]){0, 1, 1, 0}, 4), 0);
}
