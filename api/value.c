/* One JSON value of the envelope, read as what a member wants: see value.h. Tensors are in value_tensor.c. */
#include "api/value.h"

#include "api/text.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct scan_item *value_item(const struct decoder *decoder, const json_t *json) {
    if (!json_is_array(json) || !json_is_integer(json_array_get(json, 0)))
        return NULL;
    size_t index = (size_t)json_integer_value(json_array_get(json, 0));
    return index < decoder->scan->count ? &decoder->scan->items[index] : NULL;
}

const json_t *value_member(const json_t *json, const char *name) {
    const json_t *member = json_object_get(json, name);
    return json_is_null(member) ? NULL : member;
}

const char *value_shape(struct arena *arena, const size_t *shape, size_t rank) {
    struct error ignored = {0};
    struct text text;
    text_init(&text, arena, &ignored);
    text_json_sizes(&text, shape, rank);
    text_bytes(&text, "", 1);
    return text_ok(&text) ? text.data : "";
}

static const char *value_describe_item(const struct decoder *decoder, const struct scan_item *item) {
    struct error ignored = {0};
    const char *body = decoder->scan->body + item->body_begin;
    int size = (int)(item->body_end - item->body_begin > 40 ? 40 : item->body_end - item->body_begin);
    const char *what = NULL;
    if (item->is_text)
        return "a string";
    if (item->rank == 0)
        what = arena_format(decoder->arena, &ignored, "the number %.*s", size, body);
    else if (item->fault != ERROR_NONE)
        return "an array";
    else
        what = arena_format(decoder->arena, &ignored, "an array of shape %s",
                            value_shape(decoder->arena, item->shape, item->rank));
    return what != NULL ? what : "a number or an array";
}

const char *value_describe(const struct decoder *decoder, const json_t *json) {
    const struct scan_item *item = value_item(decoder, json);
    if (item != NULL)
        return value_describe_item(decoder, item);
    struct error ignored = {0};
    const char *what = NULL;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return json_array_size(json) == 0 ? "an empty array" : "an array";
    case JSON_STRING:
        what = arena_format(decoder->arena, &ignored, "the string \"%.40s\"", json_string_value(json));
        return what != NULL ? what : "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    }
    return "a value";
}

bool value_wrong_type(const struct decoder *decoder, const json_t *json, const char *pointer, const char *wanted) {
    const char *received = value_describe(decoder, json);
    error_set(decoder->error, ERROR_WRONG_TYPE, pointer, "%s must be %s, not %s.", pointer + 1, wanted, received);
    error_expected(decoder->error, "%s", wanted);
    return error_received(decoder->error, "%s", received);
}

bool value_bool(const struct decoder *decoder, const json_t *json, const char *pointer, bool *result) {
    if (!json_is_boolean(json))
        return value_wrong_type(decoder, json, pointer, "true or false");
    *result = json_is_true(json);
    return true;
}

bool value_number(const struct decoder *decoder, const json_t *json, const char *pointer, double *result) {
    const struct scan_item *item = value_item(decoder, json);
    if (item == NULL || item->is_text || item->rank != 0)
        return value_wrong_type(decoder, json, pointer, "a number");
    bool is_float32 = decoder->call->dtype == DTYPE_FLOAT32;
    if (!isfinite(is_float32 ? (double)(float)item->number : item->number)) {
        const char *received = value_describe(decoder, json);
        error_set(decoder->error, ERROR_NOT_FINITE, pointer, "%s is %s, which is beyond the largest %s, %s.",
                  pointer + 1, received, is_float32 ? "float32" : "float64",
                  is_float32 ? "3.4028235e38; ask for \"dtype\": \"float64\" or use a smaller number"
                             : "1.7976931348623157e308");
        return error_received(decoder->error, "%s", received);
    }
    *result = item->number;
    return true;
}

bool value_size(const struct decoder *decoder, const json_t *json, const char *pointer, size_t least, size_t most,
                size_t *result) {
    const struct scan_item *item = value_item(decoder, json);
    if (item == NULL || item->is_text || item->rank != 0)
        return value_wrong_type(decoder, json, pointer, "a whole number");
    double number = item->number;
    if (number != floor(number) || number < (double)least || number > (double)most) {
        const char *received = value_describe(decoder, json);
        error_set(decoder->error, ERROR_OUT_OF_RANGE, pointer, "%s must be a whole number from %zu to %zu, not %s.",
                  pointer + 1, least, most, received);
        error_expected(decoder->error, "%zu to %zu", least, most);
        return error_received(decoder->error, "%s", received);
    }
    *result = (size_t)number;
    return true;
}

