/* Rows without an allowed key: see fully_masked.h.
 *
 * The rules (causal, window, lengths, padding) leave each row a range of keys, which is known without looking at any.
 * What looks at single keys is often the same for all rows (padding, [1,1,1,S]): then what one row has learnt of the
 * keys serves the next, and each key is looked at about once for a head. Where it is the same for all heads or items
 * too, and so are the rules, one head's rows are those of all. */
#include "core/fully_masked.h"

#include "core/kernels.h"

#include <stdint.h>
#include <string.h>

enum {
    FULLY_MASKED_STRETCH = 512, /* keys looked at together: most rows have an allowed one among the first */
    FULLY_MASKED_ASK = 1 << 20, /* looks between two questions whether to go on */
};

/* What is known of the keys of a row, or of all rows of a head: none of [from, to) is allowed, and `to` is, unless it
 * is the last. */
struct fully_masked_keys {
    size_t from, to;
    bool found;
};

struct fully_masked_walk {
    const struct attention *attention;
    const atomic_bool *cancelled;
    struct mask_axes axes;
    bool looks, rows_alike, heads_alike, items_alike;
    struct fully_masked_keys keys;
    size_t looked; /* since the flag was asked */
};

static void fully_masked_axis(bool *alike, size_t length, size_t stride) {
    *alike = *alike && (length <= 1 || stride == 0);
}

/* Which parts look at keys, and over which axes they are the same. */
static void fully_masked_begin(struct fully_masked_walk *walk) {
    const struct mask *mask = &walk->attention->mask;
    walk->rows_alike = walk->heads_alike = walk->items_alike = true;
    for (size_t i = 0; i < mask->count; i++) {
        const struct mask_part *part = &mask->parts[i];
        switch (part->kind) {
        case MASK_ATTEND:
        case MASK_BLOCK:
        case MASK_BIAS:
            walk->looks = true;
            fully_masked_axis(&walk->rows_alike, part->values.rows, part->values.row_stride);
            fully_masked_axis(&walk->heads_alike, part->values.heads, part->values.head_stride);
            fully_masked_axis(&walk->items_alike, part->values.batch, part->values.batch_stride);
            break;
        case MASK_QUERY_PADDING:
            fully_masked_axis(&walk->items_alike, part->values.batch, part->values.batch_stride);
            break;
        case MASK_LENGTHS:
            walk->items_alike = false;
            break;
        case MASK_CAUSAL:
        case MASK_WINDOW:
        case MASK_MULTIPLY:
        case MASK_ALIBI:
            break;
        }
    }
    /* Every row sees the extra keys, but for those that query padding hides. */
    walk->looks = walk->looks && mask->extra == 0;
}

static struct fully_masked_walk fully_masked_walk(const struct attention *attention, const atomic_bool *cancelled) {
    struct fully_masked_walk walk = {.attention = attention, .cancelled = cancelled, .axes = attention_axes(attention)};
    fully_masked_begin(&walk);
    return walk;
}

double fully_masked_looks(const struct attention *attention) {
    struct fully_masked_walk walk = fully_masked_walk(attention, NULL);
    double rows = (double)walk.axes.queries, keys = (double)walk.axes.keys;
    double heads = walk.heads_alike ? 1 : (double)walk.axes.heads;
    double items = walk.heads_alike && walk.items_alike ? 1 : (double)walk.axes.batch;
    if (attention->mask.count == 0)
        return 0;
    return items * heads * (!walk.looks ? rows : walk.rows_alike ? rows + keys : rows * keys);
}

/* Looks on from keys->to until an allowed key or `end`. */
static void fully_masked_look(struct fully_masked_walk *walk, const struct mask_place *place, size_t end) {
    const struct kernels *kernels = kernels_of(walk->attention->dtype);
    struct fully_masked_keys *keys = &walk->keys;
    unsigned char allowed[FULLY_MASKED_STRETCH];
    while (!keys->found && keys->to < end) {
        size_t begin = keys->to, count = end - begin < FULLY_MASKED_STRETCH ? end - begin : FULLY_MASKED_STRETCH;
        kernels->mask_row(&walk->attention->mask, &walk->axes, place, (struct mask_range){begin, begin + count}, NULL,
                          allowed);
        const unsigned char *first = memchr(allowed, 1, count);
        keys->found = first != NULL;
        keys->to = begin + (first != NULL ? (size_t)(first - allowed) : count);
        walk->looked += count;
    }
}

static bool fully_masked_is_empty(struct fully_masked_walk *walk, const struct mask_place *place) {
    const struct attention *attention = walk->attention;
    struct mask_range range = mask_keys(&attention->mask, attention->dtype, &walk->axes, place->batch, place->row);
    struct fully_masked_keys *keys = &walk->keys;
    walk->looked++;
    if (range.begin == range.end || !walk->looks)
        return range.begin == range.end;
    bool known = walk->rows_alike && keys->from <= range.begin && range.begin <= keys->to;
    if (!known)
        *keys = (struct fully_masked_keys){.from = range.begin, .to = range.begin};
    fully_masked_look(walk, place, range.end);
    return !keys->found || keys->to >= range.end;
}

static bool fully_masked_is_cancelled(struct fully_masked_walk *walk) {
    if (walk->looked < FULLY_MASKED_ASK)
        return false;
    walk->looked = 0;
    return walk->cancelled != NULL && atomic_load_explicit(walk->cancelled, memory_order_relaxed);
}

/* Of one head. */
static bool fully_masked_head(struct fully_masked_walk *walk, size_t batch, size_t head, struct fully_masked *found) {
    const struct attention *attention = walk->attention;
    walk->keys = (struct fully_masked_keys){0};
    for (size_t row = 0; row < walk->axes.queries; row++) {
        struct mask_place place = {batch, head, row};
        bool is_empty = fully_masked_is_empty(walk, &place);
        if (fully_masked_is_cancelled(walk))
            return false;
        if (!is_empty)
            continue;
        size_t index = (batch * walk->axes.heads + head) * walk->axes.queries + row;
        if (found->count < found->limit)
            found->indices[found->count] = index;
        if (found->first_unpadded == SIZE_MAX && !mask_pads_query(&attention->mask, attention->dtype, batch, row))
            found->first_unpadded = index;
        found->count++;
    }
    return true;
}

/* The rows of a head that is like an earlier one, whose `count` stand from `start` on and `shift` before. */
static void fully_masked_repeat(struct fully_masked *found, size_t start, size_t count, size_t shift) {
    for (size_t i = 0; i < count && found->count + i < found->limit; i++)
        found->indices[found->count + i] = found->indices[start + i] + shift;
    found->count += count;
}

bool fully_masked_find(const struct attention *attention, const atomic_bool *cancelled, struct fully_masked *found) {
    struct fully_masked_walk walk = fully_masked_walk(attention, cancelled);
    size_t heads = walk.axes.heads, queries = walk.axes.queries;
    size_t start = 0, count = 0, from = 0; /* the rows of the head that the next may be like, and which it is */
    found->count = 0;
    found->first_unpadded = SIZE_MAX;
    for (size_t i = 0; attention->mask.count > 0 && i < walk.axes.batch * heads; i++) {
        bool is_like = i > 0 && walk.heads_alike && (i % heads > 0 || walk.items_alike);
        if (is_like) {
            fully_masked_repeat(found, start, count, (i - from) * queries);
            continue;
        }
        start = found->count;
        from = i;
        if (!fully_masked_head(&walk, i / heads, i % heads, found))
            return false;
        count = found->count - start;
    }
    return true;
}
