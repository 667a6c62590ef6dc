/* The 16-bit number types that tensors are read from and written as, by their bits: float16 (IEEE 754 binary16) and
 * bfloat16 (the upper half of a float32). Nothing is computed in them. */
#pragma once

#include "core/dtype.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the dtype is one of the two. */
static inline bool half_is(enum dtype dtype) {
    return dtype == DTYPE_FLOAT16 || dtype == DTYPE_BFLOAT16;
}

/* The nearest number of the dtype, ties to even; infinity where `value` is beyond the largest by half a step. */
uint16_t half_bits(enum dtype dtype, float value);

float half_value(enum dtype dtype, uint16_t bits);
