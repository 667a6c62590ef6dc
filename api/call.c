/* Names of a call's parts. */
#include "api/call.h"

const char *call_result_name(enum result result) {
    static const char *const names[RESULT_COUNT] = {"query",  "key",         "value",         "scores",
                                                    "capped", "masked",      "weights",       "lse",
                                                    "heads",  "present_key", "present_value", "output"};
    return names[result];
}
