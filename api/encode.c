/* Rows of numbers as the answer's text: nested arrays, or base64. */
#include "api/encode.h"

#include "api/base64.h"
#include "api/half.h"
#include "api/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The result's name and all of a b64 opening but the shape; the digits of a length and a comma. */
enum { ENCODE_OPENING = 128, ENCODE_LENGTH = 21 };

size_t encode_cols(const struct encode *encode) {
    return encode->rank == 0 ? 1 : encode->shape[encode->rank - 1];
}

size_t encode_size(const struct encode *encode, size_t count) {
    size_t cols = encode_cols(encode);
    size_t number = encode->dtype == DTYPE_FLOAT32 ? (size_t)NUMBER_MAX_F32 : (size_t)NUMBER_MAX_F64;
    if (encode->decimals >= 0) {
        size_t digits = encode->at_most_one              ? 1
                        : encode->dtype == DTYPE_FLOAT32 ? FLT_MAX_10_EXP + 1
                                                         : DBL_MAX_10_EXP + 1;
        number = digits + (size_t)encode->decimals + 3; /* sign, point, comma */
    }
    size_t opening = ENCODE_OPENING + ENCODE_LENGTH * encode->rank;
    if (encode->b64)
        return base64_encoded_size(count * cols * dtype_size(encode->written)) + opening;
    return count * (cols * number + 2 * encode->rank + 1) + opening + NUMBER_SPILL;
}

/* encode_finite_numbers() for a 16-bit dtype. */
static size_t encode_finite_halves(const struct encode *encode, const float *values, size_t count, char **text) {
    char *place = *text;
    size_t i = 0;
    for (; i < count; i++) {
        uint16_t bits = half_bits(encode->written, values[i]);
        float value = half_value(encode->written, bits);
        if (!isfinite(value))
            break;
        place = encode->decimals >= 0 ? number_fixed_f64((double)value, encode->decimals, place)
                                      : number_write_half(encode->written, bits, place);
        *place++ = ',';
    }
    *text = place;
    return i;
}

/* Numbers of a row from `first` on, a comma after each, up to one that is not finite: how many. */
static size_t encode_finite_numbers(const struct encode *encode, const void *row, size_t first, size_t cols,
                                    char **text) {
    size_t count = cols - first;
    if (encode->dtype == DTYPE_FLOAT32) {
        const float *values = (const float *)row + first;
        if (half_is(encode->written))
            return encode_finite_halves(encode, values, count, text);
        return encode->decimals >= 0 ? number_fixed_row_f32(values, count, encode->decimals, text)
                                     : number_write_row_f32(values, count, text);
    }
    const double *values = (const double *)row + first;
    return encode->decimals >= 0 ? number_fixed_row_f64(values, count, encode->decimals, text)
                                 : number_write_row_f64(values, count, text);
}

/* The number is −∞, which this result writes as null. */
static bool encode_is_null(const struct encode *encode, const void *row, size_t i) {
    double value = encode->dtype == DTYPE_FLOAT32 ? (double)((const float *)row)[i] : ((const double *)row)[i];
    return encode->null_minus_inf && value == -INFINITY;
}

/* One row's numbers, commas between. NULL: one is not finite. */
static char *encode_row(const struct encode *encode, const void *row, size_t cols, char *text) {
    for (size_t i = 0; (i += encode_finite_numbers(encode, row, i, cols, &text)) < cols; i++) {
        if (!encode_is_null(encode, row, i))
            return NULL;
        memcpy(text, "null,", 5);
        text += 5;
    }
    return text - 1;
}

/* How many axes begin (or, with the row's successor, end) at a row, its own among them. */
static size_t encode_boundaries(const struct encode *encode, size_t row) {
    size_t boundaries = 1, length = 1;
    if (encode->rank == 0)
        return 0;
    for (size_t axis = encode->rank - 1; axis-- > 0; boundaries++) {
        length *= encode->shape[axis];
        if (row % length != 0)
            break;
    }
    return boundaries;
}

