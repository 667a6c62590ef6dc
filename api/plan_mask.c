/* Fits the call's mask parts and padding to the shapes. */
#include "api/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A tensor's shape as text. */
struct plan_mask_shape {
    char text[160];
};

static struct plan_mask_shape plan_mask_shape(const struct tensor *tensor) {
    struct plan_mask_shape shape = {"["};
    size_t size = 1;
    for (size_t axis = 0; axis < tensor->rank; axis++)
        size += (size_t)snprintf(shape.text + size, sizeof shape.text - size, "%s%zu", axis > 0 ? "," : "",
                                 tensor->shape[axis]);
    shape.text[size] = ']';
    return shape;
}

/* What would fit: "[2,3]", and with 4 axes "[2|1,1,2|1,3]". */
static struct plan_mask_shape plan_mask_wanted(const struct plan *plan) {
    const size_t lengths[] = {plan->batch, plan->heads, plan->queries};
    struct plan_mask_shape shape;
    size_t size = (size_t)snprintf(shape.text, sizeof shape.text, "[%zu,%zu], or with 4 axes [", plan->queries,
                                   plan->masked_keys);
    for (size_t i = 0; i < 3; i++)
        size += (size_t)snprintf(shape.text + size, sizeof shape.text - size, lengths[i] == 1 ? "%zu," : "%zu|1,",
                                 lengths[i]);
    snprintf(shape.text + size, sizeof shape.text - size, "%zu]", plan->masked_keys);
    return shape;
}

static bool plan_mask_rank_error(const struct plan *plan, const struct call_mask_part *part, struct error *error) {
    const size_t *shape = part->values.shape;
    struct plan_mask_shape given = plan_mask_shape(&part->values), wanted = plan_mask_wanted(plan);
    if (part->values.rank == 3)
        error_set(error, ERROR_WRONG_RANK, part->pointer,
                  "%s has shape %s; what the first of 3 axes means differs between systems, so write it with 4: "
                  "[%zu,1,%zu,%zu] for one mask a batch item, or [1,%zu,%zu,%zu] for one a head.",
                  part->pointer + 1, given.text, shape[0], shape[1], shape[2], shape[0], shape[1], shape[2]);
    else
        error_set(error, ERROR_WRONG_RANK, part->pointer, "%s has shape %s; it must be [L,S] = %s.", part->pointer + 1,
                  given.text, wanted.text);
    error_expected(error, "%s", wanted.text);
    return error_received(error, "%s", given.text);
}

/* [L,S] or [B|1,H|1,L|1,S]. */
static bool plan_mask_scores(const struct plan *plan, const struct call_mask_part *part, struct view *view,
                             struct error *error) {
    const struct tensor *values = &part->values;
    if (values->rank != 2 && values->rank != 4)
        return plan_mask_rank_error(plan, part, error);
    bool whole = values->rank == 2;
    const size_t lengths[4] = {plan->batch, plan->heads, plan->queries, plan->masked_keys};
    static const char *const axes[4] = {"batch items", "heads", "queries", "keys"};
    size_t shape[4] = {1, 1, 0, 0};
    memcpy(shape + (whole ? 2 : 0), values->shape, values->rank * sizeof *shape);
    for (size_t axis = 0; axis < 4; axis++) {
        bool repeats = !whole && axis < 3 && shape[axis] == 1;
        if (shape[axis] == lengths[axis] || repeats || (whole && axis < 2))
            continue;
        struct plan_mask_shape given = plan_mask_shape(values), wanted = plan_mask_wanted(plan);
        error_set(error, ERROR_SHAPE_MISMATCH, part->pointer,
                  "%s has shape %s, which is for %zu %s, but there are %zu: it must be %s.", part->pointer + 1,
                  given.text, shape[axis], axes[axis], lengths[axis], wanted.text);
        error_expected(error, "%s", wanted.text);
        return error_received(error, "%s", given.text);
    }
    *view = (struct view){.data = values->data,
                          .batch = shape[0],
                          .heads = shape[1],
                          .rows = shape[2],
                          .cols = shape[3],
                          .batch_stride = shape[0] == 1 ? 0 : shape[1] * shape[2] * shape[3],
                          .head_stride = shape[1] == 1 ? 0 : shape[2] * shape[3],
                          .row_stride = shape[2] == 1 ? 0 : shape[3]};
    return true;
}

/* [n] or [B,n] with n = `length`: its items. */
static bool plan_mask_positions(const struct plan *plan, const struct call_mask_part *part, size_t length,
                                const char *what, size_t *items, struct error *error) {
    const struct tensor *values = &part->values;
    *items = values->rank == 2 ? values->shape[0] : 1;
    bool fits =
        values->rank <= 2 && values->shape[values->rank - 1] == length && (values->rank == 1 || *items == plan->batch);
    if (fits)
        return true;
    struct plan_mask_shape given = plan_mask_shape(values);
    error_set(error, ERROR_SHAPE_MISMATCH, part->pointer,
              "%s has shape %s, but there are %zu %s in %zu batch items: it must be [%zu] or [%zu,%zu].",
              part->pointer + 1, given.text, length, what, plan->batch, length, plan->batch, length);
    error_expected(error, "[%zu] or [%zu,%zu]", length, plan->batch, length);
    return error_received(error, "%s", given.text);
}

