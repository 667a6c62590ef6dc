/* A tensor in any of the contract's three forms: nested arrays, {"shape", "data"} and {"shape", "dtype", "b64"}. */
#include "api/value_b64.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char value_tensor_wanted[] = "a tensor: nested arrays of numbers, {\"shape\", \"data\"} or "
                                          "{\"shape\", \"dtype\", \"b64\"}";

/* The pointer to element `flat` of an item. */
static struct value_pointer value_tensor_element(const char *pointer, const size_t *shape, size_t rank, size_t flat) {
    size_t path[SCAN_RANK_MAX] = {0};
    for (size_t axis = rank; axis-- > 0;) {
        path[axis] = flat % shape[axis];
        flat /= shape[axis];
    }
    return value_path(pointer, path, rank);
}

static const char *value_tensor_dtype_max(enum dtype dtype) {
    return dtype == DTYPE_FLOAT32 ? "float32 (3.4028235e38): ask for \"dtype\": \"float64\" or scale the numbers down"
                                  : "float64 (1.7976931348623157e308)";
}

/* What was found wrong with the array as it was read, as an error. */
static bool value_tensor_fault(const struct decoder *decoder, const struct scan_fault *fault, const char *pointer) {
    struct error *error = decoder->error;
    struct value_pointer place = value_path(pointer, fault->path, fault->depth);
    const char *body = decoder->scan->body + fault->begin;
    size_t size = fault->end - fault->begin;
    int shown = (int)(size > 40 ? 40 : size);
    if (fault->code == ERROR_RAGGED && fault->in_rank) {
        error_set(error, ERROR_RAGGED, place.text,
                  "%s is a number %zu arrays deep, but the first number of %s is %zu deep: nest all of them alike.",
                  place.text + 1, fault->received, pointer + 1, fault->expected);
        error_expected(error, "numbers %zu arrays deep", fault->expected);
        return error_received(error, "%zu deep", fault->received);
    }
    if (fault->code == ERROR_RAGGED) {
        error_set(error, ERROR_RAGGED, place.text,
                  "%s has length %zu, but the arrays before it have length %zu: make all rows of %s equally long.",
                  place.text + 1, fault->received, fault->expected, pointer + 1);
        error_expected(error, "length %zu", fault->expected);
        return error_received(error, "length %zu", fault->received);
    }
    if (fault->code == ERROR_EMPTY_AXIS) {
        error_set(error, ERROR_EMPTY_AXIS, place.text, "%s is an empty array; no axis of a tensor may have length 0.",
                  place.text + 1);
        return error_received(error, "[]");
    }
    if (fault->code == ERROR_TOO_MANY_ELEMENTS) {
        error_set(error, ERROR_TOO_MANY_ELEMENTS, pointer, "%s has more than %zu numbers, the limit of one tensor.",
                  pointer + 1, decoder->limits->elements);
        return error_expected(error, "at most %zu numbers", decoder->limits->elements);
    }
    if (fault->code == ERROR_NOT_FINITE) {
        error_set(error, ERROR_NOT_FINITE, place.text, "%s is %.*s, which is beyond the largest %s.", place.text + 1,
                  shown, body, value_tensor_dtype_max(decoder->call->dtype));
        return error_received(error, "%.*s", shown, body);
    }
    error_set(error, ERROR_WRONG_TYPE, place.text, "%s is %s; every element of %s must be a number.", place.text + 1,
              *body == '"' ? "a string" : "an object", pointer + 1);
    error_expected(error, "a number");
    return error_received(error, *body == '"' ? "a string" : "an object");
}

/* Whether the elements are of the kind wanted. */
static bool value_tensor_kind_check(const struct decoder *decoder, const struct scan_array *array, const char *pointer,
                                    enum value_tensor_kind kind) {
    struct error *error = decoder->error;
    const void *values = scan_values(decoder->scan, array);
    bool is_float32 = decoder->scan->dtype == DTYPE_FLOAT32;
    bool nulls_refused = array->has_nulls && kind != VALUE_NUMBERS_OR_NULL;
    for (size_t i = 0; i < array->count && (nulls_refused || kind == VALUE_BOOLEANS); i++) {
        double value = is_float32 ? (double)((const float *)values)[i] : ((const double *)values)[i];
        if (value == 0 || value == 1 || (kind != VALUE_BOOLEANS && isfinite(value)))
            continue;
        struct value_pointer place = value_tensor_element(pointer, array->shape, array->rank, i);
        const char *wanted = kind == VALUE_BOOLEANS ? "true, false, 1 or 0" : "a number";
        error_set(error, ERROR_WRONG_TYPE, place.text, "%s must be %s, not %.9g.", place.text + 1, wanted, value);
        if (!isfinite(value))
            snprintf(error->detail, sizeof error->detail, "%s must be %s, not null.", place.text + 1, wanted);
        error_expected(error, "%s", wanted);
        return isfinite(value) ? error_received(error, "%.9g", value) : error_received(error, "null");
    }
    if (array->has_booleans && kind != VALUE_BOOLEANS) {
        struct value_pointer place = value_tensor_element(pointer, array->shape, array->rank, array->first_boolean);
        error_set(error, ERROR_WRONG_TYPE, place.text,
                  "%s is true or false; write numbers here (booleans belong in mask.attend and mask.block).",
                  place.text + 1);
        error_expected(error, "a number");
        return error_received(error, "true or false");
    }
    return true;
}

