/* core/merge.c against its definition in long double, at every level of processor. */
#include "core/merge.h"

#include "core/kernels.h"
#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Parts as doubles (which hold both number types) and as arrays of the dtype. */
struct parts {
    struct merge merge;
    double *outputs, *lses; /* [parts][rows][cols], [parts][rows] */
    void *output_reals, *lse_reals;
    struct merge_part *parts;
};

static void *reals_of(enum dtype dtype, double *numbers, size_t count) {
    void *reals = malloc(count * dtype_size(dtype));
    for (size_t i = 0; i < count; i++)
        if (dtype == DTYPE_FLOAT32) {
            ((float *)reals)[i] = (float)numbers[i];
            numbers[i] = (double)(float)numbers[i];
        } else {
            ((double *)reals)[i] = numbers[i];
        }
    return reals;
}

static double number_of(enum dtype dtype, const void *reals, size_t i) {
    return dtype == DTYPE_FLOAT32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
}

/* Takes the arrays over. */
static struct parts parts_of(enum dtype dtype, size_t count, size_t rows, size_t cols, double *outputs, double *lses) {
    struct parts parts = {.merge = {.dtype = dtype, .rows = rows, .cols = cols, .count = count},
                          .outputs = outputs,
                          .lses = lses,
                          .output_reals = reals_of(dtype, outputs, count * rows * cols),
                          .lse_reals = reals_of(dtype, lses, count * rows)};
    parts.parts = calloc(count, sizeof *parts.parts);
    for (size_t part = 0; part < count; part++) {
        parts.parts[part].output = (char *)parts.output_reals + part * rows * cols * dtype_size(dtype);
        parts.parts[part].lse = (char *)parts.lse_reals + part * rows * dtype_size(dtype);
    }
    parts.merge.parts = parts.parts;
    return parts;
}

static void parts_free(struct parts *parts) {
    free(parts->outputs);
    free(parts->lses);
    free(parts->output_reals);
    free(parts->lse_reals);
    free(parts->parts);
}

static double *copy_of(const double *numbers, size_t count) {
    double *copy = malloc(count * sizeof *copy);
    memcpy(copy, numbers, count * sizeof *copy);
    return copy;
}

/* One row by the definition; false: no part has a key. */
static bool twin(const struct parts *parts, size_t row, long double *output, long double *lse) {
    const struct merge *merge = &parts->merge;
    long double sum = 0, most = -INFINITY;
    for (size_t part = 0; part < merge->count; part++)
        most = fmaxl(most, parts->lses[part * merge->rows + row]);
    memset(output, 0, merge->cols * sizeof *output);
    *lse = most;
    if (most == -INFINITY)
        return false;
    for (size_t part = 0; part < merge->count; part++) {
        long double weight = expl(parts->lses[part * merge->rows + row] - most);
        sum += weight;
        for (size_t col = 0; col < merge->cols; col++)
            output[col] += weight * parts->outputs[(part * merge->rows + row) * merge->cols + col];
    }
    for (size_t col = 0; col < merge->cols; col++)
        output[col] /= sum;
    *lse = most + logl(sum);
    return true;
}

/* A float32 result is within half a unit in its last place and a hair, a float64 one within a few units, measured on
 * the largest number that went into it. */
static void is_near(enum dtype dtype, double received, long double wanted, long double largest, const char *what) {
    long double unit = dtype == DTYPE_FLOAT32 ? 0.5001L * (long double)FLT_EPSILON : 8 * (long double)DBL_EPSILON;
    long double base = dtype == DTYPE_FLOAT32 ? fabsl(wanted) + 1e-6L * largest : largest;
    cr_assert(received == (double)wanted || fabsl(received - wanted) <= unit * base + 1e-40L, "%s is %.17g, not %.17Lg",
              what, received, wanted);
}

static void agrees_with_twin(const struct parts *parts, enum kernels_level level) {
    const struct merge *merge = &parts->merge;
    const struct kernels *kernels = kernels_at(merge->dtype, level);
    if (kernels == NULL)
        return;
    long double *output = malloc(merge->cols * sizeof *output), lse;
    double *weights = malloc(merge->count * sizeof *weights);
    void *row_output = malloc(merge->cols * dtype_size(merge->dtype)), *row_lse = malloc(sizeof(double));
    for (size_t row = 0; row < merge->rows; row++) {
        cr_assert(kernels->merge_row(merge, row, weights, row_output, row_lse));
        bool has_keys = twin(parts, row, output, &lse);
        double received = number_of(merge->dtype, row_lse, 0);
        long double largest = 0;
        for (size_t i = 0; i < merge->count; i++)
            for (size_t col = 0; col < merge->cols; col++)
                largest = fmaxl(largest, fabsl(parts->outputs[(i * merge->rows + row) * merge->cols + col]));
        if (has_keys)
            is_near(merge->dtype, received, lse, fabsl(lse) + 1, "lse");
        else
            cr_assert(received == -INFINITY);
        for (size_t col = 0; col < merge->cols; col++)
            is_near(merge->dtype, number_of(merge->dtype, row_output, col), output[col], largest, "output");
    }
    free(output);
    free(weights);
    free(row_output);
    free(row_lse);
}

