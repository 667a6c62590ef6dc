/* The answer's text before its results: see answer_head.h. */
#include "api/answer_head.h"

#include <string.h>

static void answer_list(const struct labels *labels, size_t list, struct text *text) {
    text_string(text, "[");
    for (size_t i = 0; i < labels->length; i++) {
        const char *name = labels->names[list * labels->length + i];
        if (i > 0)
            text_string(text, ",");
        text_json_string(text, name, strlen(name));
    }
    text_string(text, "]");
}

static void answer_labels(const char *name, const struct labels *labels, struct text *text) {
    if (!labels->given)
        return;
    text_string(text, ",\"");
    text_string(text, name);
    text_string(text, labels->per_item ? "\":[" : "\":");
    for (size_t list = 0; list < labels->lists; list++) {
        if (list > 0)
            text_string(text, ",");
        answer_list(labels, list, text);
    }
    if (labels->per_item)
        text_string(text, "]");
}

/* Flat indices over [B][H]L, as far as the answer has these axes: a head that is not shown is the only one. */
static void answer_fully_masked(const struct plan *plan, struct text *text) {
    if (plan->fully_masked_count == 0)
        return;
    size_t shown = plan->fully_masked_count < PLAN_FULLY_MASKED_MAX ? plan->fully_masked_count : PLAN_FULLY_MASKED_MAX;
    text_string(text, ",\"fully_masked\":");
    text_json_sizes(text, plan->fully_masked, shown);
}

void answer_head(const struct plan *plan, struct text *text) {
    const struct call *call = plan->call;
    text_string(text, "{\"dtype\":\"");
    text_string(text, dtype_name(call->written));
    text_string(text, "\",\"shape\":{");
    bool first = true;
    for (size_t i = 0; i < RESULT_COUNT; i++) {
        if (!call->returns[i])
            continue;
        text_string(text, first ? "\"" : ",\"");
        text_string(text, call_result_name((enum result)i));
        text_string(text, "\":");
        text_json_sizes(text, plan->results[i].shape, plan->results[i].rank);
        first = false;
    }
    text_string(text, "}");
    answer_labels("tokens", &call->tokens, text);
    answer_labels("query_tokens", &call->query_tokens, text);
    answer_labels("key_tokens", &call->key_tokens, text);
    answer_fully_masked(plan, text);
}
