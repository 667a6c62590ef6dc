/* One block of attention rows: a kernel, compiled for float32 and float64.
 *
 *   scores  = query · keyᵀ · scale     one matrix product, over the keys that any row of the block can reach
 *   masked  = scores, −∞ where disallowed
 *   weights = normalize(masked)         row by row, while the row is in cache
 *   heads   = weights · value           one matrix product
 *
 * Vaswani et al., "Attention Is All You Need", 2017, equation 1. Departures: disallowed keys are left out, so nothing
 * of them can reach a result, and a row without any key has zero or uniform weights where the formula divides 0 by 0.
 */
#include "core/blas.h"
#include "core/kernels.h"
#include "core/real.h"

#include <string.h>

static struct mask_axes attend_axes(const struct attention *attention) {
    return (struct mask_axes){attention->query.batch, attention->query.heads, attention->query.rows,
                              attention->key.rows};
}

/* The key/value head that a query head reads. */
static size_t attend_group(const struct attention *attention, size_t head) {
    return head / (attention->query.heads / attention->key.heads);
}

static struct mask_range attend_join(struct mask_range a, struct mask_range b) {
    if (a.begin == a.end)
        return b;
    if (b.begin == b.end)
        return a;
    return (struct mask_range){a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}

/* The keys that the rules leave to any row of the block. */
static struct mask_range attend_span(const struct attention *attention, const struct attention_block *block) {
    struct mask_axes axes = attend_axes(attention);
    struct mask_range span = {0, 0};
    for (size_t i = 0; i < block->count; i++)
        span = attend_join(span, mask_keys(&attention->mask, attention->dtype, &axes, block->batch, block->row + i));
    return span;
}

/* Columns `span` of the block's rows; the others are not touched. */
static void attend_scores(const struct attention *attention, const struct attention_block *block,
                          struct mask_range span) {
    const struct view *query = &attention->query, *key = &attention->key;
    if (span.begin == span.end)
        return;
    const real *queries = (const real *)query->data + view_offset(query, block->batch, block->head, block->row);
    const real *keys =
        (const real *)key->data + view_offset(key, block->batch, attend_group(attention, block->head), span.begin);
    REAL(blas_gemm)
    (true, block->count, span.end - span.begin, query->cols, (real)attention->scale, queries, query->row_stride, keys,
     key->row_stride, (real *)block->rows + span.begin, key->rows);
}

static void attend_fill(real *row, size_t begin, size_t end, real number) {
    for (size_t i = begin; i < end; i++)
        row[i] = number;
}

/* −∞ where a flag is 0. Tells whether any key is left; false as the result: a score that counts is not finite. */
static bool attend_hide(real *scores, const unsigned char *allowed, size_t count, bool *any) {
    int finite = 1, some = 0;
    for (size_t i = 0; i < count; i++) {
        int counts = allowed[i];
        finite &= !counts | (REAL_MATH(fabs)(scores[i]) <= REAL_MAX);
        scores[i] = counts ? scores[i] : -(real)INFINITY;
        some |= counts;
    }
    *any = some != 0;
    return finite != 0;
}

/* Masks the keys of `range` in row `i` of the block. */
static bool attend_mask(const struct attention *attention, const struct attention_block *block, size_t i,
                        struct mask_range range, bool *any) {
    size_t count = range.end - range.begin;
    real *scores = (real *)block->rows + i * attention->key.rows + range.begin;
    struct mask_place place = {block->batch, block->head, block->row + i};
    *any = count > 0;
    if (count == 0)
        return true;
    if (REAL(mask_row)(&attention->mask, &place, range, scores, block->allowed))
        return attend_hide(scores, block->allowed, count, any);
    return REAL(row_finite)(scores, count);
}

/* The keys whose values the rows weigh, as far as ranges tell, in `weighed`. */
static bool attend_weights(const struct attention *attention, enum attention_stage stage,
                           const struct attention_block *block, struct mask_range *weighed) {
    size_t keys = attention->key.rows;
    struct mask_axes axes = attend_axes(attention);
    bool uniform = attention->empty_row == ATTENTION_EMPTY_UNIFORM;
    *weighed = (struct mask_range){0, 0};
    for (size_t i = 0; i < block->count; i++) {
        real *row = (real *)block->rows + i * keys;
        struct mask_range range = mask_keys(&attention->mask, attention->dtype, &axes, block->batch, block->row + i);
        bool any;
        if (!attend_mask(attention, block, i, range, &any))
            return false;
        if (stage == ATTENTION_MASKED) {
            attend_fill(row, 0, range.begin, -(real)INFINITY);
            attend_fill(row, range.end, keys, -(real)INFINITY);
        } else if (!any) {
            attend_fill(row, 0, keys, uniform ? (real)1 / (real)keys : 0);
            *weighed = attend_join(*weighed, uniform ? (struct mask_range){0, keys} : range);
        } else {
            if (!REAL(normalize_row)(attention->normalize, row + range.begin, range.end - range.begin))
                return false;
            attend_fill(row, 0, range.begin, 0);
            attend_fill(row, range.end, keys, 0);
            *weighed = attend_join(*weighed, range);
        }
    }
    return true;
}

/* Whether any row weighs a value row that could not be represented. */
static bool attend_poisoned(const struct attention *attention, const struct attention_block *block,
                            struct mask_range weighed) {
    size_t keys = attention->key.rows;
    if (!attention->poisoned)
        return false;
    const unsigned char *poisoned =
        attention->poisoned + (block->batch * attention->key.heads + attend_group(attention, block->head)) * keys;
    for (size_t j = weighed.begin; j < weighed.end; j++) {
        if (!poisoned[j])
            continue;
        for (size_t i = 0; i < block->count; i++)
            if (((const real *)block->rows)[i * keys + j] != 0)
                return true;
    }
    return false;
}

static bool attend_heads(const struct attention *attention, const struct attention_block *block,
                         struct mask_range weighed) {
    const struct view *value = &attention->value, *heads = &attention->heads;
    real *outputs = (real *)heads->data + view_offset(heads, block->batch, block->head, block->row);
    if (attend_poisoned(attention, block, weighed))
        return false;
    if (weighed.begin == weighed.end) {
        for (size_t i = 0; i < block->count; i++)
            memset(outputs + i * heads->row_stride, 0, heads->cols * sizeof(real));
        return true;
    }
    const real *values = (const real *)value->data +
                         view_offset(value, block->batch, attend_group(attention, block->head), weighed.begin);
    REAL(blas_gemm)
    (false, block->count, heads->cols, weighed.end - weighed.begin, 1, (const real *)block->rows + weighed.begin,
     attention->key.rows, values, value->row_stride, outputs, heads->row_stride);
    for (size_t i = 0; i < block->count; i++)
        if (!REAL(row_finite)(outputs + i * heads->row_stride, heads->cols))
            return false;
    return true;
}

bool REAL(attend_block)(const struct attention *attention, enum attention_stage stage,
                        const struct attention_block *block) {
    struct mask_range all = {0, attention->key.rows}, weighed;
    switch (stage) {
    case ATTENTION_SCORES:
        attend_scores(attention, block, all);
        return REAL(row_finite)(block->rows, block->count * attention->key.rows);
    case ATTENTION_MASKED:
        attend_scores(attention, block, attend_span(attention, block));
        return attend_weights(attention, stage, block, &weighed);
    case ATTENTION_WEIGHTS:
        attend_scores(attention, block, attend_span(attention, block));
        return attend_weights(attention, stage, block, &weighed) &&
               (!attention->heads.data || attend_heads(attention, block, weighed));
    }
    return false;
}
