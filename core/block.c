/* Keys and values of one head, a block of keys at a time: a kernel.
 *
 * A block is small enough for the processor's second cache, where every group of queries meets it again. Keys are
 * transposed into panels of TILE_COLS keys, since a tile reads the same feature of all of its keys at once; values lie
 * right as they are, but for the columns beyond the last whole tile, which are padded. */
#include "core/arena.h"
#include "core/steps.h"
#include "core/tile.h"

#include <string.h>

enum {
    BLOCK_KEYS_MOST = 512, /* measured: longer is no faster, and a group's scores stay in the first cache */
    BLOCK_KEYS_LEAST = 64,
    BLOCK_BYTES = 1 << 18, /* of a block's keys where heads are wide */
    BLOCK_DEPTH = 512,     /* products added up in one go; more would cost accuracy, and the first cache */
};

static size_t block_round_up(size_t count, size_t multiple) {
    return (count + multiple - 1) / multiple * multiple;
}

/* Keys in a block: it depends on shapes alone, so that the same request gives the same bits. */
static size_t block_keys(const struct attention *attention) {
    size_t fit = BLOCK_BYTES / sizeof(real) / attention->key.cols / BLOCK_KEYS_LEAST * BLOCK_KEYS_LEAST;
    size_t all = block_round_up(attention->key.rows, TILE_COLS);
    fit = fit < BLOCK_KEYS_LEAST ? BLOCK_KEYS_LEAST : fit > BLOCK_KEYS_MOST ? BLOCK_KEYS_MOST : fit;
    return fit < all ? fit : all;
}

/* Features multiplied in one go. */
static size_t block_depth(const struct attention *attention) {
    return attention->key.cols < BLOCK_DEPTH ? attention->key.cols : BLOCK_DEPTH;
}

/* Takes `count` objects of `size` bytes; with base NULL it only counts. */
static void *block_take(char *base, size_t *used, size_t count, size_t size) {
    char *taken = base ? base + *used : NULL;
    *used += block_round_up(count * size, ARENA_ALIGNMENT);
    return taken;
}

static size_t block_lay_out(const struct attention *attention, size_t count, void *base,
                            struct block_scratch *scratch) {
    size_t keys = block_keys(attention), used = 0;
    *scratch = (struct block_scratch){
        .panels = block_take(base, &used, keys * attention->key.cols, sizeof(real)),
        .tail = block_take(base, &used, keys * TILE_COLS, sizeof(real)),
        .queries = block_take(base, &used, TILE_ROWS * block_depth(attention), sizeof(real)),
        .scores = block_take(base, &used, TILE_ROWS * keys, sizeof(real)),
        .mean = block_take(base, &used, attention->value.cols, sizeof(real)),
        .most = block_take(base, &used, count, sizeof(real)),
        .poison = block_take(base, &used, count, sizeof(real)),
        .sum = block_take(base, &used, count, sizeof(double)),
        .allowed = block_take(base, &used, attention->key.rows, 1),
        .keys = keys,
    };
    return used;
}

struct block_scratch REAL(block_scratch)(const struct attention *attention, const struct attention_block *block) {
    struct block_scratch scratch;
    block_lay_out(attention, block->count, block->scratch, &scratch);
    return scratch;
}

size_t REAL(block_scratch_size)(const struct attention *attention, size_t count) {
    struct block_scratch scratch;
    return block_lay_out(attention, count, NULL, &scratch);
}

static const real *block_row(const struct attention *attention, const struct view *view,
                             const struct attention_block *block, size_t key) {
    return (const real *)view->data + view_offset(view, block->batch, attention_group(attention, block->head), key);
}

typedef real block_quad __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real))));

