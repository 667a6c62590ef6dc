/* core/softcap.c: the formula over the whole range of scores and caps, and what must not be hidden by it. */
#include "tests/core/fixture.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

static const enum dtype dtypes[] = {DTYPE_FLOAT32, DTYPE_FLOAT64};

enum { COUNT = 1203 };

/* Scores of both signs from 1e-20 to 1e20, and 0, as the keys of one query [1]. */
static void sweep(struct fixture *fixture, enum dtype dtype, double cap) {
    double scores[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        scores[i] = i == 0 ? 0 : (i % 2 ? 1 : -1) * pow(10, 40.0 * (double)i / (double)COUNT - 20);
    fixture_init(fixture, dtype);
    fixture_plain(fixture, 1, COUNT, 1, 1, (double[]){1}, scores, NULL);
    fixture->attention.softcap = cap;
}

Test(softcap, every_score_is_capped_to_the_last_places) {
    const double caps[] = {1e-12, 1e-3, 1, 2.5, 50, 1e6, 1e15};
    enum kernels_level levels[KERNELS_LEVELS];
    size_t level_count = fixture_levels(levels);
    for (size_t t = 0; t < 2; t++)
        for (size_t c = 0; c < sizeof caps / sizeof *caps; c++)
            for (size_t l = 0; l < level_count; l++) {
                struct fixture fixture;
                double scores[COUNT];
                sweep(&fixture, dtypes[t], caps[c]);
                fixture.level = levels[l];
                cr_assert(fixture_run(&fixture, ATTENTION_SCORES, 1));
                memcpy(scores, fixture.rows, sizeof scores);
                cr_assert(fixture_run(&fixture, ATTENTION_CAPPED, 1));
                for (size_t i = 0; i < COUNT; i++) {
                    double expected = (double)((long double)caps[c] * tanhl((long double)scores[i] / caps[c]));
                    cr_assert_float_eq(fixture.rows[i], expected, fabs(expected) * (t == 0 ? 6e-7 : 1e-15),
                                       "%.17g capped by %g is %.17g, not %.17g", scores[i], caps[c], fixture.rows[i],
                                       expected);
                }
                fixture_done(&fixture);
            }
}

Test(softcap, is_odd_and_leaves_the_scores_where_it_is_off_or_far_away) {
    for (size_t t = 0; t < 2; t++) {
        struct fixture fixture;
        double scores[COUNT];
        sweep(&fixture, dtypes[t], 3);
        cr_assert(fixture_run(&fixture, ATTENTION_CAPPED, 1));
        memcpy(scores, fixture.rows, sizeof scores);
        fixture.attention.scale = -1;
        cr_assert(fixture_run(&fixture, ATTENTION_CAPPED, 1));
        for (size_t i = 0; i < COUNT; i++)
            cr_assert_eq(fixture.rows[i], -scores[i]);

        fixture.attention.softcap = 0;
        cr_assert(fixture_run(&fixture, ATTENTION_SCORES, 1));
        memcpy(scores, fixture.rows, sizeof scores);
        cr_assert(fixture_run(&fixture, ATTENTION_CAPPED, 1));
        cr_assert_arr_eq(fixture.rows, scores, sizeof scores);
        fixture.attention.softcap = 1e29;
        cr_assert(fixture_run(&fixture, ATTENTION_CAPPED, 1));
        for (size_t i = 0; i < COUNT; i++)
            cr_assert_float_eq(fixture.rows[i], scores[i], fabs(scores[i]) * (t == 0 ? 6e-7 : 1e-15) + 1e-14);
        fixture_done(&fixture);
    }
}

/* Two keys: score 4 capped by 2 is 2·tanh 2, then ×3, then +1. */
Test(softcap, comes_before_multiply_and_bias) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT64);
    fixture_plain(&fixture, 1, 2, 1, 1, (double[]){1}, (double[]){4, 0}, NULL);
    fixture.attention.softcap = 2;
    fixture_part(&fixture, MASK_MULTIPLY)->values = fixture_view(&fixture, 1, 1, 1, 2, (double[]){3, 1});
    fixture_part(&fixture, MASK_BIAS)->values = fixture_view(&fixture, 1, 1, 1, 2, (double[]){1, 0});
    cr_assert(fixture_run(&fixture, ATTENTION_MASKED, 1));
    cr_assert_float_eq(fixture.rows[0], 6 * tanh(2) + 1, 1e-14);
    fixture_done(&fixture);
}

Test(softcap, hides_no_overflow_but_a_hidden_key_s) {
    for (size_t t = 0; t < 2; t++)
        for (int hidden = 0; hidden < 2; hidden++) {
            double huge = dtypes[t] == DTYPE_FLOAT32 ? (double)FLT_MAX : DBL_MAX;
            struct fixture fixture;
            fixture_init(&fixture, dtypes[t]);
            fixture_plain(&fixture, 1, 3, 1, 1, (double[]){2}, (double[]){1, huge, 2}, (double[]){1, 2, 3});
            fixture.attention.softcap = 5;
            if (hidden)
                fixture_part(&fixture, MASK_BLOCK)->values = fixture_view(&fixture, 1, 1, 1, 3, (double[]){0, 1, 0});
            cr_assert_not(fixture_run(&fixture, ATTENTION_CAPPED, 1), "it would have to be printed");
            cr_assert_eq(fixture_run(&fixture, ATTENTION_MASKED, 1), hidden);
            cr_assert_eq(fixture_run(&fixture, ATTENTION_WEIGHTS, 1), hidden);
            cr_assert_eq(fixture_run(&fixture, ATTENTION_OUTPUT, 1), hidden);
            fixture_done(&fixture);
        }
}
