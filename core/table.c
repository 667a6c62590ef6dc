/* The table of one number type and level: what core/kernels.c chooses from. */
#include "core/steps.h"

const struct kernels REAL(table) = {
    .attend_block = REAL(attend_block),
    .block_scratch_size = REAL(block_scratch_size),
    .mask_row = REAL(mask_row),
    .merge_row = REAL(merge_row),
    .normalize_exp = REAL(normalize_exp),
    .row_finite = REAL(row_finite),
    .row_magnitude = REAL(row_magnitude),
    .row_accumulate = REAL(row_accumulate),
    .row_rotate = REAL(row_rotate),
    .row_add_norm = REAL(row_add_norm),
    .project_rows = REAL(project_rows),
};
