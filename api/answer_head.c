/* The answer's text before its results: see answer_head.h. */
#include "api/answer_head.h"

#include <string.h>

static void answer_list(const struct labels *labels, size_t list, struct text *text) {
    text_string(text, "[");
    for (size_t i = 0; i < labels->length; i++) {
        const char *name = call_label(labels, list, i);
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
        if (arena_is_cancelled(text->arena)) /* padding can make this long */
            text->failed = !error_set(text->error, ERROR_CANCELLED, NULL, "The request was cancelled.");
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

/* What stands between two tensors, NULL where there is none. `shapes`: among their shapes, which have no layout. */
static char *answer_between(const struct plan_tensor *before, const struct plan_tensor *after, bool shapes,
                            char *text) {
    const char *map = before != NULL ? before->map : NULL, *next = after != NULL ? after->map : NULL;
    if (map != NULL && map != next)
        text = stpcpy(text, "}");
    if (map != NULL && next == NULL)
        text = stpcpy(text, shapes ? "}" : ",\"layout\":\"out_in\"}");
    if (after == NULL)
        return text;
    if (before != NULL)
        *text++ = ',';
    if (next != NULL && map == NULL)
        text = stpcpy(text, "\"projections\":{");
    if (next != NULL && map != next) {
        *text++ = '"';
        text = stpcpy(stpcpy(text, next), "\":{");
    }
    *text++ = '"';
    return stpcpy(stpcpy(text, after->name), "\":");
}

static char *answer_around(const struct plan *plan, size_t index, bool shapes, char *text) {
    const struct plan_tensor *before = index > 0 ? &plan->tensors[index - 1] : NULL;
    const struct plan_tensor *after = index < plan->tensor_count ? &plan->tensors[index] : NULL;
    return answer_between(before, after, shapes, text);
}

char *answer_head_name(const struct plan *plan, size_t index, char *text) {
    text = answer_around(plan, index, false, text);
    /* After the brace a line ends: a terminal's next prompt starts on one of its own. */
    return index < plan->tensor_count ? text : stpcpy(text, "}\n");
}

static void answer_shapes(const struct plan *plan, struct text *text) {
    char name[ANSWER_HEAD_NAME_MAX];
    for (size_t i = 0; i < plan->tensor_count; i++) {
        const struct plan_result *shape = &plan->tensors[i].shape;
        text_bytes(text, name, (size_t)(answer_around(plan, i, true, name) - name));
        text_json_sizes(text, shape->shape, shape->rank);
    }
    text_bytes(text, name, (size_t)(answer_around(plan, plan->tensor_count, true, name) - name));
}

void answer_head(const struct plan *plan, struct text *text) {
    const struct call *call = plan->call;
    text_string(text, "{\"dtype\":\"");
    text_string(text, dtype_name(call->written));
    text_string(text, "\",\"shape\":{");
    answer_shapes(plan, text);
    text_string(text, "}");
    answer_labels("tokens", &call->tokens, text);
    answer_labels("query_tokens", &call->query_tokens, text);
    answer_labels("key_tokens", &call->key_tokens, text);
    answer_fully_masked(plan, text);
    text_string(text, ",");
}
