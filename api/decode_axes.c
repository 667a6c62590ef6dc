/* The member attention_axes: one axis or several, numbered from either end. Which axes there are is known to
 * api/plan_axes.c. */
#include "api/decode_axes.h"

#include <math.h>

bool decode_axes(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const char wanted[] = "an axis such as 2, or an array of them such as [1,2]";
    double axes[TENSOR_RANK_MAX - 2];
    size_t count = value_few(decoder, json, axes, TENSOR_RANK_MAX - 2);
    if (count == 0)
        return value_wrong_type(decoder, json, pointer, wanted);
    struct call *call = decoder->call;
    if (count > TENSOR_RANK_MAX - 2) {
        error_set(
            decoder->error, ERROR_OUT_OF_RANGE, pointer,
            "%s names %zu axes, but a tensor of %d axes, the most there may be, has %d between batch and features.",
            pointer + 1, count, TENSOR_RANK_MAX, TENSOR_RANK_MAX - 2);
        error_expected(decoder->error, "1 to %d axes", TENSOR_RANK_MAX - 2);
        return error_received(decoder->error, "%zu axes", count);
    }
    call->axes_in_array = value_lone_number(decoder, json) == NULL;
    for (size_t i = 0; i < count; i++) {
        double axis = axes[i];
        if (axis != floor(axis) || fabs(axis) > (double)TENSOR_RANK_MAX) {
            struct value_pointer place = value_element(pointer, i);
            const char *at = call->axes_in_array ? place.text : pointer;
            error_set(decoder->error, ERROR_OUT_OF_RANGE, at, "%s is %.9g, which is no axis of a tensor.", at + 1,
                      axis);
            error_expected(decoder->error, "a whole number from %d to %d", -TENSOR_RANK_MAX, TENSOR_RANK_MAX);
            return error_received(decoder->error, "%.9g", axis);
        }
        call->axes[i] = (ptrdiff_t)axis;
    }
    call->axes_count = count;
    return true;
}
