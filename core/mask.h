/* Which keys a query may attend to, and what is multiplied onto or added to its scores.
 *
 * A mask is a list of parts that all apply together. A part either bounds the range of keys of a row by rule (causal,
 * window, lengths), or looks at each key (attend, block, padding, bias), or changes scores (multiply, bias).
 * Disallowed keys are left out of the row, never weighed by a large negative number. */
#pragma once

#include "core/dtype.h"
#include "core/error.h"
#include "core/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mask_kind {
    MASK_CAUSAL,        /* key j ≤ i + offset */
    MASK_WINDOW,        /* i + offset − left ≤ j ≤ i + offset + right */
    MASK_LENGTHS,       /* only the first lengths[b] keys are real */
    MASK_ATTEND,        /* values: nonzero = may attend */
    MASK_BLOCK,         /* values: nonzero = may not (also padding: row and head strides 0) */
    MASK_QUERY_PADDING, /* values [B|1,1,L,1]: nonzero = the row counts as fully masked */
    MASK_MULTIPLY,      /* values multiplied onto the scores */
    MASK_BIAS,          /* values added to the scores; −∞ disallows */
    MASK_ALIBI,         /* −slopes[h] · |i + offset − j| added to the scores (Press et al., 2022) */
};

/* The offset of causal, window and alibi: which key stands on the diagonal of query 0. */
enum mask_align {
    MASK_ALIGN_FIXED,        /* `offset` of the mask: 0 is the top left corner, P what follows a cache of P keys */
    MASK_ALIGN_BOTTOM_RIGHT, /* keys − queries; with lengths: length − queries, per batch item */
};

struct mask_part {
    enum mask_kind kind;
    const char *pointer;   /* the argument it came from, for messages: "/mask/attend", "/mask/padding" … */
    struct view values;    /* ATTEND, BLOCK, MULTIPLY, BIAS: [B|1,H|1,L|1,S]; QUERY_PADDING: [B|1,1,L,1] */
    ptrdiff_t left, right; /* WINDOW: keys to either side, −1 = open */
    const size_t *lengths; /* LENGTHS: [B] */
    const double *slopes;  /* ALIBI: [H] */
};

enum { MASK_PARTS_MAX = 16 };

struct mask {
    size_t count;
    struct mask_part parts[MASK_PARTS_MAX];
    enum mask_align align;
    ptrdiff_t offset; /* with MASK_ALIGN_FIXED */
    /* The last `extra` keys are beyond the mask: every query sees them (but for those that query padding hides), and
     * no part's values or lengths cover them. The keys of bottom_right are those before them. */
    size_t extra;
};

/* The lengths that a mask is read against. */
struct mask_axes {
    size_t batch, heads, queries, keys;
};

/* The half-open range of keys that the rules leave to a row; empty: 0, 0. */
struct mask_range {
    size_t begin, end;
};

/* Whether every part fits the axes. Called by attention_check(); the other functions assert it. */
bool mask_check(const struct mask *mask, const struct mask_axes *axes, struct error *error);

/* What causal, window, lengths and query padding leave to query `row` of item `batch`; with extra keys, up to the last
 * of them. The element parts (attend, block, bias) may take more keys away, and so do the rules where extra keys follow
 * on what they leave: mask_row() in core/mask_row.c. `dtype`: of the parts' values. */
struct mask_range mask_keys(const struct mask *mask, enum dtype dtype, const struct mask_axes *axes, size_t batch,
                            size_t row);

/* The same without the extra keys. */
struct mask_range mask_ruled(const struct mask *mask, enum dtype dtype, const struct mask_axes *axes, size_t batch,
                             size_t row);

/* The key that stands on the diagonal of query `row` of item `batch`; negative where that is before the first. */
ptrdiff_t mask_diagonal(const struct mask *mask, const struct mask_axes *axes, size_t batch, size_t row);

/* The least range with the keys of all `count` queries from `row` on. */
struct mask_range mask_span(const struct mask *mask, enum dtype dtype, const struct mask_axes *axes, size_t batch,
                            size_t row, size_t count);

/* Set operations on ranges: the least range that holds both, and what lies in both. */
struct mask_range mask_join(struct mask_range a, struct mask_range b);
struct mask_range mask_meet(struct mask_range a, struct mask_range b);

/* Whether query padding hides query `row` of item `batch`. */
bool mask_pads_query(const struct mask *mask, enum dtype dtype, size_t batch, size_t row);

/* Whether the keys of a row can differ from head to head. */
bool mask_varies_by_head(const struct mask *mask);
