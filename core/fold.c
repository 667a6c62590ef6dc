/* Attention for the output alone: a kernel. Keys are taken a block at a time and folded into each row's output, its
 * largest score so far and the sum of its exponentials; when a larger score comes, what was folded before is scaled
 * down to it; at the end the output is divided by the sum. No row is ever whole, so memory does not grow with the
 * number of keys, and a group's scores stay in the processor's first cache.
 *
 * Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022,
 * algorithm 1. Departure: outputs that overflow before they are divided are computed once more with exponentials
 * scaled down by more than the number of keys. */
#include "core/steps.h"
#include "core/tile.h"

#include <string.h>

struct fold {
    const struct attention *attention;
    const struct attention_block *block;
    struct block_scratch scratch;
    bool has_outputs;              /* else it is for the log of the sums alone */
    const unsigned char *poisoned; /* [S], or NULL */
    unsigned halvings;             /* exponentials are scaled by 2^−halvings */
};

/* The block's outputs from its row `first` on. */
static real *fold_outputs(const struct fold *fold, size_t first) {
    const struct view *heads = &fold->attention->heads;
    if (!fold->has_outputs)
        return NULL;
    return (real *)heads->data + view_offset(heads, fold->block->batch, fold->block->head, fold->block->row + first);
}

static struct mask_range fold_span(const struct fold *fold, size_t first, size_t count) {
    struct mask_axes axes = attention_axes(fold->attention);
    return mask_span(&fold->attention->mask, fold->attention->dtype, &axes, fold->block->batch,
                     fold->block->row + first, count);
}

/* The row's largest score among those of poisoned values; with normalize none, any score but 0 counts as the largest.
 */
static void fold_poison(const struct fold *fold, size_t row, struct mask_range range, const real *scores) {
    bool plain = fold->attention->normalize == ATTENTION_NONE;
    real *poison = &fold->scratch.poison[row];
    for (size_t j = range.begin; j < range.end; j++) {
        real score = scores[j - range.begin];
        if (!fold->poisoned[j])
            continue;
        if (plain && score != 0 && score != -(real)INFINITY)
            *poison = REAL_MAX;
        else if (!plain && score > *poison)
            *poison = score;
    }
}

/* Turns a row's scores for the keys of `wanted` into weights, which are 0 outside its own range. `factor`: what the
 * row's output so far is to be scaled by. False: a score that counts is not finite. */
static bool fold_row(const struct fold *fold, size_t row, struct mask_range wanted, real *weights, real *factor) {
    struct mask_place place = {fold->block->batch, fold->block->head, fold->block->row + row};
    struct mask_range range = mask_meet(wanted, fold_span(fold, row, 1));
    if (range.begin == range.end)
        range = (struct mask_range){wanted.begin, wanted.begin};
    size_t count = range.end - range.begin;
    real *scores = weights + (range.begin - wanted.begin), *most = &fold->scratch.most[row];
    double *sum = &fold->scratch.sum[row];
    real largest;
    *factor = 1;
    memset(weights, 0, (range.begin - wanted.begin) * sizeof(real));
    memset(weights + (range.end - wanted.begin), 0, (wanted.end - range.end) * sizeof(real));
    if (!REAL(attend_mask)(fold->attention, &place, range, scores, fold->scratch.allowed, &largest))
        return false;
    if (fold->poisoned)
        fold_poison(fold, row, range, scores);
    if (largest == -(real)INFINITY || fold->attention->normalize == ATTENTION_NONE) {
        REAL(normalize_drop)(scores, count);
        return true;
    }
    if (largest > *most) {
        *factor = REAL_MATH(exp)(*most - largest);
        *most = largest;
        *sum *= (double)*factor;
    }
    *sum += REAL(normalize_exp)(scores, count, (double)*most, fold->halvings);
    return true;
}

/* Folds the keys of `range` into a group of rows. */
static bool fold_group(const struct fold *fold, size_t first, size_t count, struct mask_range range) {
    const struct block_scratch *scratch = &fold->scratch;
    struct mask_range wanted = mask_meet(range, fold_span(fold, first, count));
    real factors[TILE_ROWS];
    if (wanted.begin == wanted.end)
        return true;
    REAL(block_scores)
    (fold->attention, fold->block, first, count, range, wanted, scratch, scratch->scores, scratch->keys);
    real *weights = scratch->scores + (wanted.begin - range.begin);
    for (size_t i = 0; i < count; i++)
        if (!fold_row(fold, first + i, wanted, weights + i * scratch->keys, &factors[i]))
            return false;
    if (!fold->has_outputs)
        return true;
    REAL(block_outputs)
    (fold->attention, fold->block, count, range, wanted, scratch, weights, scratch->keys, factors,
     fold_outputs(fold, first), fold->attention->heads.row_stride);
    return true;
}

/* The mean of all values: the output of a row without an allowed key where such weigh all keys alike. False: one of
 * them could not be represented. */
