/* Rows of numbers as the answer's text. */
#pragma once

#include "core/dtype.h"

#include <stdbool.h>
#include <stddef.h>

/* The most axes of a result: scores over several axes have those of query and keys, and heads. */
enum { ENCODE_RANK_MAX = 14 };

/* How a result is written. */
struct encode {
    enum dtype dtype;    /* of the rows */
    enum dtype written;  /* the same, or float16 or bfloat16, which float32 rows are rounded to */
    bool b64;            /* {"shape", "dtype", "b64"} in place of nested arrays */
    int decimals;        /* −1: shortest */
    bool at_most_one;    /* no number is larger than 1: softmax weights */
    bool null_minus_inf; /* −∞ is written as null (in b64 it stays) */
    size_t rank;         /* of the result; its last axis is a row. 0: a bare number */
    size_t shape[ENCODE_RANK_MAX];
    size_t rows; /* product of the axes but the last */
};

/* Numbers in a row. */
size_t encode_cols(const struct encode *encode);

/* Most bytes that `count` rows take, with brackets, commas and what opens and closes the tensor. */
size_t encode_size(const struct encode *encode, size_t count);

/* Pieces of one tensor must be cut at multiples of this many rows (base64 groups are three bytes). */
enum { ENCODE_ROWS_MULTIPLE = 3 };

/* Writes rows [first, first + count) of the tensor, each `stride` elements after the one before, with what opens the
 * tensor before its first row and what closes it after its last; *text is moved behind them. False: a number is not
 * finite as it is written. */
bool encode_rows(const struct encode *encode, size_t first, size_t count, const void *rows, size_t stride, char **text);