/* [B] whole numbers from 0 to S. */
static bool plan_mask_lengths(const struct plan *plan, const struct call_mask_part *part, struct arena *arena,
                              const size_t **lengths, struct error *error) {
    const struct tensor *values = &part->values;
    if (values->rank != 1 || values->count != plan->batch) {
        struct plan_mask_shape given = plan_mask_shape(values);
        error_set(error, ERROR_SHAPE_MISMATCH, part->pointer,
                  "%s has shape %s, but there are %zu batch items: it must be [%zu], a length for each.",
                  part->pointer + 1, given.text, plan->batch, plan->batch);
        error_expected(error, "[%zu]", plan->batch);
        return error_received(error, "%s", given.text);
    }
    size_t *read = arena_alloc(arena, values->count, sizeof *read, error);
    if (read == NULL)
        return false;
    for (size_t i = 0; i < values->count; i++) {
        double length = ((const double *)values->data)[i];
        if (length != floor(length) || length < 0 || length > (double)plan->masked_keys) {
            char pointer[64];
            snprintf(pointer, sizeof pointer, "%s/%zu", part->pointer, i);
            error_set(error, ERROR_OUT_OF_RANGE, pointer,
                      "Length %zu of %s is %.9g; it must be a whole number from 0 to the %zu keys.", i,
                      part->pointer + 1, length, plan->masked_keys);
            error_expected(error, "0 to %zu", plan->masked_keys);
            return error_received(error, "%.9g", length);
        }
        read[i] = (size_t)length;
    }
    *lengths = read;
    return true;
}

static bool plan_mask_part(const struct plan *plan, const struct call_mask_part *from, struct arena *arena,
                           struct mask_part *part, struct error *error) {
    size_t items;
    *part = (struct mask_part){.kind = from->kind, .pointer = from->pointer, .left = from->left, .right = from->right};
    switch (from->form) {
    case CALL_MASK_RULE:
        return true;
    case CALL_MASK_SCORES:
        return plan_mask_scores(plan, from, &part->values, error);
    case CALL_MASK_KEYS:
        if (!plan_mask_positions(plan, from, plan->masked_keys, "keys", &items, error))
            return false;
        part->values = (struct view){.data = from->values.data,
                                     .batch = items,
                                     .heads = 1,
                                     .rows = 1,
                                     .cols = plan->masked_keys,
                                     .batch_stride = items == 1 ? 0 : plan->masked_keys};
        return true;
    case CALL_MASK_QUERIES:
        if (!plan_mask_positions(plan, from, plan->queries, "queries", &items, error))
            return false;
        part->values = (struct view){.data = from->values.data,
                                     .batch = items,
                                     .heads = 1,
                                     .rows = plan->queries,
                                     .cols = 1,
                                     .batch_stride = items == 1 ? 0 : plan->queries,
                                     .row_stride = 1};
        return true;
    case CALL_MASK_ITEMS:
        return plan_mask_lengths(plan, from, arena, &part->lengths, error);
    }
    return false;
}

/* Keys labelled with the pad token, as one more part that blocks them. Labels of the new keys alone leave the cached
 * ones, which come first, as they are. */
static bool plan_mask_pad_token(const struct call *call, struct arena *arena, struct plan *plan, struct error *error) {
    const struct labels *labels = call->key_tokens.given ? &call->key_tokens : &call->tokens;
    if (call->pad_token == NULL || !labels->given)
        return true;
    size_t keys = plan->masked_keys, unlabelled = keys - labels->length;
    void *values = arena_alloc(arena, labels->lists * keys, dtype_size(plan->dtype), error);
    if (values == NULL)
        return false;
    for (size_t i = 0; i < labels->lists * keys; i++) {
        size_t list = i / keys, key = i % keys;
        bool pads = key >= unlabelled && strcmp(call_label(labels, list, key - unlabelled), call->pad_token) == 0;
        if (plan->dtype == DTYPE_FLOAT32)
            ((float *)values)[i] = pads ? 1 : 0;
        else
            ((double *)values)[i] = pads ? 1 : 0;
    }
    struct mask *mask = &plan->attention.mask;
    mask->parts[mask->count++] = (struct mask_part){.kind = MASK_BLOCK,
                                                    .pointer = "/pad_token",
                                                    .values = {.data = values,
                                                               .batch = labels->lists,
                                                               .heads = 1,
                                                               .rows = 1,
                                                               .cols = keys,
                                                               .batch_stride = labels->lists == 1 ? 0 : keys}};
    return true;
}

bool plan_mask(const struct call *call, struct arena *arena, struct plan *plan, struct error *error) {
    struct mask *mask = &plan->attention.mask;
    mask->align = call->align == CALL_ALIGN_BOTTOM_RIGHT ? MASK_ALIGN_BOTTOM_RIGHT : MASK_ALIGN_FIXED;
    mask->offset = call->align == CALL_ALIGN_AUTO ? (ptrdiff_t)plan->past : 0;
    mask->extra = plan->extra;
    for (size_t i = 0; i < call->mask_count; i++)
        if (!plan_mask_part(plan, &call->mask[i], arena, &mask->parts[mask->count++], error))
            return false;
    return plan_mask_pad_token(call, arena, plan, error);
}
