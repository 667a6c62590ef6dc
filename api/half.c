/* Conversions of 16-bit numbers, by their bits: see half.h. */
#include "api/half.h"

#include <string.h>

static uint32_t half_word(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static float half_float(uint32_t word) {
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Drops `bits` bits of a float32's magnitude. Rounding is an addition that carries into the exponent as it should. */
static uint32_t half_round(uint32_t word, unsigned bits) {
    return (word + (UINT32_C(1) << (bits - 1)) - 1 + (word >> bits & 1)) >> bits;
}

/* The magnitude of a float16. Subnormal ones are multiples of 2^−24, which is what the last bit of a float32 between
 * 1/2 and 1 counts: adding 1/2 rounds to them. */
static uint32_t half_float16(uint32_t word) {
    const uint32_t infinity = 0x7c00, rebias = (127 - 15) << 23;
    if (word > 0x7f800000)
        return infinity | 0x200; /* not a number */
    if (word >= 0x47800000)      /* 2^16 */
        return infinity;
    if (word < 0x38800000) /* 2^−14 */
        return half_word(half_float(word) + 0.5F) - half_word(0.5F);
    return half_round(word - rebias, 13);
}

uint16_t half_bits(enum dtype dtype, float value) {
    uint32_t word = half_word(value), sign = word >> 16 & 0x8000;
    word &= 0x7fffffff;
    if (dtype == DTYPE_FLOAT16)
        return (uint16_t)(sign | half_float16(word));
    return (uint16_t)(sign | (word > 0x7f800000 ? 0x7fc0 : half_round(word, 16)));
}

float half_value(enum dtype dtype, uint16_t bits) {
    uint32_t magnitude = bits & 0x7fff, sign = (uint32_t)(bits & 0x8000) << 16;
    if (dtype == DTYPE_BFLOAT16)
        return half_float((uint32_t)bits << 16);
    if (magnitude >= 0x7c00) /* infinity and what is no number */
        return half_float(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    /* The fraction and exponent bits as those of a float32 whose exponent is too small by 112; a product mends it, for
     * subnormal numbers too. */
    return half_float(sign | half_word(half_float(magnitude << 13) * 0x1p112F));
}
