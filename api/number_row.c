/* Reads rows of numbers: what number_read.c reads one by one, byte by byte, for the usual shapes.
 *
 * Most numbers are a sign, a digit, a point, digits. A mask of those bytes that are no digits tells where the point is
 * and where the number stops, and that there is nothing else in it; the digits behind the point are joined sixteen at
 * a time, pairs first. None of this branches on how long a number is. So the processor works on several numbers at
 * once, since only where a number starts has to wait for the one before, and guesses nothing wrong where lengths vary.
 * (The ideas are those of Lemire's simdjson, with Langdale, 2019, and of Mula's texts on joining digits.)
 *
 * A float32 then is one division of doubles, rounded once more: digits that do not count are cut off before, and where
 * the error of it all could matter, which is seen from what the last rounding drops, this way gives up. A double is a
 * division where both numbers are exact (Clinger, "How to Read Floating Point Numbers Accurately", 1990), else digits
 * are multiplied with 64 bits of a power of ten (Lemire, "Number Parsing at a Gigabyte per Second", 2021), with the
 * same care. What was given up, and all other shapes, are left to number_read.c. */
#include "api/number.h"
#include "api/number_digits.h"
#include "api/number_powers.h"

#include <math.h>

#if defined __SSE2__
#include <emmintrin.h>
#endif

/* Bytes that are read before a number stops, and behind its start. */
enum { NUMBER_ROW_BEFORE = 16, NUMBER_ROW_BEHIND = 34 };

/* Up to so many decimals make up all but the longest float32, none but the shortest float64. */
enum { NUMBER_ROW_FEW = 14 };

/* With so few decimals and eight digits before the point a number is exact in a double. */
enum { NUMBER_ROW_SHORT = 7 };

/* Digits of which the last one's worth is at most 10^-13 of all. */
#define NUMBER_ROW_ENOUGH UINT64_C(10000000000000)

/* 10^0 to 10^22 are exact in a double. */
enum { NUMBER_ROW_POWERS = 23 };

/* (-1)^sign * digits / 10^places, and where it ends; NULL: it is not of the shapes read here. */
struct number_row_decimal {
    uint64_t digits;
    long places;
    unsigned sign;
    bool scaled; /* by an exponent */
    const char *end;
};

#if defined __SSE2__

/* Of 16 bytes, a bit for each that is no digit. */
static inline unsigned number_row_others(const char *text) {
    __m128i bytes = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)text), _mm_set1_epi8('0'));
    __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(9)), bytes);
    return (unsigned)_mm_movemask_epi8(digits) ^ 0xffff;
}

/* The value of the last `count` (0 to 16) digits before `stop`. */
static inline uint64_t number_row_sixteen(const char *stop, long count) {
    static const signed char masks[32] = {[16] = -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    __m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(stop - 16)), _mm_set1_epi8('0'));
    digits = _mm_and_si128(digits, _mm_loadu_si128((const __m128i *)(masks + count)));
    __m128i twos = _mm_add_epi16(_mm_mullo_epi16(digits, _mm_set1_epi16(10)), _mm_srli_epi16(digits, 8));
    __m128i fours = _mm_madd_epi16(_mm_and_si128(twos, _mm_set1_epi16(0xff)), _mm_set1_epi32(1 << 16 | 100));
    __m128i eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(1 << 16 | 10000));
    uint64_t halves = (uint64_t)_mm_cvtsi128_si64(eights);
    return (halves & UINT32_MAX) * 100000000 + (halves >> 32);
}

#else

static inline unsigned number_row_others(const char *text) {
    unsigned others = 0;
    for (int i = 0; i < 16; i++)
        others |= (unsigned)((unsigned char)(text[i] - '0') > 9) << i;
    return others;
}

static inline uint64_t number_row_sixteen(const char *stop, long count) {
    long lower = count < 8 ? count : 8;
    long lower_unused = 32 - 4 * lower, upper_unused = 32 - 4 * (count - lower); /* halves: a shift by 64 is none */
    uint64_t lower_digits = number_digits_load(stop - 8) ^ NUMBER_DIGITS_ASCII;
    uint64_t upper_digits = number_digits_load(stop - 16) ^ NUMBER_DIGITS_ASCII;
    lower_digits = lower_digits >> lower_unused >> lower_unused << lower_unused << lower_unused;
    upper_digits = upper_digits >> upper_unused >> upper_unused << upper_unused << upper_unused;
    return number_digits_join(upper_digits) * 100000000 + number_digits_join(lower_digits);
}

