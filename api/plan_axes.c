/* Attention over chosen axes, as Keras' MultiHeadAttention has it. Query, key and value are [B, axes…, E]; the axes
 * that attention_axes names become one, the positions, in the order it names them, and all before E that it does not
 * name become one, the batch items: what is left is [batch items, positions, E], which is attention as ever. Rows are
 * copied into that order where they are not in it already. In Keras' einsum the scores are then [others…, H, axes of
 * the query…, axes of the keys…]; the output has the axes of the query as they came. */
#include "api/plan.h"

#include <stdio.h>
#include <string.h>

/* The axes of a tensor but its last, in the order of the computation. */
struct plan_axes_order {
    size_t count, axes[TENSOR_RANK_MAX];
    bool is_given; /* that is the order they have */
};

static bool plan_axes_error(const struct call *call, size_t index, size_t rank, const char *problem,
                            struct error *error) {
    char pointer[40] = "/attention_axes";
    if (call->axes_in_array)
        snprintf(pointer, sizeof pointer, "/attention_axes/%zu", index);
    error_set(error, ERROR_OUT_OF_RANGE, pointer,
              "attention_axes names axis %td, which is %s; of %zu axes, those from 1 to %zu (or -2 to -%zu) can be "
              "attended over, each once.",
              call->axes[index], problem, rank, rank - 2, rank - 1);
    error_expected(error, "1 to %zu", rank - 2);
    return error_received(error, "%td", call->axes[index]);
}

/* First the axes that are not attended over, then those that are. */
static bool plan_axes_sort(const struct call *call, size_t rank, struct plan_axes_order *order, struct error *error) {
    bool attended[TENSOR_RANK_MAX] = {false};
    size_t named[TENSOR_RANK_MAX];
    for (size_t i = 0; i < call->axes_count; i++) {
        ptrdiff_t axis = call->axes[i] < 0 ? call->axes[i] + (ptrdiff_t)rank : call->axes[i];
        if (axis == 0)
            return plan_axes_error(call, i, rank, "the batch", error);
        if (axis == (ptrdiff_t)rank - 1)
            return plan_axes_error(call, i, rank, "the features", error);
        if (axis < 0 || axis >= (ptrdiff_t)rank)
            return plan_axes_error(call, i, rank, "none that there is", error);
        if (attended[axis])
            return plan_axes_error(call, i, rank, "named before", error);
        attended[axis] = true;
        named[i] = (size_t)axis;
    }
    for (size_t axis = 0; axis + 1 < rank; axis++)
        if (!attended[axis])
            order->axes[order->count++] = axis;
    for (size_t i = 0; i < call->axes_count; i++)
        order->axes[order->count++] = named[i];
    order->is_given = true;
    for (size_t i = 0; i < order->count; i++)
        order->is_given = order->is_given && order->axes[i] == i;
    return true;
}

/* Where each row of a tensor comes to stand. */
static size_t *plan_axes_rows(const struct tensor *tensor, const struct plan_axes_order *order, struct arena *arena,
                              struct error *error) {
    size_t rows = tensor->count / tensor->shape[tensor->rank - 1], step = 1, steps[TENSOR_RANK_MAX] = {0};
    size_t *places = arena_alloc(arena, rows, sizeof *places, error);
    if (places == NULL)
        return NULL;
    for (size_t i = order->count; i-- > 0;) {
        steps[order->axes[i]] = step;
        step *= tensor->shape[order->axes[i]];
    }
    for (size_t row = 0; row < rows; row++) {
        places[row] = 0;
        for (size_t axis = order->count, rest = row; axis-- > 0; rest /= tensor->shape[axis])
            places[row] += rest % tensor->shape[axis] * steps[axis];
    }
    return places;
}

/* The tensor as [batch items, positions, features]. `places`: plan_axes_rows() of it, where they move. */
static bool plan_axes_flatten(struct plan_side *side, const struct plan_axes_order *order, size_t others,
                              enum dtype dtype, struct arena *arena, const size_t **places, struct error *error) {
    const struct tensor *from = side->tensor;
    size_t cols = from->shape[from->rank - 1], rows = from->count / cols, row_size = cols * dtype_size(dtype);
    struct tensor *to = arena_alloc(arena, 1, sizeof *to, error);
    if (to == NULL)
        return false;
    *to = (struct tensor){.data = from->data, .rank = 3, .shape = {1, 1, cols}, .count = from->count};
    for (size_t i = 0; i < order->count; i++)
        to->shape[i < others ? 0 : 1] *= from->shape[order->axes[i]];
    *places = NULL;
    if (!order->is_given) {
        *places = plan_axes_rows(from, order, arena, error);
        to->data = arena_alloc(arena, rows, row_size, error);
        if (*places == NULL || to->data == NULL)
            return false;
        for (size_t row = 0; row < rows; row++)
            memcpy((char *)to->data + (*places)[row] * row_size, (const char *)from->data + row * row_size, row_size);
    }
    side->tensor = to;
    return true;
}

