/* core/projection.c: learned maps in both layouts. */
#include "core/projection.h"

#include "tests/core/fixture.h"
#include "tests/core/random.h"
#include "tests/twin.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* x = [1,2], W = [[1,2,3],[4,5,6]], b = [10,20,30]: x·W = [9,12,15], y = [19,32,45]. */
Test(projection, one_row_by_hand_in_both_layouts) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT32);
    float x[] = {1, 2}, bias[] = {10, 20, 30}, y[3];
    struct projection map = {fixture_view(&fixture, 1, 1, 2, 3, (double[]){1, 2, 3, 4, 5, 6}), bias, false};
    struct projection turned = {fixture_view(&fixture, 1, 1, 3, 2, (double[]){1, 4, 2, 5, 3, 6}), bias, true};
    for (int which = 0; which < 2; which++) {
        const struct projection *projection = which ? &turned : &map;
        cr_assert_eq(projection_in(projection), 2);
        cr_assert_eq(projection_out(projection), 3);
        cr_assert(projection_run(DTYPE_FLOAT32, projection, x, 2, 1, y, 3));
        cr_assert(y[0] == 19 && y[1] == 32 && y[2] == 45);
    }
    fixture_done(&fixture);
}

Test(projection, random_maps_agree_with_the_twin) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random random = {seed * 0x1000003};
        struct fixture fixture;
        fixture_init(&fixture, seed % 2 ? DTYPE_FLOAT32 : DTYPE_FLOAT64);
        enum dtype dtype = fixture.attention.dtype;
        size_t in = random_size(&random, 1, 60), out = random_size(&random, 1, 60), count = random_size(&random, 1, 20);
        size_t x_stride = in + random_size(&random, 0, 3), y_stride = out + random_size(&random, 0, 3);
        double numbers[4000], *expected = fixture_take(&fixture, count * out, sizeof *expected);
        for (size_t i = 0; i < 4000; i++)
            numbers[i] = random_number(&random, 1);
        bool turned = random_chance(&random, 50);
        struct projection projection = {
            .weight = fixture_view(&fixture, 1, 1, turned ? out : in, turned ? in : out, numbers),
            .bias = random_chance(&random, 50) ? fixture_array(&fixture, out, numbers + 7) : NULL,
            .transposed = turned,
        };
        void *x = fixture_array(&fixture, count * x_stride, numbers + 20);
        struct view y = {fixture_array(&fixture, count * y_stride, NULL), 1, 1, count, out, 0, 0, y_stride};
        cr_assert(projection_run(dtype, &projection, x, x_stride, count, y.data, y_stride));
        twin_projection(dtype, &projection, x, x_stride, count, expected);
        for (size_t row = 0; row < count; row++)
            for (size_t o = 0; o < out; o++)
                cr_assert_float_eq(twin_number(dtype, &y, 0, 0, row, o), expected[row * out + o],
                                   dtype == DTYPE_FLOAT32 ? 2e-5 : 1e-12, "seed %llu", (unsigned long long)seed);
        fixture_done(&fixture);
    }
}

Test(projection, an_entry_that_overflows_is_told) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT32);
    float x[] = {FLT_MAX}, bias[] = {FLT_MAX}, y[1];
    struct projection map = {fixture_view(&fixture, 1, 1, 1, 1, (double[]){2}), NULL, false};
    cr_assert_not(projection_run(DTYPE_FLOAT32, &map, x, 1, 1, y, 1));
    struct projection biased = {fixture_view(&fixture, 1, 1, 1, 1, (double[]){1}), bias, false};
    cr_assert_not(projection_run(DTYPE_FLOAT32, &biased, x, 1, 1, y, 1));
    fixture_done(&fixture);
}

/* A mask may hide the row that overflows, so those behind it must be whole. */
Test(projection, a_row_that_overflows_leaves_the_others_as_they_are) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT32);
    float x[] = {1, FLT_MAX, 2, 3}, bias[] = {10, 20}, y[8];
    struct projection map = {fixture_view(&fixture, 1, 1, 1, 2, (double[]){2, 1}), bias, false};
    cr_assert_not(projection_run(DTYPE_FLOAT32, &map, x, 1, 4, y, 2));
    cr_assert(isinf(y[2]));
    cr_assert(y[0] == 12 && y[1] == 21 && y[4] == 14 && y[5] == 22 && y[6] == 16 && y[7] == 23);
    fixture_done(&fixture);
}
