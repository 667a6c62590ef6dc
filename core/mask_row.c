/* The parts of a mask that look at each key: a kernel, compiled for float32 and float64.
 *
 * Scores change in a fixed order whatever the order of the parts: all multiply, then all add. Disallowing is kept apart
 * in flags, so that a score which overflows counts only if its key is allowed. */
#include "core/steps.h"

#include <string.h>

/* Flags are combined as numbers, without branches, so that the loops become vector code. */
static void mask_row_attend(const real *values, size_t count, unsigned char *allowed) {
    for (size_t i = 0; i < count; i++)
        allowed[i] = (unsigned char)(allowed[i] & (values[i] != 0));
}

static void mask_row_block(const real *values, size_t count, unsigned char *allowed) {
    for (size_t i = 0; i < count; i++)
        allowed[i] = (unsigned char)(allowed[i] & (values[i] == 0));
}

static void mask_row_hide(const real *bias, size_t count, unsigned char *allowed) {
    for (size_t i = 0; i < count; i++)
        allowed[i] = (unsigned char)(allowed[i] & (bias[i] != -(real)INFINITY));
}

static void mask_row_multiply(const real *values, size_t count, real *scores) {
    for (size_t i = 0; i < count; i++)
        scores[i] *= values[i];
}

static void mask_row_add(const real *values, size_t count, real *scores) {
    for (size_t i = 0; i < count; i++)
        scores[i] += values[i];
}

/* The distances of the keys from the row's diagonal are whole numbers, and each sum is rounded once. */
static void mask_row_alibi(double slope, ptrdiff_t diagonal, struct mask_range range, real *scores) {
    double first = (double)diagonal - (double)range.begin;
    int count = (int)(range.end - range.begin);
    for (int i = 0; i < count; i++)
        scores[i] = (real)((double)scores[i] - slope * fabs(first - (double)i));
}

/* Hides the keys of `covered` that are not among those `ruled`: extra keys follow, so that the range had to hold them.
 */
static void mask_row_rules(struct mask_range ruled, struct mask_range covered, unsigned char *allowed) {
    struct mask_range left = mask_meet(ruled, covered);
    if (left.begin == left.end)
        left = (struct mask_range){covered.begin, covered.begin};
    memset(allowed, 0, left.begin - covered.begin);
    memset(allowed + (left.end - covered.begin), 0, covered.end - left.end);
}

/* The part's values for the keys of `range`. */
static const real *mask_row_values(const struct mask_part *part, const struct mask_place *place,
                                   struct mask_range range) {
    const real *values = part->values.data;
    return values + view_broadcast_offset(&part->values, place->batch, place->head, place->row) + range.begin;
}

/* What one part says on the keys of `range`: flags, and additions to their scores where there are any. */
static bool mask_row_part(const struct mask_part *part, const struct mask_place *place, ptrdiff_t diagonal,
                          struct mask_range range, real *scores, unsigned char *allowed) {
    size_t count = range.end - range.begin;
    switch (part->kind) {
    case MASK_ATTEND:
        mask_row_attend(mask_row_values(part, place, range), count, allowed);
        return true;
    case MASK_BLOCK:
        mask_row_block(mask_row_values(part, place, range), count, allowed);
        return true;
    case MASK_BIAS:
        mask_row_hide(mask_row_values(part, place, range), count, allowed);
        if (scores)
            mask_row_add(mask_row_values(part, place, range), count, scores);
        return true;
    case MASK_ALIBI:
        if (scores)
            mask_row_alibi(part->slopes[place->head], diagonal, range, scores);
        return false;
    case MASK_MULTIPLY: /* done before all others */
    case MASK_CAUSAL:
    case MASK_WINDOW:
    case MASK_LENGTHS:
    case MASK_QUERY_PADDING:
        return false;
    }
    return false;
}

bool REAL(mask_row)(const struct mask *mask, const struct mask_axes *axes, const struct mask_place *place,
                    struct mask_range range, void *scores, unsigned char *allowed) {
    struct mask_range covered = mask_meet(range, (struct mask_range){0, axes->keys - mask->extra});
    ptrdiff_t diagonal = mask_diagonal(mask, axes, place->batch, place->row);
    bool by_key = false;
    memset(allowed, 1, range.end - range.begin);
    if (covered.begin == covered.end)
        return false;
    for (size_t i = 0; i < mask->count; i++)
        if (scores && mask->parts[i].kind == MASK_MULTIPLY)
            mask_row_multiply(mask_row_values(&mask->parts[i], place, covered), covered.end - covered.begin, scores);
    for (size_t i = 0; i < mask->count; i++)
        by_key |= mask_row_part(&mask->parts[i], place, diagonal, covered, scores, allowed);
    if (mask->extra == 0)
        return by_key;
    mask_row_rules(mask_ruled(mask, REAL_DTYPE, axes, place->batch, place->row), covered, allowed);
    return true;
}
