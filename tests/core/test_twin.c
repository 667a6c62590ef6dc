/* The whole of attention against the naive twin: random shapes, layouts, masks and options, both number types. A failed
 * case prints its seed; SEED_FIRST set to it runs that case first. */
#include "tests/twin.h"

#include "core/fully_masked.h"
#include "tests/core/fixture.h"
#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED_FIRST = 1, CASES = 600 };

/* A view with random numbers, its heads either apart or side by side in one row, with slack behind each row. */
static struct view random_view(struct fixture *fixture, struct random *random, size_t batch, size_t heads, size_t rows,
                               size_t cols) {
    struct view view = {.batch = batch, .heads = heads, .rows = rows, .cols = cols};
    size_t slack = random_size(random, 0, 3);
    if (random_chance(random, 50)) {
        view.head_stride = cols;
        view.row_stride = heads * cols + slack;
        view.batch_stride = rows * view.row_stride;
    } else {
        view.row_stride = cols + slack;
        view.head_stride = rows * view.row_stride;
        view.batch_stride = heads * view.head_stride;
    }
    view.data = fixture_array(fixture, batch * heads * rows * cols + batch * heads * rows * slack, NULL);
    for (size_t b = 0; b < batch; b++)
        for (size_t h = 0; h < heads; h++)
            for (size_t r = 0; r < rows; r++)
                for (size_t c = 0; c < cols; c++)
                    fixture_set(fixture, &view, b, h, r, c, random_number(random, 1));
    return view;
}

/* Turns the numbers of a view into flags, `percent` of them 1. */
static void make_flags(struct fixture *fixture, struct random *random, const struct view *view, unsigned percent) {
    for (size_t b = 0; b < view->batch; b++)
        for (size_t h = 0; h < view->heads; h++)
            for (size_t r = 0; r < view->rows; r++)
                for (size_t c = 0; c < view->cols; c++)
                    fixture_set(fixture, view, b, h, r, c, random_chance(random, percent));
}

static void random_part(struct fixture *fixture, struct random *random, enum mask_kind kind) {
    struct attention *attention = &fixture->attention;
    size_t batch = attention->query.batch, heads = attention->query.heads;
    size_t queries = attention->query.rows, keys = attention->key.rows - attention->mask.extra;
    struct mask_part *part = fixture_part(fixture, kind);
    switch (kind) {
    case MASK_CAUSAL:
        return;
    case MASK_WINDOW:
        part->left = (ptrdiff_t)random_size(random, 0, keys + 1) - 1;
        part->right = (ptrdiff_t)random_size(random, 0, keys + 1) - 1;
        return;
    case MASK_LENGTHS: {
        size_t *lengths = fixture_take(fixture, batch, sizeof *lengths);
        for (size_t b = 0; b < batch; b++)
            lengths[b] = random_size(random, 0, keys);
        part->lengths = lengths;
        return;
    }
    case MASK_QUERY_PADDING:
        part->values = random_view(fixture, random, random_chance(random, 50) ? batch : 1, 1, queries, 1);
        make_flags(fixture, random, &part->values, 20);
        return;
    case MASK_ALIBI: {
        double *slopes = fixture_take(fixture, heads, sizeof *slopes);
        for (size_t h = 0; h < heads; h++)
            slopes[h] = random_number(random, 0.1);
        part->slopes = slopes;
        return;
    }
    case MASK_ATTEND:
    case MASK_BLOCK:
    case MASK_MULTIPLY:
    case MASK_BIAS:
        part->values =
            random_view(fixture, random, random_chance(random, 50) ? batch : 1, random_chance(random, 50) ? heads : 1,
                        random_chance(random, 70) ? queries : 1, keys);
        break;
    }
    if (kind == MASK_ATTEND || kind == MASK_BLOCK)
        make_flags(fixture, random, &part->values, kind == MASK_ATTEND ? 80 : 20);
    for (size_t i = 0; kind == MASK_BIAS && i < keys; i++)
        if (random_chance(random, 20))
            fixture_set(fixture, &part->values, 0, 0, 0, i, -INFINITY);
}

/* softcap, sinks from far below every score to far above, and the log of the sum. */
static void random_options(struct fixture *fixture, struct random *random) {
    struct attention *attention = &fixture->attention;
    if (random_chance(random, 40))
        attention->softcap = exp(random_number(random, 4));
    if (attention->normalize != ATTENTION_SOFTMAX)
        return;
    if (random_chance(random, 60))
        fixture_want_lse(fixture);
    if (random_chance(random, 60))
        return;
    double *sinks = fixture_take(fixture, attention->query.heads, sizeof *sinks);
    for (size_t h = 0; h < attention->query.heads; h++)
        sinks[h] = random_chance(random, 20) ? random_number(random, 2000) : random_number(random, 5);
    attention->sinks = sinks;
}

