/* What attention reads, where that is more than the new tokens' features: a cache before the keys, extra keys behind
 * them, rotary positions. One mechanism for all (core/assembly.h); a side that needs none of it is read where it is. */
#include "api/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One member of the cache against [B,G,P,cols]. */
static bool plan_assemble_cache(const struct plan *plan, const struct tensor *past, const char *pointer, size_t length,
                                size_t cols, struct error *error) {
    char wanted[100], given[100];
    static const char *const axes[] = {"batch items", "key/value heads", "positions", "features a head"};
    const size_t lengths[] = {plan->batch, plan->kv_heads, length, cols};
    const size_t *shape = past->shape;
    if (past->rank != 4) {
        error_set(error, ERROR_WRONG_RANK, pointer,
                  "%s has %zu %s; a cache has 4, [B,G,P,D] = [%zu,%zu,P,%zu]: send present_%s as it came.", pointer + 1,
                  past->rank, past->rank == 1 ? "axis" : "axes", plan->batch, plan->kv_heads, cols, pointer + 6);
        error_expected(error, "[%zu,%zu,P,%zu]", plan->batch, plan->kv_heads, cols);
        return error_received(error, "%zu %s", past->rank, past->rank == 1 ? "axis" : "axes");
    }
    snprintf(wanted, sizeof wanted, "[%zu,%zu,%zu,%zu]", plan->batch, plan->kv_heads, length, cols);
    snprintf(given, sizeof given, "[%zu,%zu,%zu,%zu]", shape[0], shape[1], shape[2], shape[3]);
    for (size_t axis = 0; axis < 4; axis++)
        if (shape[axis] != lengths[axis]) {
            error_set(error, ERROR_SHAPE_MISMATCH, pointer,
                      "%s has shape %s, which is for %zu %s, but %s %zu: it must be %s.", pointer + 1, given,
                      shape[axis], axes[axis], axis == 2 ? "past_key has" : "the new tokens have", lengths[axis],
                      wanted);
            error_expected(error, "%s", wanted);
            return error_received(error, "%s", given);
        }
    return true;
}

/* One extra row against the features of a side. */
static bool plan_assemble_bias(const struct tensor *bias, const char *pointer, const char *side, size_t features,
                               struct error *error) {
    if (bias->data == NULL || bias->count == features)
        return true;
    error_set(error, ERROR_SHAPE_MISMATCH, pointer, "%s has %zu numbers, but the projected %s has %zu features.",
              strrchr(pointer, '/') + 1, bias->count, side, features);
    error_expected(error, "[1,1,%zu]", features);
    return error_received(error, "[1,1,%zu]", bias->count);
}

bool plan_assemble_keys(const struct call *call, const struct plan_side sides[3], struct plan *plan,
                        struct error *error) {
    const struct tensor *key = &call->past_key, *value = &call->past_value;
    if ((key->data == NULL) != (value->data == NULL)) {
        const char *absent = key->data == NULL ? "key" : "value", *other = key->data == NULL ? "value" : "key";
        return error_set(error, ERROR_MISSING_MEMBER, key->data == NULL ? "/past_key" : "/past_value",
                         "There is a past_%s but no past_%s: a cache has both, which are the present_key and "
                         "present_value of the call before.",
                         other, absent);
    }
    if (key->data != NULL) {
        size_t length = key->rank == 4 ? key->shape[2] : 0;
        if (!plan_assemble_cache(plan, key, "/past_key", length, plan->head_size, error) ||
            !plan_assemble_cache(plan, value, "/past_value", length, plan->value_size, error))
            return false;
        plan->past = length;
    }
    if (!plan_assemble_bias(&call->bias_key, "/projections/state_dict/bias_k", "key", plan->kv_heads * plan->head_size,
                            error) ||
        !plan_assemble_bias(&call->bias_value, "/projections/state_dict/bias_v", "value",
                            plan->kv_heads * plan->value_size, error))
        return false;
    plan->extra = (size_t)(call->bias_key.data != NULL) + (size_t)call->add_zero_attn;
    plan->masked_keys = plan->past + plan->fresh;
    plan->keys = plan->masked_keys + plan->extra;
    const struct tensor *positions = &call->rotary.positions;
    if (positions->data == NULL || plan->queries == plan->fresh)
        return true;
    error_set(error, ERROR_SHAPE_MISMATCH, "/rotary/positions",
              "rotary.positions are one for each new token, for query and key alike, but query has %zu and %s %zu: "
              "leave them out, and positions are counted.",
              plan->queries, sides[1].pointer + 1, plan->fresh);
    error_expected(error, "as many new keys as queries");
    return error_received(error, "%zu queries and %zu new keys", plan->queries, plan->fresh);
}

