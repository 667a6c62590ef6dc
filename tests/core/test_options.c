/* Laws of sinks, the log of the sum, alibi and keys beyond the mask, for rows kept (core/attend.c) and for the output
 * alone (core/fold.c). */
#include "core/fully_masked.h"
#include "tests/core/fixture.h"
#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { QUERIES = 13, KEYS = 1100, SIZE = 8, VALUE_SIZE = 5 };

static const enum dtype dtypes[] = {DTYPE_FLOAT32, DTYPE_FLOAT64};
static const enum attention_stage paths[] = {ATTENTION_WEIGHTS, ATTENTION_OUTPUT};

/* Random arrays of one head: keys [first, end) of the same KEYS for a seed. */
static struct fixture random_fixture(enum dtype dtype, uint64_t seed, size_t first, size_t end) {
    struct random random = {seed};
    static double query[QUERIES * SIZE], key[KEYS * SIZE], value[KEYS * VALUE_SIZE];
    for (size_t i = 0; i < QUERIES * SIZE; i++)
        query[i] = random_number(&random, 1);
    for (size_t i = 0; i < KEYS * SIZE; i++)
        key[i] = random_number(&random, 1);
    for (size_t i = 0; i < KEYS * VALUE_SIZE; i++)
        value[i] = random_number(&random, 1);
    struct fixture fixture;
    fixture_init(&fixture, dtype);
    fixture_plain(&fixture, QUERIES, end - first, SIZE, VALUE_SIZE, query, key + first * SIZE,
                  value + first * VALUE_SIZE);
    fixture_want_lse(&fixture);
    return fixture;
}

static double tolerance_of(enum dtype dtype) {
    return dtype == DTYPE_FLOAT32 ? 1e-5 : 1e-13;
}

static void outputs_are_equal(const struct fixture *a, const struct fixture *b, double tolerance) {
    for (size_t i = 0; i < QUERIES * VALUE_SIZE; i++)
        cr_assert_float_eq(a->heads[i], b->heads[i], tolerance, "output %zu: %.17g, %.17g", i, a->heads[i],
                           b->heads[i]);
    for (size_t i = 0; i < QUERIES; i++)
        cr_assert_float_eq(a->lse[i], b->lse[i], tolerance, "lse %zu: %.17g, %.17g", i, a->lse[i], b->lse[i]);
}

static void run_both(struct fixture *a, struct fixture *b, enum attention_stage path) {
    cr_assert(fixture_run(a, path, 5));
    cr_assert(fixture_run(b, path, 5));
}

Test(sinks, one_far_below_every_score_changes_no_bit) {
    for (size_t t = 0; t < 2; t++)
        for (size_t p = 0; p < 2; p++) {
            struct fixture plain = random_fixture(dtypes[t], 1, 0, KEYS), sunk = random_fixture(dtypes[t], 1, 0, KEYS);
            sunk.attention.sinks = (const double[]){-1e30};
            run_both(&plain, &sunk, paths[p]);
            outputs_are_equal(&plain, &sunk, 0);
            fixture_done(&plain), fixture_done(&sunk);
        }
}

/* A sink is a key of that score and of value 0: the weights sum to 1 less its share. */
Test(sinks, take_their_share) {
    for (size_t t = 0; t < 2; t++) {
        struct fixture plain = random_fixture(dtypes[t], 2, 0, KEYS), sunk = random_fixture(dtypes[t], 2, 0, KEYS);
        sunk.attention.sinks = (const double[]){6.5};
        run_both(&plain, &sunk, ATTENTION_WEIGHTS);
        for (size_t i = 0; i < QUERIES; i++) {
            double share = 1 / (1 + exp(plain.lse[i] - 6.5)), sum = 0;
            for (size_t j = 0; j < KEYS; j++)
                sum += sunk.rows[i * KEYS + j];
            cr_assert_float_eq(sum, 1 - share, tolerance_of(dtypes[t]));
            cr_assert_float_eq(sunk.lse[i], 6.5 - log(share), tolerance_of(dtypes[t]));
            for (size_t d = 0; d < VALUE_SIZE; d++)
                cr_assert_float_eq(sunk.heads[i * VALUE_SIZE + d], plain.heads[i * VALUE_SIZE + d] * (1 - share),
                                   tolerance_of(dtypes[t]));
        }
        fixture_done(&plain), fixture_done(&sunk);
    }
}

