/* One computation of the tests: arrays in an arena, and its results as doubles (which hold both number types exactly,
 * so that equal doubles are equal bits). Criterion fails the test where something here goes wrong. */
#pragma once

#include "core/arena.h"
#include "core/attention.h"
#include "core/kernels.h"

#include <stddef.h>

struct fixture {
    struct arena arena;
    struct error error;
    struct attention attention;
    enum kernels_level level; /* that blocks run at; KERNELS_LEVELS: attention_run() chooses */
    double *rows;             /* [B,H,L,S] after fixture_run, but at ATTENTION_OUTPUT */
    double *heads;            /* [B,H,L,Dv] after fixture_run at ATTENTION_WEIGHTS and ATTENTION_OUTPUT */
    double *lse;              /* [B,H,L] after the same, where attention.lse is wanted */
};

void fixture_init(struct fixture *fixture, enum dtype dtype);
void fixture_done(struct fixture *fixture);

/* `count` cleared objects. */
void *fixture_take(struct fixture *fixture, size_t count, size_t size);

/* `count` numbers of the dtype, from doubles; NULL: zeros. */
void *fixture_array(struct fixture *fixture, size_t count, const double *numbers);

/* A contiguous view of B·H·L·D numbers. */
struct view fixture_view(struct fixture *fixture, size_t batch, size_t heads, size_t rows, size_t cols,
                         const double *numbers);

/* Sets one number of a view. */
void fixture_set(struct fixture *fixture, const struct view *view, size_t batch, size_t head, size_t row, size_t col,
                 double number);

/* Of shape B 2, H 6, G 3, L 3, S 5, D 4, Dv 2, float32; it is initialised too. */
void fixture_shaped(struct fixture *fixture);

/* Query [L,D], key [S,D], value [S,Dv] of one head, `heads` beside them, scale 1 and no mask. */
void fixture_plain(struct fixture *fixture, size_t queries, size_t keys, size_t size, size_t value_size,
                   const double *query, const double *key, const double *value);

/* A part more on the mask, with the pointer that fits its kind; its values are the caller's to set. */
struct mask_part *fixture_part(struct fixture *fixture, enum mask_kind kind);

/* Makes the log of the rows' sums wanted. */
void fixture_want_lse(struct fixture *fixture);

/* Checks, then runs all blocks of `block_rows` rows. False: a block said that a number is not finite. */
bool fixture_run(struct fixture *fixture, enum attention_stage stage, size_t block_rows);

/* The levels of kernels that this build has and this processor can run; returns how many. */
size_t fixture_levels(enum kernels_level levels[KERNELS_LEVELS]);
