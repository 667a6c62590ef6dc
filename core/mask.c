/* The parts of a mask that are rules: whether they fit, and which range of keys they leave to a row.
 *
 * A new kind of part is a case in each switch on its kind; none has a default, so that the compiler points at them:
 * its shape here, its range here, its single keys and scores in core/mask_row.c. */
#include "core/mask.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* "/mask/attend" as a user writes it in prose: mask.attend. */
static void mask_name(const struct mask_part *part, char *name, size_t size) {
    snprintf(name, size, "%s", part->pointer ? part->pointer + (part->pointer[0] == '/') : "mask");
    for (char *slash = strchr(name, '/'); slash; slash = strchr(slash, '/'))
        *slash = '.';
}

/* One axis of a part's values against the number it must have: that one, or 1 where it may be broadcast. */
static bool mask_check_axis(const struct mask_part *part, size_t length, const char *axis, size_t want, bool broadcast,
                            struct error *error) {
    if (length == want || (broadcast && length == 1))
        return true;
    char name[64];
    mask_name(part, name, sizeof name);
    if (broadcast)
        return error_set(error, ERROR_SHAPE_MISMATCH, part->pointer,
                         "%s is made for %zu %s but there are %zu: its axis for %s must have length %zu, or 1 to hold "
                         "for all of them.",
                         name, length, axis, want, axis, want);
    return error_set(error, ERROR_SHAPE_MISMATCH, part->pointer,
                     "%s is made for %zu %s but there are %zu: its axis for %s must have length %zu.", name, length,
                     axis, want, axis, want);
}

/* Values of one number per key: [B|1,H|1,L|1,S]. */
static bool mask_check_keys(const struct mask_part *part, const struct mask_axes *axes, struct error *error) {
    const struct view *values = &part->values;
    assert(values->data);
    if (mask_check_axis(part, values->cols, "keys", axes->keys, false, error) &&
        mask_check_axis(part, values->rows, "queries", axes->queries, true, error) &&
        mask_check_axis(part, values->heads, "heads", axes->heads, true, error) &&
        mask_check_axis(part, values->batch, "batch items", axes->batch, true, error))
        return true;
    error_received(error, "[%zu,%zu,%zu,%zu]", values->batch, values->heads, values->rows, values->cols);
    return error_expected(error, "[%zu,%zu], or [%zu,%zu,%zu,%zu] where each of the first three may be 1",
                          axes->queries, axes->keys, axes->batch, axes->heads, axes->queries, axes->keys);
}

/* Values of one number per query: [B|1,1,L,1]. */
static bool mask_check_queries(const struct mask_part *part, const struct mask_axes *axes, struct error *error) {
    const struct view *values = &part->values;
    assert(values->data && values->heads == 1 && values->cols == 1);
    if (mask_check_axis(part, values->rows, "queries", axes->queries, false, error) &&
        mask_check_axis(part, values->batch, "batch items", axes->batch, true, error))
        return true;
    error_received(error, "[%zu,%zu]", values->batch, values->rows);
    return error_expected(error, "[%zu,%zu], or [%zu]", axes->batch, axes->queries, axes->queries);
}

static bool mask_check_lengths(const struct mask_part *part, const struct mask_axes *axes, struct error *error) {
    assert(part->lengths);
    for (size_t batch = 0; batch < axes->batch; batch++) {
        if (part->lengths[batch] <= axes->keys)
            continue;
        char pointer[128];
        snprintf(pointer, sizeof pointer, "%s/%zu", part->pointer, batch);
        error_set(error, ERROR_OUT_OF_RANGE, pointer,
                  "Batch item %zu is said to have %zu real keys but there are only %zu keys: its length can be 0 to "
                  "%zu.",
                  batch, part->lengths[batch], axes->keys, axes->keys);
        error_expected(error, "0 to %zu", axes->keys);
        return error_received(error, "%zu", part->lengths[batch]);
    }
    return true;
}

static bool mask_check_window(const struct mask_part *part, struct error *error) {
    if (part->left >= -1 && part->right >= -1)
        return true;
    error_set(
        error, ERROR_OUT_OF_RANGE, part->pointer,
        "The window reaches %td keys to the left and %td to the right: each must be 0 or more, or -1 for no bound "
        "on that side.",
        part->left, part->right);
    error_expected(error, "[left,right], each -1 or more");
    return error_received(error, "[%td,%td]", part->left, part->right);
}

static bool mask_check_part(const struct mask_part *part, const struct mask_axes *axes, struct error *error) {
    switch (part->kind) {
    case MASK_CAUSAL:
        return true;
    case MASK_WINDOW:
        return mask_check_window(part, error);
    case MASK_LENGTHS:
        return mask_check_lengths(part, axes, error);
    case MASK_QUERY_PADDING:
        return mask_check_queries(part, axes, error);
    case MASK_ATTEND:
    case MASK_BLOCK:
    case MASK_MULTIPLY:
    case MASK_BIAS:
        return mask_check_keys(part, axes, error);
    case MASK_ALIBI:
        assert(part->slopes);
        return true;
    }
    return false;
}

