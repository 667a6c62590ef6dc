/* Heads and projections: how the features of query, key and value become heads, and heads an output. */
#include "api/plan.h"

#include <stdio.h>

static const char *const plan_maps_names[] = {"query", "key", "value"};

/* The heads of both sides. */
static bool plan_maps_heads(const struct call *call, const struct plan_side sides[3], struct plan *plan,
                            struct error *error) {
    plan->heads = plan->is_split ? sides[0].heads : call->num_heads != 0 ? call->num_heads : 1;
    plan->kv_heads = plan->is_split ? sides[1].heads : call->num_kv_heads != 0 ? call->num_kv_heads : plan->heads;
    plan->has_heads = plan->is_split || call->num_heads != 0;
    if (plan->is_split && call->num_heads != 0 && call->num_heads != plan->heads) {
        error_set(error, ERROR_SHAPE_MISMATCH, "/num_heads",
                  "num_heads is %zu, but %s is already split into %zu heads: leave num_heads out, or say %zu.",
                  call->num_heads, sides[0].pointer + 1, plan->heads, plan->heads);
        error_expected(error, "%zu", plan->heads);
        return error_received(error, "%zu", call->num_heads);
    }
    if (plan->is_split && call->num_kv_heads != 0 && call->num_kv_heads != plan->kv_heads) {
        error_set(error, ERROR_SHAPE_MISMATCH, "/num_kv_heads", "num_kv_heads is %zu, but %s has %zu heads.",
                  call->num_kv_heads, sides[1].pointer + 1, plan->kv_heads);
        error_expected(error, "%zu", plan->kv_heads);
        return error_received(error, "%zu", call->num_kv_heads);
    }
    if (plan->heads % plan->kv_heads != 0) {
        const char *pointer = call->num_kv_heads != 0 ? "/num_kv_heads" : sides[1].pointer;
        error_set(error, ERROR_SHAPE_MISMATCH, pointer,
                  "%zu query heads cannot share %zu key/value heads: the first must be a multiple of the second.",
                  plan->heads, plan->kv_heads);
        error_expected(error, "a divisor of %zu", plan->heads);
        return error_received(error, "%zu", plan->kv_heads);
    }
    if (call->has_state_dict && plan->kv_heads != plan->heads)
        return error_set(error, ERROR_CONFLICT, "/num_kv_heads",
                         "torch.nn.MultiheadAttention has as many key as query heads: leave num_kv_heads out, or give "
                         "the maps apart.");
    if (call->has_init && plan->kv_heads != plan->heads)
        return error_set(error, ERROR_CONFLICT, "/num_kv_heads",
                         "projections.init gives the keys as many features as the query, in as many heads: leave "
                         "num_kv_heads out, or give the maps apart.");
    const char *unsplit = call->has_projections            ? "/projections"
                          : call->gate.weight.data != NULL ? "/gate"
                          : call->add_norm                 ? "/add_norm"
                                                           : NULL;
    if (plan->is_split && unsplit != NULL)
        return error_set(error, ERROR_CONFLICT, unsplit,
                         "%s has 4 axes, [B,H,L,D], already split into heads, and takes no %s: give [B,L,E] instead.",
                         sides[0].pointer + 1, unsplit + 1);
    return true;
}

static struct projection plan_maps_projection(const struct call_projection *from, enum call_layout layout) {
    const struct tensor *weight = &from->weight;
    struct view view = {.data = weight->data,
                        .batch = 1,
                        .heads = 1,
                        .rows = weight->shape[0],
                        .cols = weight->shape[1],
                        .row_stride = weight->shape[1]};
    return (struct projection){.weight = view, .bias = from->bias.data, .transposed = layout == CALL_LAYOUT_OUT_IN};
}

static bool plan_maps_weight_error(const struct call_projection *from, const struct projection *projection, size_t in,
                                   const char *of, struct error *error) {
    bool turned = projection_out(projection) == in, linear = projection->transposed;
    size_t rows = from->weight.shape[0] * (from->is_packed ? 3 : 1), cols = from->weight.shape[1];
    char mend[80] = "";
    if (from->is_packed)
        snprintf(mend, sizeof mend, ": a module of %zu features has [%zu,%zu] there", in, 3 * in, in);
    else if (turned)
        snprintf(mend, sizeof mend, ": say \"layout\": \"%s\"", linear ? "in_out" : "out_in");
    error_set(error, ERROR_SHAPE_MISMATCH, from->weight_pointer,
              "%s has shape [%zu,%zu] and takes %zu features in layout \"%s\", but %s has %zu%s.",
              from->weight_pointer + 1, rows, cols, projection_in(projection), linear ? "out_in" : "in_out", of, in,
              mend);
    if (from->is_packed)
        error_expected(error, "[%zu,%zu]", 3 * in, in);
    else
        error_expected(error, linear ? "[*,%zu]" : "[%zu,*]", in);
    return error_received(error, "[%zu,%zu]", rows, cols);
}