#endif

/* The smaller one; by bits, since no processor could predict a branch. */
static inline long number_row_least(long a, long b) {
    return b + ((a - b) & (a - b) >> 63);
}

/* The decimal with the exponent that stands behind an "e" at its end. */
static __attribute__((noinline)) struct number_row_decimal number_row_exponent(struct number_row_decimal decimal) {
    const char *text = decimal.end + 1;
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    const char *begin = text;
    long exponent = 0;
    for (; text - begin < 3 && (unsigned char)(*text - '0') <= 9; text++)
        exponent = 10 * exponent + (*text - '0');
    decimal.scaled = true;
    decimal.places -= negative ? -exponent : exponent;
    bool known = decimal.places >= -NUMBER_POWERS_MOST_DOUBLE && decimal.places <= -NUMBER_POWERS_LEAST;
    bool whole = text > begin && (unsigned char)(*text - '0') > 9;
    decimal.end = known && whole ? text : NULL;
    return decimal;
}

/* Digits before the point, where they are not one: 2 to 8, the first of them no 0. */
static inline bool number_row_whole(const char *text, long count, uint64_t *digits) {
    if (count < 2 || count > 8 || *text == '0')
        return false;
    *digits = number_row_sixteen(text + count, count);
    return true;
}

/* A number, that is, what begins with a sign or a digit; `begin` is where bytes may be read from. What the next number
 * waits for is how `stop` is found: the first byte but a sign that is no digit is the point, the second is where the
 * number stops. With `cut`, decimals behind the sixteenth are dropped where those before them tell the number to
 * 10^-13. */
static inline __attribute__((always_inline)) struct number_row_decimal number_row_decimal(const char *text,
                                                                                          const char *begin, bool cut) {
    const struct number_row_decimal none = {0};
    unsigned others = number_row_others(text), sign = others & 1;
    others -= sign;
    if ((others & (others - 1)) == 0)
        others |= number_row_others(text + 16) << 16;
    unsigned behind = others & (others - 1);
    if (__builtin_expect(behind == 0, 0))
        return none;
    const char *stop = text + __builtin_ctz(behind), *point = text + __builtin_ctz(others);
    if (__builtin_expect(point - begin < NUMBER_ROW_BEFORE, 0))
        return none;
    text += sign;

    long whole = point - text, places = 0;
    uint64_t digits = (uint64_t)(unsigned char)(*text - '0');
    if (whole != 1 && !number_row_whole(text, whole, &digits))
        return none;
    if (*point == '.') {
        places = stop - point - 1;
        if (places == 0 || (whole > 2 && whole + places > NUMBER_DIGITS_MOST - 1))
            return none;
        long last = places;
        if (cut) {
            last = places = number_row_least(places, 16);
        } else if (places > NUMBER_ROW_FEW) { /* more than 16 or not, that cannot be predicted */
            last = number_row_least(places, 16);
            if (places - last > 8)
                return none;
            digits = digits * number_digits_power(places - last) + number_row_sixteen(stop - last, places - last);
            if (digits >= 100)
                return none;
        }
        digits = digits * number_digits_power(last) + number_row_sixteen(point + 1 + places, last);
        if (__builtin_expect(cut && stop - point > 17 && digits < NUMBER_ROW_ENOUGH, 0))
            return none;
    } else {
        stop = point;
    }
    struct number_row_decimal decimal = {digits, places, sign, false, stop};
    return __builtin_expect((*stop | 0x20) == 'e', 0) ? number_row_exponent(decimal) : decimal;
}