static bool fold_mean(const struct fold *fold) {
    const struct block_scratch *scratch = &fold->scratch;
    size_t keys = fold->attention->key.rows;
    if (fold->poisoned && memchr(fold->poisoned, 1, keys))
        return false;
    for (size_t j = 0; j < scratch->keys; j++)
        scratch->scores[j] = (real)1 / (real)keys;
    memset(scratch->mean, 0, fold->attention->value.cols * sizeof(real));
    for (struct mask_range range = {0, 0}; range.begin < keys; range.begin = range.end) {
        range.end = keys - range.begin < scratch->keys ? keys : range.begin + scratch->keys;
        REAL(block_load_values)(fold->attention, fold->block, range, scratch);
        REAL(block_outputs)
        (fold->attention, fold->block, 1, range, range, scratch, scratch->scores, scratch->keys, (const real[]){1},
         scratch->mean, fold->attention->value.cols);
    }
    return true;
}

/* Whether a row weighs a poisoned value. Its own share of the sum counts, since a sink can leave nothing of it. */
static bool fold_is_poisoned(const struct fold *fold, size_t row, double sum) {
    if (!fold->poisoned)
        return false;
    real share = fold->scratch.poison[row] - fold->scratch.most[row];
    REAL(normalize_exp)(&share, 1, 0, 0);
    REAL(normalize_divide)(&share, 1, ldexp(sum, (int)fold->halvings));
    return share != 0;
}

/* Divides a row's output by its sum. False: it weighs a poisoned value, or is not finite. */
static bool fold_finish(const struct fold *fold, size_t row) {
    const struct block_scratch *scratch = &fold->scratch;
    struct mask_place place = {fold->block->batch, fold->block->head, fold->block->row + row};
    real *outputs = fold_outputs(fold, row), most = scratch->most[row];
    size_t cols = fold->attention->heads.cols;
    if (fold->attention->normalize == ATTENTION_NONE)
        return scratch->poison[row] != REAL_MAX && REAL(row_finite)(outputs, cols);
    double sum = REAL(attend_sum)(fold->attention, &place, most, scratch->sum[row], fold->halvings);
    if (most == -(real)INFINITY || !fold->has_outputs) /* no allowed key, or nothing to divide */
        return true;
    REAL(normalize_divide)(outputs, cols, sum);
    return !fold_is_poisoned(fold, row, sum) && REAL(row_finite)(outputs, cols);
}

static bool fold_finish_all(const struct fold *fold) {
    size_t cols = fold->attention->heads.cols;
    bool has_mean = false;
    for (size_t i = 0; i < fold->block->count; i++) {
        if (!fold_finish(fold, i))
            return false;
        if (fold->scratch.most[i] != -(real)INFINITY || fold->attention->empty_row != ATTENTION_EMPTY_UNIFORM ||
            !fold->has_outputs)
            continue;
        if (!has_mean && !fold_mean(fold))
            return false;
        has_mean = true;
        memcpy(fold_outputs(fold, i), fold->scratch.mean, cols * sizeof(real));
    }
    return true;
}

static bool fold_run(const struct fold *fold) {
    const struct block_scratch *scratch = &fold->scratch;
    struct mask_range span = fold_span(fold, 0, fold->block->count);
    for (size_t i = 0; i < fold->block->count; i++) {
        if (fold->has_outputs)
            memset(fold_outputs(fold, i), 0, fold->attention->heads.cols * sizeof(real));
        scratch->most[i] = scratch->poison[i] = -(real)INFINITY;
        scratch->sum[i] = 0;
    }
    for (struct mask_range range = span; range.begin < span.end; range.begin = range.end) {
        range.end = span.end - range.begin < scratch->keys ? span.end : range.begin + scratch->keys;
        REAL(block_load_keys)(fold->attention, fold->block, range, scratch);
        if (fold->has_outputs)
            REAL(block_load_values)(fold->attention, fold->block, range, scratch);
        for (size_t first = 0; first < fold->block->count; first += TILE_ROWS) {
            size_t rest = fold->block->count - first;
            if (!fold_group(fold, first, rest < TILE_ROWS ? rest : TILE_ROWS, range))
                return false;
        }
    }
    return fold_finish_all(fold);
}

bool REAL(fold_block)(const struct attention *attention, const struct attention_block *block) {
    struct fold fold = {.attention = attention, .block = block, .has_outputs = attention->heads.data != NULL};
    fold.scratch = REAL(block_scratch)(attention, block);
    if (attention->poisoned && fold.has_outputs)
        fold.poisoned =
            attention->poisoned +
            (block->batch * attention->key.heads + attention_group(attention, block->head)) * attention->key.rows;
    if (fold_run(&fold))
        return true;
    if (attention->normalize == ATTENTION_NONE || !fold.has_outputs)
        return false;
    while (attention->key.rows >> fold.halvings)
        fold.halvings++;
    return fold_run(&fold);
}
