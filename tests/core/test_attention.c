/* core/attention.c: small computations worked by hand, refusals, the bound on results, and rows without keys. */
#include "core/attention.h"
#include "core/rows.h"

#include "tests/core/fixture.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* query = [[1,0],[0,1]], key the same, value = [[10,20],[30,40]], scale ln 3.
 * scores  = [[ln 3, 0], [0, ln 3]]
 * weights = [[3/4, 1/4], [1/4, 3/4]]
 * heads   = [[15, 25], [25, 35]] */
Test(attention, two_by_two_by_hand) {
    for (int which = 0; which < 2; which++) {
        struct fixture fixture;
        fixture_init(&fixture, which ? DTYPE_FLOAT32 : DTYPE_FLOAT64);
        double unit[] = {1, 0, 0, 1}, tolerance = which ? 1e-6 : 1e-14;
        fixture_plain(&fixture, 2, 2, 2, 2, unit, unit, (double[]){10, 20, 30, 40});
        fixture.attention.scale = log(3);
        cr_assert(fixture_run(&fixture, ATTENTION_SCORES, 2));
        cr_assert_float_eq(fixture.rows[0], log(3), tolerance);
        cr_assert_eq(fixture.rows[1], 0);
        cr_assert(fixture_run(&fixture, ATTENTION_WEIGHTS, 2));
        double weights[] = {0.75, 0.25, 0.25, 0.75}, heads[] = {15, 25, 25, 35};
        for (size_t i = 0; i < 4; i++) {
            cr_assert_float_eq(fixture.rows[i], weights[i], tolerance);
            cr_assert_float_eq(fixture.heads[i], heads[i], 40 * tolerance);
        }
        fixture_done(&fixture);
    }
}

/* The same, causal: query 0 sees key 0 only, and takes its value as it is. */
Test(attention, two_by_two_causal_by_hand) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT64);
    double unit[] = {1, 0, 0, 1};
    fixture_plain(&fixture, 2, 2, 2, 2, unit, unit, (double[]){10, 20, 30, 40});
    fixture.attention.scale = log(3);
    fixture_part(&fixture, MASK_CAUSAL);
    cr_assert(fixture_run(&fixture, ATTENTION_MASKED, 2));
    cr_assert_eq(fixture.rows[1], -INFINITY);
    cr_assert_eq(fixture.rows[2], 0);
    cr_assert(fixture_run(&fixture, ATTENTION_WEIGHTS, 2));
    cr_assert_eq(fixture.rows[0], 1);
    cr_assert_eq(fixture.rows[1], 0);
    cr_assert_eq(fixture.heads[0], 10);
    cr_assert_eq(fixture.heads[1], 20);
    cr_assert_float_eq(fixture.heads[2], 25, 1e-13);
    fixture_done(&fixture);
}

/* Scores [2,3]: times [4,5] is [8,15], plus [1,−15] is [9,0]; the part added first is applied last all the same. */
Test(attention, scores_are_multiplied_before_they_are_biased) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT64);
    fixture_plain(&fixture, 1, 2, 1, 1, (double[]){1}, (double[]){2, 3}, NULL);
    fixture_part(&fixture, MASK_BIAS)->values = fixture_view(&fixture, 1, 1, 1, 2, (double[]){1, -15});
    fixture_part(&fixture, MASK_MULTIPLY)->values = fixture_view(&fixture, 1, 1, 1, 2, (double[]){4, 5});
    cr_assert(fixture_run(&fixture, ATTENTION_SCORES, 1));
    cr_assert_eq(fixture.rows[0], 2);
    cr_assert(fixture_run(&fixture, ATTENTION_MASKED, 1));
    cr_assert_eq(fixture.rows[0], 9);
    cr_assert_eq(fixture.rows[1], 0);
    fixture_done(&fixture);
}

static void is_refused(struct fixture *fixture, enum error_code code, const char *pointer, const char *words) {
    cr_assert_not(attention_check(&fixture->attention, &fixture->error));
    cr_assert_eq(fixture->error.code, code, "%s", fixture->error.detail);
    cr_assert_str_eq(fixture->error.pointer, pointer);
    cr_assert_not_null(strstr(fixture->error.detail, words), "%s", fixture->error.detail);
    fixture_done(fixture);
}

