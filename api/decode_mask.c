/* The member `mask`: see decode_mask.h. Values are kept as they arrived; api/plan_mask.c fits them to the shapes. */
#include "api/decode_mask.h"

#include <math.h>
#include <string.h>

/* A new part of the call's mask. */
static struct call_mask_part *decode_mask_add(const struct decoder *decoder, enum mask_kind kind,
                                              enum call_mask_form form, const char *pointer) {
    struct call *call = decoder->call;
    struct call_mask_part *part = &call->mask[call->mask_count++];
    *part = (struct call_mask_part){.kind = kind, .form = form};
    part->pointer = arena_text(decoder->arena, pointer, strlen(pointer), decoder->error);
    return part->pointer != NULL ? part : NULL;
}

static bool decode_mask_flag(const struct decoder *decoder, const json_t *json, const char *pointer,
                             const struct decode_mask_part *row) {
    bool on;
    if (!value_bool(decoder, json, pointer, &on))
        return false;
    return !on || decode_mask_add(decoder, row->kind, row->form, pointer) != NULL;
}

static bool decode_mask_align(const struct decoder *decoder, const json_t *json, const char *pointer,
                              const struct decode_mask_part *row) {
    static const char *const names[] = {"auto", "top_left", "bottom_right"};
    size_t index;
    (void)row;
    if (!value_choice(decoder, json, pointer, names, 3, &index))
        return false;
    decoder->call->align = (enum call_align)index;
    return true;
}

static bool decode_mask_values(const struct decoder *decoder, const json_t *json, const char *pointer,
                               const struct decode_mask_part *row, enum value_tensor_kind kind) {
    struct call_mask_part *part = decode_mask_add(decoder, row->kind, row->form, pointer);
    return part != NULL && value_tensor(decoder, json, pointer, kind, &part->values);
}

static bool decode_mask_booleans(const struct decoder *decoder, const json_t *json, const char *pointer,
                                 const struct decode_mask_part *row) {
    return decode_mask_values(decoder, json, pointer, row, VALUE_BOOLEANS);
}

static bool decode_mask_numbers(const struct decoder *decoder, const json_t *json, const char *pointer,
                                const struct decode_mask_part *row) {
    return decode_mask_values(decoder, json, pointer, row, VALUE_NUMBERS);
}

static bool decode_mask_lengths(const struct decoder *decoder, const json_t *json, const char *pointer,
                                const struct decode_mask_part *row) {
    if (value_lone_number(decoder, json) != NULL)
        return value_wrong_type(decoder, json, pointer, "an array with a length for each batch item, such as [3]");
    return decode_mask_values(decoder, json, pointer, row, VALUE_DOUBLES);
}

static bool decode_mask_bias(const struct decoder *decoder, const json_t *json, const char *pointer,
                             const struct decode_mask_part *row) {
    return decode_mask_values(decoder, json, pointer, row, VALUE_NUMBERS_OR_NULL);
}

/* [left,right], or n for [n,n]; −1 is open. */
static bool decode_mask_window(const struct decoder *decoder, const json_t *json, const char *pointer,
                               const struct decode_mask_part *row) {
    static const char wanted[] = "[left,right] or one number for both: whole numbers, -1 for an open side";
    double sides[2];
    size_t count = value_few(decoder, json, sides, 2);
    bool is_number = value_lone_number(decoder, json) != NULL;
    if (!is_number && count != 2)
        return value_wrong_type(decoder, json, pointer, wanted);
    if (is_number)
        sides[1] = sides[0];
    for (size_t i = 0; i < 2; i++) {
        if (sides[i] != floor(sides[i]) || sides[i] < -1 || sides[i] > 0x1p52) {
            const char *received = value_describe(decoder, json);
            error_set(decoder->error, ERROR_OUT_OF_RANGE, pointer, "%s must be %s, not %.9g.", pointer + 1, wanted,
                      sides[i]);
            error_expected(decoder->error, "%s", wanted);
            return error_received(decoder->error, "%s", received);
        }
    }
    struct call_mask_part *part = decode_mask_add(decoder, row->kind, row->form, pointer);
    if (part == NULL)
        return false;
    part->left = (ptrdiff_t)sides[0];
    part->right = (ptrdiff_t)sides[1];
    return true;
}

