/* Takes the numbers out of a body before jansson sees it.
 *
 * jansson is the right reader for an envelope (members, strings, all of JSON's strictness) and the wrong one for a
 * million numbers: it makes a heap object of each. So one pass over the text puts every number and every nested array
 * of numbers, booleans and nulls into a typed array of its own, and hands on the text with `[n]` in its place, n being
 * the item's index. No array of the user's can look like that, since each array with a number in it has been replaced.
 * Long base64 texts (values of "b64") are taken out the same way.
 *
 * The grammar stays jansson's: where an array is not proper JSON it is left in the envelope as it is, and so is all
 * that follows, for jansson to refuse. What is proper JSON but no proper tensor (ragged, a string among the numbers,
 * a number that overflows) is a fault of the item, raised when somebody asks for its values. */
#pragma once

#include "api/limits.h"
#include "core/arena.h"
#include "core/dtype.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { SCAN_RANK_MAX = 32 };

struct scan_item {
    size_t body_begin, body_end; /* its bytes in the body */
    size_t envelope_end;         /* the end of its placeholder in the envelope */

    bool is_text; /* the inside of a string: body[body_begin + 1, body_end − 1) */

    size_t rank; /* 0: a number by itself, in `number` */
    size_t shape[SCAN_RANK_MAX];
    size_t count; /* product of shape */
    double number;
    void *values; /* count numbers of the scan's dtype; true 1, false 0, null −∞ */
    bool has_numbers, has_booleans, has_nulls;
    size_t first_boolean; /* its flat index */

    enum error_code fault;         /* ERROR_NONE, RAGGED, WRONG_TYPE, EMPTY_AXIS, NOT_FINITE, TOO_MANY_ELEMENTS */
    size_t fault_begin, fault_end; /* the bytes of the body at fault */
    size_t fault_depth;            /* the index path [0, fault_depth) to it */
    size_t fault_path[SCAN_RANK_MAX];
    bool fault_in_rank;                    /* RAGGED: a number stands deeper or less deep than the first one */
    size_t fault_expected, fault_received; /* RAGGED: the two lengths, or ranks */
};

struct scan {
    enum dtype dtype; /* numbers are rounded to it: FLOAT32 or FLOAT64 */
    const char *body;
    size_t body_size;
    char *envelope;
    size_t envelope_size;
    struct scan_item *items;
    size_t count;
    bool stopped;      /* an array that is not JSON was met: jansson must refuse the envelope */
    size_t stopped_at; /* where, in the body */
};

/* Scans body[0, size), which a NUL must follow. False: nested deeper than limits->depth, or no memory. */
bool scan_body(const char *body, size_t size, enum dtype dtype, const struct limits *limits, struct arena *arena,
               struct scan *scan, struct error *error);

/* Sets the error's line, column and offset to a place in the body. */
void scan_position(const char *body, size_t offset, struct error *error);

/* The place in the body of a byte of the envelope. */
size_t scan_body_offset(const struct scan *scan, size_t envelope_offset);
