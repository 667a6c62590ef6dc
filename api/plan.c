/* From a call to a computation: see plan.h. */
#include "api/plan.h"

#include "core/fully_masked.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>

/* Labels and positions must be equally many. `cached`: so many more may be labelled too, in front. */
static bool plan_labels_fit(const struct labels *labels, const char *pointer, size_t batch, size_t length,
                            size_t cached, const char *what, struct error *error) {
    if (!labels->given)
        return true;
    if (labels->per_item && labels->lists != batch) {
        error_set(error, ERROR_SHAPE_MISMATCH, pointer, "%s has %zu lists, but there are %zu batch items.", pointer + 1,
                  labels->lists, batch);
        error_expected(error, "%zu lists", batch);
        return error_received(error, "%zu lists", labels->lists);
    }
    if (labels->length != length && labels->length != length + cached) {
        char either[64] = "";
        if (cached > 0)
            snprintf(either, sizeof either, ", or %zu with the cached", length + cached);
        error_set(error, ERROR_SHAPE_MISMATCH, pointer, "%s has %zu labels, but there are %zu %s%s%s.", pointer + 1,
                  labels->length, length, what, either,
                  pointer[1] == 't' ? "; where queries and keys differ, give query_tokens and key_tokens" : "");
        error_expected(error, cached > 0 ? "%zu or %zu labels" : "%zu labels", length, length + cached);
        return error_received(error, "%zu labels", labels->length);
    }
    return true;
}

static bool plan_labels(const struct call *call, const struct plan *plan, struct error *error) {
    const char *keys = plan->past > 0 ? "new keys" : "keys";
    return plan_labels_fit(&call->tokens, "/tokens", plan->batch, plan->queries, 0, "queries", error) &&
           plan_labels_fit(&call->tokens, "/tokens", plan->batch, plan->fresh, plan->past, keys, error) &&
           plan_labels_fit(&call->query_tokens, "/query_tokens", plan->batch, plan->queries, 0, "queries", error) &&
           plan_labels_fit(&call->key_tokens, "/key_tokens", plan->batch, plan->fresh, plan->past, keys, error);
}

size_t plan_passes(const struct plan *plan) {
    const bool *returns = plan->call->returns;
    bool attends = returns[RESULT_WEIGHTS] || returns[RESULT_LSE] || returns[RESULT_HEADS] || returns[RESULT_OUTPUT];
    return (size_t)returns[RESULT_SCORES] + returns[RESULT_CAPPED] + returns[RESULT_MASKED] + attends;
}

double plan_products(const struct plan *plan) {
    double values = plan->attention.heads.data != NULL ? (double)plan->value_size : 0;
    return (double)plan->batch * (double)plan->heads * (double)plan->queries * (double)plan->keys *
           ((double)plan_passes(plan) * (double)plan->head_size + values);
}

static bool plan_work(const struct limits *limits, const struct plan *plan, struct error *error) {
    double work = plan_products(plan);
    const struct plan_map *maps[] = {&plan->query, &plan->key, &plan->value};
    for (size_t i = 0; i < 3; i++)
        work += (double)maps[i]->rows * (double)maps[i]->in * (double)maps[i]->out;
    if (plan->has_gate && plan->call->returns[RESULT_OUTPUT])
        work += (double)plan->batch * (double)plan->queries * (double)projection_in(&plan->gate) *
                (double)projection_out(&plan->gate);
    if (plan->has_output_map && plan->call->returns[RESULT_OUTPUT])
        work += (double)plan->batch * (double)plan->queries * (double)projection_in(&plan->output_map) *
                (double)plan->output_size;
    if (work <= (double)limits->work)
        return true;
    error_set(error, ERROR_TOO_MUCH_WORK, NULL,
              "The request takes %.0f multiplications (B·H·L·S·(n·D+Dv) = %zu·%zu·%zu·%zu·(%zu·%zu+%zu), n being the "
              "returned of scores, capped, masked and one more for weights or outputs, and the projections), but the "
              "limit is %llu: send it in smaller pieces.",
              work, plan->batch, plan->heads, plan->queries, plan->keys, plan_passes(plan), plan->head_size,
              plan->attention.heads.data != NULL ? plan->value_size : 0, (unsigned long long)limits->work);
    error_expected(error, "at most %llu", (unsigned long long)limits->work);
    return error_received(error, "%.0f", work);
}

struct encode plan_encode(const struct plan *plan, const struct plan_tensor *tensor) {
    const struct plan_result *shape = &tensor->shape;
    enum result result = tensor->result;
    struct encode encode = {.dtype = plan->dtype,
                            .written = plan->call->written,
                            .b64 = plan->call->b64,
                            .decimals = plan->call->decimals,
                            .at_most_one = result == RESULT_WEIGHTS && plan->call->normalize == ATTENTION_SOFTMAX,
                            .null_minus_inf = result == RESULT_MASKED || result == RESULT_LSE,
                            .rank = shape->rank};
    for (size_t axis = 0; axis < shape->rank; axis++)
        encode.shape[axis] = shape->shape[axis];
    encode.rows = shape->rows * shape->cols / encode_cols(&encode);
    return encode;
}

