/* One JSON value of the envelope, read as what a member wants. Every function takes the value's JSON Pointer for its
 * error, which alone must suffice to mend the request. */
#pragma once

#include "api/call.h"
#include "api/scan.h"

#include <jansson.h>

struct route;

/* What decoding needs at hand. */
struct decoder {
    const struct limits *limits;
    const struct scan *scan;
    const struct route *route;
    struct arena *arena;
    struct error *error;
    struct call *call;
    const json_t **embeddings; /* the member, until decoding ends */
};

/* The item that stands for `json`, or NULL where jansson read the value itself. */
const struct scan_item *value_item(const struct decoder *decoder, const json_t *json);

/* The member of an object, NULL where it is absent or null, which is the same. */
const json_t *value_member(const json_t *json, const char *name);

/* What a value is, for a message: "a string", "an array of shape [2,3]"; in a buffer of the decoder's arena. */
const char *value_describe(const struct decoder *decoder, const json_t *json);

/* Refuses the value: it is not `wanted` ("a number", "true or false"). Always false. */
bool value_wrong_type(const struct decoder *decoder, const json_t *json, const char *pointer, const char *wanted);

bool value_bool(const struct decoder *decoder, const json_t *json, const char *pointer, bool *result);

/* A number, finite in the call's dtype. */
bool value_number(const struct decoder *decoder, const json_t *json, const char *pointer, double *result);

/* A whole number in [least, most]. */
bool value_size(const struct decoder *decoder, const json_t *json, const char *pointer, size_t least, size_t most,
                size_t *result);

/* A whole number from −2⁶³ to 2⁶⁴ − 1, exactly; a negative one as its two's complement. */
bool value_seed(const struct decoder *decoder, const json_t *json, const char *pointer, uint64_t *result);

/* A string in the arena. */
bool value_string(const struct decoder *decoder, const json_t *json, const char *pointer, const char **result);

/* One of `count` names: its index. */
bool value_choice(const struct decoder *decoder, const json_t *json, const char *pointer, const char *const *names,
                  size_t count, size_t *index);

enum value_tensor_kind {
    VALUE_NUMBERS,         /* finite numbers */
    VALUE_NUMBERS_OR_NULL, /* null (in b64 −∞) is −∞ */
    VALUE_BOOLEANS,        /* true, false, 0, 1 */
};

/* A tensor in any of the contract's three forms, of 1 to TENSOR_RANK_USUAL axes. */
bool value_tensor(const struct decoder *decoder, const json_t *json, const char *pointer, enum value_tensor_kind kind,
                  struct tensor *tensor);

/* The same of `least` to `most` axes. */
bool value_tensor_ranks(const struct decoder *decoder, const json_t *json, const char *pointer,
                        enum value_tensor_kind kind, size_t least, size_t most, struct tensor *tensor);

/* Room for a JSON Pointer made from parts. */
struct value_pointer {
    char text[256];
};

/* pointer + "/" + name, with ~ and / escaped (RFC 6901). */
struct value_pointer value_child(const char *pointer, const char *name);
struct value_pointer value_element(const char *pointer, size_t index);

/* The name nearest to `name` by edits, or NULL where none is near. `name_at` gives the candidates until NULL. */
const char *value_nearest(const char *name, const char *(*name_at)(size_t index));

/* "[2,3]" in the arena ("" without memory). */
const char *value_shape(struct arena *arena, const size_t *shape, size_t rank);