Test(attention_check, what_fits_passes) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    cr_assert(attention_check(&fixture.attention, &fixture.error), "%s", fixture.error.detail);
    fixture_done(&fixture);
}

Test(attention_check, shapes_that_disagree_are_named_with_both_numbers) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    fixture.attention.key.cols = 3;
    is_refused(&fixture, ERROR_SHAPE_MISMATCH, "/key", "key has 3 features per head but query has 4");
    fixture_shaped(&fixture);
    fixture.attention.value.rows = 4;
    is_refused(&fixture, ERROR_SHAPE_MISMATCH, "/value", "value has 4 rows but key has 5");
    fixture_shaped(&fixture);
    fixture.attention.key.batch = 1;
    is_refused(&fixture, ERROR_SHAPE_MISMATCH, "/key", "key has 1 batch items but query has 2");
    fixture_shaped(&fixture);
    fixture.attention.value.heads = 1;
    is_refused(&fixture, ERROR_SHAPE_MISMATCH, "/value", "value has 1 heads but key has 3");
    fixture_shaped(&fixture);
    fixture.attention.query.heads = 4;
    is_refused(&fixture, ERROR_SHAPE_MISMATCH, "/num_kv_heads", "one of 1, 2, 4");
    fixture_shaped(&fixture);
    fixture_part(&fixture, MASK_ATTEND)->values = fixture_view(&fixture, 1, 1, 3, 3, NULL);
    is_refused(&fixture, ERROR_SHAPE_MISMATCH, "/mask/attend", "3 keys but there are 5");
}

Test(attention_check, an_empty_axis_is_refused) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    fixture.attention.key.rows = fixture.attention.value.rows = 0;
    is_refused(&fixture, ERROR_EMPTY_AXIS, "/key", "key is empty");
}

Test(attention_check, lengths_that_blas_cannot_address_are_refused) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    fixture.attention.query.row_stride = (size_t)INT32_MAX + 1;
    is_refused(&fixture, ERROR_TOO_MANY_ELEMENTS, "/query", "2147483647");
    fixture_shaped(&fixture);
    fixture.attention.key.rows = fixture.attention.value.rows = (size_t)INT32_MAX + 1;
    is_refused(&fixture, ERROR_TOO_MANY_ELEMENTS, "/key", "2147483647");
}

Test(attention_check, a_scale_beyond_the_dtype_is_refused) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    fixture.attention.scale = 1e39;
    is_refused(&fixture, ERROR_NOT_FINITE, "/scale", "float64");
    fixture_shaped(&fixture);
    fixture.attention.scale = NAN;
    is_refused(&fixture, ERROR_NOT_FINITE, "/scale", "nan");
}

Test(attention_check, uniform_rows_go_with_softmax_only) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    fixture.attention.normalize = ATTENTION_SUM;
    fixture.attention.empty_row = ATTENTION_EMPTY_UNIFORM;
    is_refused(&fixture, ERROR_CONFLICT, "/fully_masked", "softmax");
}

Test(attention_check, sinks_and_lse_go_with_softmax_only) {
    struct fixture fixture;
    static const double sinks[6] = {0}, infinite[6] = {0, 0, INFINITY};
    fixture_shaped(&fixture);
    fixture.attention.normalize = ATTENTION_SUM;
    fixture.attention.sinks = sinks;
    is_refused(&fixture, ERROR_CONFLICT, "/sinks", "softmax");
    fixture_shaped(&fixture);
    fixture.attention.normalize = ATTENTION_NONE;
    fixture_want_lse(&fixture);
    is_refused(&fixture, ERROR_CONFLICT, "/return", "lse");
    fixture_shaped(&fixture);
    fixture.attention.sinks = infinite;
    is_refused(&fixture, ERROR_NOT_FINITE, "/sinks/2", "head 2");
}

Test(attention_check, a_softcap_lies_within_the_dtype) {
    const double caps[] = {-1, 1e-31, 1e31, NAN, INFINITY};
    struct fixture fixture;
    for (size_t i = 0; i < 5; i++) {
        fixture_shaped(&fixture);
        fixture.attention.softcap = caps[i];
        is_refused(&fixture, ERROR_OUT_OF_RANGE, "/softcap", "more than 0");
    }
}