/* The item's number is the nearest double, so one of more than 53 bits is read again, from its digits. */
bool value_seed(const struct decoder *decoder, const json_t *json, const char *pointer, uint64_t *result) {
    const struct scan_item *item = value_item(decoder, json);
    if (item == NULL || item->is_text || item->rank != 0)
        return value_wrong_type(decoder, json, pointer, "a whole number");
    const char *text = decoder->scan->body + item->body_begin;
    size_t length = item->body_end - item->body_begin, plain = strspn(text, "-0123456789");
    double number = item->number;
    errno = 0;
    if (number == floor(number) && fabs(number) < 0x1p53)
        *result = (uint64_t)(int64_t)number;
    else if (plain == length)
        *result = *text == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10);
    else
        errno = ERANGE;
    if (errno == 0)
        return true;
    const char *received = value_describe(decoder, json);
    error_set(
        decoder->error, ERROR_OUT_OF_RANGE, pointer,
        "%s must be a whole number from -9223372036854775808 to 18446744073709551615, beyond 2^53 written in plain "
        "digits, not %s.",
        pointer + 1, received);
    error_expected(decoder->error, "-9223372036854775808 to 18446744073709551615");
    return error_received(decoder->error, "%s", received);
}

bool value_string(const struct decoder *decoder, const json_t *json, const char *pointer, const char **result) {
    if (!json_is_string(json))
        return value_wrong_type(decoder, json, pointer, "a string");
    *result = arena_text(decoder->arena, json_string_value(json), json_string_length(json), decoder->error);
    return *result != NULL;
}

bool value_choice(const struct decoder *decoder, const json_t *json, const char *pointer, const char *const *names,
                  size_t count, size_t *index) {
    for (*index = 0; *index < count; ++*index)
        if (json_is_string(json) && strcmp(json_string_value(json), names[*index]) == 0)
            return true;
    char list[192];
    size_t size = 0;
    for (size_t i = 0; i < count && size < sizeof list; i++)
        size += (size_t)snprintf(list + size, sizeof list - size, "%s\"%s\"",
                                 i == 0          ? ""
                                 : i + 1 < count ? ", "
                                                 : " or ",
                                 names[i]);
    if (!json_is_string(json))
        return value_wrong_type(decoder, json, pointer, list);
    error_set(decoder->error, ERROR_OUT_OF_RANGE, pointer, "%s must be %s, not \"%.40s\".", pointer + 1, list,
              json_string_value(json));
    error_expected(decoder->error, "%s", list);
    return error_received(decoder->error, "\"%.60s\"", json_string_value(json));
}

struct value_pointer value_child(const char *pointer, const char *name) {
    struct value_pointer child;
    size_t size = (size_t)snprintf(child.text, sizeof child.text, "%s/", pointer);
    for (; *name != '\0' && size + 3 < sizeof child.text; name++) {
        if (*name == '~' || *name == '/') {
            child.text[size++] = '~';
            child.text[size++] = *name == '~' ? '0' : '1';
        } else {
            child.text[size++] = *name;
        }
    }
    child.text[size < sizeof child.text ? size : sizeof child.text - 1] = '\0';
    return child;
}

struct value_pointer value_element(const char *pointer, size_t index) {
    struct value_pointer child;
    snprintf(child.text, sizeof child.text, "%s/%zu", pointer, index);
    return child;
}

/* Edits (Levenshtein) between two short names. */
static size_t value_distance(const char *a, const char *b) {
    enum { LONGEST = 32 };
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > LONGEST || b_size > LONGEST)
        return SIZE_MAX;
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t change = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = replace < change ? replace : change;
        }
    }
    return row[b_size];
}

const char *value_nearest(const char *name, const char *(*name_at)(size_t index)) {
    const char *nearest = NULL;
    size_t least = strlen(name) / 3 + 2; /* farther than this is no misspelling */
    for (size_t i = 0; name_at(i) != NULL; i++) {
        size_t distance = value_distance(name, name_at(i));
        if (distance < least && 2 * distance <= strlen(name)) {
            least = distance;
            nearest = name_at(i);
        }
    }
    return nearest;
}