/* An axis of a side has the length that the same axis of another has. */
static bool plan_axes_equal(const struct plan_side *side, const struct plan_side *other, size_t axis, const char *why,
                            struct error *error) {
    size_t received = side->tensor->shape[axis], expected = other->tensor->shape[axis];
    if (received == expected)
        return true;
    error_set(error, ERROR_SHAPE_MISMATCH, side->pointer, "Axis %zu of %s has length %zu, but that of %s has %zu: %s.",
              axis, side->pointer + 1, received, other->pointer + 1, expected, why);
    error_expected(error, "length %zu", expected);
    return error_received(error, "length %zu", received);
}

static bool plan_axes_agree(const struct plan_side sides[3], const struct plan_axes_order *order, size_t others,
                            struct error *error) {
    size_t rank = sides[0].tensor->rank;
    for (size_t i = 0; i < 3; i++)
        if (sides[i].tensor->rank != rank || rank < 3) {
            const struct plan_side *side = &sides[i];
            error_set(error, ERROR_WRONG_RANK, side->pointer,
                      "%s has %zu %s; with attention_axes query and keys have the same 3 to %d axes, [B, axes…, E]%s.",
                      side->pointer + 1, side->tensor->rank, side->tensor->rank == 1 ? "axis" : "axes", TENSOR_RANK_MAX,
                      rank < 3 ? "" : ", as the query has");
            if (rank >= 3)
                error_expected(error, "%zu axes", rank);
            return error_received(error, "%zu %s", side->tensor->rank, side->tensor->rank == 1 ? "axis" : "axes");
        }
    for (size_t i = 0; order != NULL && i < order->count; i++)
        if ((i < others && !plan_axes_equal(&sides[1], &sides[0], order->axes[i],
                                            "axes that are not attended over must be equal", error)) ||
            !plan_axes_equal(&sides[2], &sides[1], order->axes[i], "a value belongs to each key", error))
            return false;
    return true;
}

/* A tensor of more axes than attention has. */
static bool plan_axes_missing(const struct plan_side sides[3], struct error *error) {
    for (size_t i = 0; i < 3; i++)
        if (sides[i].tensor->rank > TENSOR_RANK_USUAL) {
            error_set(error, ERROR_WRONG_RANK, sides[i].pointer,
                      "%s has %zu axes; more than %d need attention_axes, which names those of [B, axes…, E] that are "
                      "attended over, such as [1].",
                      sides[i].pointer + 1, sides[i].tensor->rank, TENSOR_RANK_USUAL);
            error_expected(error, "at most %d axes, or attention_axes", TENSOR_RANK_USUAL);
            return error_received(error, "%zu axes", sides[i].tensor->rank);
        }
    return true;
}

bool plan_axes(const struct call *call, struct arena *arena, struct plan *plan, struct plan_side sides[3],
               struct error *error) {
    if (call->axes_count == 0)
        return plan_axes_missing(sides, error);
    struct plan_axes_order order = {0};
    struct plan_axes *axes = &plan->axes;
    size_t rank = sides[0].tensor->rank;
    if (!plan_axes_agree(sides, NULL, 0, error) || !plan_axes_sort(call, rank, &order, error))
        return false;
    axes->attended = call->axes_count;
    axes->others = order.count - axes->attended;
    if (!plan_axes_agree(sides, &order, axes->others, error))
        return false;
    for (size_t i = 0; i < order.count; i++) {
        size_t length = sides[0].tensor->shape[order.axes[i]];
        axes->output[i] = sides[0].tensor->shape[i];
        *(i < axes->others ? &axes->batch[i] : &axes->queries[i - axes->others]) = length;
        if (i >= axes->others)
            axes->keys[i - axes->others] = sides[1].tensor->shape[order.axes[i]];
    }
    const struct tensor *given[3] = {sides[0].tensor, sides[1].tensor, sides[2].tensor};
    for (size_t i = 0; i < 3; i++) {
        const size_t *places;
        if (i > 0 && given[i] == given[i - 1]) {
            sides[i].tensor = sides[i - 1].tensor;
            continue;
        }
        if (!plan_axes_flatten(&sides[i], &order, axes->others, call->dtype, arena, &places, error))
            return false;
        if (i == 0)
            axes->output_rows = places;
    }
    return true;
}