static struct parts random_parts(struct random *random, enum dtype dtype) {
    size_t count = random_size(random, 1, 6), rows = random_size(random, 1, 5), cols = random_size(random, 1, 150);
    double *outputs = malloc(count * rows * cols * sizeof *outputs), *lses = malloc(count * rows * sizeof *lses);
    double spread = ldexp(1, (int)random_size(random, 0, 10));
    for (size_t i = 0; i < count * rows * cols; i++)
        outputs[i] = random_number(random, 3);
    for (size_t i = 0; i < count * rows; i++)
        lses[i] = random_chance(random, 20) ? -INFINITY : random_number(random, spread);
    return parts_of(dtype, count, rows, cols, outputs, lses);
}

Test(merge, agrees_with_its_definition_at_every_level) {
    struct random random = {7};
    for (size_t round = 0; round < 2000; round++) {
        struct parts parts = random_parts(&random, round % 2 ? DTYPE_FLOAT32 : DTYPE_FLOAT64);
        for (enum kernels_level level = KERNELS_BASE; level < KERNELS_LEVELS; level++)
            agrees_with_twin(&parts, level);
        parts_free(&parts);
    }
}

Test(merge, rows_are_the_same_wherever_they_are_cut_and_whatever_is_wanted) {
    struct random random = {11};
    for (size_t round = 0; round < 200; round++) {
        struct parts parts = random_parts(&random, DTYPE_FLOAT32);
        const struct merge *merge = &parts.merge;
        size_t numbers = merge->rows * merge->cols;
        double weights[6];
        float *whole = malloc(numbers * sizeof *whole), *apart = malloc(numbers * sizeof *apart);
        float whole_lse[5], apart_lse[5];
        cr_assert(merge_rows(merge, 0, merge->rows, weights, whole, whole_lse));
        for (size_t row = 0; row < merge->rows; row++) {
            cr_assert(merge_rows(merge, row, 1, weights, apart + row * merge->cols, NULL));
            cr_assert(merge_rows(merge, row, 1, weights, NULL, apart_lse + row));
        }
        cr_assert_arr_eq(whole, apart, numbers * sizeof *whole);
        cr_assert_arr_eq(whole_lse, apart_lse, merge->rows * sizeof *whole_lse);
        free(whole);
        free(apart);
        parts_free(&parts);
    }
}

Test(merge, one_part_is_itself_to_the_bit) {
    double outputs[] = {0.1, -7e30, 3e-40, 0}, lses[] = {-12.7}, weights[1], output[4], lse;
    struct parts parts = parts_of(DTYPE_FLOAT64, 1, 1, 4, copy_of(outputs, 4), copy_of(lses, 1));
    cr_assert(merge_rows(&parts.merge, 0, 1, weights, output, &lse));
    cr_assert_arr_eq(output, outputs, sizeof outputs);
    cr_assert_eq(lse, lses[0]);
    parts_free(&parts);
}

Test(merge, a_part_without_keys_weighs_nothing) {
    double outputs[] = {1, 2, 1e308, -1e308, 3, 4}, lses[] = {0, -INFINITY, 0}, weights[3], output[2], lse;
    struct parts parts = parts_of(DTYPE_FLOAT64, 3, 1, 2, copy_of(outputs, 6), copy_of(lses, 3));
    cr_assert(merge_rows(&parts.merge, 0, 1, weights, output, &lse));
    cr_assert_eq(output[0], 2);
    cr_assert_eq(output[1], 3);
    cr_assert_float_eq(lse, log(2), 1e-16);
    parts_free(&parts);
}

Test(merge, no_keys_at_all_give_zero_and_minus_infinity) {
    double outputs[] = {1, 2, 3, 4}, lses[] = {-INFINITY, -INFINITY}, weights[2], output[2], lse;
    struct parts parts = parts_of(DTYPE_FLOAT64, 2, 1, 2, copy_of(outputs, 4), copy_of(lses, 2));
    cr_assert(merge_rows(&parts.merge, 0, 1, weights, output, &lse));
    cr_assert(output[0] == 0 && output[1] == 0 && lse == -INFINITY);
    parts_free(&parts);
}

Test(merge, large_lse_neither_overflow_nor_vanish) {
    double outputs[] = {1, 3, 5, 7}, lses[] = {3e38, 3e38, -3e38, -3e38}, weights[2];
    float output[2], lse[2];
    struct parts parts = parts_of(DTYPE_FLOAT32, 2, 2, 1, copy_of(outputs, 4), copy_of(lses, 4));
    cr_assert(merge_rows(&parts.merge, 0, 2, weights, output, lse));
    cr_assert(output[0] == 1 && output[1] == 3); /* the second part is e^(−6e38) of the first */
    cr_assert(lse[0] == 3e38F && lse[1] == 3e38F);
    parts_free(&parts);
}

Test(merge, no_result_is_larger_than_its_bound) {
    struct random random = {13};
    for (size_t round = 0; round < 300; round++) {
        struct parts parts = random_parts(&random, DTYPE_FLOAT64);
        const struct merge *merge = &parts.merge;
        double bound = merge_bound(merge) * (1 + 1e-12), weights[6], output[150], lse;
        for (size_t row = 0; row < merge->rows; row++) {
            cr_assert(merge_rows(merge, row, 1, weights, output, &lse));
            cr_assert(lse == -INFINITY || fabs(lse) <= bound);
            for (size_t col = 0; col < merge->cols; col++)
                cr_assert_leq(fabs(output[col]), bound);
        }
        parts_free(&parts);
    }
}
