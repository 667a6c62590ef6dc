/* Writes the shortest text that reads back to the same bits.
 *
 * The digits are found as in Giulietti, "The Schubfach way to render doubles" (2020): with v = c * 2^q, all numbers
 * that read back to v lie between the midpoints to its neighbours. Let 10^k be the largest power of ten that is not
 * larger than this interval; then of the multiples of 10^(k+1) at most one is inside, and where none is, some multiple
 * of 10^k is, and the nearest one is taken. v / 10^k is the product of c and a power of ten that is cut off.
 *
 * It departs from the paper in what costs time when rows of unlike numbers are written. The paper keeps what is lost of
 * three products as sticky bits and so decides all cases (number_write_exact); here one product in fixed point decides,
 * where it is clear of every boundary by more than its error, which it nearly always is (number_write_nearest).
 * Candidates are chosen, trailing zeros dropped, digits laid out and the sign set without a branch. The layout is
 * ECMAScript's Number::toString; the place of the point is a row of shifts and masks on the first eight digits.
 *
 * tests/proof/number_all_floats.c tries every float32, tests/proof/number_random.c doubles. */
#include "api/number.h"

#include "api/number_digits.h"
#include "api/number_level.h"
#include "api/number_powers.h"

#include <math.h>

/* A finite number that is not zero: significand * 2^exponent. */
struct number_write_binary {
    uint64_t significand;
    int exponent;
    bool lower_is_closer; /* a power of two: the neighbour below is half as far away */
};

/* 17 digits, the first of them not 0, times 10^(point - 17): point tells how many stand before the decimal point. */
struct number_write_decimal {
    uint64_t upper, lower, last; /* eight digits, eight, and one, as bytes 0 to 9 */
    int count;                   /* of digits up to the last that is not 0 */
    int point;
};

/* A number of the interval: 10 * tens + digit, times 10^k. */
struct number_write_digits {
    uint64_t tens, digit;
};

/* k: 10^k is the largest power of ten that is not longer than the interval. */
static inline int number_write_scale(struct number_write_binary binary) {
    /* floor(log10(2^exponent)), or of 3/4 of that, as 22-bit fractions */
    return (binary.exponent * 1262611 - (binary.lower_is_closer ? 524031 : 0)) >> 22;
}

/* floor(power * factor / 2^128), and 1 in the lowest bit if that is not the whole: a remainder of 1 or less is the
 * error of the power, which is rounded up. */
static uint64_t number_write_sticky(struct number_power power, uint64_t factor) {
    unsigned __int128 product =
        (unsigned __int128)power.high * factor + (uint64_t)((unsigned __int128)power.low * factor >> 64);
    return (uint64_t)(product >> 64) | ((uint64_t)product > 1);
}

/* The paper's way: value and the ends of its interval, times 4 / 10^k, as integers. The ends belong to
 * the interval where the significand is even, since ties are read to even. Returns a multiple of 10^k, in 10^k. */
static uint64_t __attribute__((cold, noinline)) number_write_exact(struct number_write_binary binary) {
    int k = number_write_scale(binary);
    int shift = binary.exponent + number_powers_log2(-k) + 1;
    struct number_power power = number_powers_of_ten(-k);
    if (k > 0 || -k > NUMBER_POWERS_EXACT) { /* rounded up */
        power.low++;
        power.high += power.low == 0;
    }
    bool odd = (binary.significand & 1) != 0;
    uint64_t middle = 4 * binary.significand;
    uint64_t value = number_write_sticky(power, middle << shift);
    uint64_t least = number_write_sticky(power, (middle - 2 + binary.lower_is_closer) << shift) + odd;
    uint64_t most = number_write_sticky(power, (middle + 2) << shift) - odd;

    uint64_t below = value / 4, tens = below / 10;
    if (least <= 40 * tens)
        return 10 * tens;
    if (40 * tens + 40 <= most)
        return 10 * tens + 10;
    bool below_fits = least <= 4 * below, above_fits = 4 * below + 4 <= most;
    if (below_fits != above_fits)
        return below + above_fits;
    return below + (value % 4 > 2 || (value % 4 == 2 && below % 2 == 1));
}

/* The same with fixed-point numbers that are too small by less than `tolerance`, where that decides. The unit is
 * 10^(k+1): tens are the whole, `rest` is what they leave. A power of two whose interval has no tens is left to the
 * exact way too, as the multiple of 10^k nearest to it can be outside. */
