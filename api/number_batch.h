/* Writing many float32 at once: what number_write.c does one by one, for levels of processors. */
#pragma once

#include <stddef.h>

/* number_write_row_f32(), where api/number_level.h says that this processor can. */
size_t number_batch_f32_avx2(const float *values, size_t count, char **text);
size_t number_batch_f32_avx512(const float *values, size_t count, char **text);
