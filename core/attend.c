/* One block of attention rows: a kernel.
 *
 *   scores  = query · keyᵀ · scale     over the keys that any row of the block can reach
 *   masked  = scores after softcap, −∞ where disallowed
 *   weights = normalize(masked)         row by row, while the row is in cache
 *   heads   = weights · value
 *
 * Vaswani et al., "Attention Is All You Need", 2017, equation 1. Departures: disallowed keys are left out, so nothing
 * of them can reach a result, and a row without any key has zero or uniform weights where the formula divides 0 by 0.
 * Where the weights are not asked for, core/fold.c does the same without ever having a whole row. */
#include "core/steps.h"
#include "core/tile.h"

#include <string.h>

static struct mask_range attend_span(const struct attention *attention, const struct attention_block *block,
                                     size_t first, size_t count) {
    struct mask_axes axes = attention_axes(attention);
    return mask_span(&attention->mask, attention->dtype, &axes, block->batch, block->row + first, count);
}

/* Rows in the group that starts at row `first` of the block. */
static size_t attend_group(const struct attention_block *block, size_t first) {
    return block->count - first < TILE_ROWS ? block->count - first : TILE_ROWS;
}

/* The scores that some row of a group can reach, or all; others may be left as they are. */
static void attend_scores(const struct attention *attention, const struct attention_block *block,
                          const struct block_scratch *scratch, bool all) {
    size_t keys = attention->key.rows;
    struct mask_range span = all ? (struct mask_range){0, keys} : attend_span(attention, block, 0, block->count);
    for (struct mask_range range = span; range.begin < span.end; range.begin = range.end) {
        range.end = span.end - range.begin < scratch->keys ? span.end : range.begin + scratch->keys;
        REAL(block_load_keys)(attention, block, range, scratch);
        for (size_t first = 0; first < block->count; first += TILE_ROWS) {
            size_t count = attend_group(block, first);
            struct mask_range wanted = all ? range : mask_meet(range, attend_span(attention, block, first, count));
            if (wanted.begin < wanted.end)
                REAL(block_scores)
            (attention, block, first, count, range, wanted, scratch, (real *)block->rows + first * keys + range.begin,
             keys);
        }
    }
}

static void attend_fill(real *row, size_t begin, size_t end, real number) {
    for (size_t i = begin; i < end; i++)
        row[i] = number;
}

/* −∞ where a flag is 0. False: another score is not finite. */
static bool attend_hide(real *scores, const unsigned char *allowed, size_t count) {
    int finite = 1;
    for (size_t i = 0; i < count; i++) {
        finite &= !allowed[i] | (REAL_MATH(fabs)(scores[i]) <= REAL_MAX);
        scores[i] = allowed[i] ? scores[i] : -(real)INFINITY;
    }
    return finite != 0;
}

bool REAL(attend_mask)(const struct attention *attention, const struct mask_place *place, struct mask_range range,
                       real *scores, unsigned char *allowed, real *most) {
    struct mask_axes axes = attention_axes(attention);
    size_t count = range.end - range.begin;
    if (attention->softcap > 0)
        REAL(softcap_row)(scores, count, attention->softcap);
    bool finite, hides = REAL(mask_row)(&attention->mask, &axes, place, range, scores, allowed);
    if (hides && !attend_hide(scores, allowed, count))
        return false;
    *most = REAL(row_most)(scores, count, &finite);
    return hides || finite;
}

/* The log of a row's sum, −∞ for one of nothing; log(exp(a) + exp(b)) = a + log(1 + exp(b − a)), with a the larger. */
static double attend_lse(double most, double sum, double sink) {
    if (most == -INFINITY)
        return -INFINITY;
    double keys = most + log(sum), larger = fmax(keys, sink);
    return larger + log1p(exp(fmin(keys, sink) - larger));
}

double REAL(attend_sum)(const struct attention *attention, const struct mask_place *place, real most, double sum,
                        unsigned halvings) {
    const struct view *query = &attention->query;
    double sink = attention->sinks ? attention->sinks[place->head] : -INFINITY;
    if (attention->lse)
        ((real *)attention->lse)[(place->batch * query->heads + place->head) * query->rows + place->row] =
            (real)attend_lse((double)most, ldexp(sum, (int)halvings), sink);
    return attention->sinks ? sum + ldexp(exp(sink - (double)most), -(int)halvings) : sum;
}

/* Masked scores, the largest of them `most`, to weights in place. False: a weight is not finite. */
static bool attend_normalize(const struct attention *attention, const struct mask_place *place, real most, real *row,
                             size_t count) {
    double sum;
    switch (attention->normalize) {
    case ATTENTION_SOFTMAX:
        sum = REAL(normalize_exp)(row, count, (double)most, 0);
        REAL(normalize_divide)(row, count, REAL(attend_sum)(attention, place, most, sum, 0));
        return true;
    case ATTENTION_SUM:
        return REAL(normalize_by_sum)(row, count);
    case ATTENTION_NONE:
        REAL(normalize_drop)(row, count);
        return true;
    }
    return false;
}