static inline struct number_write_digits number_write_nearest(struct number_write_binary binary,
                                                              struct number_power power, int k, uint64_t tolerance) {
    enum { FRACTION = 59 };
    const uint64_t one = UINT64_C(1) << FRACTION;
    int scale = binary.exponent + number_powers_log2(-k - 1); /* −4 to −1 */
    uint64_t factor = binary.significand << (scale + 8);
    unsigned __int128 value =
        (unsigned __int128)power.high * factor + (uint64_t)((unsigned __int128)power.low * factor >> 64);
    uint64_t tens = (uint64_t)(value >> 71), rest = (uint64_t)(value >> 12) & (one - 1);
    uint64_t above = power.high >> (5 - scale), below = above >> binary.lower_is_closer; /* the interval */

    /* All bits set or none, so that no compiler makes a branch of it that no processor could predict. */
    uint64_t to_below = rest - below, to_above = one - above - rest, tenths = 10 * rest + one / 2;
    uint64_t down = (uint64_t)((int64_t)to_below >> 63), up = (uint64_t)((int64_t)to_above >> 63);
    bool unsure = (to_below + tolerance < 2 * tolerance) | (to_above + tolerance < 2 * tolerance) |
                  (((tenths + 10 * tolerance) & (one - 1)) < 20 * tolerance) | (binary.lower_is_closer & !(down | up));
    if (__builtin_expect(unsure, 0)) {
        uint64_t digits = number_write_exact(binary);
        return (struct number_write_digits){digits / 10, digits % 10};
    }
    return (struct number_write_digits){tens - up, tenths >> FRACTION & ~(down | up)};
}

/* All bits set if the digit is not 0. */
static inline int number_write_mask(uint64_t digit) {
    return (int)((int64_t)(0 - digit) >> 63);
}

static inline struct number_write_decimal number_write_decimal_f32(struct number_write_binary binary) {
    int k = number_write_scale(binary);
    struct number_power power = {.high = number_powers_of_ten(-k - 1).high}; /* enough for 24 bits */
    struct number_write_digits digits = number_write_nearest(binary, power, k, 1 << 20);

    /* Subnormal numbers may have fewer digits than seven to nine. */
    while (__builtin_expect(digits.tens < 100000, 0)) {
        digits.tens = 10 * digits.tens + digits.digit;
        digits.digit = 0;
        k--;
    }
    uint64_t tens = number_digits_split((uint32_t)digits.tens);
    int zeros = __builtin_ctzll(tens) / 8, count = number_digits_count(tens);
    count += (9 - count) & number_write_mask(digits.digit);
    return (struct number_write_decimal){
        .upper = tens >> 8 * zeros | digits.digit << 8 << (56 - 8 * zeros),
        .lower = digits.digit,
        .count = count - zeros,
        .point = k + 9 - zeros,
    };
}

static inline struct number_write_decimal number_write_decimal_f64(struct number_write_binary binary) {
    int k = number_write_scale(binary);
    struct number_write_digits digits = number_write_nearest(binary, number_powers_of_ten(-k - 1), k, 4);

    /* Sixteen digits are made seventeen; subnormal numbers may have fewer. */
    int point = k + 17;
    while (digits.tens < 1000000000000000) {
        digits.tens = 10 * digits.tens + digits.digit;
        digits.digit = 0;
        point--;
    }
    uint64_t upper = number_digits_split((uint32_t)(digits.tens / 100000000));
    uint64_t lower = number_digits_split((uint32_t)(digits.tens % 100000000));
    int upper_count = number_digits_count(upper), lower_count = number_digits_count(lower);
    int count = lower_count > 0 ? 8 + lower_count : upper_count;
    count += (17 - count) & number_write_mask(digits.digit);
    return (struct number_write_decimal){
        .upper = upper,
        .lower = lower,
        .last = digits.digit,
        .count = count,
        .point = point,
    };
}

/* Eight and more digits before the point. */
static char *__attribute__((cold, noinline))
number_write_large(uint64_t upper, uint64_t lower, uint64_t last, int count, int point, char *text) {
    char digits[24];
    number_digits_store(digits, upper + NUMBER_DIGITS_ASCII);
    number_digits_store(digits + 8, lower + NUMBER_DIGITS_ASCII);
    number_digits_store(digits + 16, last + NUMBER_DIGITS_ASCII);
    for (int i = 0; i < count || i < point; i++) {
        if (i == point)
            *text++ = '.';
        *text++ = i < count ? digits[i] : '0';
    }
    return text;
}

static char *number_write_exponent(int exponent, char *text) {
    *text++ = 'e';
    *text++ = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent >= 100)
        *text++ = (char)('0' + exponent / 100);
    if (exponent >= 10)
        *text++ = (char)('0' + exponent / 10 % 10);
    *text++ = (char)('0' + exponent % 10);
    return text;
}

/* Up to seven digits before the point the first eight bytes of the text are put together in a word, and the digits
 * behind them are where they would be anyway; so it is with an exponent, where the point follows the first digit. */
