/* Takes the bulk out of a body before jansson sees it.
 *
 * jansson is the right reader for an envelope (members, strings, all of JSON's strictness) and the wrong one for a
 * million numbers or labels: it makes heap objects of each. So one pass over the text puts every number and every array
 * into an item of its own, and hands on the text with the item's index in its place. No number of the user's is left in
 * the envelope, so a number that jansson reads there is an index. Only arrays of objects stay. Long base64 texts
 * (values of "b64") are taken out the same way.
 *
 * The grammar stays jansson's: where an array is not proper JSON, the envelope goes on with the first token that is
 * wrong, in the same surroundings, for jansson to refuse. What is proper JSON but no proper tensor (ragged, a string
 * among the numbers, a number that overflows) or no proper list of strings is a fault of the item, raised when somebody
 * asks for its values. */
#pragma once

#include "api/limits.h"
#include "core/arena.h"
#include "core/dtype.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { SCAN_RANK_MAX = 32 };

enum scan_kind {
    SCAN_NUMBER,  /* a number by itself */
    SCAN_TEXT,    /* a string: its inside is body[body_begin + 1, body_end − 1) */
    SCAN_NUMBERS, /* an array whose first scalar is a number, true, false or null */
    SCAN_STRINGS, /* an array whose first scalar is none of them, unless it is one of objects */
};

/* The first thing that makes an array none of numbers, or of strings. */
struct scan_fault {
    enum error_code code;      /* RAGGED, WRONG_TYPE, EMPTY_AXIS, NOT_FINITE, TOO_MANY_ELEMENTS */
    bool in_rank;              /* RAGGED: a number stands deeper or less deep than the first one */
    size_t expected, received; /* RAGGED: the two lengths, or ranks */
    size_t begin, end;         /* the bytes of the body at fault; of strings only the begin is meant */
    size_t depth;              /* the index path [0, depth) to it */
    size_t path[SCAN_RANK_MAX];
};

struct scan_array {
    const struct scan_fault *fault; /* NULL: none; shape and numbers mean nothing with one */
    size_t first;                   /* of numbers: the place of the first in `values`; of strings: the byte of the body
                                       at which the first scalar stands, or the bracket that closes an empty array */
    size_t count;                   /* numbers, or strings */
    bool has_numbers, has_booleans, has_nulls;
    size_t first_boolean; /* its flat index */
    size_t rank;
    const size_t *shape; /* of numbers; of strings: how many, or lists and the longest one's length (rank 2) */
};

struct scan_item {
    size_t body_begin, body_end; /* its bytes in the body */
    size_t envelope_end;         /* the end of its placeholder in the envelope */
    enum scan_kind kind;
    union {
        double number;
        const struct scan_array *array;
    };
};

/* Zeroed before the first scan. A second one uses the memory of the first again. */
struct scan {
    enum dtype dtype; /* numbers are rounded to it: FLOAT32 or FLOAT64 */
    const char *body;
    size_t body_size;
    char *envelope;
    size_t envelope_size, envelope_capacity;
    struct scan_item *items;
    size_t count, capacity;
    void *values; /* the numbers of all arrays in the scan's dtype; true 1, false 0, null −∞ */
    size_t value_count, value_bytes;
    bool stopped;      /* what is not JSON was met: jansson must refuse the envelope */
    size_t stopped_at; /* where, in the body */
};

/* Scans body[0, size), which a NUL must follow. False: nested deeper than limits->depth, more than limits->values
 * values in the envelope, cancelled, or no memory. */
bool scan_body(const char *body, size_t size, enum dtype dtype, const struct limits *limits, struct arena *arena,
               struct scan *scan, struct error *error);

/* The numbers of an array of numbers. */
const void *scan_values(const struct scan *scan, const struct scan_array *array);

/* The same as doubles, read again from the body: whole numbers are not rounded to float32. */
void scan_doubles(const struct scan *scan, const struct scan_item *item, double *numbers);

/* Sets the error's line, column and offset to a place in the body. */
void scan_position(const char *body, size_t offset, struct error *error);

/* The place in the body of a byte of the envelope. */
size_t scan_body_offset(const struct scan *scan, size_t envelope_offset);