/* Four numbers of four keys, turned into four keys' worth of each number. */
static void block_turn(const real *rows, size_t stride, real *panel) {
    block_quad a = *(const block_quad *)(const void *)rows, b = *(const block_quad *)(const void *)(rows + stride);
    block_quad c = *(const block_quad *)(const void *)(rows + 2 * stride);
    block_quad d = *(const block_quad *)(const void *)(rows + 3 * stride);
    block_quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    *(block_quad *)(void *)panel = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(block_quad *)(void *)(panel + TILE_COLS) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    ab = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(block_quad *)(void *)(panel + 2 * TILE_COLS) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(block_quad *)(void *)(panel + 3 * TILE_COLS) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

void REAL(block_load_keys)(const struct attention *attention, const struct attention_block *block,
                           struct mask_range range, const struct block_scratch *scratch) {
    size_t depth = attention->key.cols, stride = attention->key.row_stride;
    for (size_t key = range.begin; key < range.end; key += TILE_COLS) {
        const real *rows = block_row(attention, &attention->key, block, key);
        real *panel = scratch->panels + (key - range.begin) * depth;
        size_t count = range.end - key < TILE_COLS ? range.end - key : TILE_COLS;
        size_t whole = count / 4 * 4, turned = depth / 4 * 4;
        if (count < TILE_COLS)
            memset(panel, 0, depth * TILE_COLS * sizeof(real));
        for (size_t i = 0; i < whole; i += 4)
            for (size_t d = 0; d < turned; d += 4)
                block_turn(rows + i * stride + d, stride, panel + d * TILE_COLS + i);
        for (size_t i = 0; i < count; i++)
            for (size_t d = i < whole ? turned : 0; d < depth; d++)
                panel[d * TILE_COLS + i] = rows[i * stride + d];
    }
}

void REAL(block_load_values)(const struct attention *attention, const struct attention_block *block,
                             struct mask_range range, const struct block_scratch *scratch) {
    const struct view *value = &attention->value;
    size_t whole = value->cols / TILE_COLS * TILE_COLS, rest = value->cols - whole;
    if (rest == 0)
        return;
    const real *values = block_row(attention, value, block, range.begin) + whole;
    memset(scratch->tail, 0, (range.end - range.begin) * TILE_COLS * sizeof(real));
    for (size_t i = 0; i < range.end - range.begin; i++)
        memcpy(scratch->tail + i * TILE_COLS, values + i * value->row_stride, rest * sizeof(real));
}

/* Features [begin, begin + count) of a group of queries: where they are, or, of a group with rows missing, a copy with
 * zeros for those, since a tile reads them all. */
static const real *block_queries(const struct attention *attention, const struct attention_block *block, size_t first,
                                 size_t rows, size_t begin, size_t count, real *copy, size_t *stride) {
    const struct view *query = &attention->query;
    const real *queries =
        (const real *)query->data + view_offset(query, block->batch, block->head, block->row + first) + begin;
    *stride = query->row_stride;
    if (rows == TILE_ROWS)
        return queries;
    memset(copy, 0, TILE_ROWS * count * sizeof(real));
    for (size_t i = 0; i < rows; i++)
        memcpy(copy + i * count, queries + i * query->row_stride, count * sizeof(real));
    *stride = count;
    return copy;
}

void REAL(block_scores)(const struct attention *attention, const struct attention_block *block, size_t first,
                        size_t count, struct mask_range range, struct mask_range wanted,
                        const struct block_scratch *scratch, real *scores, size_t stride) {
    static const real ones[TILE_ROWS_MOST] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    size_t size = attention->key.cols, keys = range.end - range.begin;
    size_t key = (wanted.begin - range.begin) / TILE_COLS * TILE_COLS;
    size_t end = block_round_up(wanted.end - range.begin, TILE_COLS), queries_stride;
    for (size_t d = 0; d < size; d += BLOCK_DEPTH) {
        size_t depth = size - d < BLOCK_DEPTH ? size - d : BLOCK_DEPTH;
        const real *queries =
            block_queries(attention, block, first, count, d, depth, scratch->queries, &queries_stride);
        REAL(tile_product)
        (&(struct tile){
            .rows = count,
            .cols = (end < keys ? end : keys) - key,
            .depth = depth,
            .a = queries,
            .b = scratch->panels + key * size + d * TILE_COLS,
            .factors = d > 0 ? ones : NULL,
            .c = scores + key,
            .scale = (real)attention->scale,
            .a_stride = queries_stride,
            .b_stride = TILE_COLS,
            .b_next = size * TILE_COLS,
            .c_stride = stride,
        });
    }
}

void REAL(block_outputs)(const struct attention *attention, const struct attention_block *block, size_t count,
                         struct mask_range range, struct mask_range wanted, const struct block_scratch *scratch,
                         const real *weights, size_t stride, const real *factors, real *outputs,
                         size_t outputs_stride) {
    const struct view *value = &attention->value;
    size_t whole = value->cols / TILE_COLS * TILE_COLS;
    struct tile tile = {
        .rows = count,
        .cols = whole,
        .depth = wanted.end - wanted.begin,
        .a = weights,
        .b = block_row(attention, value, block, wanted.begin),
        .factors = factors,
        .c = outputs,
        .scale = 1,
        .a_stride = stride,
        .b_stride = value->row_stride,
        .b_next = TILE_COLS,
        .c_stride = outputs_stride,
    };
    REAL(tile_product)(&tile);
    if (whole == value->cols)
        return;
    tile.cols = value->cols - whole;
    tile.b = scratch->tail + (wanted.begin - range.begin) * TILE_COLS;
    tile.b_stride = TILE_COLS;
    tile.c = outputs + whole;
    REAL(tile_product)(&tile);
}