static const struct decode_mask_part decode_mask_table[] = {
    {"causal", MASK_CAUSAL, CALL_MASK_RULE, decode_mask_flag, "true or false",
     "Query i attends to key j only where j <= i + offset."},
    {"align", MASK_CAUSAL, CALL_MASK_RULE, decode_mask_align, "\"auto\", \"top_left\" or \"bottom_right\"",
     "The offset of causal, window and alibi: 0, or S - L (with lengths: length - L); auto is P with a cache of P "
     "keys, else 0."},
    {"window", MASK_WINDOW, CALL_MASK_RULE, decode_mask_window, "[left,right] or a number",
     "Query i attends to keys i + offset - left to i + offset + right; -1 is open."},
    {"attend", MASK_ATTEND, CALL_MASK_SCORES, decode_mask_booleans, "tensor of booleans [L,S] or [B|1,H|1,L|1,S]",
     "true: the query may attend to the key."},
    {"block", MASK_BLOCK, CALL_MASK_SCORES, decode_mask_booleans, "tensor of booleans [L,S] or [B|1,H|1,L|1,S]",
     "true: the query may not attend to the key (torch's attn_mask)."},
    {"bias", MASK_BIAS, CALL_MASK_SCORES, decode_mask_bias, "tensor [L,S] or [B|1,H|1,L|1,S]",
     "Added to the scores; null disallows the key."},
    {"multiply", MASK_MULTIPLY, CALL_MASK_SCORES, decode_mask_numbers, "tensor [L,S] or [B|1,H|1,L|1,S]",
     "Multiplied onto the scores."},
    {"lengths", MASK_LENGTHS, CALL_MASK_ITEMS, decode_mask_lengths, "array of B whole numbers",
     "Only the first n keys are real."},
    {"padding", MASK_BLOCK, CALL_MASK_KEYS, decode_mask_booleans, "booleans [S] or [B,S]",
     "true: the key is padding (torch's key_padding_mask)."},
    {"query_padding", MASK_QUERY_PADDING, CALL_MASK_QUERIES, decode_mask_booleans, "booleans [L] or [B,L]",
     "true: the query is padding; its row counts as fully masked."},
};

enum { DECODE_MASK_PART_COUNT = sizeof decode_mask_table / sizeof *decode_mask_table };

const struct decode_mask_part *decode_mask_part_at(size_t index) {
    return index < DECODE_MASK_PART_COUNT ? &decode_mask_table[index] : NULL;
}

static const char *decode_mask_name_at(size_t index) {
    return index < DECODE_MASK_PART_COUNT ? decode_mask_table[index].name : NULL;
}

static bool decode_mask_object(const struct decoder *decoder, const json_t *json, const char *pointer) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        struct value_pointer place = value_child(pointer, name);
        const struct decode_mask_part *row = NULL;
        for (size_t i = 0; i < DECODE_MASK_PART_COUNT; i++)
            if (strcmp(name, decode_mask_table[i].name) == 0)
                row = &decode_mask_table[i];
        const char *nearest = row == NULL ? value_nearest(name, decode_mask_name_at) : NULL;
        if (row == NULL)
            return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, place.text,
                             nearest != NULL ? "mask has no part \"%.60s\": did you mean \"%s\"?"
                                             : "mask has no part \"%.60s\": GET /v1/attention lists them.",
                             name, nearest);
        if (!json_is_null(value) && !row->decode(decoder, value, place.text, row))
            return false;
    }
    return true;
}

bool decode_mask(const struct decoder *decoder, const json_t *json, const char *pointer) {
    struct call *call = decoder->call;
    call->has_mask = true;
    call->mask_count = 0; /* the route's default is dropped */
    bool is_tensor = json_object_get(json, "shape") != NULL || json_object_get(json, "data") != NULL ||
                     json_object_get(json, "b64") != NULL || value_item(decoder, json) != NULL;
    if (json_is_string(json) && strcmp(json_string_value(json), "causal") == 0)
        return decode_mask_add(decoder, MASK_CAUSAL, CALL_MASK_RULE, pointer) != NULL;
    if (json_is_object(json) && !is_tensor)
        return decode_mask_object(decoder, json, pointer);
    if (!is_tensor)
        return value_wrong_type(decoder, json, pointer,
                                "\"causal\", a tensor of booleans [L,S] (true = may attend), or an object of parts "
                                "such as {\"causal\": true, \"lengths\": [3]}");
    struct call_mask_part *part = decode_mask_add(decoder, MASK_ATTEND, CALL_MASK_SCORES, pointer);
    return part != NULL && value_tensor(decoder, json, pointer, VALUE_BOOLEANS, &part->values);
}
