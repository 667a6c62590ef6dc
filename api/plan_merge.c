/* Partial results to be joined: whether their shapes agree, and what the answer's are. */
#include "api/plan.h"

#include <stdio.h>

/* "[2,3]"; a bare number is "a number". */
struct plan_merge_shape {
    char text[160];
};

static struct plan_merge_shape plan_merge_shape(const size_t *axes, size_t rank) {
    struct plan_merge_shape shape = {"a number"};
    size_t size = 0;
    for (size_t axis = 0; axis < rank; axis++)
        size += (size_t)snprintf(shape.text + size, sizeof shape.text - size, "%c%zu%s", axis > 0 ? ',' : '[',
                                 axes[axis], axis + 1 < rank ? "" : "]");
    return shape;
}

/* One tensor of part `index` has these axes. */
static bool plan_merge_fits(const struct tensor *tensor, size_t index, const char *name, const size_t *axes,
                            size_t rank, const char *why, struct error *error) {
    bool fits = tensor->rank == rank;
    for (size_t axis = 0; fits && axis < rank; axis++)
        fits = tensor->shape[axis] == axes[axis];
    if (fits)
        return true;
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/parts/%zu/%s", index, name);
    struct plan_merge_shape given = plan_merge_shape(tensor->shape, tensor->rank);
    struct plan_merge_shape wanted = plan_merge_shape(axes, rank);
    error_set(error, ERROR_SHAPE_MISMATCH, pointer, "%s has shape %s, but %s, so it must be %s.", pointer + 1,
              given.text, why, wanted.text);
    error_expected(error, "%s", wanted.text);
    return error_received(error, "%s", given.text);
}

static bool plan_merge_parts(const struct call *call, struct error *error) {
    const struct tensor *first = &call->parts[0].output;
    struct plan_merge_shape shape = plan_merge_shape(first->shape, first->rank);
    char outputs[256], lses[256];
    snprintf(outputs, sizeof outputs, "the output of part 0 has %s and all are of the same queries", shape.text);
    snprintf(lses, sizeof lses, "the outputs have %s and an lse has one number for each of their rows", shape.text);
    for (size_t i = 0; i < call->part_count; i++) {
        const struct call_part *part = &call->parts[i];
        if (!plan_merge_fits(&part->output, i, "output", first->shape, first->rank, outputs, error) ||
            !plan_merge_fits(&part->lse, i, "lse", first->shape, first->rank - 1, lses, error))
            return false;
    }
    return true;
}

static bool plan_merge_work(const struct limits *limits, const struct merge *merge, struct error *error) {
    double work = (double)merge->rows * (double)merge->cols * (double)merge->count;
    if (work <= (double)limits->work)
        return true;
    error_set(error, ERROR_TOO_MUCH_WORK, NULL,
              "The request takes %.0f multiplications (parts times numbers of output), but the limit is %llu: send "
              "fewer rows at a time.",
              work, (unsigned long long)limits->work);
    error_expected(error, "at most %llu", (unsigned long long)limits->work);
    return error_received(error, "%.0f", work);
}

static struct plan_result plan_merge_result(const struct tensor *tensor) {
    struct plan_result result = {.rank = tensor->rank, .cols = 1};
    for (size_t axis = 0; axis < tensor->rank; axis++)
        result.shape[axis] = tensor->shape[axis];
    if (tensor->rank > 0)
        result.cols = tensor->shape[tensor->rank - 1];
    result.rows = tensor->count / result.cols;
    return result;
}

bool plan_merge(const struct limits *limits, const struct call *call, struct arena *arena, struct plan *plan,
                struct error *error) {
    if (call->part_count == 0) {
        error_set(error, ERROR_MISSING_MEMBER, "/parts",
                  "There are no \"parts\": give the output and lse of each range of keys, such as [{\"output\": "
                  "[[1,2]], \"lse\": [0.5]}].");
        return error_expected(error, "\"parts\": an array of objects");
    }
    if (!plan_merge_parts(call, error))
        return false;
    struct merge_part *parts = arena_alloc(arena, call->part_count, sizeof *parts, error);
    if (parts == NULL)
        return false;
    for (size_t i = 0; i < call->part_count; i++)
        parts[i] = (struct merge_part){.output = call->parts[i].output.data, .lse = call->parts[i].lse.data};
    struct merge *merge = &plan->merge;
    *merge = (struct merge){.dtype = plan->dtype,
                            .rows = call->parts[0].lse.count,
                            .cols = call->parts[0].output.count / call->parts[0].lse.count,
                            .count = call->part_count,
                            .parts = parts};
    plan->results[RESULT_OUTPUT] = plan_merge_result(&call->parts[0].output);
    plan->results[RESULT_LSE] = plan_merge_result(&call->parts[0].lse);
    plan->is_bounded = merge_bound(merge) < dtype_max(call->written) / 4;
    return plan_merge_work(limits, merge, error);
}
