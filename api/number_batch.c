/* Writes float32 four at a time, by the method of number_write.c: see there for why it is right.
 *
 * One number takes some 180 instructions and no branch that depends on it, so four go through the lanes of a vector
 * side by side (GCC's vector extensions; the compiler picks the instructions). What differs from number_write.c follows
 * from that: a product is put together from 32-bit halves and keeps 39 bits of fraction, places of the point are
 * computed rather than looked up, and trailing zeros are counted by sums, for want of a vector instruction. A batch
 * leaves each number as three words of text, and the sizes that tell where they go. Zeros, subnormal numbers, those of
 * eight to 21 digits before the point, and the one in 10^8 that 39 bits cannot decide are written one by one. */
#include "api/number_batch.h"

#include "api/number.h"
#include "api/number_digits.h"
#include "api/number_powers.h"

#include <math.h>

#if defined __x86_64__

#define NUMBER_BATCH_TARGET __attribute__((target("arch=x86-64-v3")))

enum { NUMBER_BATCH_LANES = 4, NUMBER_BATCH_COUNT = 64 };

/* Added where something must not be negative: to exponents of ten, and to the place of the point. */
enum { NUMBER_BATCH_TEN = 64, NUMBER_BATCH_POINT = 64 };

typedef uint64_t number_batch_lanes __attribute__((vector_size(8 * NUMBER_BATCH_LANES)));
typedef int64_t number_batch_signed __attribute__((vector_size(8 * NUMBER_BATCH_LANES)));
/* The same bits, computed with as two, or four, numbers a lane. */
typedef uint32_t number_batch_halves __attribute__((vector_size(8 * NUMBER_BATCH_LANES)));
typedef uint16_t number_batch_quarters __attribute__((vector_size(8 * NUMBER_BATCH_LANES)));
typedef uint32_t number_batch_words __attribute__((vector_size(4 * NUMBER_BATCH_LANES)));

/* Texts without the sign, eight bytes a word. */
struct number_batch {
    uint64_t first[NUMBER_BATCH_COUNT], second[NUMBER_BATCH_COUNT]; /* digits and point */
    uint64_t suffix[NUMBER_BATCH_COUNT];                            /* an exponent, if any, and a comma */
    uint64_t digits_size[NUMBER_BATCH_COUNT];                       /* where the suffix stands; 0: not written */
    uint64_t size[NUMBER_BATCH_COUNT];
};

/* 10 * tens + digit, times 10^(k - 64). */
struct number_batch_digits {
    number_batch_lanes tens, digit, k, unsure;
};

NUMBER_BATCH_TARGET static inline number_batch_lanes number_batch_all(uint64_t value) {
    return (number_batch_lanes){value, value, value, value};
}

/* Comparison of numbers below 2^63: all bits set where true. */
NUMBER_BATCH_TARGET static inline number_batch_lanes number_batch_less(number_batch_lanes a, number_batch_lanes b) {
    return (number_batch_lanes)((number_batch_signed)a < (number_batch_signed)b);
}

NUMBER_BATCH_TARGET static inline number_batch_lanes number_batch_choose(number_batch_lanes which, number_batch_lanes a,
                                                                         number_batch_lanes b) {
    return (which & a) | (~which & b);
}

/* From -most to below most, a power of two. */
NUMBER_BATCH_TARGET static inline number_batch_lanes number_batch_near_zero(number_batch_lanes a, uint64_t most) {
    return (number_batch_lanes)(((a + most) & ~(2 * most - 1)) == 0);
}

/* number_digits_split(). */
NUMBER_BATCH_TARGET static inline number_batch_lanes number_batch_split(number_batch_lanes number) {
    number_batch_lanes upper = number * 109951163 >> 40;
    number_batch_lanes lower = number - (number_batch_lanes)((number_batch_halves)upper * 10000);
    number_batch_halves fours = (number_batch_halves)(upper | lower << 32);
    number_batch_quarters twos = (number_batch_quarters)((fours << 16) - (fours * 10486 >> 20) * ((100 << 16) - 1));
    return (number_batch_lanes)((twos << 8) - (twos * 103 >> 10) * ((10 << 8) - 1));
}