static void random_case(struct fixture *fixture, struct random *random) {
    fixture_init(fixture, random_chance(random, 50) ? DTYPE_FLOAT32 : DTYPE_FLOAT64);
    struct attention *attention = &fixture->attention;
    size_t batch = random_size(random, 1, 3), groups = random_size(random, 1, 3);
    size_t heads = groups * random_size(random, 1, 3), size = random_size(random, 1, 33);
    size_t most = random_chance(random, 10) ? 300 : 24;
    size_t queries = random_size(random, 1, most), keys = random_size(random, 1, most);
    if (random_chance(random, 5)) { /* several blocks of keys */
        keys = random_size(random, 500, 2200);
        queries = random_size(random, 1, 24);
        batch = 1;
        size = random_chance(random, 20) ? random_size(random, 500, 1200) : size;
    }
    size_t value_size = random_size(random, 1, 20);
    attention->query = random_view(fixture, random, batch, heads, queries, size);
    attention->key = random_view(fixture, random, batch, groups, keys, size);
    attention->value = random_view(fixture, random, batch, groups, keys, value_size);
    attention->heads = random_view(fixture, random, batch, heads, queries, value_size);
    attention->scale = random_chance(random, 70) ? 1 / sqrt((double)size) : random_number(random, 2);
    if (random_chance(random, 30))
        attention->normalize = random_chance(random, 50) ? ATTENTION_SUM : ATTENTION_NONE;
    else if (random_chance(random, 40))
        attention->empty_row = ATTENTION_EMPTY_UNIFORM;
    random_options(fixture, random);
    attention->mask.align = random_chance(random, 50) ? MASK_ALIGN_FIXED : MASK_ALIGN_BOTTOM_RIGHT;
    if (random_chance(random, 50))
        attention->mask.offset = (ptrdiff_t)random_size(random, 0, 2 * keys) - (ptrdiff_t)keys;
    if (random_chance(random, 30))
        attention->mask.extra = random_size(random, 0, keys - 1 < 3 ? keys - 1 : 3);
    for (size_t parts = random_size(random, 0, 4); parts > 0; parts--)
        random_part(fixture, random, (enum mask_kind)random_size(random, MASK_CAUSAL, MASK_ALIBI));
}

/* How far a row may lie from the twin's: a share of its scale. That of weights is their largest; that of scores no less
 * than their products', which are near 1 and may cancel; and with normalize sum every error is divided by a sum that
 * may have cancelled, which is told by the weights' size. `uncapped`: the largest score before a softcap, which
 * makes scores small but not what they are off by. */
static double row_tolerance(const struct attention *attention, enum attention_stage stage, double uncapped,
                            const double *row, size_t count) {
    double share = attention->dtype == DTYPE_FLOAT32 ? 2e-5 : 1e-12, most = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, isfinite(row[i]) ? fabs(row[i]) : 0);
        size += isfinite(row[i]) ? fabs(row[i]) : 0;
    }
    if (stage < ATTENTION_WEIGHTS || attention->normalize == ATTENTION_NONE)
        return share * (most + uncapped + 0.1);
    if (attention->sinks)
        most = fmax(most, 1 - size); /* the sink's share counts among the weights */
    return attention->normalize == ATTENTION_SUM ? share * (most + uncapped + 1) * (size + 1) : share * most;
}

/* Values lie between −1 and 1: an output's scale is the sum of the weights. */
static double heads_tolerance(const struct attention *attention, double row, size_t keys) {
    double share = attention->dtype == DTYPE_FLOAT32 ? 2e-5 : 1e-12;
    return attention->normalize == ATTENTION_SOFTMAX ? share : row * (double)keys;
}

/* The largest |score| of a row before softcap; 0 where there is none. */
static double uncapped_most(const struct attention *attention, size_t batch, size_t head, size_t query, double *row) {
    double most = 0;
    if (attention->softcap == 0)
        return 0;
    twin_row(attention, ATTENTION_SCORES, batch, head, query, row, NULL);
    for (size_t j = 0; j < attention->key.rows; j++)
        most = fmax(most, fabs(row[j]));
    return most;
}