/* The values of an array of numbers: where the scan put them, or read again as doubles. */
static bool value_tensor_item(const struct decoder *decoder, const struct scan_item *item, const char *pointer,
                              enum value_tensor_kind kind, const void **values) {
    const struct scan_array *array = item->array;
    if (array->fault != NULL)
        return value_tensor_fault(decoder, array->fault, pointer);
    if (!value_tensor_kind_check(decoder, array, pointer, kind))
        return false;
    *values = scan_values(decoder->scan, array);
    if (kind != VALUE_DOUBLES || decoder->scan->dtype == DTYPE_FLOAT64)
        return true;
    double *numbers = arena_alloc(decoder->arena, array->count, sizeof *numbers, decoder->error);
    if (numbers == NULL)
        return false;
    scan_doubles(decoder->scan, item, numbers);
    *values = numbers;
    return true;
}

static bool value_tensor_too_many_axes(const struct decoder *decoder, const char *pointer, size_t rank, size_t most) {
    error_set(decoder->error, ERROR_WRONG_RANK, pointer, "%s has %zu axes; this tensor may have up to %zu.",
              pointer + 1, rank, most);
    error_expected(decoder->error, "at most %zu axes", most);
    return error_received(decoder->error, "%zu axes", rank);
}

/* {"shape": […]}: the axes and their product. */
static bool value_tensor_shape(const struct decoder *decoder, const json_t *json, const char *pointer, size_t least,
                               size_t most, struct tensor *tensor) {
    struct value_pointer place = value_child(pointer, "shape");
    const json_t *shape = value_member(json, "shape");
    char wanted[64];
    snprintf(wanted, sizeof wanted, "an array of %zu to %zu whole numbers", least, most);
    if (shape == NULL) {
        error_set(decoder->error, ERROR_MISSING_MEMBER, place.text,
                  "%s has no \"shape\": give the lengths of its axes, such as [2,3].", pointer + 1);
        return error_expected(decoder->error, "\"shape\": %s", wanted);
    }
    tensor->count = 1;
    const struct scan_item *item = value_item(decoder, shape);
    bool is_array = item != NULL && item->kind != SCAN_NUMBER;
    if (least == 0 && item != NULL && value_is_empty(decoder, item))
        return true;
    double lengths[TENSOR_RANK_MAX];
    size_t count = is_array ? value_few(decoder, shape, lengths, most) : 0;
    if (count == 0)
        return value_wrong_type(decoder, shape, place.text, wanted);
    if (count > most)
        return value_tensor_too_many_axes(decoder, place.text, count, most);
    tensor->rank = count;
    for (size_t axis = 0; axis < count; axis++) {
        double length = lengths[axis];
        struct value_pointer element = value_element(place.text, axis);
        if (length == 0)
            return error_set(decoder->error, ERROR_EMPTY_AXIS, element.text,
                             "%s is 0; no axis of a tensor may have length 0.", element.text + 1);
        if (length != floor(length) || length < 0)
            return error_set(decoder->error, ERROR_OUT_OF_RANGE, element.text, "%s must be a whole number, not %.9g.",
                             element.text + 1, length);
        bool overflows = length > (double)decoder->limits->elements ||
                         __builtin_mul_overflow(tensor->count, (size_t)length, &tensor->count);
        if (overflows || tensor->count > decoder->limits->elements) {
            error_set(decoder->error, ERROR_TOO_MANY_ELEMENTS, place.text,
                      "%s asks for more than %zu numbers, the limit of one tensor.", place.text + 1,
                      decoder->limits->elements);
            return error_expected(decoder->error, "at most %zu numbers", decoder->limits->elements);
        }
        tensor->shape[axis] = (size_t)length;
    }
    return true;
}

