/* core/attend.c: laws that hold for every computation, whatever its numbers. */
#include "tests/core/fixture.h"
#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { QUERIES = 13, KEYS = 17, SIZE = 8, VALUE_SIZE = 5 };

/* Random arrays of one head. */
static struct fixture random_fixture(enum dtype dtype, uint64_t seed) {
    struct random random = {seed};
    double query[QUERIES * SIZE], key[KEYS * SIZE], value[KEYS * VALUE_SIZE];
    for (size_t i = 0; i < QUERIES * SIZE; i++)
        query[i] = random_number(&random, 1);
    for (size_t i = 0; i < KEYS * SIZE; i++)
        key[i] = random_number(&random, 1);
    for (size_t i = 0; i < KEYS * VALUE_SIZE; i++)
        value[i] = random_number(&random, 1);
    struct fixture fixture;
    fixture_init(&fixture, dtype);
    fixture_plain(&fixture, QUERIES, KEYS, SIZE, VALUE_SIZE, query, key, value);
    return fixture;
}

static void run(struct fixture *fixture, size_t block_rows) {
    cr_assert(fixture_run(fixture, ATTENTION_WEIGHTS, block_rows));
}

/* Overwrites key and value `key`. */
static void spoil(struct fixture *fixture, size_t key, double key_number, double value_number) {
    for (size_t d = 0; d < SIZE; d++)
        fixture_set(fixture, &fixture->attention.key, 0, 0, key, d, key_number);
    for (size_t d = 0; d < VALUE_SIZE; d++)
        fixture_set(fixture, &fixture->attention.value, 0, 0, key, d, value_number);
}

static void rows_are_equal(const struct fixture *a, const struct fixture *b, size_t first, size_t end) {
    for (size_t i = first * KEYS; i < end * KEYS; i++)
        cr_assert_eq(a->rows[i], b->rows[i], "weight %zu of row %zu", i % KEYS, i / KEYS);
    for (size_t i = first * VALUE_SIZE; i < end * VALUE_SIZE; i++)
        cr_assert_eq(a->heads[i], b->heads[i], "output %zu of row %zu", i % VALUE_SIZE, i / VALUE_SIZE);
}

static const enum dtype dtypes[] = {DTYPE_FLOAT32, DTYPE_FLOAT64};

Test(attend, a_future_key_changed_leaves_a_causal_row_bit_equal) {
    for (size_t t = 0; t < 2; t++)
        for (size_t future = 0; future < KEYS; future++) {
            struct fixture fixture = random_fixture(dtypes[t], 21), other = random_fixture(dtypes[t], 21);
            fixture_part(&fixture, MASK_CAUSAL);
            fixture_part(&other, MASK_CAUSAL);
            spoil(&other, future, 7, -3);
            run(&fixture, 4);
            run(&other, 4);
            rows_are_equal(&fixture, &other, 0, future < QUERIES ? future : QUERIES);
            if (future > 0 && future < QUERIES)
                cr_assert_neq(fixture.rows[future * KEYS + future], other.rows[future * KEYS + future]);
            fixture_done(&fixture);
            fixture_done(&other);
        }
}

/* A mask of each kind that hides key 3 from every query, and nothing else needed for the law. */
static void hide_key_three(struct fixture *fixture, enum mask_kind kind) {
    double attend[KEYS], block[KEYS], bias[KEYS];
    for (size_t j = 0; j < KEYS; j++) {
        attend[j] = j == 3 ? 0 : -0.5; /* any number but 0 is a flag that is set */
        block[j] = j == 3 ? 2 : 0;
        bias[j] = j == 3 ? -INFINITY : 0.25;
    }
    struct mask_part *part = fixture_part(fixture, kind);
    if (kind == MASK_LENGTHS)
        part->lengths = memcpy(fixture_take(fixture, 1, sizeof(size_t)), &(size_t){3}, sizeof(size_t));
    else
        part->values = fixture_view(fixture, 1, 1, 1, KEYS,
                                    kind == MASK_ATTEND  ? attend
                                    : kind == MASK_BLOCK ? block
                                                         : bias);
}

Test(attend, nothing_of_a_disallowed_key_reaches_a_result_not_even_an_overflow) {
    const enum mask_kind kinds[] = {MASK_ATTEND, MASK_BLOCK, MASK_BIAS, MASK_LENGTHS};
    for (size_t t = 0; t < 2; t++) {
        double huge = dtypes[t] == DTYPE_FLOAT32 ? (double)FLT_MAX : DBL_MAX;
        double numbers[] = {huge, -huge, INFINITY, NAN, 0};
        for (size_t k = 0; k < 4; k++)
            for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
                struct fixture fixture = random_fixture(dtypes[t], 22), other = random_fixture(dtypes[t], 22);
                hide_key_three(&fixture, kinds[k]);
                hide_key_three(&other, kinds[k]);
                spoil(&other, 3, numbers[n], n % 2 ? -huge : huge);
                run(&fixture, 5);
                run(&other, 5);
                rows_are_equal(&fixture, &other, 0, QUERIES);
                for (size_t row = 0; row < QUERIES; row++)
                    cr_assert_eq(fixture.rows[row * KEYS + 3], 0);
                fixture_done(&fixture);
                fixture_done(&other);
            }
    }
}