/* number_digits_count(). */
NUMBER_BATCH_TARGET static inline number_batch_lanes number_batch_count(number_batch_lanes digits) {
    number_batch_lanes used = (digits + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101;
    used |= used >> 8; /* and whatever stands before the last one */
    used |= used >> 16;
    used |= used >> 32;
    used += used >> 32;
    used += used >> 16;
    return (used + (used >> 8)) & 15;
}

static inline uint64_t number_batch_power(uint64_t ten) {
    return number_powers_of_ten((int)ten - NUMBER_BATCH_TEN).high;
}

/* number_write_nearest(), with 39 bits of fraction. Exponents are kept positive: 64 is added to those of ten, 256 to
 * logarithms; sums of halves are exact in the lower one, and the shift and mask after them drop the upper. */
NUMBER_BATCH_TARGET static inline struct number_batch_digits number_batch_nearest(number_batch_lanes exponent,
                                                                                  number_batch_lanes fraction) {
    enum { FRACTION = 39, TOLERANCE = 8, BIAS = 150, LOG = 256 };
    const uint64_t one = UINT64_C(1) << FRACTION;
    number_batch_lanes lower_is_closer = (number_batch_lanes)(fraction == 0);
    number_batch_halves scale = (number_batch_halves)exponent * 1262611 + ((NUMBER_BATCH_TEN << 22) - BIAS * 1262611);
    number_batch_lanes k = (number_batch_lanes)(scale - ((number_batch_halves)lower_is_closer & 524031)) >> 22 & 0x7f;
    number_batch_lanes ten = 2 * NUMBER_BATCH_TEN - 1 - k; /* -k - 1 */
    number_batch_halves ten_log = (number_batch_halves)ten * 1741647 + ((LOG << 19) - NUMBER_BATCH_TEN * 1741647);
    number_batch_lanes below_one = BIAS + LOG - exponent - ((number_batch_lanes)ten_log >> 19 & 0x1fff); /* 1 to 4 */
    number_batch_lanes power = {number_batch_power(ten[0]), number_batch_power(ten[1]), number_batch_power(ten[2]),
                                number_batch_power(ten[3])};

    number_batch_lanes factor = (fraction | 0x800000) << (8 - below_one);
    number_batch_lanes value = (power >> 32) * factor + ((power & 0xffffffff) * factor >> 32);
    number_batch_lanes above = power >> (25 + below_one), below = above >> (lower_is_closer & 1);
    number_batch_lanes rest = value & (one - 1), tenths = (rest << 3) + (rest << 1) + one / 2;
    number_batch_lanes down = number_batch_less(rest, below), up = number_batch_less(one - above, rest);
    return (struct number_batch_digits){
        .tens = (value >> FRACTION) - up,
        .digit = tenths >> FRACTION & ~(down | up),
        .k = k,
        .unsure = number_batch_near_zero(rest - below, TOLERANCE) |
                  number_batch_near_zero(one - above - rest, TOLERANCE) |
                  number_batch_near_zero(tenths & (one - 1), 16 * TOLERANCE) | (lower_is_closer & ~(down | up)),
    };
}

/* What follows the digits: a comma, with an exponent before it where `exponential`; `size` gets its length. */
NUMBER_BATCH_TARGET static inline number_batch_lanes
number_batch_suffix(number_batch_lanes exponential, number_batch_lanes point, number_batch_lanes *size) {
    number_batch_lanes negative = number_batch_less(point, number_batch_all(NUMBER_BATCH_POINT + 1));
    number_batch_lanes comma = number_batch_all(',');
    number_batch_lanes exponent =
        number_batch_choose(negative, NUMBER_BATCH_POINT + 1 - point, point - (NUMBER_BATCH_POINT + 1));
    number_batch_lanes tens = exponent * 103 >> 10, ones = exponent - (tens << 3) - (tens << 1);
    number_batch_lanes two_digits = number_batch_less(number_batch_all(9), exponent);
    number_batch_lanes digits =
        number_batch_choose(two_digits, (tens + '0') | (ones + '0') << 8 | comma << 16, (ones + '0') | comma << 8);
    number_batch_lanes sign = number_batch_choose(negative, number_batch_all('-'), number_batch_all('+'));
    *size = 1 + (exponential & (3 + (two_digits & 1)));
    return number_batch_choose(exponential, 'e' | sign << 8 | digits << 16, comma);
}

/* number_write_decimal_f32() and number_write_layout(). */
NUMBER_BATCH_TARGET static inline void number_batch_write(number_batch_lanes bits, struct number_batch *batch,
                                                          size_t place) {
    number_batch_lanes exponent = bits >> 23 & 0xff;
    struct number_batch_digits number = number_batch_nearest(exponent, bits & 0x7fffff);
    number_batch_lanes digits = number_batch_split(number.tens);
    number_batch_lanes zeros = -(number_batch_less(number.tens, number_batch_all(10000000)) +
                                 number_batch_less(number.tens, number_batch_all(1000000)));
    number_batch_lanes count =
        number_batch_choose((number_batch_lanes)(number.digit == 0), number_batch_count(digits), number_batch_all(9)) -
        zeros;
    number_batch_lanes point = number.k + (9 + NUMBER_BATCH_POINT - NUMBER_BATCH_TEN) - zeros;
    digits = (digits >> 8 * zeros | number.digit << 8 << (56 - 8 * zeros)) + NUMBER_DIGITS_ASCII;

    number_batch_lanes large = number_batch_less(number_batch_all(NUMBER_BATCH_POINT + 7), point);
    number_batch_lanes exponential = number_batch_less(point, number_batch_all(NUMBER_BATCH_POINT - 5)) |
                                     number_batch_less(number_batch_all(NUMBER_BATCH_POINT + 21), point);
    number_batch_lanes suffix_size, suffix = number_batch_suffix(exponential, point, &suffix_size);
    point = number_batch_choose(exponential | large, number_batch_all(NUMBER_BATCH_POINT + 1), point);

    number_batch_lanes small = number_batch_less(point, number_batch_all(NUMBER_BATCH_POINT + 1)); /* 0.ddd */
    number_batch_lanes one = number_batch_all(1);
    number_batch_lanes shift = number_batch_choose(small, 8 * (NUMBER_BATCH_POINT + 2 - point), number_batch_all(8));
    number_batch_lanes dot = number_batch_choose(small, number_batch_all(8), 8 * (point - NUMBER_BATCH_POINT));
    number_batch_lanes zero_places = small & ((one << shift) - 1) & ~number_batch_all(0xff00);
    number_batch_lanes integer = ~small & ((one << dot) - 1);
    number_batch_lanes first = number_batch_all('.') << dot | (zero_places & NUMBER_DIGITS_ASCII) | (digits & integer) |
                               (digits & ~integer) << shift;
    number_batch_lanes second = digits >> (64 - shift) | (number.digit + '0') << shift;
    number_batch_lanes size = number_batch_choose(number_batch_less(point, count + NUMBER_BATCH_POINT),
                                                  count + (shift >> 3), point - NUMBER_BATCH_POINT);
    number_batch_lanes rare = number.unsure | (number_batch_lanes)(exponent == 0) |
                              (number_batch_lanes)(exponent == 0xff) | (large & ~exponential);
    size &= ~rare;
    suffix_size += size;
    memcpy(batch->first + place, &first, sizeof first);
    memcpy(batch->second + place, &second, sizeof second);
    memcpy(batch->suffix + place, &suffix, sizeof suffix);
    memcpy(batch->digits_size + place, &size, sizeof size);
    memcpy(batch->size + place, &suffix_size, sizeof suffix_size);
}

NUMBER_BATCH_TARGET static void number_batch_fill(const uint32_t *bits, size_t count, struct number_batch *batch) {
    for (size_t place = 0; place < count; place += NUMBER_BATCH_LANES) {
        number_batch_words words;
        memcpy(&words, bits + place, sizeof words);
        number_batch_write(__builtin_convertvector(words, number_batch_lanes), batch, place);
    }
}

bool number_batch_usable(void) {
    return __builtin_cpu_supports("avx2") != 0;
}

/* Compiled for vectors as well, so that it clears their upper halves when it is done (vzeroupper): left as they are,
 * they make the 128-bit instructions of all that follows wait for each other. */
NUMBER_BATCH_TARGET size_t number_batch_f32(const float *values, size_t count, char **text) {
    struct number_batch batch;
    uint32_t bits[NUMBER_BATCH_COUNT] = {0};
    char *place = *text;
    size_t done = 0;
    while (done < count) {
        size_t size = count - done < NUMBER_BATCH_COUNT ? count - done : (size_t)NUMBER_BATCH_COUNT;
        for (size_t i = 0; i < size; i++)
            memcpy(&bits[i], &values[done + i], sizeof *bits);
        number_batch_fill(bits, size, &batch);
        for (size_t i = 0; i < size; i++, done++) {
            if (__builtin_expect(batch.digits_size[i] == 0, 0)) {
                if (!isfinite(values[done])) {
                    *text = place;
                    return done;
                }
                place = number_write_f32(values[done], place);
                *place++ = ',';
            } else {
                *place = '-';
                place += bits[i] >> 31;
                number_digits_store(place, batch.first[i]);
                number_digits_store(place + 8, batch.second[i]);
                number_digits_store(place + batch.digits_size[i], batch.suffix[i]);
                place += batch.size[i];
            }
        }
    }
    *text = place;
    return count;
}

#else

bool number_batch_usable(void) {
    return false;
}

size_t number_batch_f32(const float *values, size_t count, char **text) {
    return number_write_row_f32(values, count, text);
}

#endif
