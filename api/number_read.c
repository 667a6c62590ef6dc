/* Reads any number of JSON text (RFC 8259 section 6), correctly rounded, in one pass that also checks its grammar; the
 * fast way for the usual ones is in number_row.c.
 *
 * The first 19 digits make an integer w, and w * 10^e is rounded as in Lemire, "Number Parsing at a Gigabyte per
 * Second" (2021), after an idea of Eisel: w times a power of ten that is cut off is a little too small, and nearly
 * always that makes no difference. Where it could, or there are more digits and w and w + 1 do not round alike, the
 * library's strtof() or strtod() reads the text again (the program's locale is "C"). float32 is rounded from w * 10^e
 * at once, never from a double. */
#include "api/number.h"
#include "api/number_digits.h"
#include "api/number_powers.h"

#include <stdlib.h>

/* digits * 10^exponent, or more than that, where `more` digits follow that are not all 0. */
struct number_read_decimal {
    uint64_t digits;
    int64_t exponent;
    bool more;
};

/* Bits of the stored significand, exponent of the smallest normal number, largest stored exponent. */
struct number_read_format {
    int bits, least, infinity;
};

static const struct number_read_format number_read_format_f32 = {23, -126, 255};
static const struct number_read_format number_read_format_f64 = {52, -1022, 2047};

static inline bool number_read_is_digit(char c) {
    return (unsigned char)(c - '0') <= 9;
}

/* The exponent behind an "e" is added; the end, or NULL where it is none. It counts up to 10^17, which no number of
 * zeros makes up for. */
static const char *number_read_exponent(const char *text, int64_t *exponent) {
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    if (!number_read_is_digit(*text))
        return NULL;
    int64_t value = 0;
    for (; number_read_is_digit(*text); text++)
        if (value < INT64_C(10000000000000000))
            value = 10 * value + (*text - '0');
    *exponent += negative ? -value : value;
    return text;
}

/* Takes one more digit into the first 19 that count. */
static void number_read_digit(struct number_read_decimal *decimal, char c) {
    if (decimal->digits < number_digits_power(NUMBER_DIGITS_MOST - 1)) {
        decimal->digits = 10 * decimal->digits + (uint64_t)(c - '0');
    } else {
        decimal->exponent++;
        decimal->more = decimal->more || c != '0';
    }
}

/* Any number, byte by byte: its end, or NULL where it is none. */
static const char *number_read_decimal(const char *text, struct number_read_decimal *decimal) {
    *decimal = (struct number_read_decimal){0};
    text += *text == '-';
    if (!number_read_is_digit(*text))
        return NULL;
    if (*text == '0')
        text++;
    else
        for (; number_read_is_digit(*text); text++)
            number_read_digit(decimal, *text);
    if (*text == '.') {
        const char *fraction = ++text;
        for (; number_read_is_digit(*text); text++)
            number_read_digit(decimal, *text);
        if (text == fraction)
            return NULL;
        decimal->exponent -= text - fraction;
    }
    return *text == 'e' || *text == 'E' ? number_read_exponent(text + 1, &decimal->exponent) : text;
}

/* Rounds digits * 10^exponent to the format's bits, to nearest, ties to even. False: a doubt is left. */
static bool number_read_round(uint64_t digits, int64_t exponent, struct number_read_format format, uint64_t *bits) {
    const uint64_t infinity = (uint64_t)format.infinity << format.bits;
    if (digits == 0 || exponent < NUMBER_POWERS_LEAST) {
        *bits = 0;
        return true;
    }
    if (exponent > NUMBER_POWERS_MOST_DOUBLE) {
        *bits = infinity;
        return true;
    }
    /* A product of 192 bits, of which the first or the second is 1. The power is less than one unit too small, so the
     * product is less than one unit of `middle` too small. */
    struct number_power power = number_powers_of_ten((int)exponent);
    int zeros = __builtin_clzll(digits);
    digits <<= zeros;
    unsigned __int128 low = (unsigned __int128)power.low * digits;
    unsigned __int128 product = (unsigned __int128)power.high * digits + (uint64_t)(low >> 64);
    uint64_t top = (uint64_t)(product >> 64), middle = (uint64_t)product;

    int leading = (int)(top >> 63);
    int above_least = number_powers_log2((int)exponent) + 63 + leading - zeros - format.least;
    int shift = 62 + leading - format.bits;
    if (above_least < 0) { /* subnormal */
        shift -= above_least;
        above_least = 0;
        if (shift > 63) {
            *bits = 0;
            return shift > 64; /* of 64 bits to round away the first may be 1 */
        }
    }
    uint64_t half = UINT64_C(1) << (shift - 1), rest = top & (2 * half - 1), kept = top >> shift;
    bool exact = exponent >= 0 && exponent <= NUMBER_POWERS_EXACT;
    if (!exact && rest == half - 1 && middle == UINT64_MAX)
        return false;
    bool tie = exact && rest == half && middle == 0 && (uint64_t)low == 0;
    *bits = ((uint64_t)above_least << format.bits) + kept + (tie ? kept & 1 : (uint64_t)(rest >= half));
    if (*bits > infinity)
        *bits = infinity;
    return true;
}

/* Any number: its bits without the sign; *certain tells whether they are. */
static const char *number_read_bits(const char *text, struct number_read_format format, uint64_t *bits, bool *certain) {
    struct number_read_decimal decimal;
    const char *behind = number_read_decimal(text, &decimal);
    if (behind == NULL)
        return NULL;
    uint64_t most;
    *certain = number_read_round(decimal.digits, decimal.exponent, format, bits);
    if (*certain && decimal.more)
        *certain = number_read_round(decimal.digits + 1, decimal.exponent, format, &most) && most == *bits;
    return behind;
}

const char *number_read_f32(const char *text, float *value) {
    uint64_t bits;
    bool certain;
    const char *behind = number_read_bits(text, number_read_format_f32, &bits, &certain);
    if (behind == NULL)
        return NULL;
    uint32_t word = (uint32_t)bits | (uint32_t)(*text == '-') << 31;
    memcpy(value, &word, sizeof word);
    if (!certain)
        *value = strtof(text, NULL);
    return behind;
}

const char *number_read_f64(const char *text, double *value) {
    uint64_t bits;
    bool certain;
    const char *behind = number_read_bits(text, number_read_format_f64, &bits, &certain);
    if (behind == NULL)
        return NULL;
    bits |= (uint64_t)(*text == '-') << 63;
    memcpy(value, &bits, sizeof bits);
    if (!certain)
        *value = strtod(text, NULL);
    return behind;
}