static bool plan_answer_size(const struct limits *limits, const struct plan *plan, struct error *error) {
    double size = 0;
    for (size_t i = 0; i < plan->tensor_count; i++) {
        struct encode encode = plan_encode(plan, &plan->tensors[i]);
        double opening = (double)encode_size(&encode, 0), row = (double)encode_size(&encode, 1) - opening;
        size += opening + row * (double)encode.rows;
    }
    if (limits->answer_bytes == 0 || size <= (double)limits->answer_bytes)
        return true;
    error_set(error, ERROR_ANSWER_TOO_LARGE, "/return",
              "The answer could take %.0f bytes, but the limit is %llu: return fewer results, or ask for "
              "\"encoding\": \"b64\".",
              size, (unsigned long long)limits->answer_bytes);
    error_expected(error, "at most %llu bytes", (unsigned long long)limits->answer_bytes);
    return error_received(error, "%.0f bytes", size);
}

/* Looks at rows and keys that a network thread has time for. */
static const double plan_brief_looks = 5e5;

/* Rows without an allowed key: listed in the answer, or refused. */
static bool plan_fully_masked(const struct limits *limits, const struct call *call, const struct arena *arena,
                              struct plan *plan, struct error *error) {
    if (limits->is_brief && fully_masked_looks(&plan->attention) > plan_brief_looks)
        return error_set(error, ERROR_DEFERRED, NULL, "Looking for queries without keys takes long.");
    struct fully_masked found = {.indices = plan->fully_masked, .limit = PLAN_FULLY_MASKED_MAX};
    if (!fully_masked_find(&plan->attention, arena->cancelled, &found))
        return error_set(error, ERROR_CANCELLED, NULL, "The request was cancelled.");
    plan->fully_masked_count = found.count;
    if (call->fully_masked != CALL_FULLY_MASKED_ERROR || found.first_unpadded == SIZE_MAX)
        return true;
    size_t row = found.first_unpadded % plan->queries, head = found.first_unpadded / plan->queries % plan->heads;
    size_t batch = found.first_unpadded / plan->queries / plan->heads;
    return error_set(error, ERROR_FULLY_MASKED, call->has_mask || call->pad_token == NULL ? "/mask" : "/pad_token",
                     "Query %zu (batch item %zu, head %zu) has no key to attend to, and fully_masked is \"error\": "
                     "allow it a key, mark it in mask.query_padding, or ask for \"zero\" or \"uniform\".",
                     row, batch, head);
}

/* Rows that are learned maps' inputs or outputs must be such as BLAS, which counts in int, can address. */
static bool plan_widths(const struct plan *plan, struct error *error) {
    const struct {
        const char *pointer;
        size_t in, out;
    } maps[] = {
        {"/projections/query", plan->query.in, plan->query.out},
        {"/projections/key", plan->key.in, plan->key.out},
        {"/projections/value", plan->value.in, plan->value.out},
        {"/gate", plan->has_gate ? projection_in(&plan->gate) : 0, plan->has_gate ? projection_out(&plan->gate) : 0},
        {"/projections/output", plan->has_output_map ? projection_in(&plan->output_map) : 0,
         plan->has_output_map ? projection_out(&plan->output_map) : 0}};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (maps[i].in > INT_MAX || maps[i].out > INT_MAX) {
            error_set(error, ERROR_TOO_MANY_ELEMENTS, maps[i].pointer,
                      "%s maps rows of %zu numbers to rows of %zu, but a row has at most %d: give fewer features.",
                      maps[i].pointer + 1, maps[i].in, maps[i].out, INT_MAX);
            return error_expected(error, "at most %d numbers in a row", INT_MAX);
        }
    return true;
}

static bool plan_attention(const struct limits *limits, const struct route *route, const struct call *call,
                           struct arena *arena, struct plan *plan, struct error *error) {
    bool may_be_split = call->axes_count == 0 && (call->query.rank == 4 || call->inputs.rank == 4);
    if (route->needs_num_heads && call->num_heads == 0 && !may_be_split) {
        error_set(error, ERROR_MISSING_MEMBER, "/num_heads",
                  "%s needs \"num_heads\", such as 2: into how many heads the features are split.", route->path);
        return error_expected(error, "\"num_heads\": a whole number");
    }
    struct plan_side sides[3];
    if (!plan_sides(route, call, arena, plan, sides, error) || !plan_init(limits, call, sides, arena, plan, error) ||
        !plan_maps(call, sides, arena, plan, error) || !plan_widths(plan, error) ||
        !plan_assemble_keys(call, sides, plan, error) || !plan_labels(call, plan, error) ||
        !plan_mask(call, arena, plan, error) || !plan_scores(call, arena, plan, error) ||
        !plan_assemble(call, arena, plan, error))
        return false;
    struct attention *attention = &plan->attention;
    attention->dtype = plan->dtype;
    attention->empty_row =
        call->fully_masked == CALL_FULLY_MASKED_UNIFORM ? ATTENTION_EMPTY_UNIFORM : ATTENTION_EMPTY_ZERO;
    plan_results(plan);
    if (!plan_tensors(plan, error) || !attention_check(attention, error) || !plan_work(limits, plan, error) ||
        !plan_answer_size(limits, plan, error) || !plan_fully_masked(limits, call, arena, plan, error))
        return false;
    plan->is_bounded = plan_bound_holds(call, sides, plan);
    attention->poisoned = plan->is_bounded ? NULL : plan->poisoned;
    return true;
}

bool plan_make(const struct limits *limits, const struct route *route, const struct call *call, struct arena *arena,
               struct plan *plan, struct error *error) {
    *plan = (struct plan){.call = call, .dtype = call->dtype};
    if (route->kind == ROUTE_MERGE)
        return plan_merge(limits, call, arena, plan, error) && plan_tensors(plan, error) &&
               plan_answer_size(limits, plan, error);
    return plan_attention(limits, route, call, arena, plan, error);
}
