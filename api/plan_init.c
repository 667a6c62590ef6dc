/* The learned maps of a plan: those of the call, or, with projections.init, tensors that the job's first phases draw.
 */
#include "api/plan.h"

/* One nn.Linear(in, out): room for its numbers, and the order to draw them. */
static bool plan_init_layer(const struct limits *limits, const struct call *call, size_t in, size_t out,
                            struct arena *arena, struct plan *plan, struct call_projection *layer,
                            struct error *error) {
    size_t count;
    if (__builtin_mul_overflow(in, out, &count) || count > limits->elements) {
        const char *pointer = call->init_features != 0 ? "/projections/features" : "/projections/init";
        error_set(error, ERROR_TOO_MANY_ELEMENTS, pointer,
                  "projections.init asks for a weight of %zu·%zu numbers, but a tensor has at most %zu: ask for fewer "
                  "features.",
                  out, in, limits->elements);
        error_expected(error, "at most %zu numbers", limits->elements);
        return error_received(error, "%zu·%zu numbers", out, in);
    }
    layer->weight = (struct tensor){.rank = 2, .shape = {out, in}, .count = count};
    layer->bias = (struct tensor){.rank = 1, .shape = {out}, .count = out};
    layer->weight_pointer = layer->bias_pointer = "/projections/features";
    struct tensor *tensors[] = {&layer->weight, &layer->bias};
    const double bounds[] = {torch_linear_weight_bound(in), torch_linear_bias_bound(in)};
    for (size_t i = 0; i < (call->init_bias ? 2 : 1); i++) {
        tensors[i]->data = arena_alloc(arena, tensors[i]->count, dtype_size(call->dtype), error);
        if (tensors[i]->data == NULL)
            return false;
        plan->draws[plan->draw_count++] =
            (struct plan_draw){.numbers = tensors[i]->data, .count = tensors[i]->count, .bound = bounds[i]};
        if (bounds[i] > layer->bound)
            layer->bound = bounds[i];
    }
    return true;
}

bool plan_init(const struct limits *limits, const struct call *call, const struct plan_side sides[3],
               struct arena *arena, struct plan *plan, struct error *error) {
    const struct call_projection *given[] = {&call->projection_query, &call->projection_key, &call->projection_value,
                                             &call->projection_output};
    for (size_t i = 0; i < PLAN_LEARNED; i++)
        plan->learned[i] = given[i];
    if (!call->has_init || plan->is_split) /* which plan_maps() refuses */
        return true;
    plan->generator = arena_alloc(arena, 1, sizeof *plan->generator, error);
    struct call_projection *layers = arena_alloc(arena, PLAN_LEARNED, sizeof *layers, error);
    if (plan->generator == NULL || layers == NULL)
        return false;
    torch_linear_seed(plan->generator, call->seed);
    size_t features = call->init_features != 0 ? call->init_features : sides[0].cols;
    for (size_t i = 0; i < (call->init_output ? PLAN_LEARNED : PLAN_LEARNED - 1); i++) {
        size_t in = i < 3 ? sides[i].cols : features;
        layers[i] = (struct call_projection){0};
        plan->learned[i] = &layers[i];
        if (!plan_init_layer(limits, call, in, features, arena, plan, &layers[i], error))
            return false;
    }
    return true;
}
