/* Joins partial attention: results of the same queries over disjoint ranges of keys become the result over all of them,
 * which is how one long sequence is spread over several machines. With o[p] the output of part p and l[p] the logarithm
 * of the sum of exp(score) over its keys (its lse),
 *
 *     m = max l[p]        w[p] = exp(l[p] − m)
 *     output = Σ w[p]·o[p] / Σ w[p]        lse = m + log Σ w[p]
 *
 * That a softmax can be put together from pieces this way is Milakov & Gimelshein, "Online normalizer calculation for
 * softmax", 2018, section 3.1; Flash-Decoding (Dao et al., 2023) and xformers' merge_attentions join attention by it.
 */
#pragma once

#include "core/dtype.h"

#include <stdbool.h>
#include <stddef.h>

struct merge_part {
    const void *output; /* [rows, cols] */
    const void *lse;    /* [rows]; −∞: a row that had no key here and weighs nothing */
};

struct merge {
    enum dtype dtype;
    size_t rows, cols, count;       /* count: of parts, 1 or more */
    const struct merge_part *parts; /* [count] */
};

/* output [count,cols] and lse [count] of rows [first, first + count), either NULL if it is not wanted; a row without
 * keys in any part gets 0 and −∞. Weights and sums are double, each result is rounded once. weights: [merge->count],
 * working space. False: a result is not finite in the dtype. */
bool merge_rows(const struct merge *merge, size_t first, size_t count, double *weights, void *output, void *lse);

/* The largest |number| that a result can have, but for a rounding: an output is a mean of outputs. */
double merge_bound(const struct merge *merge);
