/* core/fold.c: attention for the output alone, over rows that are several blocks of keys long. */
#include "tests/core/fixture.h"
#include "tests/core/random.h"
#include "tests/twin.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { QUERIES = 29, KEYS = 1500, SIZE = 8, VALUE_SIZE = 37 };

static const enum dtype dtypes[] = {DTYPE_FLOAT32, DTYPE_FLOAT64};

/* Random arrays of one head; scores between about −3 and 3. */
static struct fixture random_fixture(enum dtype dtype, uint64_t seed) {
    struct random random = {seed};
    struct fixture fixture;
    fixture_init(&fixture, dtype);
    fixture_plain(&fixture, QUERIES, KEYS, SIZE, VALUE_SIZE, NULL, NULL, NULL);
    for (size_t i = 0; i < QUERIES; i++)
        for (size_t d = 0; d < SIZE; d++)
            fixture_set(&fixture, &fixture.attention.query, 0, 0, i, d, random_number(&random, 1));
    for (size_t j = 0; j < KEYS; j++) {
        for (size_t d = 0; d < SIZE; d++)
            fixture_set(&fixture, &fixture.attention.key, 0, 0, j, d, random_number(&random, 1));
        for (size_t d = 0; d < VALUE_SIZE; d++)
            fixture_set(&fixture, &fixture.attention.value, 0, 0, j, d, random_number(&random, 1));
    }
    return fixture;
}

/* Adds a bias of one number per key. */
static struct mask_part *add_bias(struct fixture *fixture) {
    struct mask_part *part = fixture_part(fixture, MASK_BIAS);
    part->values = fixture_view(fixture, 1, 1, 1, KEYS, NULL);
    return part;
}

/* Runs the output alone at every level, and compares with the twin relative to the values' scale, `most`. */
static void agrees(struct fixture *fixture, double most, const char *what) {
    const struct attention *attention = &fixture->attention;
    double row[KEYS], heads[VALUE_SIZE], tolerance = (attention->dtype == DTYPE_FLOAT32 ? 2e-5 : 1e-12) * most;
    enum kernels_level levels[KERNELS_LEVELS];
    size_t count = fixture_levels(levels);
    for (size_t l = 0; l < count; l++) {
        fixture->level = levels[l];
        cr_assert(fixture_run(fixture, ATTENTION_OUTPUT, QUERIES), "%s", what);
        for (size_t i = 0; i < QUERIES; i++) {
            twin_row(attention, ATTENTION_WEIGHTS, 0, 0, i, row, heads);
            for (size_t d = 0; d < VALUE_SIZE; d++)
                cr_assert_float_eq(fixture->heads[i * VALUE_SIZE + d], heads[d], tolerance,
                                   "%s, level %d: output %zu of row %zu is %.9g, not %.9g", what, levels[l], d, i,
                                   fixture->heads[i * VALUE_SIZE + d], heads[d]);
        }
    }
}

Test(fold, scores_that_rise_or_fall_from_block_to_block_agree_with_the_twin) {
    for (size_t t = 0; t < 2; t++) {
        /* The bias of key j: exponentials so far are scaled down at every block, at none, or to nothing at all. */
        const double slopes[] = {1.0 / 64, -1.0 / 64, 3, -3, 1e4, -1e4};
        for (size_t s = 0; s < sizeof slopes / sizeof *slopes; s++) {
            struct fixture fixture = random_fixture(dtypes[t], 31);
            struct mask_part *bias = add_bias(&fixture);
            /* Scores are multiples of 1/64, so that a large bias takes no digits from them. */
            for (size_t i = 0; i < QUERIES; i++)
                for (size_t d = 0; d < SIZE; d++)
                    fixture_set(&fixture, &fixture.attention.query, 0, 0, i, d, d == 0 ? (double)(i % 5) : 0);
            for (size_t j = 0; j < KEYS; j++) {
                fixture_set(&fixture, &fixture.attention.key, 0, 0, j, 0, (double)(j * 7 % 64) / 64);
                fixture_set(&fixture, &bias->values, 0, 0, 0, j, slopes[s] * (double)j);
            }
            agrees(&fixture, 1, "a slope");
            fixture_done(&fixture);
        }
    }
}

