/* A call's parts by name. */
#include "api/call.h"

const char *call_result_name(enum result result) {
    static const char *const names[RESULT_COUNT] = {"query",         "key",         "value", "scores", "capped",
                                                    "masked",        "weights",     "lse",   "heads",  "present_key",
                                                    "present_value", "projections", "output"};
    return names[result];
}

const char *call_label(const struct labels *labels, size_t list, size_t index) {
    return index < labels->list_lengths[list] ? labels->names[list][index] : labels->pad;
}
