/* The number types: the two that are computed in, and the two more that tensors may arrive in. */
#pragma once

#include <stddef.h>

enum dtype { DTYPE_FLOAT32, DTYPE_FLOAT64, DTYPE_FLOAT16, DTYPE_BFLOAT16 };

/* Bytes of one element. */
static inline size_t dtype_size(enum dtype dtype) {
    switch (dtype) {
    case DTYPE_FLOAT64:
        return 8;
    case DTYPE_FLOAT32:
        return 4;
    case DTYPE_FLOAT16:
    case DTYPE_BFLOAT16:
        return 2;
    }
    return 0;
}
