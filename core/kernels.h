/* The kernels as the rest of core sees them: a table of functions for each number type and level of processor. They are
 * the files in CMake's list CORE_KERNELS (see core/real.h). Private to core. All arrays are contiguous and of the
 * table's dtype. */
#pragma once

#include "core/attention.h"
#include "core/merge.h"
#include "core/projection.h"
#include "core/rows.h"

struct mask_place {
    size_t batch, head, row;
};

struct kernels {
    /* attention_run() and attention_scratch_size(). */
    bool (*attend_block)(const struct attention *attention, enum attention_stage stage,
                         const struct attention_block *block);
    size_t (*block_scratch_size)(const struct attention *attention, size_t count);

    /* Applies the parts to the keys of `range`, which is of those that mask_keys() leaves to a row. scores: of these
     * keys, or NULL; multiplied, then added to. allowed: a flag for each of these keys. False: nothing looks at single
     * keys, all are allowed. */
    bool (*mask_row)(const struct mask *mask, const struct mask_axes *axes, const struct mask_place *place,
                     struct mask_range range, void *scores, unsigned char *allowed);

    /* x[i] = exp(x[i] − most) · 2^−halvings, for x[i] ≤ most; the result is the sum. */
    double (*normalize_exp)(void *x, size_t count, double most, unsigned halvings);

    /* The steps of rows.h and projection.h on one row or block. */
    bool (*row_finite)(const void *x, size_t count);
    /* Largest |x|, ∞ if any is not finite; with `masks` −∞ counts as nothing: it disallows, it is never added. */
    double (*row_magnitude)(const void *x, size_t count, bool masks);
    void (*row_accumulate)(const void *x, double factor, size_t count, void *sum);
    /* Turns pairs of features; turns: the cosine of each pair's angle, then the sine of each. */
    void (*row_rotate)(const double *turns, size_t pairs, bool interleaved, void *row);
    bool (*row_add_norm)(const struct rows_norm *norm, const void *x, size_t cols, void *y);
    bool (*project_rows)(const struct projection *projection, const void *x, size_t x_stride, size_t count, void *y,
                         size_t y_stride);

    /* merge_rows(), one row. */
    bool (*merge_row)(const struct merge *merge, size_t row, double *weights, void *output, void *lse);
};

enum kernels_level { KERNELS_BASE, KERNELS_AVX2, KERNELS_AVX512, KERNELS_LEVELS };

/* The table for float32 or float64 at a level; NULL where this build has none or this processor cannot run it. */
const struct kernels *kernels_at(enum dtype dtype, enum kernels_level level);

/* The table of the highest level that this processor can run. */
const struct kernels *kernels_of(enum dtype dtype);

/* What several kernels ask of a computation. */
static inline struct mask_axes attention_axes(const struct attention *attention) {
    return (struct mask_axes){attention->query.batch, attention->query.heads, attention->query.rows,
                              attention->key.rows};
}

/* The key/value head that a query head reads. */
static inline size_t attention_group(const struct attention *attention, size_t head) {
    return head / (attention->query.heads / attention->key.heads);
}
