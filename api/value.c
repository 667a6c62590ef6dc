/* One JSON value of the envelope, read as what a member wants: see value.h. Tensors are in value_tensor.c. */
#include "api/value.h"

#include "api/scan_token.h"
#include "api/text.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct scan_item *value_item(const struct decoder *decoder, const json_t *json) {
    if (!json_is_integer(json))
        return NULL;
    size_t index = (size_t)json_integer_value(json);
    return index < decoder->scan->count ? &decoder->scan->items[index] : NULL;
}

static const struct scan_item *value_item_of(const struct decoder *decoder, const json_t *json, enum scan_kind kind) {
    const struct scan_item *item = value_item(decoder, json);
    return item != NULL && item->kind == kind ? item : NULL;
}

const struct scan_item *value_lone_number(const struct decoder *decoder, const json_t *json) {
    return value_item_of(decoder, json, SCAN_NUMBER);
}

const struct scan_item *value_numbers(const struct decoder *decoder, const json_t *json) {
    return value_item_of(decoder, json, SCAN_NUMBERS);
}

size_t value_few(const struct decoder *decoder, const json_t *json, double *numbers, size_t most) {
    const struct scan_item *item = value_item(decoder, json);
    if (item != NULL && item->kind == SCAN_NUMBER) {
        numbers[0] = item->number;
        return 1;
    }
    if (item == NULL || item->kind != SCAN_NUMBERS)
        return 0;
    const struct scan_array *array = item->array;
    if (array->fault != NULL || array->rank != 1 || array->has_booleans || array->has_nulls)
        return 0;
    if (array->count <= most)
        scan_doubles(decoder->scan, item, numbers);
    return array->count;
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

bool value_is_empty(const struct decoder *decoder, const struct scan_item *item) {
    return item->kind == SCAN_STRINGS && item->array->rank == 1 && decoder->scan->body[item->array->first] == ']';
}

const char *value_describe_text(const struct decoder *decoder, const char *text) {
    struct error ignored = {0};
    const char *end = decoder->scan->body + decoder->scan->body_size;
    const char *what = NULL;
    int size = 0;
    switch (*text) {
    case '{':
        return "an object";
    case '[':
        return *scan_token_skip_space(text + 1, end) == ']' ? "an empty array" : "an array";
    case 't':
        return "true";
    case 'f':
        return "false";
    case 'n':
        return "null";
    case '"':
        for (text++; size < 40 && text[size] != '"'; size++)
            size += text[size] == '\\';
        what = arena_format(decoder->arena, &ignored, "the string \"%.*s\"", size, text);
        return what != NULL ? what : "a string";
    }
    size = (int)strspn(text, "-+.0123456789eE");
    what = arena_format(decoder->arena, &ignored, "the number %.*s", size < 40 ? size : 40, text);
    return what != NULL ? what : "a number";
}

static const char *value_describe_item(const struct decoder *decoder, const struct scan_item *item) {
    struct error ignored = {0};
    const char *body = decoder->scan->body + item->body_begin;
    int size = (int)(item->body_end - item->body_begin > 40 ? 40 : item->body_end - item->body_begin);
    const char *what = NULL;
    switch (item->kind) {
    case SCAN_TEXT:
        return "a string";
    case SCAN_STRINGS:
        return value_is_empty(decoder, item) ? "an empty array" : "an array";
    case SCAN_NUMBER:
        what = arena_format(decoder->arena, &ignored, "the number %.*s", size, body);
        break;
    case SCAN_NUMBERS:
        if (item->array->fault != NULL)
            return "an array";
        what = arena_format(decoder->arena, &ignored, "an array of shape %s",
                            value_shape(decoder->arena, item->array->shape, item->array->rank));
    }
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
        return "an array of objects";
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
    const struct scan_item *item = value_lone_number(decoder, json);
    if (item == NULL)
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
    const struct scan_item *item = value_lone_number(decoder, json);
    if (item == NULL)
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
    const struct scan_item *item = value_lone_number(decoder, json);
    if (item == NULL)
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

/* "a", "b" or "c". */
struct value_list {
    char text[192];
};

static struct value_list value_list(const char *const *names, size_t count) {
    struct value_list list;
    size_t size = 0;
    for (size_t i = 0; i < count && size < sizeof list.text; i++)
        size += (size_t)snprintf(list.text + size, sizeof list.text - size, "%s\"%s\"",
                                 i == 0          ? ""
                                 : i + 1 < count ? ", "
                                                 : " or ",
                                 names[i]);
    return list;
}

bool value_one_of(const struct decoder *decoder, const char *string, const char *pointer, const char *const *names,
                  size_t count, size_t *index) {
    for (*index = 0; *index < count; ++*index)
        if (strcmp(string, names[*index]) == 0)
            return true;
    struct value_list list = value_list(names, count);
    error_set(decoder->error, ERROR_OUT_OF_RANGE, pointer, "%s must be %s, not \"%.40s\".", pointer + 1, list.text,
              string);
    error_expected(decoder->error, "%s", list.text);
    return error_received(decoder->error, "\"%.60s\"", string);
}

bool value_choice(const struct decoder *decoder, const json_t *json, const char *pointer, const char *const *names,
                  size_t count, size_t *index) {
    if (!json_is_string(json))
        return value_wrong_type(decoder, json, pointer, value_list(names, count).text);
    return value_one_of(decoder, json_string_value(json), pointer, names, count, index);
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
    return value_path(pointer, &index, 1);
}

struct value_pointer value_path(const char *pointer, const size_t *path, size_t depth) {
    struct value_pointer element;
    size_t size = (size_t)snprintf(element.text, sizeof element.text, "%s", pointer);
    for (size_t i = 0; i < depth && size < sizeof element.text; i++)
        size += (size_t)snprintf(element.text + size, sizeof element.text - size, "/%zu", path[i]);
    return element;
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
