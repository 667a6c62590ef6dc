/* Fits softcap, alibi and sinks to the heads, and makes room for lse. */
#include "api/plan.h"

#include <math.h>

/* [H] numbers in double. NULL: they are not as many as the heads, or there is no memory. */
static const double *plan_scores_heads(const struct plan *plan, const struct tensor *tensor, const char *pointer,
                                       struct arena *arena, struct error *error) {
    if (tensor->rank != 1 || tensor->count != plan->heads) {
        error_set(error, tensor->rank == 1 ? ERROR_SHAPE_MISMATCH : ERROR_WRONG_RANK, pointer,
                  "%s has %zu numbers on %zu %s, but there are %zu heads: give an array of %zu, one for each head%s.",
                  pointer + 1, tensor->count, tensor->rank, tensor->rank == 1 ? "axis" : "axes", plan->heads,
                  plan->heads, plan->has_heads ? "" : " (num_heads is not given)");
        error_expected(error, "[%zu]", plan->heads);
        error_received(error, "%zu numbers", tensor->count);
        return NULL;
    }
    double *numbers = arena_alloc(arena, plan->heads, sizeof *numbers, error);
    for (size_t head = 0; numbers != NULL && head < plan->heads; head++)
        numbers[head] = plan->dtype == DTYPE_FLOAT32 ? (double)((const float *)tensor->data)[head]
                                                     : ((const double *)tensor->data)[head];
    return numbers;
}

/* The slopes of Press et al., "Train Short, Test Long", 2022, section 3 and their published code: for n heads, a power
 * of two, a geometric sequence that ends at 2⁻⁸; heads beyond n take every other slope of the sequence for 2n. */
static const double *plan_scores_slopes(const struct plan *plan, struct arena *arena, struct error *error) {
    double *slopes = arena_alloc(arena, plan->heads, sizeof *slopes, error);
    size_t power = 1;
    while (power <= plan->heads / 2)
        power *= 2;
    for (size_t head = 0; slopes != NULL && head < plan->heads; head++)
        slopes[head] = head < power ? exp2(-8 * (double)(head + 1) / (double)power)
                                    : exp2(-4 * (double)(2 * (head - power) + 1) / (double)power);
    return slopes;
}

static bool plan_scores_alibi(const struct call *call, struct arena *arena, struct plan *plan, struct error *error) {
    struct mask *mask = &plan->attention.mask;
    if (!call->alibi)
        return true;
    const double *slopes = call->slopes.data == NULL ? plan_scores_slopes(plan, arena, error)
                                                     : plan_scores_heads(plan, &call->slopes, "/alibi", arena, error);
    mask->parts[mask->count++] = (struct mask_part){.kind = MASK_ALIBI, .pointer = "/alibi", .slopes = slopes};
    return slopes != NULL;
}

bool plan_scores(const struct call *call, struct arena *arena, struct plan *plan, struct error *error) {
    struct attention *attention = &plan->attention;
    attention->scale = call->has_scale ? call->scale : 1 / sqrt((double)plan->head_size);
    attention->softcap = call->softcap;
    attention->normalize = call->normalize;
    if (!plan_scores_alibi(call, arena, plan, error))
        return false;
    if (call->sinks.data != NULL) {
        attention->sinks = plan_scores_heads(plan, &call->sinks, "/sinks", arena, error);
        if (attention->sinks == NULL)
            return false;
    }
    if (!call->returns[RESULT_LSE])
        return true;
    attention->lse = arena_alloc(arena, plan->batch * plan->heads * plan->queries, dtype_size(plan->dtype), error);
    return attention->lse != NULL;
}
