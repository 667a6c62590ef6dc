/* The member attention_axes: one axis or several, numbered from either end. Which axes there are is known to
 * api/plan_axes.c. */
#include "api/decode_axes.h"

#include <math.h>

bool decode_axes(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const char wanted[] = "an axis such as 2, or an array of them such as [1,2]";
    const struct scan_item *item = value_item(decoder, json);
    bool is_number = item != NULL && !item->is_text && item->rank == 0;
    bool is_array = item != NULL && !item->is_text && item->rank == 1 && item->fault == ERROR_NONE &&
                    !item->has_booleans && !item->has_nulls;
    if (!is_number && !is_array)
        return value_wrong_type(decoder, json, pointer, wanted);
    struct call *call = decoder->call;
    if (item->count > TENSOR_RANK_MAX - 2) {
        error_set(
            decoder->error, ERROR_OUT_OF_RANGE, pointer,
            "%s names %zu axes, but a tensor of %d axes, the most there may be, has %d between batch and features.",
            pointer + 1, item->count, TENSOR_RANK_MAX, TENSOR_RANK_MAX - 2);
        error_expected(decoder->error, "1 to %d axes", TENSOR_RANK_MAX - 2);
        return error_received(decoder->error, "%zu axes", item->count);
    }
    call->axes_in_array = is_array;
    for (size_t i = 0; i < item->count; i++) {
        double axis = is_number                               ? item->number
                      : decoder->scan->dtype == DTYPE_FLOAT32 ? (double)((float *)item->values)[i]
                                                              : ((double *)item->values)[i];
        if (axis != floor(axis) || fabs(axis) > (double)TENSOR_RANK_MAX) {
            struct value_pointer place = value_element(pointer, i);
            const char *at = is_array ? place.text : pointer;
            error_set(decoder->error, ERROR_OUT_OF_RANGE, at, "%s is %.9g, which is no axis of a tensor.", at + 1,
                      axis);
            error_expected(decoder->error, "a whole number from %d to %d", -TENSOR_RANK_MAX, TENSOR_RANK_MAX);
            return error_received(decoder->error, "%.9g", axis);
        }
        call->axes[i] = (ptrdiff_t)axis;
    }
    call->axes_count = item->count;
    return true;
}