Test(attend, an_allowed_key_that_overflows_is_told) {
    for (size_t t = 0; t < 2; t++) {
        double huge = dtypes[t] == DTYPE_FLOAT32 ? (double)FLT_MAX : DBL_MAX;
        struct fixture fixture = random_fixture(dtypes[t], 23);
        spoil(&fixture, 3, huge, 0);
        fixture.attention.scale = 8;
        cr_assert_not(fixture_run(&fixture, ATTENTION_WEIGHTS, 5));
        cr_assert_not(fixture_run(&fixture, ATTENTION_MASKED, 5));
        cr_assert_not(fixture_run(&fixture, ATTENTION_SCORES, 5));
        /* Among the scores asked for, a disallowed key's counts too: it would have to be printed. */
        hide_key_three(&fixture, MASK_ATTEND);
        cr_assert(fixture_run(&fixture, ATTENTION_WEIGHTS, 5));
        cr_assert(fixture_run(&fixture, ATTENTION_MASKED, 5));
        cr_assert_not(fixture_run(&fixture, ATTENTION_SCORES, 5));
        fixture_done(&fixture);
    }
}

Test(attend, an_output_that_overflows_is_told) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT32);
    fixture_plain(&fixture, 1, 2, 1, 1, (double[]){1}, (double[]){2, 2}, (double[]){3e38, 3e38});
    fixture.attention.normalize = ATTENTION_NONE;
    cr_assert_not(fixture_run(&fixture, ATTENTION_WEIGHTS, 1));
    fixture.attention.heads.data = NULL;
    cr_assert(fixture_run(&fixture, ATTENTION_WEIGHTS, 1), "no output is wanted, so none can overflow");
    fixture_done(&fixture);
}

Test(attend, a_poisoned_value_matters_only_where_it_is_weighed) {
    for (size_t t = 0; t < 2; t++) {
        struct fixture fixture = random_fixture(dtypes[t], 24);
        unsigned char *poisoned = fixture_take(&fixture, KEYS, 1);
        fixture.attention.poisoned = poisoned;
        run(&fixture, 5);
        poisoned[3] = 1;
        cr_assert_not(fixture_run(&fixture, ATTENTION_WEIGHTS, 5));
        cr_assert(fixture_run(&fixture, ATTENTION_SCORES, 5));
        hide_key_three(&fixture, MASK_ATTEND);
        run(&fixture, 5);
        fixture_done(&fixture);

        fixture = random_fixture(dtypes[t], 24);
        fixture.attention.poisoned = poisoned = fixture_take(&fixture, KEYS, 1);
        poisoned[3] = 1;
        fixture.attention.heads.data = NULL;
        run(&fixture, 5);
        fixture_done(&fixture);
    }
}

Test(attend, permuting_keys_permutes_weights) {
    for (size_t t = 0; t < 2; t++) {
        struct fixture fixture = random_fixture(dtypes[t], 25), other = random_fixture(dtypes[t], 25);
        size_t width = dtype_size(dtypes[t]);
        for (size_t j = 0; j < KEYS; j++) {
            size_t to = (j * 5 + 3) % KEYS;
            memcpy((char *)other.attention.key.data + to * SIZE * width,
                   (const char *)fixture.attention.key.data + j * SIZE * width, SIZE * width);
            memcpy((char *)other.attention.value.data + to * VALUE_SIZE * width,
                   (const char *)fixture.attention.value.data + j * VALUE_SIZE * width, VALUE_SIZE * width);
        }
        run(&fixture, QUERIES);
        run(&other, QUERIES);
        double tolerance = dtypes[t] == DTYPE_FLOAT32 ? 1e-6 : 1e-15;
        for (size_t row = 0; row < QUERIES; row++) {
            for (size_t j = 0; j < KEYS; j++)
                cr_assert_float_eq(fixture.rows[row * KEYS + j], other.rows[row * KEYS + (j * 5 + 3) % KEYS],
                                   tolerance);
            for (size_t d = 0; d < VALUE_SIZE; d++)
                cr_assert_float_eq(fixture.heads[row * VALUE_SIZE + d], other.heads[row * VALUE_SIZE + d], tolerance);
        }
        fixture_done(&fixture);
        fixture_done(&other);
    }
}

