/* What rows of numbers are written with on this processor: one by one, or many at once by vectors. */
#pragma once

#include <stddef.h>

enum number_level { NUMBER_LEVEL_BASE, NUMBER_LEVEL_AVX2, NUMBER_LEVEL_AVX512, NUMBER_LEVELS };

struct number_level_rows {
    size_t (*write_f32)(const float *values, size_t count, char **text); /* number_write_row_f32() */
    /* number_fixed_row_f32() with one to eight decimals. */
    size_t (*fixed_f32)(const float *values, size_t count, int decimals, char **text);
};

/* Of a level; NULL where this build has none or this processor cannot run it. */
const struct number_level_rows *number_level_at(enum number_level level);

/* Of the highest level that this processor can run. */
const struct number_level_rows *number_level_best(void);
