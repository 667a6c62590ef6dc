/* Which keys a query may attend to, and what is multiplied onto or added to its scores.
 *
 * A mask is a list of parts that all apply together. A part either bounds the range of keys of a row by rule (causal,
 * window, lengths), or looks at each key (attend, block, padding, bias), or changes scores (multiply, bias).
 * Disallowed keys are left out of the row, never weighed by a large negative number. */
#pragma once

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
};

/* The offset of causal and window: which key stands on the diagonal of query 0. */
enum mask_align {
    MASK_ALIGN_TOP_LEFT,     /* 0 */
    MASK_ALIGN_BOTTOM_RIGHT, /* keys − queries; with lengths: length − queries, per batch item */
};

struct mask_part {
    enum mask_kind kind;
    struct view values;     /* ATTEND, BLOCK, MULTIPLY, BIAS: [B|1,H|1,L|1,S]; QUERY_PADDING: [B|1,1,L,1] */
    ptrdiff_t left, right;  /* WINDOW: keys to either side, −1 = open */
    const size_t *lengths;  /* LENGTHS: [B] */
};

enum { MASK_PARTS_MAX = 16 };

struct mask {
    size_t count;
    struct mask_part parts[MASK_PARTS_MAX];
    enum mask_align align;
};

/* The half-open range of keys that the rules leave to a row. */
struct mask_range {
    size_t begin, end;
};
