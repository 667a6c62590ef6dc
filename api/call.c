/* Names of a call's parts. */
#include "api/call.h"

const char *call_result_name(enum result result) {
    static const char *const names[RESULT_COUNT] = {"query",   "key",   "value",       "scores", "masked",
                                                    "weights", "heads", "projections", "output"};
    return names[result];
}