/* A weight takes `in` features and its bias has as many numbers as the weight gives. */
static bool plan_maps_fits(const struct call_projection *from, const struct projection *projection, size_t in,
                           const char *of, struct error *error) {
    size_t out = projection_out(projection);
    if (projection_in(projection) != in)
        return plan_maps_weight_error(from, projection, in, of, error);
    if (from->bias.data != NULL && from->bias.count != out) {
        error_set(error, ERROR_SHAPE_MISMATCH, from->bias_pointer,
                  "%s has %zu numbers, but the weight gives %zu features.", from->bias_pointer + 1, from->bias.count,
                  out);
        error_expected(error, "%zu numbers", out);
        return error_received(error, "%zu numbers", from->bias.count);
    }
    return true;
}

/* One side through its map, or as it is: the array that is split into heads and its features in all. */
static bool plan_maps_side(const struct call *call, const struct call_projection *from, size_t index,
                           const struct plan_side *side, struct arena *arena, struct plan_map *map, void **data,
                           size_t *features, struct error *error) {
    *data = side->tensor->data;
    *features = side->cols;
    if (from->weight.data == NULL)
        return true;
    map->projection = plan_maps_projection(from, call->layout);
    if (!plan_maps_fits(from, &map->projection, side->cols, side->pointer + 1, error))
        return false;
    map->x = side->tensor->data;
    map->rows = side->batch * side->rows;
    map->in = side->cols;
    map->out = projection_out(&map->projection);
    size_t count;
    if (__builtin_mul_overflow(map->rows, map->out, &count))
        return error_set(error, ERROR_TOO_MANY_ELEMENTS, "/projections", "The projected %s is too large.",
                         plan_maps_names[index]);
    map->y = *data = arena_alloc(arena, count, dtype_size(call->dtype), error);
    *features = map->out;
    return map->y != NULL;
}

/* `features` numbers a row as `heads` heads. */
static bool plan_maps_split(const struct plan_side *side, const struct plan_map *map, size_t index, void *data,
                            size_t features, size_t heads, struct view *view, struct error *error) {
    *view = (struct view){.data = data, .batch = side->batch, .heads = heads, .rows = side->rows};
    if (side->tensor->rank == 4) {
        view->cols = view->row_stride = side->cols;
        view->head_stride = side->rows * side->cols;
        view->batch_stride = heads * view->head_stride;
        return true;
    }
    if (features % heads != 0) {
        bool mapped = map->y != NULL;
        error_set(error, ERROR_SHAPE_MISMATCH,
                  index == 0 ? "/num_heads"
                  : mapped   ? "/projections"
                             : side->pointer,
                  "%zu %s cannot share the %zu features of %s%s: %zu is no multiple of %zu.", heads,
                  index == 0 ? "heads" : "key/value heads", features, mapped ? "the projected " : "",
                  mapped ? plan_maps_names[index] : side->pointer + 1, features, heads);
        error_expected(error, index == 0 ? "a divisor of %zu" : "a multiple of %zu", index == 0 ? features : heads);
        return error_received(error, "%zu", index == 0 ? heads : features);
    }
    view->cols = view->head_stride = features / heads;
    view->row_stride = features;
    view->batch_stride = side->rows * features;
    return true;
}

/* Query and key heads must be equally wide. */
static bool plan_maps_widths(const struct plan_side sides[3], const struct plan *plan, struct error *error) {
    size_t query = plan->attention.query.cols, key = plan->attention.key.cols;
    if (query == key)
        return true;
    bool mapped = plan->query.y != NULL || plan->key.y != NULL;
    if (plan->heads == plan->kv_heads && plan->heads == 1 && !mapped) {
        error_set(error, ERROR_SHAPE_MISMATCH, sides[1].pointer,
                  "%s has %zu features, but query has %zu: query · key needs equally many; make them equal, or give "
                  "projections.",
                  sides[1].pointer + 1, key, query);
    } else {
        error_set(error, ERROR_SHAPE_MISMATCH, mapped ? "/projections" : sides[1].pointer,
                  "The key heads are %zu wide (%zu features in %zu heads), but the query heads %zu (%zu in %zu): make "
                  "them equal.",
                  key, key * plan->kv_heads, plan->kv_heads, query, query * plan->heads, plan->heads);
    }
    error_expected(error, "%zu features", query * plan->kv_heads);
    return error_received(error, "%zu features", key * plan->kv_heads);
}

/* Where the heads' outputs go: side by side in the columns of a row, or, split, one after the other. */
static bool plan_maps_merge(const struct call *call, struct arena *arena, struct plan *plan, struct error *error) {
    struct view *heads = &plan->attention.heads;
    size_t rows = 0, count = 0;
    *heads = (struct view){.batch = plan->batch, .heads = plan->heads, .rows = plan->queries, .cols = plan->value_size};
    heads->head_stride = plan->is_split ? plan->queries * plan->value_size : plan->value_size;
    heads->row_stride = plan->is_split ? plan->value_size : plan->heads * plan->value_size;
    heads->batch_stride = plan->heads * plan->queries * plan->value_size;
    if (!call->returns[RESULT_HEADS] && !call->returns[RESULT_OUTPUT])
        return true;
    bool overflows = __builtin_mul_overflow(plan->batch * plan->queries, plan->heads, &rows) ||
                     __builtin_mul_overflow(rows, plan->value_size, &count);
    if (overflows)
        return error_set(error, ERROR_TOO_MANY_ELEMENTS, NULL, "The output is too large.");
    plan->merged = heads->data = arena_alloc(arena, count, dtype_size(call->dtype), error);
    return heads->data != NULL;
}