Test(fold, the_largest_numbers_do_not_overflow) {
    for (size_t t = 0; t < 2; t++) {
        double huge = dtypes[t] == DTYPE_FLOAT32 ? (double)FLT_MAX : DBL_MAX;
        struct fixture fixture = random_fixture(dtypes[t], 32);
        struct mask_part *bias = add_bias(&fixture);
        for (size_t j = 0; j < KEYS; j++)
            fixture_set(&fixture, &bias->values, 0, 0, 0, j, j == 700 || j == 1200 ? huge : -huge);
        agrees(&fixture, 1, "the largest scores");
        fixture_done(&fixture);

        /* Values whose sum overflows, though their mean does not. */
        fixture = random_fixture(dtypes[t], 33);
        for (size_t j = 0; j < KEYS; j++)
            for (size_t d = 0; d < VALUE_SIZE; d++)
                fixture_set(&fixture, &fixture.attention.value, 0, 0, j, d, huge / 4);
        agrees(&fixture, huge / 4, "the largest values");
        fixture_done(&fixture);
    }
}

/* Rows whose first, middle or last block of keys, or every key, is hidden. */
Test(fold, hidden_blocks_leave_the_others) {
    for (size_t t = 0; t < 2; t++)
        for (int uniform = 0; uniform < 2; uniform++) {
            struct fixture fixture = random_fixture(dtypes[t], 34);
            struct mask_part *attend = fixture_part(&fixture, MASK_ATTEND);
            attend->values = fixture_view(&fixture, 1, 1, QUERIES, KEYS, NULL);
            for (size_t i = 0; i < QUERIES; i++)
                for (size_t j = 0; j < KEYS; j++) {
                    size_t kind = i % 5;
                    bool hidden = kind == 0   ? j < 1100
                                  : kind == 1 ? j >= 300 && j < 1300
                                  : kind == 2 ? j >= 400
                                  : kind == 3 ? true
                                              : j % 3 == 0;
                    fixture_set(&fixture, &attend->values, 0, 0, i, j, !hidden);
                }
            fixture.attention.empty_row = uniform ? ATTENTION_EMPTY_UNIFORM : ATTENTION_EMPTY_ZERO;
            agrees(&fixture, 1, "hidden blocks");
            fixture_done(&fixture);
        }
}

Test(fold, masks_known_by_rule_agree_with_the_twin) {
    const ptrdiff_t windows[][2] = {{0, 0}, {100, 3}, {-1, 600}, {700, -1}};
    size_t lengths[] = {0, 1, 511, 512, 513, 1499};
    for (size_t t = 0; t < 2; t++)
        for (int bottom = 0; bottom < 2; bottom++) {
            for (size_t w = 0; w < 4; w++) {
                struct fixture fixture = random_fixture(dtypes[t], 35);
                fixture.attention.mask.align = bottom ? MASK_ALIGN_BOTTOM_RIGHT : MASK_ALIGN_FIXED;
                struct mask_part *window = fixture_part(&fixture, MASK_WINDOW);
                window->left = windows[w][0], window->right = windows[w][1];
                agrees(&fixture, 1, "a window");
                fixture_done(&fixture);
            }
            for (size_t l = 0; l < 6; l++) {
                struct fixture fixture = random_fixture(dtypes[t], 36);
                fixture.attention.mask.align = bottom ? MASK_ALIGN_BOTTOM_RIGHT : MASK_ALIGN_FIXED;
                fixture_part(&fixture, MASK_LENGTHS)->lengths = &lengths[l];
                fixture_part(&fixture, MASK_CAUSAL);
                agrees(&fixture, 1, "lengths and causal");
                fixture_done(&fixture);
            }
        }
}

Test(fold, every_way_to_normalize_agrees_with_the_twin) {
    for (size_t t = 0; t < 2; t++) {
        struct fixture fixture = random_fixture(dtypes[t], 37);
        fixture.attention.normalize = ATTENTION_NONE;
        agrees(&fixture, 100, "none");
        fixture.attention.normalize = ATTENTION_SUM;
        struct mask_part *bias = add_bias(&fixture);
        for (size_t j = 0; j < KEYS; j++)
            fixture_set(&fixture, &bias->values, 0, 0, 0, j, 10);
        agrees(&fixture, 1, "sum");
        fixture_done(&fixture);
    }
}

