/* Writing many float32 at once: what number_write.c does one by one, for processors with 256-bit vectors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether this processor can. */
bool number_batch_usable(void);

/* number_write_row_f32(), where number_batch_usable(). */
size_t number_batch_f32(const float *values, size_t count, char **text);
