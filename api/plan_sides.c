/* Which tensors are query, key and value, and whether their ranks, batches and lengths agree. */
#include "api/plan.h"

#include <stdio.h>

/* `pointer`: the member named in messages. */
static void plan_sides_set(struct plan_side *side, const struct tensor *tensor, const char *pointer) {
    *side = (struct plan_side){.tensor = tensor, .given = tensor->data, .pointer = pointer};
}

/* The lengths of a tensor that has the axes of attention. */
static void plan_sides_measure(struct plan_side *side) {
    const size_t *shape = side->tensor->shape, rank = side->tensor->rank;
    side->cols = shape[rank - 1];
    side->rows = rank >= 2 ? shape[rank - 2] : 1;
    side->batch = rank >= 3 ? shape[0] : 1;
    side->heads = rank == 4 ? shape[1] : 1;
}

/* Members that say the same thing twice. */
static bool plan_sides_conflicts(const struct call *call, struct error *error) {
    const struct {
        const struct tensor *member;
        const char *name;
    } apart[] = {{&call->query, "query"}, {&call->key, "key"}, {&call->value, "value"}, {&call->context, "context"}};
    for (size_t i = 0; i < 4; i++)
        if (call->inputs.data != NULL && apart[i].member->data != NULL) {
            char pointer[16];
            snprintf(pointer, sizeof pointer, "/%s", apart[i].name);
            return error_set(error, ERROR_CONFLICT, pointer,
                             "inputs is query, key and value at once: leave out \"%s\", or give query, key and value "
                             "in place of inputs.",
                             apart[i].name);
        }
    if (call->context.data != NULL && (call->key.data != NULL || call->value.data != NULL))
        return error_set(error, ERROR_CONFLICT, "/context",
                         "context is key and value at once: leave it out beside \"%s\".",
                         call->key.data != NULL ? "key" : "value");
    return true;
}

/* The members that the route requires. */
static bool plan_sides_required(const struct route *route, const struct call *call, struct error *error) {
    bool has_inputs = call->inputs.data != NULL;
    if (route->needs == ROUTE_NEEDS_CROSS && has_inputs)
        return error_set(error, ERROR_MISSING_MEMBER, "/query",
                         "%s takes two sequences: give query and context, or query_tokens and key_tokens with "
                         "embeddings; for one sequence use /v1/attention/self.",
                         route->path);
    if (has_inputs || (route->needs == ROUTE_NEEDS_INPUTS && call->tokens.given)) {
        if (has_inputs)
            return true;
        return error_set(error, ERROR_MISSING_MEMBER, "/inputs",
                         "There are tokens but neither \"inputs\" nor \"embeddings\": give the vectors as inputs, or "
                         "an object of them as embeddings.");
    }
    if (route->needs == ROUTE_NEEDS_INPUTS) {
        error_set(
            error, ERROR_MISSING_MEMBER, "/inputs",
            "There are no \"inputs\": give the sequence as rows, such as [[1,0],[0,1]], or tokens and embeddings.");
        return error_expected(error, "\"inputs\": a tensor");
    }
    if (call->query.data == NULL) {
        error_set(error, ERROR_MISSING_MEMBER, "/query",
                  route->needs == ROUTE_NEEDS_CROSS
                      ? "There is no \"query\": give query and context, such as [[1,0],[0,1]] each."
                      : "There is no query: give \"inputs\", such as [[1,0],[0,1]], or query and context (or key).");
        return error_expected(error, "\"query\": a tensor");
    }
    if (call->key.data == NULL && call->context.data == NULL) {
        const char *pointer = call->value.data != NULL ? "/key" : "/context";
        error_set(error, ERROR_MISSING_MEMBER, pointer,
                  "There is a query but no keys: give \"context\" (key and value at once), or \"key\" and \"value\".");
        return error_expected(error, "\"context\" or \"key\": a tensor");
    }
    return true;
}

static bool plan_sides_rank_error(const struct plan_side *side, const char *wanted, struct error *error) {
    error_set(error, ERROR_WRONG_RANK, side->pointer, "%s has %zu %s, but %s.", side->pointer + 1, side->tensor->rank,
              side->tensor->rank == 1 ? "axis" : "axes", wanted);
    return error_received(error, "%zu %s", side->tensor->rank, side->tensor->rank == 1 ? "axis" : "axes");
}

