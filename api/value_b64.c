/* The values of {"shape", "dtype", "b64"}: see value_b64.h. */
#include "api/value_b64.h"

#include "api/base64.h"
#include "api/half.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { VALUE_B64_ASK = 64 * 1024 }; /* numbers between two looks at whether the request is cancelled */

static double value_b64_load(enum dtype dtype, const unsigned char *bytes) {
    uint16_t half;
    float single;
    double number;
    switch (dtype) {
    case DTYPE_FLOAT64:
        memcpy(&number, bytes, 8);
        return number;
    case DTYPE_FLOAT32:
        memcpy(&single, bytes, 4);
        return (double)single;
    case DTYPE_FLOAT16:
    case DTYPE_BFLOAT16:
        memcpy(&half, bytes, 2);
        return (double)half_value(dtype, half);
    }
    return 0;
}

/* Rounds decoded bytes of `from` to the call's dtype and checks each element. */
static bool value_b64_convert(const struct decoder *decoder, unsigned char *bytes, enum dtype from, const char *pointer,
                              enum value_tensor_kind kind, struct tensor *tensor) {
    enum dtype to = kind == VALUE_DOUBLES ? DTYPE_FLOAT64 : decoder->call->dtype;
    size_t size = dtype_size(from);
    bool in_place = dtype_size(to) <= size;
    tensor->data = in_place ? bytes : arena_alloc(decoder->arena, tensor->count, dtype_size(to), decoder->error);
    if (tensor->data == NULL)
        return false;
    for (size_t i = 0; i < tensor->count; i++) {
        if (i % VALUE_B64_ASK == 0 && arena_is_cancelled(decoder->arena))
            return error_set(decoder->error, ERROR_CANCELLED, NULL, "The request was cancelled.");
        double loaded = value_b64_load(from, bytes + i * size);
        double value = to == DTYPE_FLOAT32 ? (double)(float)loaded : loaded;
        bool allowed = kind == VALUE_BOOLEANS
                           ? value == 0 || value == 1
                           : isfinite(value) || (kind == VALUE_NUMBERS_OR_NULL && loaded == -INFINITY);
        if (!allowed) {
            struct value_pointer place = value_child(pointer, "b64");
            error_set(decoder->error, kind == VALUE_BOOLEANS ? ERROR_WRONG_TYPE : ERROR_NOT_FINITE, place.text,
                      "Element %zu of %s is %.9g; %s.", i, place.text + 1, loaded,
                      kind == VALUE_BOOLEANS ? "a mask holds only 0 and 1"
                      : isfinite(loaded)     ? "it overflows float32: ask for \"dtype\": \"float64\""
                                             : "numbers must be finite");
            return error_received(decoder->error, "%.9g", loaded);
        }
        if (to == DTYPE_FLOAT32)
            ((float *)tensor->data)[i] = (float)value;
        else
            ((double *)tensor->data)[i] = value;
    }
    return true;
}

/* {"shape", "dtype", "b64"}: little-endian, as every machine this runs on is. */
bool value_b64(const struct decoder *decoder, const json_t *json, const char *pointer, enum value_tensor_kind kind,
               struct tensor *tensor) {
    static const char *const names[] = {"float32", "float64", "float16", "bfloat16"};
    struct value_pointer place = value_child(pointer, "b64"), dtype_place = value_child(pointer, "dtype");
    const json_t *b64 = value_member(json, "b64"), *dtype_json = value_member(json, "dtype");
    if (dtype_json == NULL)
        return error_set(decoder->error, ERROR_MISSING_MEMBER, dtype_place.text,
                         "%s has b64 but no \"dtype\": name one of float16, bfloat16, float32, float64.", pointer + 1);
    size_t dtype;
    if (!value_choice(decoder, dtype_json, dtype_place.text, names, 4, &dtype))
        return false;
    const struct scan_item *item = value_item(decoder, b64);
    if (!json_is_string(b64) && (item == NULL || item->kind != SCAN_TEXT))
        return value_wrong_type(decoder, b64, place.text, "a base64 string");
    const char *text = item != NULL ? decoder->scan->body + item->body_begin + 1 : json_string_value(b64);
    size_t size = item != NULL ? item->body_end - item->body_begin - 2 : json_string_length(b64);

    size_t bytes_size = base64_decoded_size(text, size);
    size_t wanted = tensor->count * dtype_size((enum dtype)dtype);
    if (bytes_size == SIZE_MAX)
        return error_set(decoder->error, ERROR_INVALID_BASE64, place.text,
                         "%s has %zu characters, which is no multiple of 4: pad base64 with =.", place.text + 1, size);
    if (bytes_size != wanted) {
        error_set(decoder->error, ERROR_SHAPE_MISMATCH, place.text, "%s holds %zu bytes, but shape %s of %s takes %zu.",
                  place.text + 1, bytes_size, value_shape(decoder->arena, tensor->shape, tensor->rank), names[dtype],
                  wanted);
        error_expected(decoder->error, "%zu bytes", wanted);
        return error_received(decoder->error, "%zu bytes", bytes_size);
    }
    unsigned char *bytes = arena_alloc(decoder->arena, bytes_size, 1, decoder->error);
    if (bytes == NULL)
        return false;
    const char *wrong = base64_decode(text, size, bytes);
    if (wrong != NULL)
        return error_set(decoder->error, ERROR_INVALID_BASE64, place.text,
                         "Character %zu of %s is not of the base64 alphabet (A-Z a-z 0-9 + /, padded with =).",
                         (size_t)(wrong - text), place.text + 1);
    return value_b64_convert(decoder, bytes, (enum dtype)dtype, pointer, kind, tensor);
}
