/* Vector code in plain C: the generic vectors of GCC and clang, as wide as the level's registers. Compilers do not make
 * vector code of a maximum or a sum of real numbers by themselves, since that would reorder them. */
#pragma once

#include "core/real.h"

#include <stddef.h>
#include <string.h>

#ifdef __AVX__
#include <immintrin.h>
#endif

#if defined __AVX512F__
enum { LANES_SIZE = 64, LANES_REGISTERS = 32 };
#elif defined __AVX__
enum { LANES_SIZE = 32, LANES_REGISTERS = 16 };
#elif defined __aarch64__
enum { LANES_SIZE = 16, LANES_REGISTERS = 32 };
#else
enum { LANES_SIZE = 16, LANES_REGISTERS = 16 };
#endif

enum { LANES_COUNT = LANES_SIZE / sizeof(real) };

/* At any address that a number may have. */
typedef real lanes __attribute__((vector_size(LANES_SIZE), aligned(sizeof(real)), may_alias));
typedef real_bits lanes_bits __attribute__((vector_size(LANES_SIZE), aligned(sizeof(real)), may_alias));

static inline lanes lanes_all(real number) {
    return number - (lanes){0};
}

/* One instruction on x86, which GCC does not find for the comparison below it. */
static inline lanes lanes_max(lanes a, lanes b) {
#if defined __AVX512F__ && REAL_BITS == 32
    return _mm512_max_ps(a, b);
#elif defined __AVX512F__
    return _mm512_max_pd(a, b);
#elif defined __AVX__ && REAL_BITS == 32
    return _mm256_max_ps(a, b);
#elif defined __AVX__
    return _mm256_max_pd(a, b);
#else
    lanes_bits larger = (lanes_bits)(a > b);
    return (lanes)((larger & (lanes_bits)a) | (~larger & (lanes_bits)b));
#endif
}

/* The first `count` lanes from memory; `rest` in the others. */
static inline lanes lanes_load(const real *x, size_t count, real rest) {
    lanes loaded = lanes_all(rest);
    memcpy(&loaded, x, count * sizeof *x);
    return loaded;
}

static inline void lanes_store(lanes stored, size_t count, real *x) {
    memcpy(x, &stored, count * sizeof *x);
}

/* The largest and the sum of all lanes. */
static inline real lanes_most(lanes x) {
    for (size_t half = LANES_COUNT / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
    return x[0];
}

static inline real lanes_sum(lanes x) {
    for (size_t half = LANES_COUNT / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            x[i] += x[i + half];
    return x[0];
}

/* Before a loop that must be unrolled, since its vectors shall stay in registers. */
#ifdef __clang__
#define LANES_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LANES_UNROLL _Pragma("GCC unroll 16")
#endif
