/* Which table of kernels this processor runs. Asked anew each time: it is a look at a few bits that the compiler's
 * runtime filled in at start, and core keeps no state of its own. */
#include "core/kernels.h"

#include <assert.h>

extern const struct kernels table_f32_base, table_f64_base;
#ifdef CORE_AVX2
extern const struct kernels table_f32_avx2, table_f64_avx2;
#endif
#ifdef CORE_AVX512
extern const struct kernels table_f32_avx512, table_f64_avx512;
#endif

/* The features asked for are the ones that core/levels.cmake compiles with. */
const struct kernels *kernels_at(enum dtype dtype, enum kernels_level level) {
    bool single = dtype == DTYPE_FLOAT32;
    assert(single || dtype == DTYPE_FLOAT64);
    switch (level) {
    case KERNELS_BASE:
        return single ? &table_f32_base : &table_f64_base;
    case KERNELS_AVX2:
#ifdef CORE_AVX2
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            return single ? &table_f32_avx2 : &table_f64_avx2;
#endif
        return NULL;
    case KERNELS_AVX512:
#ifdef CORE_AVX512
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl"))
            return single ? &table_f32_avx512 : &table_f64_avx512;
#endif
        return NULL;
    case KERNELS_LEVELS:
        break;
    }
    return NULL;
}

const struct kernels *kernels_of(enum dtype dtype) {
    for (enum kernels_level level = KERNELS_AVX512; level > KERNELS_BASE; level--) {
        const struct kernels *kernels = kernels_at(dtype, level);
        if (kernels)
            return kernels;
    }
    return kernels_at(dtype, KERNELS_BASE);
}