static inline __attribute__((always_inline)) char *number_write_layout(struct number_write_decimal decimal,
                                                                       char *text) {
    enum { LEAST = -5, MOST = 7 };
    static const struct {
        uint64_t characters; /* all that is no digit of the number */
        uint64_t integer;    /* the bytes of the digits before the point */
        uint64_t shift;      /* of the digits behind it, in bits */
    } places[] = {
        {0x30303030302e30, 0, 56}, /* 0.00000d */
        {0x303030302e30, 0, 48},
        {0x3030302e30, 0, 40},
        {0x30302e30, 0, 32},
        {0x302e30, 0, 24}, /* 0.0d */
        {0x2e30, 0, 16},
        {0x2e00, 0xff, 8}, /* d.d */
        {0x2e0000, 0xffff, 8},
        {0x2e000000, 0xffffff, 8},
        {0x2e00000000, 0xffffffff, 8},
        {0x2e0000000000, 0xffffffffff, 8},
        {0x2e000000000000, 0xffffffffffff, 8},
        {0x2e00000000000000, 0xffffffffffffff, 8}, /* ddddddd.d */
    };
    int point = decimal.point;
    bool exponential = point < LEAST || point > 21;
    if (__builtin_expect(exponential, 0))
        point = 1;
    else if (__builtin_expect(point > MOST, 0))
        return number_write_large(decimal.upper, decimal.lower, decimal.last, decimal.count, point, text);

    uint64_t characters = places[point - LEAST].characters, integer = places[point - LEAST].integer;
    uint64_t shift = places[point - LEAST].shift;
    uint64_t digits = decimal.upper + NUMBER_DIGITS_ASCII;
    char *behind = text + shift / 8; /* where the first digit stands if it is behind the point */
    number_digits_store(behind + 8, decimal.lower + NUMBER_DIGITS_ASCII);
    behind[16] = (char)('0' + decimal.last);
    number_digits_store(behind, digits);
    number_digits_store(text, characters | (digits & integer) | (digits & ~integer) << shift);
    text += decimal.count > point ? decimal.count + (int)(shift / 8) : point;
    return __builtin_expect(exponential, 0) ? number_write_exponent(decimal.point - 1, text) : text;
}

/* -0 keeps its sign: it has bits of its own to read back to. */
static inline char *number_write_bits_f32(uint32_t bits, char *text) {
    *text = '-';
    text += bits >> 31;
    bits &= 0x7fffffff;
    if (bits == 0) {
        *text = '0';
        return text + 1;
    }
    uint32_t exponent = bits >> 23, fraction = bits & 0x7fffff;
    struct number_write_binary binary = {
        .significand = exponent == 0 ? fraction : fraction | 0x800000,
        .exponent = (exponent == 0 ? 1 : (int)exponent) - 150,
        .lower_is_closer = fraction == 0 && exponent > 1,
    };
    return number_write_layout(number_write_decimal_f32(binary), text);
}

static inline char *number_write_bits_f64(uint64_t bits, char *text) {
    *text = '-';
    text += bits >> 63;
    bits &= 0x7fffffffffffffff;
    if (bits == 0) {
        *text = '0';
        return text + 1;
    }
    uint64_t exponent = bits >> 52, fraction = bits & 0xfffffffffffff;
    struct number_write_binary binary = {
        .significand = exponent == 0 ? fraction : fraction | 0x10000000000000,
        .exponent = (exponent == 0 ? 1 : (int)exponent) - 1075,
        .lower_is_closer = fraction == 0 && exponent > 1,
    };
    return number_write_layout(number_write_decimal_f64(binary), text);
}

/* A float16 has 10 bits of fraction and exponents as a float32 has, but less 112; a bfloat16 has 7 and the same. */
char *number_write_half(enum dtype dtype, uint16_t bits, char *text) {
    unsigned fraction_bits = dtype == DTYPE_FLOAT16 ? 10 : 7, one = 1U << fraction_bits;
    int least = dtype == DTYPE_FLOAT16 ? -24 : -133; /* the exponent of the last bit of a subnormal number */
    *text = '-';
    text += bits >> 15;
    unsigned magnitude = bits & 0x7fffU;
    if (magnitude == 0) {
        *text = '0';
        return text + 1;
    }
    /* 2^−133, the one number whose interval holds both a multiple of 10^(k+1), 1e-40, and a nearer one with as few
     * digits. */
    if (dtype == DTYPE_BFLOAT16 && magnitude == 1)
        return stpcpy(text, "9e-41");
    unsigned exponent = magnitude >> fraction_bits, fraction = magnitude & (one - 1);
    struct number_write_binary binary = {
        .significand = exponent == 0 ? fraction : fraction | one,
        .exponent = (exponent == 0 ? 0 : (int)exponent - 1) + least,
        .lower_is_closer = fraction == 0 && exponent > 1,
    };
    return number_write_layout(number_write_decimal_f32(binary), text);
}

char *number_write_f32(float value, char *text) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return number_write_bits_f32(bits, text);
}

char *number_write_f64(double value, char *text) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return number_write_bits_f64(bits, text);
}

size_t number_write_row_f32(const float *values, size_t count, char **text) {
    if (count < 4) /* sooner done than a batch, however few are in it */
        return number_write_each_f32(values, count, text);
    return number_level_best()->write_f32(values, count, text);
}

size_t number_write_each_f32(const float *values, size_t count, char **text) {
    char *place = *text;
    size_t i = 0;
    for (; i < count && isfinite(values[i]); i++) {
        place = number_write_f32(values[i], place);
        *place++ = ',';
    }
    *text = place;
    return i;
}

size_t number_write_row_f64(const double *values, size_t count, char **text) {
    char *place = *text;
    size_t i = 0;
    for (; i < count && isfinite(values[i]); i++) {
        place = number_write_f64(values[i], place);
        *place++ = ',';
    }
    *text = place;
    return i;
}
