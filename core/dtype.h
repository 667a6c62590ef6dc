/* The number types: the two that are computed in, and the two more that tensors may arrive and results be written in.
 */
#pragma once

#include <float.h>
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

/* The largest finite number. */
static inline double dtype_max(enum dtype dtype) {
    switch (dtype) {
    case DTYPE_FLOAT64:
        return DBL_MAX;
    case DTYPE_FLOAT32:
        return (double)FLT_MAX;
    case DTYPE_FLOAT16:
        return 65504;
    case DTYPE_BFLOAT16:
        return 0x1.fep127;
    }
    return 0;
}

static inline const char *dtype_name(enum dtype dtype) {
    switch (dtype) {
    case DTYPE_FLOAT64:
        return "float64";
    case DTYPE_FLOAT32:
        return "float32";
    case DTYPE_FLOAT16:
        return "float16";
    case DTYPE_BFLOAT16:
        return "bfloat16";
    }
    return "";
}
