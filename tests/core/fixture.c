/* One computation of the tests: see fixture.h. */
#include "tests/core/fixture.h"

#include "tests/twin.h"

#include <criterion/criterion.h>
#include <string.h>

void fixture_init(struct fixture *fixture, enum dtype dtype) {
    memset(fixture, 0, sizeof *fixture);
    arena_init(&fixture->arena, 0);
    fixture->attention.dtype = dtype;
    fixture->attention.scale = 1;
    fixture->level = KERNELS_LEVELS;
}

void fixture_done(struct fixture *fixture) {
    arena_done(&fixture->arena);
}

void *fixture_take(struct fixture *fixture, size_t count, size_t size) {
    void *data = arena_alloc(&fixture->arena, count, size, &fixture->error);
    cr_assert_not_null(data, "%s", fixture->error.detail);
    return memset(data, 0, count * size);
}

static void fixture_put(enum dtype dtype, void *data, size_t place, double number) {
    if (dtype == DTYPE_FLOAT32)
        ((float *)data)[place] = (float)number;
    else
        ((double *)data)[place] = number;
}

void *fixture_array(struct fixture *fixture, size_t count, const double *numbers) {
    enum dtype dtype = fixture->attention.dtype;
    void *data = fixture_take(fixture, count, dtype_size(dtype));
    for (size_t i = 0; numbers && i < count; i++)
        fixture_put(dtype, data, i, numbers[i]);
    return data;
}

struct view fixture_view(struct fixture *fixture, size_t batch, size_t heads, size_t rows, size_t cols,
                         const double *numbers) {
    return (struct view){
        .data = fixture_array(fixture, batch * heads * rows * cols, numbers),
        .batch = batch,
        .heads = heads,
        .rows = rows,
        .cols = cols,
        .batch_stride = heads * rows * cols,
        .head_stride = rows * cols,
        .row_stride = cols,
    };
}

void fixture_set(struct fixture *fixture, const struct view *view, size_t batch, size_t head, size_t row, size_t col,
                 double number) {
    fixture_put(fixture->attention.dtype, view->data, view_offset(view, batch, head, row) + col, number);
}

void fixture_shaped(struct fixture *fixture) {
    fixture_init(fixture, DTYPE_FLOAT32);
    struct attention *attention = &fixture->attention;
    attention->query = fixture_view(fixture, 2, 6, 3, 4, NULL);
    attention->key = fixture_view(fixture, 2, 3, 5, 4, NULL);
    attention->value = fixture_view(fixture, 2, 3, 5, 2, NULL);
    attention->heads = fixture_view(fixture, 2, 6, 3, 2, NULL);
}

void fixture_plain(struct fixture *fixture, size_t queries, size_t keys, size_t size, size_t value_size,
                   const double *query, const double *key, const double *value) {
    struct attention *attention = &fixture->attention;
    attention->query = fixture_view(fixture, 1, 1, queries, size, query);
    attention->key = fixture_view(fixture, 1, 1, keys, size, key);
    attention->value = fixture_view(fixture, 1, 1, keys, value_size, value);
    attention->heads = fixture_view(fixture, 1, 1, queries, value_size, NULL);
}

struct mask_part *fixture_part(struct fixture *fixture, enum mask_kind kind) {
    static const char *const pointers[] = {
        [MASK_CAUSAL] = "/mask/causal",   [MASK_WINDOW] = "/mask/window",
        [MASK_LENGTHS] = "/mask/lengths", [MASK_ATTEND] = "/mask/attend",
        [MASK_BLOCK] = "/mask/block",     [MASK_QUERY_PADDING] = "/mask/query_padding",
        [MASK_BIAS] = "/mask/bias",       [MASK_MULTIPLY] = "/mask/multiply",
        [MASK_ALIBI] = "/alibi",
    };
    struct mask *mask = &fixture->attention.mask;
    cr_assert_lt(mask->count, MASK_PARTS_MAX);
    struct mask_part *part = &mask->parts[mask->count++];
    *part = (struct mask_part){.kind = kind, .pointer = pointers[kind]};
    return part;
}