static bool encode_nested(const struct encode *encode, size_t first, size_t count, const char *rows, size_t row_size,
                          char **text) {
    size_t cols = encode_cols(encode);
    char *place = *text;
    for (size_t row = first; row < first + count; row++, rows += row_size) {
        if (row > 0)
            *place++ = ',';
        for (size_t i = encode_boundaries(encode, row); i > 0; i--)
            *place++ = '[';
        place = encode_row(encode, rows, cols, place);
        if (place == NULL)
            return false;
        for (size_t i = encode_boundaries(encode, row + 1); i > 0; i--)
            *place++ = ']';
    }
    *text = place;
    return true;
}

static bool encode_finite(const struct encode *encode, const void *row, size_t cols) {
    for (size_t i = 0; i < cols; i++) {
        double value = encode->dtype == DTYPE_FLOAT32 ? (double)((const float *)row)[i] : ((const double *)row)[i];
        if (!isfinite(value) && !encode_is_null(encode, row, i))
            return false;
    }
    return true;
}

/* Base64 groups are three bytes and may span rows: what is left of a row is carried into the next. */
struct encode_bytes {
    char *place;
    unsigned char carry[3];
    size_t carried;
};

static void encode_add_bytes(struct encode_bytes *bytes, const char *from, size_t size) {
    size_t begin = 0;
    while (bytes->carried > 0 && bytes->carried < 3 && begin < size)
        bytes->carry[bytes->carried++] = (unsigned char)from[begin++];
    if (bytes->carried == 3) {
        bytes->place = base64_encode(bytes->carry, 3, bytes->place);
        bytes->carried = 0;
    }
    size_t whole = (size - begin) / 3 * 3;
    bytes->place = base64_encode(from + begin, whole, bytes->place);
    for (begin += whole; begin < size; begin++)
        bytes->carry[bytes->carried++] = (unsigned char)from[begin];
}

/* A row of a 16-bit dtype, rounded some numbers at a time. */
static bool encode_add_halves(const struct encode *encode, struct encode_bytes *bytes, const float *row, size_t cols) {
    enum { TOGETHER = 192 };
    uint16_t halves[TOGETHER];
    for (size_t begin = 0; begin < cols; begin += TOGETHER) {
        size_t count = cols - begin < TOGETHER ? cols - begin : TOGETHER;
        for (size_t i = 0; i < count; i++) {
            halves[i] = half_bits(encode->written, row[begin + i]);
            if (!isfinite(half_value(encode->written, halves[i])) && !encode_is_null(encode, row, begin + i))
                return false;
        }
        encode_add_bytes(bytes, (const char *)halves, count * sizeof *halves);
    }
    return true;
}

static char *encode_base64_opening(const struct encode *encode, char *place) {
    place += sprintf(place, "{\"shape\":[");
    for (size_t axis = 0; axis < encode->rank; axis++)
        place += sprintf(place, "%s%zu", axis > 0 ? "," : "", encode->shape[axis]);
    return place + sprintf(place, "],\"dtype\":\"%s\",\"b64\":\"", dtype_name(encode->written));
}

static bool encode_base64(const struct encode *encode, size_t first, size_t count, const char *rows, size_t row_size,
                          char **text) {
    size_t cols = encode_cols(encode), size = cols * dtype_size(encode->dtype);
    struct encode_bytes bytes = {.place = *text};
    if (first == 0)
        bytes.place = encode_base64_opening(encode, bytes.place);
    for (size_t row = 0; row < count; row++, rows += row_size) {
        if (half_is(encode->written)) {
            if (!encode_add_halves(encode, &bytes, (const float *)(const void *)rows, cols))
                return false;
        } else {
            if (!encode_finite(encode, rows, cols))
                return false;
            encode_add_bytes(&bytes, rows, size);
        }
    }
    char *place = base64_encode(bytes.carry, bytes.carried, bytes.place);
    if (first + count == encode->rows) {
        *place++ = '"';
        *place++ = '}';
    }
    *text = place;
    return true;
}

bool encode_rows(const struct encode *encode, size_t first, size_t count, const void *rows, size_t stride,
                 char **text) {
    size_t row_size = stride * dtype_size(encode->dtype);
    return encode->b64 ? encode_base64(encode, first, count, rows, row_size, text)
                       : encode_nested(encode, first, count, rows, row_size, text);
}
