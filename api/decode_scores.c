/* The members softcap, alibi and sinks: see decode_scores.h. How many heads there are is not known here:
 * api/plan_scores.c counts the numbers. */
#include "api/decode_scores.h"

bool decode_scores_softcap(const struct decoder *decoder, const json_t *json, const char *pointer) {
    struct call *call = decoder->call;
    if (!value_number(decoder, json, pointer, &call->softcap))
        return false;
    if (call->softcap > 0)
        return true;
    error_set(decoder->error, ERROR_OUT_OF_RANGE, pointer,
              "softcap is %.9g; it must be more than 0: leave it out to have no cap.", call->softcap);
    error_expected(decoder->error, "more than 0");
    return error_received(decoder->error, "%.9g", call->softcap);
}

/* An array of a number for each head, in any of a tensor's forms. */
static bool decode_scores_heads(const struct decoder *decoder, const json_t *json, const char *pointer,
                                const char *wanted, struct tensor *tensor) {
    if (value_lone_number(decoder, json) != NULL || json_is_boolean(json) || json_is_string(json))
        return value_wrong_type(decoder, json, pointer, wanted);
    return value_tensor(decoder, json, pointer, VALUE_NUMBERS, tensor);
}

bool decode_scores_alibi(const struct decoder *decoder, const json_t *json, const char *pointer) {
    struct call *call = decoder->call;
    if (json_is_boolean(json))
        return value_bool(decoder, json, pointer, &call->alibi);
    call->alibi = true;
    return decode_scores_heads(decoder, json, pointer,
                               "true, false or an array of a slope for each head, such as [0.5,0.25]", &call->slopes);
}

bool decode_scores_sinks(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return decode_scores_heads(decoder, json, pointer, "an array of a number for each head, such as [0,1]",
                               &decoder->call->sinks);
}