void fixture_want_lse(struct fixture *fixture) {
    const struct view *query = &fixture->attention.query;
    size_t count = query->batch * query->heads * query->rows;
    fixture->attention.lse = fixture_array(fixture, count, NULL);
    memset(fixture->attention.lse, 0xff, count * dtype_size(fixture->attention.dtype));
}

/* Copies a finished block into fixture->rows, fixture->heads and fixture->lse. */
static void fixture_collect(struct fixture *fixture, enum attention_stage stage, const struct attention_block *block) {
    const struct attention *attention = &fixture->attention;
    enum dtype dtype = attention->dtype;
    size_t keys = attention->key.rows, cols = attention->heads.cols;
    size_t first = (block->batch * attention->query.heads + block->head) * attention->query.rows + block->row;
    struct view rows = {.data = block->rows, .batch = 1, .heads = 1, .rows = 1, .cols = block->count * keys};
    for (size_t i = 0; stage != ATTENTION_OUTPUT && i < block->count * keys; i++)
        fixture->rows[first * keys + i] = twin_number(dtype, &rows, 0, 0, 0, i);
    struct view lse = {.data = attention->lse, .batch = 1, .heads = 1, .rows = 1, .cols = first + block->count};
    for (size_t i = first; stage >= ATTENTION_WEIGHTS && attention->lse && i < first + block->count; i++)
        fixture->lse[i] = twin_number(dtype, &lse, 0, 0, 0, i);
    if (stage < ATTENTION_WEIGHTS || !attention->heads.data)
        return;
    for (size_t i = 0; i < block->count; i++)
        for (size_t d = 0; d < cols; d++)
            fixture->heads[(first + i) * cols + d] =
                twin_number(dtype, &attention->heads, block->batch, block->head, block->row + i, d);
}

static size_t fixture_scratch_size(const struct fixture *fixture, size_t count) {
    const struct attention *attention = &fixture->attention;
    return fixture->level == KERNELS_LEVELS
               ? attention_scratch_size(attention, count)
               : kernels_at(attention->dtype, fixture->level)->block_scratch_size(attention, count);
}

static bool fixture_run_block(const struct fixture *fixture, enum attention_stage stage,
                              const struct attention_block *block) {
    const struct attention *attention = &fixture->attention;
    return fixture->level == KERNELS_LEVELS
               ? attention_run(attention, stage, block)
               : kernels_at(attention->dtype, fixture->level)->attend_block(attention, stage, block);
}

bool fixture_run(struct fixture *fixture, enum attention_stage stage, size_t block_rows) {
    const struct attention *attention = &fixture->attention;
    size_t batches = attention->query.batch, heads = attention->query.heads, queries = attention->query.rows;
    size_t keys = attention->key.rows, total = batches * heads * queries;
    cr_assert(attention_check(attention, &fixture->error), "%s: %s", fixture->error.pointer, fixture->error.detail);
    fixture->rows = fixture_take(fixture, total * keys, sizeof(double));
    fixture->heads = fixture_take(fixture, total * attention->value.cols, sizeof(double));
    fixture->lse = fixture_take(fixture, total, sizeof(double));

    size_t scratch_size = fixture_scratch_size(fixture, block_rows);
    struct attention_block block = {.scratch = fixture_take(fixture, scratch_size, 1)};
    /* Whatever rows and scratch held before must not matter. */
    memset(block.scratch, 0xff, scratch_size);
    if (attention_needs_rows(attention, stage)) {
        block.rows = fixture_array(fixture, block_rows * keys, NULL);
        memset(block.rows, 0xff, block_rows * keys * dtype_size(attention->dtype));
    }
    for (block.batch = 0; block.batch < batches; block.batch++)
        for (block.head = 0; block.head < heads; block.head++)
            for (block.row = 0; block.row < queries; block.row += block_rows) {
                block.count = queries - block.row < block_rows ? queries - block.row : block_rows;
                if (!fixture_run_block(fixture, stage, &block))
                    return false;
                fixture_collect(fixture, stage, &block);
            }
    return true;
}

size_t fixture_levels(enum kernels_level levels[KERNELS_LEVELS]) {
    size_t count = 0;
    for (enum kernels_level level = KERNELS_BASE; level < KERNELS_LEVELS; level++)
        if (kernels_at(DTYPE_FLOAT32, level))
            levels[count++] = level;
    return count;
}
