/* The member `rotary`: see decode_rotary.h. */
#include "api/decode_rotary.h"

#include <string.h>

enum { DECODE_ROTARY_DIM_MAX = 1 << 30 };

static const double decode_rotary_base = 10000;

static const char *const decode_rotary_names[] = {"base", "interleaved", "dim", "positions", NULL};

static const char *decode_rotary_name_at(size_t index) {
    return decode_rotary_names[index];
}

static bool decode_rotary_base_of(const struct decoder *decoder, const json_t *json, const char *pointer) {
    double *base = &decoder->call->rotary.base;
    if (!value_number(decoder, json, pointer, base))
        return false;
    if (*base > 0)
        return true;
    error_set(decoder->error, ERROR_OUT_OF_RANGE, pointer,
              "rotary.base is %.9g; pair i turns by position * base^(-2i/dim), so it must be above 0, such as 10000.",
              *base);
    error_expected(decoder->error, "a number above 0");
    return error_received(decoder->error, "%.9g", *base);
}

static bool decode_rotary_dim(const struct decoder *decoder, const json_t *json, const char *pointer) {
    size_t *dim = &decoder->call->rotary.dim;
    if (!value_size(decoder, json, pointer, 2, DECODE_ROTARY_DIM_MAX, dim))
        return false;
    if (*dim % 2 == 0)
        return true;
    error_set(decoder->error, ERROR_OUT_OF_RANGE, pointer,
              "rotary.dim is %zu; features turn in pairs, so it must be even: use %zu or %zu.", *dim, *dim - 1,
              *dim + 1);
    error_expected(decoder->error, "an even number");
    return error_received(decoder->error, "%zu", *dim);
}

static bool decode_rotary_positions(const struct decoder *decoder, const json_t *json, const char *pointer) {
    struct tensor *positions = &decoder->call->rotary.positions;
    if (!value_tensor(decoder, json, pointer, VALUE_DOUBLES, positions))
        return false;
    if (positions->rank <= 2)
        return true;
    error_set(decoder->error, ERROR_WRONG_RANK, pointer,
              "rotary.positions has shape %s; it must be [L], a position for each new token, or [B,L].",
              value_shape(decoder->arena, positions->shape, positions->rank));
    error_expected(decoder->error, "1 or 2 axes");
    return error_received(decoder->error, "%zu axes", positions->rank);
}

bool decode_rotary(const struct decoder *decoder, const json_t *json, const char *pointer) {
    struct call_rotary *rotary = &decoder->call->rotary;
    rotary->base = decode_rotary_base;
    if (json_is_boolean(json))
        return value_bool(decoder, json, pointer, &rotary->given);
    if (!json_is_object(json))
        return value_wrong_type(decoder, json, pointer,
                                "true, false or an object with any of \"base\", \"interleaved\", \"dim\" and "
                                "\"positions\"");
    rotary->given = true;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        struct value_pointer place = value_child(pointer, name);
        bool ok = true;
        if (json_is_null(value))
            continue;
        if (strcmp(name, "base") == 0)
            ok = decode_rotary_base_of(decoder, value, place.text);
        else if (strcmp(name, "interleaved") == 0)
            ok = value_bool(decoder, value, place.text, &rotary->interleaved);
        else if (strcmp(name, "dim") == 0)
            ok = decode_rotary_dim(decoder, value, place.text);
        else if (strcmp(name, "positions") == 0)
            ok = decode_rotary_positions(decoder, value, place.text);
        else {
            const char *nearest = value_nearest(name, decode_rotary_name_at);
            return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, place.text,
                             "rotary has no \"%.40s\": did you mean \"%s\"? It has base, interleaved, dim and "
                             "positions.",
                             name, nearest != NULL ? nearest : "base");
        }
        if (!ok)
            return false;
    }
    return true;
}