Test(attend, an_output_lies_between_the_smallest_and_largest_value) {
    for (uint64_t seed = 100; seed < 120; seed++) {
        struct fixture fixture = random_fixture(DTYPE_FLOAT64, seed);
        run(&fixture, 3);
        for (size_t i = 0; i < QUERIES * VALUE_SIZE; i++)
            cr_assert_leq(fabs(fixture.heads[i]), 1);
        fixture_done(&fixture);
    }
}

Test(attend, one_key_takes_the_whole_weight_whatever_its_score) {
    for (size_t t = 0; t < 2; t++) {
        struct fixture fixture;
        fixture_init(&fixture, dtypes[t]);
        fixture_plain(&fixture, 1, 1, 1, 2, (double[]){1e30}, (double[]){-1}, (double[]){0.1, -0.7});
        run(&fixture, 1);
        cr_assert_eq(fixture.rows[0], 1);
        cr_assert_eq(fixture.heads[0], t == 0 ? (double)0.1F : 0.1);
        fixture_done(&fixture);
    }
}

Test(attend, a_row_without_keys_is_zero_or_uniform) {
    for (size_t t = 0; t < 2; t++) {
        struct fixture fixture = random_fixture(dtypes[t], 26);
        struct view attend = fixture_view(&fixture, 1, 1, QUERIES, KEYS, NULL);
        for (size_t row = 0; row < QUERIES; row++)
            fixture_set(&fixture, &attend, 0, 0, row, row % 4, row % 3 != 0);
        fixture_part(&fixture, MASK_ATTEND)->values = attend;
        run(&fixture, 4);
        for (size_t i = 0; i < VALUE_SIZE; i++)
            cr_assert_eq(fixture.heads[3 * VALUE_SIZE + i], 0);
        for (size_t j = 0; j < KEYS; j++)
            cr_assert_eq(fixture.rows[3 * KEYS + j], 0);

        fixture.attention.empty_row = ATTENTION_EMPTY_UNIFORM;
        run(&fixture, 4);
        for (size_t j = 0; j < KEYS; j++) {
            cr_assert_eq(fixture.rows[3 * KEYS + j], t == 0 ? (double)(1.0F / (float)KEYS) : 1.0 / (double)KEYS);
            cr_assert_eq(fixture.rows[4 * KEYS + j], j == 0 ? 1 : 0, "a row with a key stays as it is");
        }
        fixture_done(&fixture);
    }
}

Test(attend, a_block_where_every_row_is_padding_is_zero) {
    struct fixture fixture = random_fixture(DTYPE_FLOAT32, 27);
    double padding[QUERIES];
    for (size_t i = 0; i < QUERIES; i++)
        padding[i] = 1;
    fixture_part(&fixture, MASK_QUERY_PADDING)->values = fixture_view(&fixture, 1, 1, QUERIES, 1, padding);
    for (size_t d = 0; d < SIZE; d++)
        fixture_set(&fixture, &fixture.attention.query, 0, 0, 2, d, INFINITY);
    run(&fixture, 4);
    for (size_t i = 0; i < QUERIES * KEYS; i++)
        cr_assert_eq(fixture.rows[i], 0);
    for (size_t i = 0; i < QUERIES * VALUE_SIZE; i++)
        cr_assert_eq(fixture.heads[i], 0);
    fixture_done(&fixture);
}

Test(attend, the_same_call_gives_the_same_bits) {
    struct fixture fixture = random_fixture(DTYPE_FLOAT32, 28), other = random_fixture(DTYPE_FLOAT32, 28);
    run(&fixture, 4);
    run(&other, 4);
    rows_are_equal(&fixture, &other, 0, QUERIES);
    fixture_done(&fixture);
    fixture_done(&other);
}

/* 65,536 equal keys: each weight is 2⁻¹⁶ and the output is the mean of the values, here all 0.3; adding them up one by
 * one in float32 would drift by far more than the tolerance. */
Test(attend, a_long_row_keeps_its_accuracy) {
    enum { LONG = 65536 };
    for (size_t t = 0; t < 2; t++) {
        struct fixture fixture;
        fixture_init(&fixture, dtypes[t]);
        fixture_plain(&fixture, 3, LONG, 2, 3, NULL, NULL, NULL);
        for (size_t j = 0; j < LONG; j++)
            for (size_t d = 0; d < 3; d++)
                fixture_set(&fixture, &fixture.attention.value, 0, 0, j, d, 0.3);
        run(&fixture, 3);
        cr_assert_eq(fixture.rows[LONG - 1], 0x1p-16);
        double expected = t == 0 ? (double)0.3F : 0.3, tolerance = t == 0 ? 1e-5 : 1e-13;
        for (size_t i = 0; i < 9; i++)
            cr_assert_float_eq(fixture.heads[i], expected, tolerance, "off by %g", fixture.heads[i] - expected);
        fixture_done(&fixture);
    }
}
