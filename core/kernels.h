/* The kernels: functions of the files in CMake's list CORE_KERNELS, which are compiled once for each number type (see
 * core/real.h). Private to core. Kernels call each other as REAL(name)(…); attention.c, projection.c and rows.c choose
 * by dtype. All arrays are contiguous. */
#pragma once

#include "core/attention.h"
#include "core/projection.h"
#include "core/rows.h"

/* attend.c: attention_run() for its dtype. */
bool attend_block_f32(const struct attention *attention, enum attention_stage stage,
                      const struct attention_block *block);
bool attend_block_f64(const struct attention *attention, enum attention_stage stage,
                      const struct attention_block *block);

/* mask_row.c: applies the element parts to the keys of `range` of one row. scores: of these keys, or NULL; multiplied,
 * then added to. allowed: a flag for each of these keys. False: no part looks at single keys, all are allowed. */
struct mask_place {
    size_t batch, head, row;
};
bool mask_row_f32(const struct mask *mask, const struct mask_place *place, struct mask_range range, float *scores,
                  unsigned char *allowed);
bool mask_row_f64(const struct mask *mask, const struct mask_place *place, struct mask_range range, double *scores,
                  unsigned char *allowed);

/* normalize.c: turns `count` masked scores, −∞ where disallowed and at least one finite, into weights in place. False:
 * a weight is not finite. */
bool normalize_row_f32(enum attention_normalize normalize, float *row, size_t count);
bool normalize_row_f64(enum attention_normalize normalize, double *row, size_t count);

/* row.c: the steps of rows.h on one row, and what other kernels need. */
bool row_finite_f32(const float *x, size_t count);
bool row_finite_f64(const double *x, size_t count);
bool row_add_f32(const float *x, size_t count, float *y); /* y += x; false: an entry of y is not finite */
bool row_add_f64(const double *x, size_t count, double *y);
/* Largest |x|, ∞ if any is not finite; with `masks` −∞ counts as nothing: it disallows, it is never added. */
double row_magnitude_f32(const float *x, size_t count, bool masks);
double row_magnitude_f64(const double *x, size_t count, bool masks);
void row_accumulate_f32(const float *x, double factor, size_t count, float *sum);
void row_accumulate_f64(const double *x, double factor, size_t count, double *sum);
bool row_add_norm_f32(const struct rows_norm *norm, const float *x, size_t cols, float *y);
bool row_add_norm_f64(const struct rows_norm *norm, const double *x, size_t cols, double *y);

/* project.c: projection_run() for its dtype. */
bool project_rows_f32(const struct projection *projection, const float *x, size_t x_stride, size_t count, float *y,
                      size_t y_stride);
bool project_rows_f64(const struct projection *projection, const double *x, size_t x_stride, size_t count, double *y,
                      size_t y_stride);
