/* The shapes of results, and how they are written. */
#include "api/plan.h"

/* Adds an axis to a result, or, with attention_axes, the axes that are this one in the computation. Keys that no tensor
 * brought (a cache, extra ones) leave the keys one axis. */
static void plan_result_add(const struct plan *plan, struct plan_result *result, size_t length, const size_t *lengths,
                            size_t count) {
    size_t product = 1;
    for (size_t i = 0; i < count; i++)
        product *= lengths[i];
    bool apart = plan->axes.attended > 0 && product == length;
    for (size_t i = 0; apart && i < count; i++)
        result->shape[result->rank++] = lengths[i];
    if (!apart)
        result->shape[result->rank++] = length;
}

/* [B][heads], as far as the query has these axes, and where they are wanted rows; their columns are added after. */
static struct plan_result plan_result(const struct plan *plan, bool shows_heads, size_t heads, size_t rows) {
    struct plan_result result = {.rows = plan->batch * heads * rows};
    if (plan->is_batched)
        plan_result_add(plan, &result, plan->batch, plan->axes.batch, plan->axes.others);
    if (shows_heads)
        result.shape[result.rank++] = heads;
    return result;
}

/* [B][heads][queries] cols. */
static struct plan_result plan_result_queries(const struct plan *plan, bool shows_heads, size_t heads, size_t cols) {
    struct plan_result result = plan_result(plan, shows_heads, heads, plan->queries);
    if (!plan->is_vector)
        plan_result_add(plan, &result, plan->queries, plan->axes.queries, plan->axes.attended);
    result.cols = cols;
    return result;
}

/* [B][heads][queries] keys. */
static struct plan_result plan_result_scores(const struct plan *plan, bool shows_heads, size_t heads) {
    struct plan_result result = plan_result_queries(plan, shows_heads, heads, plan->keys);
    plan_result_add(plan, &result, plan->keys, plan->axes.keys, plan->axes.attended);
    return result;
}

/* [B][heads] keys, cols: of the new keys. */
static struct plan_result plan_result_keys(const struct plan *plan, size_t cols) {
    struct plan_result result = plan_result(plan, plan->has_heads, plan->kv_heads, plan->fresh);
    plan_result_add(plan, &result, plan->fresh, plan->axes.keys, plan->axes.attended);
    result.shape[result.rank++] = result.cols = cols;
    return result;
}

/* [B][heads] queries, cols. */
static struct plan_result plan_result_rows(const struct plan *plan, bool shows_heads, size_t heads, size_t cols) {
    struct plan_result result = plan_result_queries(plan, shows_heads, heads, cols);
    result.shape[result.rank++] = cols;
    return result;
}

/* One number a query, as lse is beside weights: a row is what the queries of a head have, or, of a single query, its
 * heads. */
static struct plan_result plan_result_lse(const struct plan *plan) {
    struct plan_result result =
        plan_result_queries(plan, plan->has_heads, plan->heads, plan->is_vector ? plan->heads : plan->queries);
    result.rows /= result.cols;
    return result;
}

/* [B,G,S,cols], whatever axes the query has: it is sent back as a cache. */
static struct plan_result plan_result_cache(const struct plan *plan, size_t cols) {
    return (struct plan_result){.rank = 4,
                                .shape = {plan->batch, plan->kv_heads, plan->masked_keys, cols},
                                .rows = plan->batch * plan->kv_heads * plan->masked_keys,
                                .cols = cols};
}

/* The query's own axes, but for the last. */
static struct plan_result plan_result_output(const struct plan *plan) {
    const struct plan_axes *axes = &plan->axes;
    struct plan_result result =
        plan_result_rows(plan, plan->is_split, plan->is_split ? plan->heads : 1, plan->output_size);
    for (size_t i = 0; axes->attended > 0 && i < axes->attended + axes->others; i++)
        result.shape[i] = axes->output[i];
    return result;
}

void plan_results(struct plan *plan) {
    struct plan_result *results = plan->results;
    bool heads = plan->has_heads, averages = plan->call->average_heads;
    results[RESULT_QUERY] = plan_result_rows(plan, heads, plan->heads, plan->head_size);
    results[RESULT_KEY] = plan_result_keys(plan, plan->head_size);
    results[RESULT_VALUE] = plan_result_keys(plan, plan->value_size);
    results[RESULT_SCORES] = plan_result_scores(plan, heads, plan->heads);
    results[RESULT_CAPPED] = results[RESULT_MASKED] = results[RESULT_SCORES];
    results[RESULT_WEIGHTS] = plan_result_scores(plan, heads && !averages, averages ? 1 : plan->heads);
    results[RESULT_LSE] = plan_result_lse(plan);
    results[RESULT_HEADS] = plan_result_rows(plan, heads, plan->heads, plan->value_size);
    results[RESULT_PRESENT_KEY] = plan_result_cache(plan, plan->head_size);
    results[RESULT_PRESENT_VALUE] = plan_result_cache(plan, plan->value_size);
    results[RESULT_OUTPUT] = plan_result_output(plan);
}