/* The quotient of two numbers of which both are exact in a double, or nearly. */
static inline double number_row_quotient(struct number_row_decimal decimal) {
    static const double powers[NUMBER_ROW_POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    return (double)(int64_t)decimal.digits / powers[decimal.places];
}

/* The bits of digits / 10^places as a double where that is a normal one; false: it is none, or the error of the power
 * could matter. */
static inline bool number_row_round(struct number_row_decimal decimal, uint64_t *bits) {
    enum { BITS = 52, LEAST = -1022, MOST = 2045, SHIFT = 63 - BITS };
    const uint64_t half = UINT64_C(1) << (SHIFT - 1);
    int zeros = __builtin_clzll(decimal.digits | 1);
    uint64_t power = number_powers_of_ten(-(int)decimal.places).high;
    unsigned __int128 product = (unsigned __int128)power * (decimal.digits << zeros);
    uint64_t top = (uint64_t)(product >> 64), leading = top >> 63;
    top <<= leading ^ 1; /* less than four units too small now */
    int above_least = number_powers_log2(-(int)decimal.places) + 63 + (int)leading - zeros - LEAST;
    *bits = ((uint64_t)(unsigned)above_least << BITS) + (((top >> (SHIFT - 1)) + 1) >> 1);
    return (decimal.digits != 0) & ((unsigned)above_least < MOST) & ((top - (half - 4)) % (2 * half) > 4);
}

/* What the fast way leaves: its end, or NULL where it is no finite number. */
static __attribute__((cold, noinline)) const char *number_row_hard_f32(const char *text, float *value) {
    const char *end = number_read_f32(text, value);
    return end != NULL && isfinite(*value) ? end : NULL;
}

static __attribute__((cold, noinline)) const char *number_row_hard_f64(const char *text, double *value) {
    const char *end = number_read_f64(text, value);
    return end != NULL && isfinite(*value) ? end : NULL;
}

static inline const char *number_row_f32(const char *text, struct number_span all, float *value) {
    if (__builtin_expect(all.end - text < NUMBER_ROW_BEHIND, 0))
        return number_row_hard_f32(text, value);
    struct number_row_decimal decimal = number_row_decimal(text, all.begin, true);
    if (__builtin_expect(decimal.end == NULL || (unsigned long)decimal.places >= NUMBER_ROW_POWERS, 0))
        return number_row_hard_f32(text, value);
    /* What was cut off is less than 2^10 of the 2^29 units that a float has of a double. */
    double quotient = number_row_quotient(decimal);
    uint64_t bits, middle = 1 << 28, tolerance = 1 << 10;
    memcpy(&bits, &quotient, sizeof bits);
    if (__builtin_expect((bits - (middle - tolerance)) % (2 * middle) <= 2 * tolerance, 0))
        return number_row_hard_f32(text, value);
    float nearest = (float)quotient;
    uint32_t word;
    memcpy(&word, &nearest, sizeof word);
    word |= decimal.sign << 31;
    memcpy(value, &word, sizeof word);
    return decimal.end;
}

static inline const char *number_row_f64(const char *text, struct number_span all, double *value) {
    if (__builtin_expect(all.end - text < NUMBER_ROW_BEHIND, 0))
        return number_row_hard_f64(text, value);
    struct number_row_decimal decimal = number_row_decimal(text, all.begin, false);
    if (__builtin_expect(decimal.end == NULL, 0))
        return number_row_hard_f64(text, value);
    uint64_t bits;
    if ((unsigned long)decimal.places <= NUMBER_ROW_SHORT && !decimal.scaled) {
        double quotient = number_row_quotient(decimal);
        memcpy(&bits, &quotient, sizeof bits);
    } else if (__builtin_expect(!number_row_round(decimal, &bits), 0)) {
        return number_row_hard_f64(text, value);
    }
    bits |= (uint64_t)decimal.sign << 63;
    memcpy(value, &bits, sizeof bits);
    return decimal.end;
}

/* A sign or a digit. One test for both, since which it is cannot be predicted: a bit for each byte from '-' to '9'. */
static inline bool number_row_begins(const char *text) {
    unsigned place = (unsigned char)(*text - '-');
    return place <= '9' - '-' && (0x1ff9 >> place & 1) != 0;
}

/* Whether a row goes on behind a number: *text is then moved to the next one. */
static inline bool number_row_next(const char **text) {
    const char *next = *text + 1;
    if (**text != ',')
        return false;
    if (*next == ' ')
        next++;
    *text = next;
    return number_row_begins(next);
}

size_t number_row_read_f32(const char **text, struct number_span all, float *values, size_t count) {
    const char *next = *text, *behind;
    size_t i = 0;
    for (bool more = number_row_begins(next); more && i < count; more = number_row_next(&next), i++) {
        behind = number_row_f32(next, all, &values[i]);
        if (behind == NULL)
            break;
        *text = next = behind;
    }
    return i;
}

size_t number_row_read_f64(const char **text, struct number_span all, double *values, size_t count) {
    const char *next = *text, *behind;
    size_t i = 0;
    for (bool more = number_row_begins(next); more && i < count; more = number_row_next(&next), i++) {
        behind = number_row_f64(next, all, &values[i]);
        if (behind == NULL)
            break;
        *text = next = behind;
    }
    return i;
}