Test(sinks, one_far_above_every_score_takes_all) {
    for (size_t t = 0; t < 2; t++)
        for (size_t p = 0; p < 2; p++)
            for (size_t s = 0; s < 2; s++) {
                double huge = dtypes[t] == DTYPE_FLOAT32 ? (double)FLT_MAX : DBL_MAX, sink = s == 0 ? 1000 : huge;
                struct fixture fixture = random_fixture(dtypes[t], 3, 0, KEYS);
                unsigned char poisoned[KEYS] = {[7] = 1};
                fixture.attention.sinks = &sink;
                fixture.attention.poisoned = poisoned;
                cr_assert(fixture_run(&fixture, paths[p], 5), "a value of weight 0 does not matter");
                for (size_t i = 0; i < QUERIES * VALUE_SIZE; i++)
                    cr_assert_eq(fixture.heads[i], 0);
                for (size_t i = 0; i < QUERIES; i++)
                    cr_assert_eq(fixture.lse[i], sink);
                fixture_done(&fixture);
            }
}

Test(sinks, are_all_of_the_sum_of_a_row_without_keys) {
    for (size_t p = 0; p < 2; p++)
        for (int uniform = 0; uniform < 2; uniform++) {
            struct fixture fixture = random_fixture(DTYPE_FLOAT64, 4, 0, 16);
            size_t length = 0;
            fixture_part(&fixture, MASK_LENGTHS)->lengths = &length;
            fixture.attention.sinks = (const double[]){2};
            fixture.attention.empty_row = uniform ? ATTENTION_EMPTY_UNIFORM : ATTENTION_EMPTY_ZERO;
            cr_assert(fixture_run(&fixture, paths[p], 5));
            for (size_t i = 0; i < QUERIES; i++)
                cr_assert_eq(fixture.lse[i], 2);
            cr_assert_eq(fixture.heads[0] != 0, uniform);
            fixture_done(&fixture);
        }
}

/* lse = log(exp(lse of the first keys) + exp(lse of the others)), and the outputs joined by these weights. */
Test(lse, of_all_keys_is_joined_from_those_of_parts) {
    const size_t cuts[] = {1, 511, 700, KEYS - 1};
    for (size_t t = 0; t < 2; t++)
        for (size_t p = 0; p < 2; p++)
            for (size_t c = 0; c < 4; c++) {
                struct fixture all = random_fixture(dtypes[t], 5, 0, KEYS);
                struct fixture head = random_fixture(dtypes[t], 5, 0, cuts[c]);
                struct fixture tail = random_fixture(dtypes[t], 5, cuts[c], KEYS);
                run_both(&head, &tail, paths[p]);
                cr_assert(fixture_run(&all, paths[p], 5));
                for (size_t i = 0; i < QUERIES; i++) {
                    double most = fmax(head.lse[i], tail.lse[i]);
                    double a = exp(head.lse[i] - most), b = exp(tail.lse[i] - most);
                    cr_assert_float_eq(all.lse[i], most + log(a + b), tolerance_of(dtypes[t]));
                    for (size_t d = i * VALUE_SIZE; d < (i + 1) * VALUE_SIZE; d++)
                        cr_assert_float_eq(all.heads[d], (a * head.heads[d] + b * tail.heads[d]) / (a + b),
                                           tolerance_of(dtypes[t]));
                }
                fixture_done(&all), fixture_done(&head), fixture_done(&tail);
            }
}

/* Values that overflow before they are divided make core/fold.c begin again with exponentials scaled down. */
Test(lse, is_right_where_the_output_is_computed_twice) {
    struct fixture plain = random_fixture(DTYPE_FLOAT32, 6, 0, KEYS), large = random_fixture(DTYPE_FLOAT32, 6, 0, KEYS);
    for (size_t j = 0; j < KEYS; j++)
        for (size_t d = 0; d < VALUE_SIZE; d++)
            fixture_set(&large, &large.attention.value, 0, 0, j, d, (double)FLT_MAX / 4);
    plain.attention.sinks = large.attention.sinks = (const double[]){5};
    run_both(&plain, &large, ATTENTION_OUTPUT);
    for (size_t i = 0; i < QUERIES; i++) {
        double share = exp(5 - plain.lse[i]);
        cr_assert_float_eq(large.lse[i], plain.lse[i], 1e-6);
        cr_assert_float_eq(large.heads[i * VALUE_SIZE], (double)FLT_MAX / 4 * (1 - share), 1e34);
    }
    fixture_done(&plain), fixture_done(&large);
}

Test(alibi, slopes_of_zero_change_no_bit) {
    for (size_t p = 0; p < 2; p++) {
        struct fixture plain = random_fixture(DTYPE_FLOAT32, 7, 0, KEYS),
                       other = random_fixture(DTYPE_FLOAT32, 7, 0, KEYS);
        fixture_part(&other, MASK_ALIBI)->slopes = (const double[]){0};
        run_both(&plain, &other, paths[p]);
        outputs_are_equal(&plain, &other, 0);
        fixture_done(&plain), fixture_done(&other);
    }
}

