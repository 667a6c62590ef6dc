/* The tensors of an answer in order: one for each result, and for "projections" one for each weight and bias. */
#include "api/plan.h"

#include <string.h>

static void plan_tensors_add(struct plan *plan, struct plan_tensor tensor) {
    plan->tensors[plan->tensor_count++] = tensor;
}

/* A matrix or vector as nn.Linear keeps it, [out,in] or [out]. */
static void plan_tensors_learned(struct plan *plan, const char *map, const char *part, const struct tensor *from,
                                 bool transposed) {
    struct plan_tensor tensor = {
        .result = RESULT_PROJECTIONS, .map = map, .name = part, .from = from, .transposed = transposed};
    struct plan_result *shape = &tensor.shape;
    shape->rank = from->rank;
    memcpy(shape->shape, from->shape, from->rank * sizeof *shape->shape);
    if (transposed) {
        shape->shape[0] = from->shape[1];
        shape->shape[1] = from->shape[0];
    }
    shape->cols = shape->shape[shape->rank - 1];
    shape->rows = from->count / shape->cols;
    plan_tensors_add(plan, tensor);
}

static bool plan_tensors_projections(struct plan *plan, struct error *error) {
    static const char *const names[PLAN_LEARNED] = {"query", "key", "value", "output"};
    bool any = false;
    for (size_t i = 0; i < PLAN_LEARNED; i++) {
        const struct call_projection *map = plan->learned[i];
        if (map->weight.data == NULL)
            continue;
        any = true;
        plan_tensors_learned(plan, names[i], "weight", &map->weight, plan->call->layout == CALL_LAYOUT_IN_OUT);
        if (map->bias.data != NULL)
            plan_tensors_learned(plan, names[i], "bias", &map->bias, false);
    }
    return any || error_set(error, ERROR_MISSING_MEMBER, "/projections",
                            "return asks for projections, but the request has none: give \"projections\", or leave the "
                            "name out of \"return\".");
}

bool plan_tensors(struct plan *plan, struct error *error) {
    for (size_t i = 0; i < RESULT_COUNT; i++) {
        enum result result = (enum result)i;
        if (!plan->call->returns[result])
            continue;
        if (result != RESULT_PROJECTIONS)
            plan_tensors_add(plan, (struct plan_tensor){.result = result,
                                                        .name = call_result_name(result),
                                                        .shape = plan->results[result]});
        else if (!plan_tensors_projections(plan, error))
            return false;
    }
    return true;
}
