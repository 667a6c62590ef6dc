/* Which of the compiled ways to write rows this processor runs. Asked anew for each row, as core/kernels.c does: it is
 * a look at a few bits that the compiler's runtime filled in at start. */
#include "api/number_level.h"

#include "api/number.h"
#include "api/number_batch.h"

static const struct number_level_rows number_level_base = {number_write_each_f32, number_fixed_each_f32};
#ifdef API_AVX2
static const struct number_level_rows number_level_avx2 = {number_batch_f32_avx2, number_batch_fixed_f32_avx2};
#endif
#ifdef API_AVX512
static const struct number_level_rows number_level_avx512 = {number_batch_f32_avx512, number_batch_fixed_f32_avx512};
#endif

/* The features asked for are the ones that core/levels.cmake compiles with. */
const struct number_level_rows *number_level_at(enum number_level level) {
    switch (level) {
    case NUMBER_LEVEL_BASE:
        return &number_level_base;
    case NUMBER_LEVEL_AVX2:
#ifdef API_AVX2
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            return &number_level_avx2;
#endif
        return NULL;
    case NUMBER_LEVEL_AVX512:
#ifdef API_AVX512
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl"))
            return &number_level_avx512;
#endif
        return NULL;
    case NUMBER_LEVELS:
        break;
    }
    return NULL;
}

const struct number_level_rows *number_level_best(void) {
    for (enum number_level level = NUMBER_LEVEL_AVX512; level > NUMBER_LEVEL_BASE; level--) {
        const struct number_level_rows *rows = number_level_at(level);
        if (rows)
            return rows;
    }
    return &number_level_base;
}