/* Query and keys may differ in rank only by a missing batch axis. */
static bool plan_sides_ranks(const struct plan_side sides[3], struct error *error) {
    size_t query = sides[0].tensor->rank, key = sides[1].tensor->rank, value = sides[2].tensor->rank;
    if (sides[0].tensor == sides[1].tensor && query == 1)
        return plan_sides_rank_error(&sides[0], "a sequence has at least 2, [L,E]: wrap a single row as [[…]]", error);
    if (key == 1)
        return plan_sides_rank_error(&sides[1], "keys have at least 2, [S,E]: wrap a single key as [[…]]", error);
    if (query == 1 && key != 2)
        return plan_sides_rank_error(&sides[1], "a query of one vector takes keys of 2 axes, [S,E]", error);
    if (query == 4 && key != 4)
        return plan_sides_rank_error(&sides[1], "query has 4, [B,H,L,D]: split the keys alike, [B,G,S,D]", error);
    if (query != 4 && key == 4)
        return plan_sides_rank_error(&sides[0], "the keys have 4, [B,G,S,D]: split the query alike, [B,H,L,D]", error);
    if (value != key)
        return plan_sides_rank_error(&sides[2],
                                     key == 2   ? "key has 2: values are [S,Ev] then"
                                     : key == 3 ? "key has 3: values are [B,S,Ev] then"
                                                : "key has 4: values are [B,G,S,Dv] then",
                                     error);
    return true;
}

static bool plan_sides_mismatch(const struct plan_side *side, size_t received, const struct plan_side *other,
                                size_t expected, const char *what, struct error *error) {
    error_set(error, ERROR_SHAPE_MISMATCH, side->pointer, "%s has %zu %s, but %s has %zu: they must be equal.",
              side->pointer + 1, received, what, other->pointer + 1, expected);
    error_expected(error, "%zu %s", expected, what);
    return error_received(error, "%zu %s", received, what);
}

static bool plan_sides_lengths(const struct plan_side sides[3], struct error *error) {
    const struct plan_side *query = &sides[0], *key = &sides[1], *value = &sides[2];
    if (key->batch != query->batch)
        return plan_sides_mismatch(key, key->batch, query, query->batch, "batch items", error);
    if (value->batch != key->batch)
        return plan_sides_mismatch(value, value->batch, key, key->batch, "batch items", error);
    if (value->rows != key->rows)
        return plan_sides_mismatch(value, value->rows, key, key->rows, "positions", error);
    if (value->heads != key->heads)
        return plan_sides_mismatch(value, value->heads, key, key->heads, "heads", error);
    return true;
}

bool plan_sides(const struct route *route, const struct call *call, struct arena *arena, struct plan *plan,
                struct plan_side sides[3], struct error *error) {
    if (!plan_sides_conflicts(call, error) || !plan_sides_required(route, call, error))
        return false;
    if (call->inputs.data != NULL) {
        for (size_t i = 0; i < 3; i++)
            plan_sides_set(&sides[i], &call->inputs, "/inputs");
    } else {
        bool has_context = call->context.data != NULL;
        plan_sides_set(&sides[0], &call->query, "/query");
        plan_sides_set(&sides[1], has_context ? &call->context : &call->key, has_context ? "/context" : "/key");
        sides[2] = sides[1];
        if (call->value.data != NULL)
            plan_sides_set(&sides[2], &call->value, "/value");
    }
    if (!plan_axes(call, arena, plan, sides, error))
        return false;
    for (size_t i = 0; i < 3; i++)
        plan_sides_measure(&sides[i]);
    if (!plan_sides_ranks(sides, error) || !plan_sides_lengths(sides, error))
        return false;
    plan->is_vector = sides[0].tensor->rank == 1;
    plan->is_batched = sides[0].tensor->rank >= 3;
    plan->is_split = sides[0].tensor->rank == 4;
    plan->batch = sides[0].batch;
    plan->queries = sides[0].rows;
    plan->fresh = sides[1].rows;
    return true;
}