/* The positions asked for: [L] or [B,L]. */
static bool plan_assemble_given(const struct call *call, const struct plan *plan, const double *numbers,
                                struct assembly_rotary *rotary, struct error *error) {
    const struct tensor *given = &call->rotary.positions;
    size_t items = given->rank == 2 ? given->shape[0] : 1, length = given->shape[given->rank - 1];
    if (length != plan->queries || (given->rank == 2 && items != plan->batch)) {
        error_set(error, ERROR_SHAPE_MISMATCH, "/rotary/positions",
                  "rotary.positions has %zu positions in %zu %s, but there are %zu new tokens in %zu batch items: it "
                  "must be [%zu] or [%zu,%zu].",
                  length, items, items == 1 ? "list" : "lists", plan->queries, plan->batch, plan->queries, plan->batch,
                  plan->queries);
        error_expected(error, "[%zu] or [%zu,%zu]", plan->queries, plan->batch, plan->queries);
        return error_received(error, given->rank == 2 ? "[%zu,%zu]" : "[%zu]", given->shape[0], given->shape[1]);
    }
    rotary->positions = numbers;
    rotary->batch_stride = given->rank == 2 ? length : 0;
    return true;
}

/* Positions of a side in `numbers` [B, rows]: those given, or counted from the offset of the mask, which for new keys
 * is the length of the cache. */
static bool plan_assemble_positions(const struct call *call, const struct plan *plan, bool is_key, double *numbers,
                                    struct assembly_rotary *rotary, struct error *error) {
    const struct tensor *given = &call->rotary.positions;
    struct mask_axes axes = {plan->batch, plan->heads, plan->queries, plan->keys};
    size_t rows = is_key ? plan->fresh : plan->queries;
    for (size_t i = 0; i < given->count; i++)
        numbers[i] = ((const double *)given->data)[i];
    if (given->data != NULL)
        return plan_assemble_given(call, plan, numbers, rotary, error);
    for (size_t i = 0; i < plan->batch * rows; i++)
        numbers[i] = is_key ? (double)(plan->past + i % rows)
                            : (double)mask_diagonal(&plan->attention.mask, &axes, i / rows, i % rows);
    rotary->positions = numbers;
    rotary->batch_stride = rows;
    return true;
}

/* base^(−2i/dim) for the pairs of a head; with the largest |position| they must give angles. */
static bool plan_assemble_frequencies(const struct call *call, const struct plan *plan, struct arena *arena,
                                      struct assembly_rotary *rotary, struct error *error) {
    size_t dim = call->rotary.dim > 0 ? call->rotary.dim : plan->head_size;
    if (dim > plan->head_size) {
        error_set(
            error, ERROR_OUT_OF_RANGE, "/rotary/dim",
            "rotary.dim is %zu, but a head has %zu features: leave dim out to turn them all, or give an even number "
            "up to that.",
            dim, plan->head_size);
        error_expected(error, "an even number up to %zu", plan->head_size);
        return error_received(error, "%zu", dim);
    }
    if (dim % 2 != 0) {
        error_set(error, ERROR_SHAPE_MISMATCH, "/rotary", "rotary turns features in pairs, but a head has %zu: %s.",
                  dim,
                  dim == 1 ? "it needs 2 or more features a head"
                           : "say in rotary.dim how many of them turn, an even number");
        error_expected(error, dim == 1 ? "heads of 2 or more features" : "an even number of features a head");
        return error_received(error, "%zu", dim);
    }
    double *frequencies = arena_alloc(arena, dim / 2, sizeof *frequencies, error);
    if (frequencies == NULL)
        return false;
    rotary->pairs = dim / 2;
    rotary->interleaved = call->rotary.interleaved;
    rotary->frequencies = frequencies;
    for (size_t i = 0; i < dim / 2; i++)
        frequencies[i] = pow(call->rotary.base, -2 * (double)i / (double)dim);
    return true;
}

/* Whether every angle is a number: a base near 0 turns the last pairs without end. */
static bool plan_assemble_angles(const struct call *call, const struct assembly_rotary *rotary, size_t count,
                                 struct error *error) {
    double farthest = 0, fastest = fmax(rotary->frequencies[0], rotary->frequencies[rotary->pairs - 1]);
    for (size_t i = 0; i < count; i++)
        farthest = fmax(farthest, fabs(rotary->positions[i]));
    if (isfinite(farthest * fastest))
        return true;
    error_set(error, ERROR_OUT_OF_RANGE, "/rotary/base",
              "rotary.base %.9g and position %.9g give an angle beyond all numbers: use a larger base, such as 10000.",
              call->rotary.base, farthest);
    return error_received(error, "%.9g", call->rotary.base);
}

