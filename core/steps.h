/* What kernels call of each other: functions of the files in CMake's list CORE_KERNELS, for one number type and level.
 * All arrays are contiguous unless a stride is given. */
#pragma once

#include "core/kernels.h"
#include "core/real.h"

/* tile.c: c = scale · a · b + factors · c, for `rows` ≤ TILE_ROWS rows of a and c. b lies in panels of TILE_COLS
 * columns, b_next apart. All TILE_ROWS rows of a and whole panels of b must be readable; what they hold beyond does not
 * matter. factors: [rows], one for each row of c; NULL: c is only written. Strides in elements. */
struct tile {
    size_t rows, cols, depth;
    const real *a, *b, *factors;
    real *c, scale;
    size_t a_stride, b_stride, b_next, c_stride;
};
void REAL(tile_product)(const struct tile *tile);

/* block.c: keys and values of one head, a block of keys at a time. */
struct block_scratch {
    real *panels;           /* the keys of a block, transposed: [panels][D][TILE_COLS] */
    real *tail;             /* the last columns of a block's values: [keys][TILE_COLS] */
    real *queries;          /* some features of a group of queries: [TILE_ROWS][features] */
    real *scores;           /* scores or weights of a group: [TILE_ROWS][keys] */
    real *mean;             /* [Dv] */
    real *most, *poison;    /* [count] */
    double *sum;            /* [count] */
    unsigned char *allowed; /* [S] */
    size_t keys;            /* of a block; a multiple of TILE_COLS */
};
struct block_scratch REAL(block_scratch)(const struct attention *attention, const struct attention_block *block);
size_t REAL(block_scratch_size)(const struct attention *attention, size_t count);

/* Transposes the keys of `range` into scratch->panels. */
void REAL(block_load_keys)(const struct attention *attention, const struct attention_block *block,
                           struct mask_range range, const struct block_scratch *scratch);
/* Makes the values of `range` ready. */
void REAL(block_load_values)(const struct attention *attention, const struct attention_block *block,
                             struct mask_range range, const struct block_scratch *scratch);
/* Scores of rows [first, first + count) of the block, count ≤ TILE_ROWS, for the keys of `wanted` in the loaded `range`
 * and at most a panel's more on either side. scores: of the first row and the first key of `range`. */
void REAL(block_scores)(const struct attention *attention, const struct attention_block *block, size_t first,
                        size_t count, struct mask_range range, struct mask_range wanted,
                        const struct block_scratch *scratch, real *scores, size_t stride);
/* outputs = factors · outputs + weights · values, for `count` ≤ TILE_ROWS rows and the keys of `wanted` in the loaded
 * `range`. weights: of the first row and the first key of `wanted`; TILE_ROWS rows must be readable. */
void REAL(block_outputs)(const struct attention *attention, const struct attention_block *block, size_t count,
                         struct mask_range range, struct mask_range wanted, const struct block_scratch *scratch,
                         const real *weights, size_t stride, const real *factors, real *outputs, size_t outputs_stride);

/* attend.c: attention_run(); and softcap and mask on the keys of `range` in one row, whose scores are given. most: the
 * largest score that is left, −∞ if there is none. False: a score that counts is not finite. */
bool REAL(attend_block)(const struct attention *attention, enum attention_stage stage,
                        const struct attention_block *block);
bool REAL(attend_mask)(const struct attention *attention, const struct mask_place *place, struct mask_range range,
                       real *scores, unsigned char *allowed, real *most);

/* What a row's weights are divided by: `sum`, of the exponentials of its scores less the largest, `most`, and times
 * 2^−halvings, with the sink's share of it. Writes the row's lse where it is wanted; most −∞: no key is allowed. */
double REAL(attend_sum)(const struct attention *attention, const struct mask_place *place, real most, double sum,
                        unsigned halvings);

/* fold.c: ATTENTION_OUTPUT, for any way to normalize but ATTENTION_SUM. */
bool REAL(fold_block)(const struct attention *attention, const struct attention_block *block);

/* mask_row.c */
bool REAL(mask_row)(const struct mask *mask, const struct mask_axes *axes, const struct mask_place *place,
                    struct mask_range range, void *scores, unsigned char *allowed);

/* merge_row.c: merge_rows() */
bool REAL(merge_row)(const struct merge *merge, size_t row, double *weights, void *output, void *lse);

/* softcap.c: each score becomes cap · tanh(score / cap); one that is not finite becomes NaN. */
void REAL(softcap_row)(real *scores, size_t count, double cap);

/* normalize.c: turns `count` masked scores, −∞ where disallowed, into weights in place: their shares of the sum. False:
 * a weight is not finite. */
bool REAL(normalize_by_sum)(real *row, size_t count);
double REAL(normalize_exp)(void *row, size_t count, double most, unsigned halvings);
void REAL(normalize_divide)(real *row, size_t count, double sum);
void REAL(normalize_drop)(real *row, size_t count); /* disallowed keys weigh nothing: −∞ becomes 0 */

/* row.c and project.c */
bool REAL(row_finite)(const void *x, size_t count);
real REAL(row_most)(const real *x, size_t count, bool *finite); /* the largest; −∞ if there is none */
bool REAL(row_add)(const real *x, size_t count, real *y);       /* y += x; false: an entry of y is not finite */
double REAL(row_magnitude)(const void *x, size_t count, bool masks);
void REAL(row_accumulate)(const void *x, double factor, size_t count, void *sum);
void REAL(row_rotate)(const double *turns, size_t pairs, bool interleaved, void *row);
bool REAL(row_add_norm)(const struct rows_norm *norm, const void *x, size_t cols, void *y);
bool REAL(project_rows)(const struct projection *projection, const void *x, size_t x_stride, size_t count, void *y,
                        size_t y_stride);

/* table.c: all of this for kernels.c. */
extern const struct kernels REAL(table);
