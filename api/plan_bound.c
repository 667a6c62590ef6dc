/* How large the numbers of an answer can be. Each returned tensor has a bound of its own, which must stay below the
 * largest number of the dtype written; what is computed on the way must stay below that of the dtype computed in. */
#include "api/plan.h"

#include <float.h>
#include <math.h>

/* Bounds of what attention reads, of its stages, and of the output. */
struct plan_bounds {
    struct attention_magnitudes inputs;
    struct attention_bounds stages;
    double gate;   /* the sums of the gate, before the sigmoid */
    double output; /* before the norm, where there is one */
    double normed;
};

/* The largest |number| of a tensor. */
static double plan_bound_tensor(const struct plan *plan, const struct tensor *tensor) {
    return tensor->data == NULL ? 0 : rows_magnitude(plan->dtype, tensor->data, tensor->count);
}

/* The largest |x·W + b| that any x of that magnitude can give. */
static double plan_bound_mapped(const struct plan *plan, const struct call_projection *map, size_t in, double x) {
    if (map->weight.data == NULL)
        return x;
    if (map->bound > 0)
        return ((double)in * x + 1) * map->bound;
    return (double)in * x * plan_bound_tensor(plan, &map->weight) + plan_bound_tensor(plan, &map->bias);
}

/* The largest |number| of what a side's tensors hold: query, key and value are often one. */
static void plan_bound_sides(const struct plan *plan, const struct plan_side sides[3], double magnitudes[3]) {
    for (size_t i = 0; i < 3; i++) {
        size_t same = 0;
        while (sides[same].tensor != sides[i].tensor)
            same++;
        magnitudes[i] = same < i ? magnitudes[same] : plan_bound_tensor(plan, sides[i].tensor);
    }
}

static struct plan_bounds plan_bounds(const struct call *call, const struct plan_side sides[3],
                                      const struct plan *plan) {
    struct plan_bounds bounds = {0};
    double given[3], turn = call->rotary.given ? M_SQRT2 : 1; /* of two features, one can be turned into the other */
    plan_bound_sides(plan, sides, given);
    double mapped[3];
    for (size_t i = 0; i < 3; i++)
        mapped[i] = plan_bound_mapped(plan, plan->learned[i], sides[i].cols, given[i]);
    /* Beside what is mapped there are the cached rows and the extra one. */
    double keys = fmax(plan_bound_tensor(plan, &call->past_key), plan_bound_tensor(plan, &call->bias_key));
    double values = fmax(plan_bound_tensor(plan, &call->past_value), plan_bound_tensor(plan, &call->bias_value));
    bounds.inputs = (struct attention_magnitudes){
        .query = turn * mapped[0], .key = turn * fmax(mapped[1], keys), .value = fmax(mapped[2], values)};
    bounds.stages = attention_bound(&plan->attention, &bounds.inputs);

    if (plan->has_gate) /* which makes outputs smaller; its own sums must not overflow */
        bounds.gate = plan_bound_mapped(plan, &call->gate, sides[0].cols, given[0]);
    bounds.output = plan_bound_mapped(plan, plan->learned[3], plan->heads * plan->value_size, bounds.stages.heads);
    bounds.normed = bounds.output;
    if (plan->has_norm) { /* the normed row is at most √cols from 0; its variance squares x + output in double */
        double sum = bounds.output + given[0], cols = (double)plan->output_size;
        bounds.normed =
            sqrt(cols) * (call->norm_weight.data == NULL ? 1 : plan_bound_tensor(plan, &call->norm_weight)) +
            plan_bound_tensor(plan, &call->norm_bias);
        bounds.output = sum * sum * cols < DBL_MAX / 4 ? sum : INFINITY;
    }
    return bounds;
}

/* Of a weight or bias: the numbers of one that is still to be drawn are not there yet. */
static double plan_bound_learned(const struct plan *plan, const struct tensor *tensor) {
    for (size_t i = 0; i < plan->draw_count; i++)
        if (plan->draws[i].numbers == tensor->data)
            return plan->draws[i].bound;
    return plan_bound_tensor(plan, tensor);
}

/* Of one tensor of the answer. */
static double plan_bound_result(const struct plan *plan, const struct plan_tensor *tensor,
                                const struct plan_bounds *bounds) {
    switch (tensor->result) {
    case RESULT_QUERY:
        return bounds->inputs.query;
    case RESULT_KEY:
    case RESULT_PRESENT_KEY:
        return bounds->inputs.key;
    case RESULT_VALUE:
    case RESULT_PRESENT_VALUE:
        return bounds->inputs.value;
    case RESULT_SCORES:
        return bounds->stages.scores;
    case RESULT_CAPPED:
        return bounds->stages.capped;
    case RESULT_MASKED:
        return bounds->stages.masked;
    case RESULT_WEIGHTS:
        return bounds->stages.weights;
    case RESULT_LSE:
        return bounds->stages.lse;
    case RESULT_HEADS:
        return bounds->stages.heads;
    case RESULT_PROJECTIONS:
        return plan_bound_learned(plan, tensor->from);
    case RESULT_OUTPUT:
        return bounds->normed;
    case RESULT_COUNT:
        break;
    }
    return INFINITY;
}

bool plan_bound_holds(const struct call *call, const struct plan_side sides[3], const struct plan *plan) {
    struct plan_bounds bounds = plan_bounds(call, sides, plan);
    double computed = dtype_max(plan->dtype) / 4, written = dtype_max(call->written) / 4; /* far above any rounding */
    bool needs_heads = plan->attention.heads.data != NULL;
    const double on_the_way[] = {bounds.inputs.query, bounds.inputs.key,
                                 bounds.inputs.value, bounds.stages.masked,
                                 bounds.stages.lse,   needs_heads ? bounds.stages.heads : 0,
                                 bounds.gate,         call->returns[RESULT_OUTPUT] ? bounds.output : 0};
    for (size_t i = 0; i < sizeof on_the_way / sizeof *on_the_way; i++)
        if (!(on_the_way[i] < computed))
            return false;
    for (size_t i = 0; i < plan->tensor_count; i++)
        if (!(plan_bound_result(plan, &plan->tensors[i], &bounds) < written))
            return false;
    return true;
}