/* The gate takes the query side as it came and gives a factor for each merged feature. */
static bool plan_maps_gate(const struct call *call, const struct plan_side sides[3], struct plan *plan,
                           struct error *error) {
    const struct call_projection *from = &call->gate;
    size_t merged = plan->heads * plan->value_size;
    if (from->weight.data == NULL)
        return true;
    plan->gate = plan_maps_projection(from, CALL_LAYOUT_IN_OUT);
    if (projection_in(&plan->gate) != sides[0].cols || projection_out(&plan->gate) != merged) {
        error_set(error, ERROR_SHAPE_MISMATCH, from->weight_pointer,
                  "gate/weight has shape [%zu,%zu], but %s has %zu features and the merged heads have %zu: it must be "
                  "[%zu,%zu].",
                  from->weight.shape[0], from->weight.shape[1], sides[0].pointer + 1, sides[0].cols, merged,
                  sides[0].cols, merged);
        error_expected(error, "[%zu,%zu]", sides[0].cols, merged);
        return error_received(error, "[%zu,%zu]", from->weight.shape[0], from->weight.shape[1]);
    }
    plan->has_gate = true;
    plan->gate_input = sides[0].given;
    return plan_maps_fits(from, &plan->gate, sides[0].cols, sides[0].pointer + 1, error);
}

/* The output projection and add_norm. */
static bool plan_maps_output(const struct call *call, const struct plan_side sides[3], struct plan *plan,
                             struct error *error) {
    plan->output_size = plan->is_split ? plan->value_size : plan->heads * plan->value_size;
    const struct call_projection *from = plan->learned[3];
    if (from->weight.data != NULL) {
        plan->has_output_map = true;
        plan->output_map = plan_maps_projection(from, call->layout);
        if (!plan_maps_fits(from, &plan->output_map, plan->output_size, "the row of merged heads", error))
            return false;
        plan->output_size = projection_out(&plan->output_map);
    }
    if (!call->add_norm)
        return true;
    if (sides[0].cols != plan->output_size) {
        error_set(error, ERROR_SHAPE_MISMATCH, "/add_norm",
                  "add_norm adds %s of %zu features to an output of %zu: they must be equal; projections.output can "
                  "make them so.",
                  sides[0].pointer + 1, sides[0].cols, plan->output_size);
        error_expected(error, "%zu features", sides[0].cols);
        return error_received(error, "%zu features", plan->output_size);
    }
    const struct tensor *vectors[] = {&call->norm_weight, &call->norm_bias};
    for (size_t i = 0; i < 2; i++)
        if (vectors[i]->data != NULL && (vectors[i]->rank != 1 || vectors[i]->count != plan->output_size)) {
            const char *name = i == 0 ? "weight" : "bias";
            error_set(error, ERROR_SHAPE_MISMATCH, i == 0 ? "/add_norm/weight" : "/add_norm/bias",
                      "add_norm.%s has %zu numbers on %zu axes; the output has %zu features.", name, vectors[i]->count,
                      vectors[i]->rank, plan->output_size);
            error_expected(error, "[%zu]", plan->output_size);
            return error_received(error, "%zu numbers", vectors[i]->count);
        }
    plan->has_norm = true;
    plan->norm =
        (struct rows_norm){.epsilon = call->epsilon, .weight = call->norm_weight.data, .bias = call->norm_bias.data};
    plan->norm_input = sides[0].given;
    return true;
}

bool plan_maps(const struct call *call, const struct plan_side sides[3], struct arena *arena, struct plan *plan,
               struct error *error) {
    if (!plan_maps_heads(call, sides, plan, error))
        return false;
    struct plan_map *maps[] = {&plan->query, &plan->key, &plan->value};
    struct view *views[] = {&plan->attention.query, &plan->attention.key, &plan->attention.value};
    for (size_t i = 0; i < 3; i++) {
        void *data;
        size_t features;
        if (!plan_maps_side(call, plan->learned[i], i, &sides[i], arena, maps[i], &data, &features, error) ||
            !plan_maps_split(&sides[i], maps[i], i, data, features, i == 0 ? plan->heads : plan->kv_heads, views[i],
                             error))
            return false;
    }
    if (!plan_maps_widths(sides, plan, error))
        return false;
    plan->head_size = plan->attention.query.cols;
    plan->value_size = plan->attention.value.cols;
    return plan_maps_merge(call, arena, plan, error) && plan_maps_gate(call, sides, plan, error) &&
           plan_maps_output(call, sides, plan, error);
}
