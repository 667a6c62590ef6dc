/* One JSON value of the envelope, read as what a member wants. Every function takes the value's JSON Pointer for its
 * error, which alone must suffice to mend the request. */
#pragma once

#include "api/call.h"
#include "api/scan.h"

#include <jansson.h>

struct route;
struct embeddings;

/* What decoding needs at hand. */
struct decoder {
    const struct limits *limits;
    const struct scan *scan;
    const struct route *route;
    struct arena *arena;
    struct error *error;
    struct call *call;
    struct embeddings *embeddings; /* as they were read; NULL: none */
};

/* The item that stands for `json`, or NULL where jansson read the value itself. */
const struct scan_item *value_item(const struct decoder *decoder, const json_t *json);

/* The item if it is a number by itself, or an array of numbers (which may be at fault), else NULL. */
const struct scan_item *value_lone_number(const struct decoder *decoder, const json_t *json);
const struct scan_item *value_numbers(const struct decoder *decoder, const json_t *json);

/* Up to `most` numbers in an array of one axis without fault, booleans or nulls, or one number by itself: as doubles.
 * How many there are; 0 where it is neither. Numbers beyond `most` are counted only. */
size_t value_few(const struct decoder *decoder, const json_t *json, double *numbers, size_t most);

/* The member of an object, NULL where it is absent or null, which is the same. */
const json_t *value_member(const json_t *json, const char *name);

/* What a value is, for a message: "a string", "an array of shape [2,3]"; in a buffer of the decoder's arena. */
const char *value_describe(const struct decoder *decoder, const json_t *json);

/* The same of a value that begins at `text` in the body. */
const char *value_describe_text(const struct decoder *decoder, const char *text);

/* Whether it is []. */
bool value_is_empty(const struct decoder *decoder, const struct scan_item *item);

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

/* Strings in the arena: one list, or with `nested` one for each item. */
struct value_strings {
    bool nested;
    size_t lists, longest;
    size_t *lengths;           /* [lists] */
    const char *const **names; /* [lists][length] */
};

/* An array of strings, or, with `may_nest`, of such arrays; none is empty. `wanted` is said of what is neither. */
bool value_strings(const struct decoder *decoder, const json_t *json, const char *pointer, bool may_nest,
                   const char *wanted, struct value_strings *strings);

/* A string in the arena. */
bool value_string(const struct decoder *decoder, const json_t *json, const char *pointer, const char **result);

/* One of `count` names: its index. */
bool value_choice(const struct decoder *decoder, const json_t *json, const char *pointer, const char *const *names,
                  size_t count, size_t *index);

/* The same of a string. */
bool value_one_of(const struct decoder *decoder, const char *string, const char *pointer, const char *const *names,
                  size_t count, size_t *index);

enum value_tensor_kind {
    VALUE_NUMBERS,         /* finite numbers */
    VALUE_NUMBERS_OR_NULL, /* null (in b64 −∞) is −∞ */
    VALUE_BOOLEANS,        /* true, false, 0, 1 */
    VALUE_DOUBLES,         /* finite numbers, kept as float64 whatever the call's dtype */
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

/* pointer + the index path of an element. */
struct value_pointer value_path(const char *pointer, const size_t *path, size_t depth);

/* The name nearest to `name` by edits, or NULL where none is near. `name_at` gives the candidates until NULL. */
const char *value_nearest(const char *name, const char *(*name_at)(size_t index));

/* "[2,3]" in the arena ("" without memory). */
const char *value_shape(struct arena *arena, const size_t *shape, size_t rank);