static void compare_row(uint64_t seed, const char *what, double tolerance, const double *is, const double *expected,
                        size_t count) {
    for (size_t i = 0; i < count; i++)
        cr_assert(is[i] == expected[i] || fabs(is[i] - expected[i]) <= tolerance,
                  "seed %llu: %s[%zu] is %.9g, not %.9g", (unsigned long long)seed, what, i, is[i], expected[i]);
}

static void compare_case(uint64_t seed, struct fixture *fixture, enum attention_stage stage) {
    const struct attention *attention = &fixture->attention;
    size_t heads = attention->query.heads, queries = attention->query.rows, keys = attention->key.rows;
    size_t cols = attention->value.cols, rows = attention->query.batch * heads * queries;
    double *row = fixture_take(fixture, keys, sizeof *row), *outputs = fixture_take(fixture, cols, sizeof *outputs);
    for (size_t i = 0; i < rows; i++) {
        double uncapped = uncapped_most(attention, i / queries / heads, i / queries % heads, i % queries, row);
        double lse = twin_row(attention, stage == ATTENTION_OUTPUT ? ATTENTION_WEIGHTS : stage, i / queries / heads,
                              i / queries % heads, i % queries, row, outputs);
        double tolerance = row_tolerance(attention, stage, uncapped, row, keys);
        if (stage >= ATTENTION_WEIGHTS && attention->lse)
            compare_row(seed, "lse", (attention->dtype == DTYPE_FLOAT32 ? 2e-5 : 1e-12) * (fabs(lse) + 1),
                        fixture->lse + i, &lse, 1);
        if (stage != ATTENTION_OUTPUT)
            compare_row(seed, "row", tolerance, fixture->rows + i * keys, row, keys);
        if (stage >= ATTENTION_WEIGHTS && attention->heads.data)
            compare_row(seed, "heads", heads_tolerance(attention, tolerance, keys), fixture->heads + i * cols, outputs,
                        cols);
    }
}

Test(twin, every_stage_of_random_cases_agrees) {
    enum kernels_level levels[KERNELS_LEVELS];
    size_t compared = 0, level_count = fixture_levels(levels);
    for (uint64_t seed = SEED_FIRST; seed < SEED_FIRST + CASES; seed++) {
        struct random random = {seed * 0x1000003};
        struct fixture fixture;
        random_case(&fixture, &random);
        size_t block_rows = random_size(&random, 1, fixture.attention.query.rows);
        fixture.level = levels[seed % level_count];
        bool has_heads = !fixture.attention.lse || random_chance(&random, 80);
        if (!has_heads) /* the log of the sum alone */
            fixture.attention.heads.data = NULL;
        for (int stage = ATTENTION_SCORES; stage <= ATTENTION_OUTPUT; stage++) {
            bool finite = fixture_run(&fixture, (enum attention_stage)stage, block_rows);
            cr_assert(finite, "seed %llu overflows", (unsigned long long)seed);
            compare_case(seed, &fixture, (enum attention_stage)stage);
            compared++;
        }
        fixture_done(&fixture);
    }
    cr_assert_eq(compared, 5 * CASES);
}

Test(twin, rows_without_keys_are_the_ones_the_twin_finds) {
    for (uint64_t seed = SEED_FIRST; seed < SEED_FIRST + CASES; seed++) {
        struct random random = {seed * 0x1000003};
        struct fixture fixture;
        random_case(&fixture, &random);
        const struct attention *attention = &fixture.attention;
        size_t heads = attention->query.heads, queries = attention->query.rows, keys = attention->key.rows;
        size_t rows = attention->query.batch * heads * queries, count = 0;
        size_t *indices = fixture_take(&fixture, rows, sizeof *indices);
        struct fully_masked masked = {.indices = indices, .limit = rows};
        cr_assert(fully_masked_find(attention, NULL, &masked));
        size_t found = masked.count;
        for (size_t i = 0; i < rows; i++) {
            bool any = false;
            for (size_t j = 0; j < keys && !any; j++)
                any = twin_allows(attention, i / queries / heads, i / queries % heads, i % queries, j);
            if (any)
                continue;
            cr_assert_lt(count, found, "seed %llu: row %zu is not found", (unsigned long long)seed, i);
            cr_assert_eq(indices[count++], i, "seed %llu", (unsigned long long)seed);
        }
        cr_assert_eq(count, found, "seed %llu", (unsigned long long)seed);
        fixture_done(&fixture);
    }
}