/* Masked scores or weights in place of scores. Tells whether a row weighs all keys alike for want of an allowed one. */
static bool attend_weights(const struct attention *attention, enum attention_stage stage,
                           const struct attention_block *block, const struct block_scratch *scratch, bool *uniform) {
    size_t keys = attention->key.rows;
    *uniform = false;
    for (size_t i = 0; i < block->count; i++) {
        real *row = (real *)block->rows + i * keys;
        struct mask_range range = attend_span(attention, block, i, 1);
        struct mask_place place = {block->batch, block->head, block->row + i};
        real most;
        if (!REAL(attend_mask)(attention, &place, range, row + range.begin, scratch->allowed, &most))
            return false;
        if (stage == ATTENTION_MASKED) {
            attend_fill(row, 0, range.begin, -(real)INFINITY);
            attend_fill(row, range.end, keys, -(real)INFINITY);
        } else if (most == -(real)INFINITY) {
            bool spread = attention->empty_row == ATTENTION_EMPTY_UNIFORM;
            REAL(attend_sum)(attention, &place, most, 0, 0);
            attend_fill(row, 0, keys, spread ? (real)1 / (real)keys : 0);
            *uniform |= spread;
        } else {
            if (!attend_normalize(attention, &place, most, row + range.begin, range.end - range.begin))
                return false;
            attend_fill(row, 0, range.begin, 0);
            attend_fill(row, range.end, keys, 0);
        }
    }
    return true;
}

/* Whether any row weighs a value row that could not be represented. */
static bool attend_poisoned(const struct attention *attention, const struct attention_block *block) {
    size_t keys = attention->key.rows;
    if (!attention->poisoned)
        return false;
    const unsigned char *poisoned =
        attention->poisoned + (block->batch * attention->key.heads + attention_group(attention, block->head)) * keys;
    for (size_t j = 0; j < keys; j++) {
        if (!poisoned[j])
            continue;
        for (size_t i = 0; i < block->count; i++)
            if (((const real *)block->rows)[i * keys + j] != 0)
                return true;
    }
    return false;
}

/* The weights of a group for the keys of `range`: where they are, or, of a group with rows missing, a copy, since a
 * tile reads them all. */
static const real *attend_tile(const struct attention *attention, const struct attention_block *block, size_t first,
                               size_t count, struct mask_range range, const struct block_scratch *scratch,
                               size_t *stride) {
    size_t keys = attention->key.rows;
    const real *weights = (const real *)block->rows + first * keys + range.begin;
    *stride = count < TILE_ROWS ? scratch->keys : keys;
    if (count == TILE_ROWS)
        return weights;
    memset(scratch->scores, 0, TILE_ROWS * scratch->keys * sizeof(real));
    for (size_t i = 0; i < count; i++)
        memcpy(scratch->scores + i * scratch->keys, weights + i * keys, (range.end - range.begin) * sizeof(real));
    return scratch->scores;
}

static bool attend_heads(const struct attention *attention, const struct attention_block *block,
                         const struct block_scratch *scratch, bool uniform) {
    static const real ones[TILE_ROWS_MOST] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct view *heads = &attention->heads;
    real *outputs = (real *)heads->data + view_offset(heads, block->batch, block->head, block->row);
    struct mask_range all = {0, attention->key.rows};
    struct mask_range span = uniform ? all : attend_span(attention, block, 0, block->count);
    if (attend_poisoned(attention, block))
        return false;
    for (size_t i = 0; i < block->count; i++)
        memset(outputs + i * heads->row_stride, 0, heads->cols * sizeof(real));
    for (struct mask_range range = span; range.begin < span.end; range.begin = range.end) {
        range.end = span.end - range.begin < scratch->keys ? span.end : range.begin + scratch->keys;
        REAL(block_load_values)(attention, block, range, scratch);
        for (size_t first = 0; first < block->count; first += TILE_ROWS) {
            size_t count = attend_group(block, first), stride;
            struct mask_range wanted = mask_meet(range, uniform ? all : attend_span(attention, block, first, count));
            if (wanted.begin == wanted.end)
                continue;
            const real *weights = attend_tile(attention, block, first, count, wanted, scratch, &stride);
            REAL(block_outputs)
            (attention, block, count, range, wanted, scratch, weights, stride, ones,
             outputs + first * heads->row_stride, heads->row_stride);
        }
    }
    for (size_t i = 0; i < block->count; i++)
        if (!REAL(row_finite)(outputs + i * heads->row_stride, heads->cols))
            return false;
    return true;
}

bool REAL(attend_block)(const struct attention *attention, enum attention_stage stage,
                        const struct attention_block *block) {
    struct block_scratch scratch = REAL(block_scratch)(attention, block);
    bool uniform;
    if (stage == ATTENTION_OUTPUT && attention->normalize != ATTENTION_SUM)
        return REAL(fold_block)(attention, block);
    attend_scores(attention, block, &scratch, stage <= ATTENTION_CAPPED);
    if (stage <= ATTENTION_CAPPED) {
        size_t count = block->count * attention->key.rows;
        if (stage == ATTENTION_CAPPED && attention->softcap > 0)
            REAL(softcap_row)(block->rows, count, attention->softcap);
        return REAL(row_finite)(block->rows, count);
    }
    return attend_weights(attention, stage, block, &scratch, &uniform) &&
           (stage == ATTENTION_MASKED || !attention->heads.data || attend_heads(attention, block, &scratch, uniform));
}