/* {"shape", "data"}: flat, or nested in exactly that shape. */
static bool value_tensor_data(const struct decoder *decoder, const json_t *data, const char *pointer,
                              enum value_tensor_kind kind, struct tensor *tensor) {
    struct value_pointer place = value_child(pointer, "data");
    const struct scan_item *item = value_numbers(decoder, data);
    const void *values;
    if (item == NULL)
        return value_wrong_type(decoder, data, place.text, "an array of numbers");
    if (!value_tensor_item(decoder, item, place.text, kind, &values))
        return false;
    const struct scan_array *array = item->array;
    bool nested = array->rank == tensor->rank && memcmp(array->shape, tensor->shape, array->rank * sizeof(size_t)) == 0;
    bool flat = array->rank == 1 && array->count == tensor->count;
    if (!nested && !flat) {
        const char *wanted = value_shape(decoder->arena, tensor->shape, tensor->rank);
        const char *given = value_shape(decoder->arena, array->shape, array->rank);
        error_set(decoder->error, ERROR_SHAPE_MISMATCH, place.text,
                  "%s has shape %s, but \"shape\" is %s: give %zu numbers flat, or nested in that shape.",
                  place.text + 1, given, wanted, tensor->count);
        error_expected(decoder->error, "%s or [%zu]", wanted, tensor->count);
        return error_received(decoder->error, "%s", given);
    }
    tensor->data = (void *)values;
    return true;
}

static bool value_tensor_object(const struct decoder *decoder, const json_t *json, const char *pointer,
                                enum value_tensor_kind kind, size_t least, size_t most, struct tensor *tensor) {
    const json_t *data = value_member(json, "data"), *b64 = value_member(json, "b64");
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)json, name, member) {
        bool known = strcmp(name, "shape") == 0 || strcmp(name, "data") == 0 || strcmp(name, "b64") == 0 ||
                     (strcmp(name, "dtype") == 0 && (b64 != NULL || json_is_null(member)));
        if (!known)
            return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, value_child(pointer, name).text,
                             "%s is no tensor: it has \"%.40s\", but a tensor object has \"shape\" and \"data\", or "
                             "\"shape\", \"dtype\" and \"b64\".",
                             pointer + 1, name);
    }
    if ((data == NULL) == (b64 == NULL)) {
        error_set(decoder->error, data == NULL ? ERROR_MISSING_MEMBER : ERROR_CONFLICT, pointer,
                  "%s is an object with %s: a tensor object has \"shape\" and one of the two.", pointer + 1,
                  data == NULL ? "neither \"data\" nor \"b64\"" : "both \"data\" and \"b64\"");
        return error_expected(decoder->error, "%s", value_tensor_wanted);
    }
    if (!value_tensor_shape(decoder, json, pointer, least, most, tensor))
        return false;
    return data != NULL ? value_tensor_data(decoder, data, pointer, kind, tensor)
                        : value_b64(decoder, json, pointer, kind, tensor);
}

/* An array that holds no number at all: it is empty somewhere, or begins with what is no number; NULL: with an object.
 */
static bool value_tensor_not_numbers(const struct decoder *decoder, const struct scan_array *array,
                                     const char *pointer) {
    static const size_t path[SCAN_RANK_MAX] = {0};
    const char *first = array == NULL ? "{" : decoder->scan->body + array->first;
    bool empty = *first == ']';
    struct value_pointer place = value_path(pointer, path, array == NULL ? 1 : array->rank - (empty ? 1 : 0));
    const char *received = empty ? "an empty array" : value_describe_text(decoder, first);
    error_set(decoder->error, empty ? ERROR_EMPTY_AXIS : ERROR_WRONG_TYPE, place.text,
              empty ? "%s is %s; no axis of a tensor may have length 0." : "%s is %s; a tensor holds numbers.",
              place.text + 1, received);
    error_expected(decoder->error, "%s", value_tensor_wanted);
    return error_received(decoder->error, "%s", received);
}

bool value_tensor(const struct decoder *decoder, const json_t *json, const char *pointer, enum value_tensor_kind kind,
                  struct tensor *tensor) {
    return value_tensor_ranks(decoder, json, pointer, kind, 1, TENSOR_RANK_USUAL, tensor);
}

bool value_tensor_ranks(const struct decoder *decoder, const json_t *json, const char *pointer,
                        enum value_tensor_kind kind, size_t least, size_t most, struct tensor *tensor) {
    struct tensor read = {0};
    const struct scan_item *item = value_item(decoder, json);
    if (json_is_object(json)) {
        if (!value_tensor_object(decoder, json, pointer, kind, least, most, &read))
            return false;
    } else if (item != NULL && item->kind == SCAN_NUMBERS) {
        const struct scan_array *array = item->array;
        const void *values;
        if (!value_tensor_item(decoder, item, pointer, kind, &values))
            return false;
        if (array->rank > most)
            return value_tensor_too_many_axes(decoder, pointer, array->rank, most);
        read = (struct tensor){.data = (void *)values, .rank = array->rank, .count = array->count};
        memcpy(read.shape, array->shape, array->rank * sizeof *read.shape);
    } else if (item != NULL && item->kind == SCAN_STRINGS) {
        return value_tensor_not_numbers(decoder, item->array, pointer);
    } else if (json_is_array(json)) { /* of objects */
        return value_tensor_not_numbers(decoder, NULL, pointer);
    } else {
        return value_wrong_type(decoder, json, pointer, value_tensor_wanted);
    }
    *tensor = read;
    return true;
}
