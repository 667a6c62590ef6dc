/* Writing many float32 at once: what number_write.c and number_fixed.c do one by one, for levels of processors. */
#pragma once

#include <stddef.h>

/* number_write_row_f32(), where api/number_level.h says that this processor can. */
size_t number_batch_f32_avx2(const float *values, size_t count, char **text);
size_t number_batch_f32_avx512(const float *values, size_t count, char **text);

/* number_fixed_row_f32() with one to eight decimals, likewise. */
size_t number_batch_fixed_f32_avx2(const float *values, size_t count, int decimals, char **text);
size_t number_batch_fixed_f32_avx512(const float *values, size_t count, int decimals, char **text);
