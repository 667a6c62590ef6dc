/* core/normalize.c, seen through attention with one query [1], so that the scores are the keys themselves. */
#include "tests/core/fixture.h"
#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Weights of one row whose scores are given. */
static const double *weights_of(struct fixture *fixture, enum dtype dtype, enum attention_normalize normalize,
                                size_t count, const double *scores) {
    fixture_init(fixture, dtype);
    fixture_plain(fixture, 1, count, 1, 1, (double[]){1}, scores, NULL);
    fixture->attention.normalize = normalize;
    cr_assert(fixture_run(fixture, ATTENTION_WEIGHTS, 1));
    return fixture->rows;
}

/* e^0 : e^ln2 : e^ln5 = 1 : 2 : 5, so the weights are 1/8, 2/8 and 5/8. */
Test(softmax, three_scores_by_hand) {
    struct fixture fixture;
    const double *weights = weights_of(&fixture, DTYPE_FLOAT64, ATTENTION_SOFTMAX, 3, (double[]){0, log(2), log(5)});
    cr_assert_float_eq(weights[0], 0.125, 1e-15);
    cr_assert_float_eq(weights[1], 0.25, 1e-15);
    cr_assert_float_eq(weights[2], 0.625, 1e-15);
    fixture_done(&fixture);
}

Test(softmax, equal_scores_weigh_exactly_the_same) {
    for (size_t count = 1; count < 100; count++)
        for (int which = 0; which < 2; which++) {
            struct fixture fixture;
            double scores[100];
            for (size_t i = 0; i < count; i++)
                scores[i] = 0.3;
            const double *weights =
                weights_of(&fixture, which ? DTYPE_FLOAT32 : DTYPE_FLOAT64, ATTENTION_SOFTMAX, count, scores);
            for (size_t i = 0; i < count; i++)
                cr_assert_eq(weights[i], which ? (double)(float)(1.0 / (double)count) : 1.0 / (double)count);
            fixture_done(&fixture);
        }
}

Test(softmax, every_row_sums_to_one) {
    struct random random = {5};
    for (size_t count = 1; count < 70000; count = count * 3 / 2 + 1)
        for (int which = 0; which < 2; which++) {
            struct fixture fixture;
            double *scores = calloc(count, sizeof *scores), sum = 0;
            for (size_t i = 0; i < count; i++)
                scores[i] = random_number(&random, 4);
            const double *weights =
                weights_of(&fixture, which ? DTYPE_FLOAT32 : DTYPE_FLOAT64, ATTENTION_SOFTMAX, count, scores);
            for (size_t i = 0; i < count; i++)
                sum += weights[i];
            cr_assert_float_eq(sum, 1, which ? 2e-7 : 1e-12, "%zu keys: 1 %+g", count, sum - 1);
            fixture_done(&fixture);
            free(scores);
        }
}

Test(softmax, the_largest_numbers_do_not_overflow) {
    struct fixture fixture;
    const double *weights =
        weights_of(&fixture, DTYPE_FLOAT64, ATTENTION_SOFTMAX, 3, (double[]){DBL_MAX, DBL_MAX, -DBL_MAX});
    cr_assert_eq(weights[0], 0.5);
    cr_assert_eq(weights[1], 0.5);
    cr_assert_eq(weights[2], 0);
    fixture_done(&fixture);
    weights = weights_of(&fixture, DTYPE_FLOAT32, ATTENTION_SOFTMAX, 3,
                         (double[]){(double)FLT_MAX, (double)FLT_MAX, (double)-FLT_MAX});
    cr_assert_eq(weights[0], 0.5);
    cr_assert_eq(weights[2], 0);
    fixture_done(&fixture);
}

Test(softmax, a_constant_added_to_every_score_changes_nothing) {
    /* Multiples of 1/8 stay exact when 1024 is added, so that even the bits agree. */
    double scores[40], moved[40];
    struct random random = {9};
    for (size_t i = 0; i < 40; i++) {
        scores[i] = (double)random_size(&random, 0, 64) / 8;
        moved[i] = scores[i] + 1024;
    }
    struct fixture fixture, other;
    const double *weights = weights_of(&fixture, DTYPE_FLOAT32, ATTENTION_SOFTMAX, 40, scores);
    const double *again = weights_of(&other, DTYPE_FLOAT32, ATTENTION_SOFTMAX, 40, moved);
    for (size_t i = 0; i < 40; i++)
        cr_assert_eq(weights[i], again[i]);
    fixture_done(&fixture);
    fixture_done(&other);
}

Test(softmax, a_larger_score_never_weighs_less) {
    double scores[200];
    for (size_t i = 0; i < 200; i++)
        scores[i] = (double)i / 16;
    struct fixture fixture;
    const double *weights = weights_of(&fixture, DTYPE_FLOAT32, ATTENTION_SOFTMAX, 200, scores);
    for (size_t i = 1; i < 200; i++)
        cr_assert_leq(weights[i - 1], weights[i]);
    fixture_done(&fixture);
}

Test(sum, divides_by_the_sum) {
    struct fixture fixture;
    const double *weights = weights_of(&fixture, DTYPE_FLOAT64, ATTENTION_SUM, 4, (double[]){1, 2, -1, 6});
    cr_assert_eq(weights[0], 0.125);
    cr_assert_eq(weights[1], 0.25);
    cr_assert_eq(weights[2], -0.125);
    cr_assert_eq(weights[3], 0.75);
    fixture_done(&fixture);
}

Test(sum, a_zero_sum_gives_zero_weights) {
    struct fixture fixture;
    const double *weights = weights_of(&fixture, DTYPE_FLOAT32, ATTENTION_SUM, 3, (double[]){1, 2, -3});
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(weights[i], 0);
    fixture_done(&fixture);
}

Test(sum, a_sum_or_quotient_beyond_the_dtype_is_told) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT64);
    fixture_plain(&fixture, 1, 2, 1, 1, (double[]){1}, (double[]){DBL_MAX, DBL_MAX}, NULL);
    fixture.attention.normalize = ATTENTION_SUM;
    cr_assert_not(fixture_run(&fixture, ATTENTION_WEIGHTS, 1), "the sum overflows");
    fixture_done(&fixture);

    fixture_init(&fixture, DTYPE_FLOAT32);
    fixture_plain(&fixture, 1, 3, 1, 1, (double[]){1}, (double[]){1e30, -1e30, 1e-30}, NULL);
    fixture.attention.normalize = ATTENTION_SUM;
    cr_assert_not(fixture_run(&fixture, ATTENTION_WEIGHTS, 1), "the quotient overflows");
    fixture_done(&fixture);

    fixture_init(&fixture, DTYPE_FLOAT32);
    fixture_plain(&fixture, 1, 2, 1, 1, (double[]){1}, (double[]){1, -1 + 0x1p-24}, NULL);
    fixture.attention.normalize = ATTENTION_SUM;
    cr_assert(fixture_run(&fixture, ATTENTION_WEIGHTS, 1));
    cr_assert_eq(fixture.rows[0], 0x1p24, "cancelling scores keep every bit of their sum");
    fixture_done(&fixture);
}

Test(none, leaves_the_scores) {
    struct fixture fixture;
    const double *weights = weights_of(&fixture, DTYPE_FLOAT64, ATTENTION_NONE, 3, (double[]){3, -7, 0.5});
    cr_assert_eq(weights[0], 3);
    cr_assert_eq(weights[1], -7);
    cr_assert_eq(weights[2], 0.5);
    fixture_done(&fixture);
}
