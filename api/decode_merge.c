/* The members of /v1/attention/merge that no other route has: partial results, and which results to join. Whether
 * their shapes agree is api/plan_merge.c's. */
#include "api/decode_merge.h"

#include <math.h>
#include <string.h>

static const char *const decode_merge_names[] = {"output", "lse"};

static const char *decode_merge_name_at(size_t index) {
    return index < 2 ? decode_merge_names[index] : NULL;
}

/* One number, which is what the lse of a single query is; null: it had no key. */
static bool decode_merge_number(const struct decoder *decoder, const json_t *json, const char *pointer,
                                struct tensor *lse) {
    double number = -INFINITY;
    if (!json_is_null(json) && !value_number(decoder, json, pointer, &number))
        return false;
    enum dtype dtype = decoder->call->dtype;
    *lse = (struct tensor){.data = arena_alloc(decoder->arena, 1, dtype_size(dtype), decoder->error), .count = 1};
    if (lse->data == NULL)
        return false;
    if (dtype == DTYPE_FLOAT32)
        *(float *)lse->data = (float)number;
    else
        *(double *)lse->data = number;
    return true;
}

/* A bare null stands for a number, so it counts as one beside an output of one axis and as absent beside another. */
static bool decode_merge_lse(const struct decoder *decoder, const json_t *json, const char *pointer,
                             struct call_part *part) {
    if (value_lone_number(decoder, json) != NULL || json_is_null(json))
        return decode_merge_number(decoder, json, pointer, &part->lse);
    return value_tensor_ranks(decoder, json, pointer, VALUE_NUMBERS_OR_NULL, 0, TENSOR_RANK_USUAL, &part->lse);
}

static bool decode_merge_part(const struct decoder *decoder, const json_t *json, const char *pointer,
                              struct call_part *part) {
    if (!json_is_object(json))
        return value_wrong_type(decoder, json, pointer, "an object with \"output\" and \"lse\"");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        struct value_pointer place = value_child(pointer, name);
        if (strcmp(name, "lse") == 0) {
            if (!decode_merge_lse(decoder, value, place.text, part))
                return false;
        } else if (strcmp(name, "output") == 0) {
            if (!json_is_null(value) && !value_tensor(decoder, value, place.text, VALUE_NUMBERS, &part->output))
                return false;
        } else {
            const char *nearest = value_nearest(name, decode_merge_name_at);
            return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, place.text,
                             nearest != NULL ? "A part has no \"%.60s\": did you mean \"%s\"?"
                                             : "A part has no \"%.60s\"; it has \"output\" and \"lse\".",
                             name, nearest);
        }
    }
    bool has_output = part->output.data != NULL, lacks_number = json_is_null(json_object_get(json, "lse"));
    bool has_lse = part->lse.data != NULL && !(lacks_number && part->output.rank > 1);
    if (has_output && has_lse)
        return true;
    const char *missing = decode_merge_names[has_output];
    return error_set(decoder->error, ERROR_MISSING_MEMBER, value_child(pointer, missing).text,
                     "%s has no \"%s\": each part is an answer's output and lse, asked for with \"return\": "
                     "[\"lse\",\"output\"].",
                     pointer + 1, missing);
}

bool decode_merge_parts(const struct decoder *decoder, const json_t *json, const char *pointer) {
    struct call *call = decoder->call;
    if (!json_is_array(json))
        return value_wrong_type(decoder, json, pointer,
                                "an array of one or more objects, each with \"output\" and \"lse\"");
    call->part_count = json_array_size(json);
    call->parts = arena_alloc(decoder->arena, call->part_count, sizeof *call->parts, decoder->error);
    if (call->parts == NULL)
        return false;
    for (size_t i = 0; i < call->part_count; i++) {
        call->parts[i] = (struct call_part){.output = {.data = NULL}};
        if (!decode_merge_part(decoder, json_array_get(json, i), value_element(pointer, i).text, &call->parts[i]))
            return false;
    }
    return true;
}

bool decode_merge_return(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const enum result results[] = {RESULT_OUTPUT, RESULT_LSE}; /* of decode_merge_names */
    struct call *call = decoder->call;
    struct value_strings strings;
    if (!value_strings(decoder, json, pointer, false, "an array with \"output\", \"lse\" or both", &strings))
        return false;
    memset(call->returns, 0, sizeof call->returns);
    for (size_t i = 0; i < strings.longest; i++) {
        size_t index;
        if (!value_one_of(decoder, strings.names[0][i], value_element(pointer, i).text, decode_merge_names, 2, &index))
            return false;
        call->returns[results[index]] = true;
    }
    return true;
}