static bool plan_assemble_rotary(const struct call *call, struct arena *arena, struct plan *plan, struct error *error) {
    struct assembly_rotary frequencies = {0};
    if (!plan_assemble_frequencies(call, plan, arena, &frequencies, error))
        return false;
    for (size_t i = 0; i < 2; i++) {
        size_t given = call->rotary.positions.count, rows = i == 0 ? plan->queries : plan->fresh;
        size_t count = given > 0 ? given : plan->batch * rows;
        double *numbers = arena_alloc(arena, count, sizeof *numbers, error);
        struct assembly_rotary *rotary = &plan->assemblies[i].rotary;
        *rotary = frequencies;
        if (numbers == NULL || !plan_assemble_positions(call, plan, i == 1, numbers, rotary, error) ||
            !plan_assemble_angles(call, rotary, count, error))
            return false;
    }
    return true;
}

/* The rows behind those that a mask covers, as torch appends them: the bias, then zeros. */
static bool plan_assemble_extra(const struct tensor *bias, struct arena *arena, const struct plan *plan,
                                const struct view *fresh, struct view *extra, struct error *error) {
    if (plan->extra == 0)
        return true;
    size_t features = fresh->heads * fresh->cols, width = dtype_size(plan->dtype);
    char *rows = arena_alloc(arena, plan->extra * features, width, error);
    if (rows == NULL)
        return false;
    memset(rows, 0, plan->extra * features * width);
    if (bias->data != NULL)
        memcpy(rows, bias->data, features * width);
    *extra = *fresh;
    extra->data = rows;
    extra->rows = plan->extra;
    extra->batch_stride = 0;
    extra->head_stride = fresh->cols;
    extra->row_stride = features;
    return true;
}

/* A cache as it arrived, or no rows. */
static struct view plan_assemble_past(const struct tensor *past) {
    const size_t *shape = past->shape;
    if (past->data == NULL)
        return (struct view){0};
    return (struct view){.data = past->data,
                         .batch = shape[0],
                         .heads = shape[1],
                         .rows = shape[2],
                         .cols = shape[3],
                         .batch_stride = shape[1] * shape[2] * shape[3],
                         .head_stride = shape[2] * shape[3],
                         .row_stride = shape[3]};
}

/* The array that a side is put together in, in place of the one that attention would read. */
static bool plan_assemble_side(const struct plan *plan, struct arena *arena, struct assembly *assembly,
                               struct view *read, struct error *error) {
    struct view *all = &assembly->all;
    assembly->fresh = *all = *read;
    all->rows = assembly->past.rows + assembly->fresh.rows + assembly->extra.rows;
    all->row_stride = all->cols;
    all->head_stride = all->rows * all->cols;
    all->batch_stride = all->heads * all->head_stride;
    size_t count;
    if (__builtin_mul_overflow(all->batch * all->heads, all->head_stride, &count))
        return error_set(error, ERROR_TOO_MANY_ELEMENTS, "/past_key", "Cache and new keys together are too large.");
    all->data = arena_alloc(arena, count, dtype_size(plan->dtype), error);
    *read = *all;
    return all->data != NULL;
}

bool plan_assemble(const struct call *call, struct arena *arena, struct plan *plan, struct error *error) {
    struct view *views[] = {&plan->attention.query, &plan->attention.key, &plan->attention.value};
    const struct tensor *pasts[] = {NULL, &call->past_key, &call->past_value};
    const struct tensor *biases[] = {NULL, &call->bias_key, &call->bias_value};
    size_t flags = plan->batch * plan->kv_heads * plan->keys;
    if (plan->value.y != NULL) {
        plan->poisoned = arena_alloc(arena, flags, 1, error);
        if (plan->poisoned == NULL)
            return false;
        if (plan->keys > plan->fresh) /* what is cached or extra is finite; the flags of the rest are set with it */
            memset(plan->poisoned, 0, flags);
    }
    if (call->rotary.given && !plan_assemble_rotary(call, arena, plan, error))
        return false;
    for (size_t i = 0; i < 3; i++) {
        struct assembly *assembly = &plan->assemblies[i];
        if (i > 0) {
            assembly->past = plan_assemble_past(pasts[i]);
            if (!plan_assemble_extra(biases[i], arena, plan, views[i], &assembly->extra, error))
                return false;
        }
        bool needed = assembly->past.rows + assembly->extra.rows + assembly->rotary.pairs > 0;
        if (needed && !plan_assemble_side(plan, arena, assembly, views[i], error))
            return false;
    }
    return true;
}