/* Two queries, four keys of score 0, slopes 1/2 and 2: −slope·|i + offset − j|. */
Test(alibi, by_hand_with_each_offset) {
    const double distances[3][2][4] = {{{0, 1, 2, 3}, {1, 0, 1, 2}},  /* fixed at 0 */
                                       {{2, 1, 0, 1}, {3, 2, 1, 0}},  /* 4 keys − 2 queries */
                                       {{1, 2, 3, 4}, {0, 1, 2, 3}}}; /* fixed at −1 */
    for (size_t offset = 0; offset < 3; offset++) {
        struct fixture fixture;
        fixture_init(&fixture, DTYPE_FLOAT64);
        fixture.attention.query = fixture_view(&fixture, 1, 2, 2, 1, NULL);
        fixture.attention.key = fixture_view(&fixture, 1, 1, 4, 1, NULL);
        fixture.attention.value = fixture.attention.key;
        fixture_part(&fixture, MASK_ALIBI)->slopes = (const double[]){0.5, 2};
        fixture.attention.mask.align = offset == 1 ? MASK_ALIGN_BOTTOM_RIGHT : MASK_ALIGN_FIXED;
        fixture.attention.mask.offset = offset == 2 ? -1 : 0;
        cr_assert(fixture_run(&fixture, ATTENTION_MASKED, 2));
        for (size_t i = 0; i < 16; i++)
            cr_assert_eq(fixture.rows[i], (i < 8 ? -0.5 : -2) * distances[offset][i / 4 % 2][i % 4]);
        fixture_done(&fixture);
    }
}

/* Whatever the rules hide of the keys before them, the last two are seen by every query that is no padding; what is
 * hidden in between may hold anything. */
Test(extra_keys, are_seen_by_every_query_but_padding) {
    for (size_t t = 0; t < 2; t++)
        for (size_t p = 0; p < 2; p++) {
            struct fixture few = random_fixture(dtypes[t], 8, KEYS - 2, KEYS),
                           all = random_fixture(dtypes[t], 8, 0, KEYS);
            size_t length = 0;
            double padding[QUERIES] = {[4] = 1};
            all.attention.mask.extra = 2;
            fixture_part(&all, MASK_LENGTHS)->lengths = &length;
            fixture_part(&all, MASK_CAUSAL);
            fixture_part(&all, MASK_QUERY_PADDING)->values = fixture_view(&all, 1, 1, QUERIES, 1, padding);
            fixture_part(&few, MASK_QUERY_PADDING)->values = fixture_view(&few, 1, 1, QUERIES, 1, padding);
            for (size_t j = 0; j < KEYS - 2; j += 3)
                fixture_set(&all, &all.attention.key, 0, 0, j, 0, NAN);
            run_both(&few, &all, paths[p]);
            for (size_t i = 0; i < QUERIES; i++)
                cr_assert_eq(few.lse[i] == -INFINITY, i == 4);
            few.lse[4] = all.lse[4] = 0;
            outputs_are_equal(&few, &all, tolerance_of(dtypes[t]));
            size_t indices[QUERIES];
            struct fully_masked found = {.indices = indices, .limit = QUERIES};
            cr_assert(fully_masked_find(&all.attention, NULL, &found));
            cr_assert_eq(found.count, 1);
            cr_assert_eq(indices[0], 4);
            fixture_done(&few), fixture_done(&all);
        }
}

/* Values of a part cover the keys before the extra ones, and so do bottom_right and alibi. */
Test(extra_keys, are_beyond_every_part) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT64);
    fixture_plain(&fixture, 2, 4, 1, 1, (double[]){1, 1}, (double[]){1, 1, 1, 1}, NULL);
    fixture.attention.mask.extra = 1;
    fixture.attention.mask.align = MASK_ALIGN_BOTTOM_RIGHT;
    fixture_part(&fixture, MASK_CAUSAL);
    fixture_part(&fixture, MASK_ALIBI)->slopes = (const double[]){1};
    fixture_part(&fixture, MASK_MULTIPLY)->values = fixture_view(&fixture, 1, 1, 1, 3, (double[]){10, 20, 30});
    cr_assert(fixture_run(&fixture, ATTENTION_MASKED, 2));
    const double expected[] = {9, 20, -INFINITY, 1, 8, 19, 30, 1};
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(fixture.rows[i], expected[i], "%zu: %g", i, fixture.rows[i]);
    fixture.attention.mask.parts[2].values.cols = 4;
    cr_assert_not(attention_check(&fixture.attention, &fixture.error));
    cr_assert_not_null(strstr(fixture.error.detail, "4 keys but there are 3"), "%s", fixture.error.detail);
    fixture_done(&fixture);
}
