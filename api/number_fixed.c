/* Writes numbers with a fixed count of decimals, rounded half to even on the exact binary value, as printf does.
 *
 * A double below 2^63 is a whole part and a fraction f / 2^s with f < 2^53. Its decimals are f * 10^n / 2^s, rounded;
 * with n up to 17 the product has at most 110 bits, so 128-bit integers decide exactly (Adams' Ryu printf, 2019, does
 * the same for numbers of any size, by a table). Larger numbers are whole, and snprintf() writes them. A float32 is a
 * double. */
#include "api/number.h"
#include "api/number_digits.h"
#include "api/number_level.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

/* Exactly `decimals` digits of `fraction`, which is below 10^decimals. */
static inline char *number_fixed_decimals(uint64_t fraction, int decimals, char *text) {
    *text++ = '.';
    int more = decimals;
    if (decimals > 8) { /* the first ones apart, so that eight or sixteen are left */
        uint64_t upper = fraction / 100000000;
        more = decimals - 8;
        fraction %= 100000000;
        if (more > 8) {
            *text++ = (char)('0' + upper / 100000000);
            upper %= 100000000;
            more = 8;
        }
        number_digits_store(text, (number_digits_split((uint32_t)upper) + NUMBER_DIGITS_ASCII) >> 8 * (8 - more));
        text += more;
        more = 8;
    }
    number_digits_store(text, (number_digits_split((uint32_t)fraction) + NUMBER_DIGITS_ASCII) >> 8 * (8 - more));
    return text + more;
}

static inline char *number_fixed_write(double value, int decimals, char *text) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    *text = '-';
    text += bits >> 63;
    int exponent = (int)(bits >> 52 & 0x7ff), shift = 1075 - exponent;
    uint64_t significand = (bits & 0xfffffffffffff) | (uint64_t)(exponent > 0) << 52;

    uint64_t whole = 0, fraction = 0;
    if (__builtin_expect(shift > 0, 1)) {
        whole = shift < 64 ? significand >> shift : 0;
        significand -= shift < 64 ? whole << shift : 0;
        if (shift > 112) { /* less than half of 10^-17 */
            shift = 112;
            significand = 0;
        }
        unsigned __int128 product = (unsigned __int128)significand * number_digits_power(decimals);
        uint64_t odd = decimals > 0 ? (uint64_t)(product >> shift) & 1 : whole & 1;
        fraction = (uint64_t)((product + ((unsigned __int128)1 << (shift - 1)) - 1 + odd) >> shift);
        if (fraction == number_digits_power(decimals)) {
            whole++;
            fraction = 0;
        }
    } else if (shift > -11) {
        whole = significand << -shift;
    } else { /* 2^63 and more */
        text -= bits >> 63;
        return text + snprintf(text, NUMBER_MAX_FIXED, "%.*f", decimals, value);
    }
    text = number_digits_whole(whole, text);
    return decimals > 0 ? number_fixed_decimals(fraction, decimals, text) : text;
}

/* The same for a float32 and one to eight decimals: 24 + 27 bits, so 64 decide. */
static inline char *number_fixed_write_few(float value, int decimals, uint64_t power, char *text) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 23 & 0xff), shift = 150 - exponent;
    if (__builtin_expect(shift <= 0, 0))
        return number_fixed_write(value, decimals, text);
    *text = '-';
    text += bits >> 31;
    uint64_t significand = (bits & 0x7fffff) | (uint64_t)(exponent > 0) << 23;
    shift = shift < 63 ? shift : 63; /* all of the product is below half of the last decimal from 52 on */
    uint64_t whole = significand >> shift, product = (significand - (whole << shift)) * power;
    uint64_t fraction = (product + (UINT64_C(1) << (shift - 1)) - 1 + (product >> shift & 1)) >> shift;
    uint64_t carry = fraction == power;
    text = number_digits_whole(whole + carry, text);
    *text = '.';
    fraction -= power & -carry;
    number_digits_store(text + 1,
                        (number_digits_split((uint32_t)fraction) + NUMBER_DIGITS_ASCII) >> (64 - 8 * decimals));
    return text + 1 + decimals;
}

char *number_fixed_f64(double value, int decimals, char *text) {
    assert(decimals >= 0 && decimals <= 17);
    return number_fixed_write(value, decimals, text);
}

size_t number_fixed_row_f32(const float *values, size_t count, int decimals, char **text) {
    if (decimals >= 1 && decimals <= 8 && count >= 8) /* fewer are sooner done than a batch */
        return number_level_best()->fixed_f32(values, count, decimals, text);
    return number_fixed_each_f32(values, count, decimals, text);
}

size_t number_fixed_each_f32(const float *values, size_t count, int decimals, char **text) {
    assert(decimals >= 0 && decimals <= 17);
    char *place = *text;
    size_t i = 0;
    if (decimals >= 1 && decimals <= 8) {
        uint64_t power = number_digits_power(decimals);
        for (; i < count && isfinite(values[i]); i++) {
            place = number_fixed_write_few(values[i], decimals, power, place);
            *place++ = ',';
        }
    }
    for (; i < count && isfinite(values[i]); i++) {
        place = number_fixed_write(values[i], decimals, place);
        *place++ = ',';
    }
    *text = place;
    return i;
}

size_t number_fixed_row_f64(const double *values, size_t count, int decimals, char **text) {
    assert(decimals >= 0 && decimals <= 17);
    char *place = *text;
    size_t i = 0;
    for (; i < count && isfinite(values[i]); i++) {
        place = number_fixed_write(values[i], decimals, place);
        *place++ = ',';
    }
    *text = place;
    return i;
}