bool mask_check(const struct mask *mask, const struct mask_axes *axes, struct error *error) {
    assert(mask->count <= MASK_PARTS_MAX && mask->extra < axes->keys);
    struct mask_axes covered = *axes;
    covered.keys -= mask->extra;
    for (size_t i = 0; i < mask->count; i++)
        if (!mask_check_part(&mask->parts[i], &covered, error))
            return false;
    return true;
}

/* The key that stands on the diagonal of query 0; negative where there are more queries than keys. */
static ptrdiff_t mask_offset(const struct mask *mask, const struct mask_axes *axes, size_t batch) {
    switch (mask->align) {
    case MASK_ALIGN_FIXED:
        return mask->offset;
    case MASK_ALIGN_BOTTOM_RIGHT: {
        size_t keys = axes->keys - mask->extra;
        for (size_t i = 0; i < mask->count; i++)
            if (mask->parts[i].kind == MASK_LENGTHS && mask->parts[i].lengths[batch] < keys)
                keys = mask->parts[i].lengths[batch];
        return (ptrdiff_t)keys - (ptrdiff_t)axes->queries;
    }
    }
    return 0;
}

ptrdiff_t mask_diagonal(const struct mask *mask, const struct mask_axes *axes, size_t batch, size_t row) {
    return (ptrdiff_t)row + mask_offset(mask, axes, batch);
}

/* Keeps the keys from `first` to `last`, both included. */
static void mask_keep(struct mask_range *range, ptrdiff_t first, ptrdiff_t last) {
    if (first > (ptrdiff_t)range->begin)
        range->begin = (size_t)first;
    if (last < (ptrdiff_t)range->end - 1)
        range->end = last < 0 ? 0 : (size_t)last + 1;
}

static void mask_keep_window(struct mask_range *range, const struct mask_part *part, ptrdiff_t diagonal) {
    ptrdiff_t first, last;
    if (part->left < 0 || __builtin_sub_overflow(diagonal, part->left, &first))
        first = PTRDIFF_MIN;
    if (part->right < 0 || __builtin_add_overflow(diagonal, part->right, &last))
        last = PTRDIFF_MAX;
    mask_keep(range, first, last);
}

static bool mask_pads(const struct view *values, enum dtype dtype, size_t batch, size_t row) {
    size_t place = view_broadcast_offset(values, batch, 0, row);
    return dtype == DTYPE_FLOAT32 ? ((const float *)values->data)[place] != 0
                                  : ((const double *)values->data)[place] != 0;
}

struct mask_range mask_ruled(const struct mask *mask, enum dtype dtype, const struct mask_axes *axes, size_t batch,
                             size_t row) {
    struct mask_range range = {0, axes->keys - mask->extra};
    ptrdiff_t diagonal = mask_diagonal(mask, axes, batch, row);
    for (size_t i = 0; i < mask->count; i++) {
        const struct mask_part *part = &mask->parts[i];
        switch (part->kind) {
        case MASK_CAUSAL:
            mask_keep(&range, PTRDIFF_MIN, diagonal);
            break;
        case MASK_WINDOW:
            mask_keep_window(&range, part, diagonal);
            break;
        case MASK_LENGTHS:
            mask_keep(&range, PTRDIFF_MIN, (ptrdiff_t)part->lengths[batch] - 1);
            break;
        case MASK_QUERY_PADDING:
            if (mask_pads(&part->values, dtype, batch, row))
                range.end = 0;
            break;
        case MASK_ATTEND:
        case MASK_BLOCK:
        case MASK_MULTIPLY:
        case MASK_BIAS:
        case MASK_ALIBI:
            break;
        }
    }
    return range.begin < range.end ? range : (struct mask_range){0, 0};
}

struct mask_range mask_keys(const struct mask *mask, enum dtype dtype, const struct mask_axes *axes, size_t batch,
                            size_t row) {
    struct mask_range range = mask_ruled(mask, dtype, axes, batch, row);
    if (mask->extra == 0 || mask_pads_query(mask, dtype, batch, row))
        return range;
    return mask_join(range, (struct mask_range){axes->keys - mask->extra, axes->keys});
}

struct mask_range mask_join(struct mask_range a, struct mask_range b) {
    if (a.begin == a.end)
        return b;
    if (b.begin == b.end)
        return a;
    return (struct mask_range){a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}

struct mask_range mask_meet(struct mask_range a, struct mask_range b) {
    struct mask_range both = {a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
    return both.begin < both.end ? both : (struct mask_range){0, 0};
}

struct mask_range mask_span(const struct mask *mask, enum dtype dtype, const struct mask_axes *axes, size_t batch,
                            size_t row, size_t count) {
    struct mask_range span = {0, 0};
    for (size_t i = 0; i < count; i++)
        span = mask_join(span, mask_keys(mask, dtype, axes, batch, row + i));
    return span;
}

bool mask_pads_query(const struct mask *mask, enum dtype dtype, size_t batch, size_t row) {
    for (size_t i = 0; i < mask->count; i++)
        if (mask->parts[i].kind == MASK_QUERY_PADDING && mask_pads(&mask->parts[i].values, dtype, batch, row))
            return true;
    return false;
}

bool mask_varies_by_head(const struct mask *mask) {
    for (size_t i = 0; i < mask->count; i++)
        if (mask->parts[i].values.heads > 1 && mask->parts[i].values.head_stride > 0)
            return true;
    return false;
}