/* One query 1, one key `key`, one value `value`. */
static struct fixture single(enum dtype dtype, double key, double value) {
    struct fixture fixture;
    fixture_init(&fixture, dtype);
    fixture_plain(&fixture, 1, 1, 1, 1, (double[]){1}, &key, &value);
    return fixture;
}

static bool is_bounded(struct fixture fixture) {
    const struct attention *attention = &fixture.attention;
    struct attention_magnitudes magnitudes = {rows_magnitude(attention->dtype, attention->query.data, 1),
                                              rows_magnitude(attention->dtype, attention->key.data, 1),
                                              rows_magnitude(attention->dtype, attention->value.data, 1)};
    struct attention_bounds bounds = attention_bound(attention, &magnitudes);
    bool bounded = (attention->heads.data != NULL ? bounds.heads : bounds.masked) < INFINITY;
    fixture_done(&fixture);
    return bounded;
}

Test(attention_bound, tells_small_inputs_from_large_ones) {
    cr_assert(is_bounded(single(DTYPE_FLOAT32, 1e30, 1)));
    cr_assert_not(is_bounded(single(DTYPE_FLOAT32, 3e38, 1)));
    cr_assert_not(is_bounded(single(DTYPE_FLOAT32, 1, 3e38)));
    cr_assert(is_bounded(single(DTYPE_FLOAT64, 3e38, 1)));
    cr_assert_not(is_bounded(single(DTYPE_FLOAT64, INFINITY, 1)));
    cr_assert_not(is_bounded(single(DTYPE_FLOAT64, 1, NAN)));
}

Test(attention_bound, values_do_not_matter_where_no_output_is_wanted) {
    struct fixture fixture = single(DTYPE_FLOAT32, 1, 3e38);
    fixture.attention.heads.data = NULL;
    cr_assert(is_bounded(fixture));
}

Test(attention_bound, weighs_scale_multiply_bias_and_normalize) {
    struct fixture fixture = single(DTYPE_FLOAT32, 1e30, 1);
    fixture.attention.scale = 1e9;
    cr_assert_not(is_bounded(fixture));

    fixture = single(DTYPE_FLOAT32, 1e30, 1);
    fixture_part(&fixture, MASK_MULTIPLY)->values = fixture_view(&fixture, 1, 1, 1, 1, (double[]){-1e9});
    cr_assert_not(is_bounded(fixture));

    fixture = single(DTYPE_FLOAT32, 1, 1);
    fixture_part(&fixture, MASK_BIAS)->values = fixture_view(&fixture, 1, 1, 1, 1, (double[]){-3e38});
    cr_assert_not(is_bounded(fixture));

    fixture = single(DTYPE_FLOAT32, 1, 1);
    fixture_part(&fixture, MASK_BIAS)->values = fixture_view(&fixture, 1, 1, 1, 1, (double[]){-INFINITY});
    cr_assert(is_bounded(fixture), "a bias of −∞ is no number but a mask");

    fixture = single(DTYPE_FLOAT32, 1, 1);
    fixture_part(&fixture, MASK_ALIBI)->slopes = (const double[]){-3e37};
    cr_assert(is_bounded(fixture));
    fixture = single(DTYPE_FLOAT32, 1, 1);
    fixture.attention.mask.offset = -1000;
    fixture_part(&fixture, MASK_ALIBI)->slopes = (const double[]){-3e37};
    cr_assert_not(is_bounded(fixture));

    fixture = single(DTYPE_FLOAT32, 1e20, 1e20);
    cr_assert(is_bounded(fixture));
    fixture = single(DTYPE_FLOAT32, 1e20, 1e20);
    fixture.attention.softcap = 1e3;
    fixture.attention.normalize = ATTENTION_NONE;
    cr_assert(is_bounded(fixture), "the capped score times value");
    fixture = single(DTYPE_FLOAT32, 3e38, 1);
    fixture.attention.softcap = 1;
    cr_assert_not(is_bounded(fixture), "the score before it is capped");
    fixture = single(DTYPE_FLOAT32, 1e20, 1e20);
    fixture.attention.normalize = ATTENTION_NONE;
    cr_assert_not(is_bounded(fixture), "the output is score times value");
    fixture = single(DTYPE_FLOAT32, 1, 1);
    fixture.attention.normalize = ATTENTION_SUM;
    cr_assert_not(is_bounded(fixture));
}
