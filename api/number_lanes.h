/* Vectors of numbers, four lanes of 64 bits with AVX2 and eight with AVX-512: what files have in common that are
 * compiled for both (api/number_level.h). */
#pragma once

#include "api/number_digits.h"

#include <immintrin.h>
#include <stddef.h>

#define NUMBER_LANES_PASTE(name, level) name##_##level
#define NUMBER_LANES_NAME(name, level) NUMBER_LANES_PASTE(name, level)

/* The two instructions that compilers do not find by themselves: products of the lower halves of lanes, and sums of the
 * eight bytes of a lane. */
#ifdef __AVX512F__
enum { NUMBER_LANES_COUNT = 8 };
#define NUMBER_LANES_MULTIPLY(a, b) _mm512_mul_epu32((__m512i)(a), (__m512i)(b))
#define NUMBER_LANES_ADD_BYTES(a) _mm512_sad_epu8((__m512i)(a), _mm512_setzero_si512())
#else
enum { NUMBER_LANES_COUNT = 4 };
#define NUMBER_LANES_MULTIPLY(a, b) _mm256_mul_epu32((__m256i)(a), (__m256i)(b))
#define NUMBER_LANES_ADD_BYTES(a) _mm256_sad_epu8((__m256i)(a), _mm256_setzero_si256())
#endif

/* So many numbers take each pass together. */
enum { NUMBER_LANES_BATCH = 64 };

typedef uint64_t number_lanes __attribute__((vector_size(8 * NUMBER_LANES_COUNT)));
typedef int64_t number_lanes_signed __attribute__((vector_size(8 * NUMBER_LANES_COUNT)));
/* The same bits, computed with as two, or four, numbers a lane. */
typedef uint32_t number_lanes_halves __attribute__((vector_size(8 * NUMBER_LANES_COUNT)));
typedef uint16_t number_lanes_quarters __attribute__((vector_size(8 * NUMBER_LANES_COUNT)));
typedef uint32_t number_lanes_words __attribute__((vector_size(4 * NUMBER_LANES_COUNT)));

static inline number_lanes number_lanes_load(const uint64_t *from) {
    number_lanes lanes;
    memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

static inline number_lanes number_lanes_widen(const uint32_t *from) {
    number_lanes_words words;
    memcpy(&words, from, sizeof words);
    return __builtin_convertvector(words, number_lanes);
}

static inline void number_lanes_store(uint64_t *to, number_lanes lanes) {
    memcpy(to, &lanes, sizeof lanes);
}

static inline number_lanes number_lanes_all(uint64_t value) {
    return value - (number_lanes){0};
}

/* Comparison of numbers below 2^63: all bits set where true. */
static inline number_lanes number_lanes_less(number_lanes a, number_lanes b) {
    return (number_lanes)((number_lanes_signed)a < (number_lanes_signed)b);
}

static inline number_lanes number_lanes_choose(number_lanes which, number_lanes a, number_lanes b) {
    return (which & a) | (~which & b);
}

/* number_digits_split(). */
static inline number_lanes number_lanes_split(number_lanes number) {
    number_lanes upper = (number_lanes)NUMBER_LANES_MULTIPLY(number, number_lanes_all(109951163)) >> 40;
    number_lanes lower = number - (number_lanes)((number_lanes_halves)upper * 10000);
    number_lanes_halves fours = (number_lanes_halves)(upper | lower << 32);
    number_lanes_quarters twos = (number_lanes_quarters)((fours << 16) - (fours * 10486 >> 20) * ((100 << 16) - 1));
    return (number_lanes)((twos << 8) - (twos * 103 >> 10) * ((10 << 8) - 1));
}