Test(fold, nothing_of_a_hidden_key_reaches_the_output) {
    for (size_t t = 0; t < 2; t++) {
        double huge = dtypes[t] == DTYPE_FLOAT32 ? (double)FLT_MAX : DBL_MAX;
        struct fixture fixture = random_fixture(dtypes[t], 38), other = random_fixture(dtypes[t], 38);
        fixture_part(&fixture, MASK_CAUSAL), fixture_part(&other, MASK_CAUSAL);
        fixture.attention.mask.align = other.attention.mask.align = MASK_ALIGN_BOTTOM_RIGHT;
        /* Row 0 sees the keys up to 1471. */
        for (size_t j = 1480; j < KEYS; j++)
            for (size_t d = 0; d < VALUE_SIZE; d++) {
                fixture_set(&other, &other.attention.key, 0, 0, j, d % SIZE, d % 2 ? NAN : huge);
                fixture_set(&other, &other.attention.value, 0, 0, j, d, -huge);
            }
        cr_assert(fixture_run(&fixture, ATTENTION_OUTPUT, QUERIES));
        cr_assert_not(fixture_run(&other, ATTENTION_OUTPUT, QUERIES), "row 8 sees key 1480");
        cr_assert(fixture_run(&fixture, ATTENTION_OUTPUT, 8));
        cr_assert_not(fixture_run(&other, ATTENTION_OUTPUT, 8));
        for (size_t i = 0; i < 8 * VALUE_SIZE; i++)
            cr_assert_eq(fixture.heads[i], other.heads[i], "output %zu of row %zu", i % VALUE_SIZE, i / VALUE_SIZE);
        fixture_done(&fixture);
        fixture_done(&other);
    }
}

/* As with whole rows: a value that could not be represented is an error where its final weight is not 0. */
Test(fold, a_poisoned_value_matters_only_where_it_is_weighed_in_the_end) {
    for (size_t t = 0; t < 2; t++)
        for (size_t place = 0; place < KEYS; place += 499) {
            struct fixture fixture = random_fixture(dtypes[t], 39);
            unsigned char *poisoned = fixture_take(&fixture, KEYS, 1);
            struct mask_part *bias = add_bias(&fixture);
            fixture.attention.poisoned = poisoned;
            poisoned[place] = 1;
            cr_assert_not(fixture_run(&fixture, ATTENTION_OUTPUT, 12));
            /* Another key, later or earlier, outweighs it by more than the type can tell from 0. */
            fixture_set(&fixture, &bias->values, 0, 0, 0, (place + 600) % KEYS, 5000);
            cr_assert(fixture_run(&fixture, ATTENTION_OUTPUT, 12));
            cr_assert(fixture_run(&fixture, ATTENTION_WEIGHTS, 12));
            fixture.attention.normalize = ATTENTION_NONE;
            cr_assert_not(fixture_run(&fixture, ATTENTION_OUTPUT, 12));
            fixture_set(&fixture, &bias->values, 0, 0, 0, place, -INFINITY);
            cr_assert(fixture_run(&fixture, ATTENTION_OUTPUT, 12));
            fixture_done(&fixture);
        }
}

Test(fold, the_mean_of_all_values_is_poisoned_by_any) {
    struct fixture fixture = random_fixture(DTYPE_FLOAT32, 40);
    size_t length = 0;
    fixture_part(&fixture, MASK_LENGTHS)->lengths = &length;
    unsigned char *poisoned = fixture_take(&fixture, KEYS, 1);
    fixture.attention.poisoned = poisoned;
    poisoned[1300] = 1;
    cr_assert(fixture_run(&fixture, ATTENTION_OUTPUT, 12));
    fixture.attention.empty_row = ATTENTION_EMPTY_UNIFORM;
    cr_assert_not(fixture_run(&fixture, ATTENTION_OUTPUT, 12));
    poisoned[1300] = 0;
    cr_assert(fixture_run(&fixture, ATTENTION_OUTPUT, 12));
    fixture_done(&fixture);
}

Test(fold, a_score_or_an_output_that_overflows_is_told) {
    struct fixture fixture = random_fixture(DTYPE_FLOAT32, 41);
    fixture_set(&fixture, &fixture.attention.key, 0, 0, 1400, 0, (double)FLT_MAX);
    fixture.attention.scale = 1e6;
    cr_assert_not(fixture_run(&fixture, ATTENTION_OUTPUT, 12));
    fixture_done(&fixture);

    fixture_init(&fixture, DTYPE_FLOAT32);
    fixture_plain(&fixture, 1, 2, 1, 1, (double[]){1}, (double[]){2, 2}, (double[]){3e38, 3e38});
    fixture.attention.normalize = ATTENTION_NONE;
    cr_assert_not(fixture_run(&fixture, ATTENTION_OUTPUT, 1));
    fixture_done(&fixture);
}

Test(fold, memory_does_not_grow_with_the_number_of_keys) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT64);
    fixture_plain(&fixture, 1, 40000, 64, 64, NULL, NULL, NULL);
    cr_assert_leq(attention_scratch_size(&fixture.attention, 384), 1 << 20);
    cr_assert_not(attention_needs_rows(&fixture.attention, ATTENTION_OUTPUT));
    fixture.attention.normalize = ATTENTION_SUM;
    cr_assert(attention_needs_rows(&fixture.attention, ATTENTION_OUTPUT));
    fixture_done(&fixture);
}
