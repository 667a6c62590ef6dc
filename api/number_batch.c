/* Writes float32 many at a time, by the method of number_write.c: see there for why it is right. Compiled for levels of
 * processors (api/number_level.h): a vector has four lanes of 64 bits with AVX2, eight with AVX-512.
 *
 * One number takes some 200 instructions and no branch that depends on it, so many go through the lanes of vectors
 * side by side (GCC's vector extensions; the compiler picks most instructions). Each instruction needs what the one
 * before it made, and a processor does not look far enough ahead to begin the next vector meanwhile. So the way is cut
 * into short passes, and each is taken by all numbers of a batch before the next one: their vectors overlap, and their
 * constants stay in registers.
 *
 * What else differs from number_write.c follows from the lanes: a product is put together from 32-bit halves and keeps
 * 39 bits of fraction, places of the point are computed rather than looked up, and trailing zeros are counted by sums,
 * for want of a vector instruction. A batch leaves each number as two words of text, their size, and where the point
 * is, which tells what follows them. Zeros, subnormal numbers, those of eight to 21 digits before the point, and the
 * one in 10^8 that 39 bits cannot decide are written one by one. */
#include "api/number_batch.h"

#include "api/number.h"
#include "api/number_digits.h"
#include "api/number_lanes.h"
#include "api/number_powers.h"

#include <math.h>

/* Added where something must not be negative: to exponents of ten, and to the place of the point. */
enum { NUMBER_BATCH_TEN = 64, NUMBER_BATCH_POINT = 64 };

/* What follows the digits, by where the point is: an exponent, if there is one, and a comma. The last byte is none of
 * the text, but its size. */
#define NUMBER_BATCH_ONE(sign, ones) [NUMBER_BATCH_POINT + 1 sign ones] = "e" #sign #ones ",\0\0\0\4"
#define NUMBER_BATCH_TWO(sign, tens, ones) [NUMBER_BATCH_POINT + 1 sign tens##ones] = "e" #sign #tens #ones ",\0\0\5"
#define NUMBER_BATCH_NINE(sign, tens)                                                                                  \
    NUMBER_BATCH_TWO(sign, tens, 1), NUMBER_BATCH_TWO(sign, tens, 2), NUMBER_BATCH_TWO(sign, tens, 3),                 \
        NUMBER_BATCH_TWO(sign, tens, 4), NUMBER_BATCH_TWO(sign, tens, 5), NUMBER_BATCH_TWO(sign, tens, 6),             \
        NUMBER_BATCH_TWO(sign, tens, 7), NUMBER_BATCH_TWO(sign, tens, 8), NUMBER_BATCH_TWO(sign, tens, 9)

static const char number_batch_suffixes[][8] = {
    [NUMBER_BATCH_POINT - 5 ... NUMBER_BATCH_POINT + 21] = ",\0\0\0\0\0\0\1",
    NUMBER_BATCH_ONE(-, 7),
    NUMBER_BATCH_ONE(-, 8),
    NUMBER_BATCH_ONE(-, 9),
    NUMBER_BATCH_TWO(-, 1, 0),
    NUMBER_BATCH_NINE(-, 1),
    NUMBER_BATCH_TWO(-, 2, 0),
    NUMBER_BATCH_NINE(-, 2),
    NUMBER_BATCH_TWO(-, 3, 0),
    NUMBER_BATCH_NINE(-, 3),
    NUMBER_BATCH_NINE(+, 2),
    NUMBER_BATCH_TWO(+, 3, 0),
    NUMBER_BATCH_NINE(+, 3),
};

/* What passes leave for later ones, and at last texts without the sign, eight bytes a word. Aligned, because a vector
 * that crosses a cache line costs twice as much. */
struct number_batch {
    _Alignas(64) uint32_t bits[NUMBER_LANES_BATCH];
    uint32_t k[NUMBER_LANES_BATCH];                                 /* 64 added */
    uint32_t below_one[NUMBER_LANES_BATCH];                         /* so many bits are left of a power, 1 to 4 */
    uint64_t power[NUMBER_LANES_BATCH];                             /* 10^(-k - 1) */
    uint64_t tens[NUMBER_LANES_BATCH], digit[NUMBER_LANES_BATCH];   /* the number is 10 * tens + digit, times 10^k */
    uint64_t unsure[NUMBER_LANES_BATCH];                            /* all bits set where 39 bits do not tell */
    uint64_t digits[NUMBER_LANES_BATCH];                            /* the first eight, as characters */
    uint64_t count[NUMBER_LANES_BATCH];                             /* of digits up to the last that is not 0 */
    uint64_t point[NUMBER_LANES_BATCH];                             /* digits before the decimal point, 64 added */
    uint64_t first[NUMBER_LANES_BATCH], second[NUMBER_LANES_BATCH]; /* digits and decimal point */
    uint64_t size[NUMBER_LANES_BATCH];                              /* of these; 0: to be written by itself */
};

/* From -most to below most, a power of two. */
static inline number_lanes number_batch_near_zero(number_lanes a, uint64_t most) {
    return (number_lanes)(((a + most) & ~(2 * most - 1)) == 0);
}

/* number_digits_count(). */
static inline number_lanes number_batch_count(number_lanes digits) {
    number_lanes used = (digits + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101;
    used |= used >> 8; /* and whatever stands before the last one */
    used |= used >> 16;
    used |= used >> 32;
    return (number_lanes)NUMBER_LANES_ADD_BYTES(used);
}

/* number_write_scale(). Exponents are kept positive: 64 is added to those of ten, 256 to logarithms. */
static inline void number_batch_scale(struct number_batch *batch, size_t place) {
    enum { BIAS = 150, LOG = 256 };
    number_lanes_halves bits, k, below_one;
    memcpy(&bits, batch->bits + place, sizeof bits);
    number_lanes_halves exponent = bits >> 23 & 0xff, lower_is_closer = (number_lanes_halves)((bits & 0x7fffff) == 0);
    k = (exponent * 1262611 + ((NUMBER_BATCH_TEN << 22) - BIAS * 1262611) - (lower_is_closer & 524031)) >> 22;
    number_lanes_halves ten = 2 * NUMBER_BATCH_TEN - 1 - k; /* -k - 1 */
    below_one = BIAS + LOG - exponent - ((ten * 1741647 + ((LOG << 19) - NUMBER_BATCH_TEN * 1741647)) >> 19);
    memcpy(batch->k + place, &k, sizeof k);
    memcpy(batch->below_one + place, &below_one, sizeof below_one);
}

/* number_write_nearest(), with 39 bits of fraction. */
static inline void number_batch_nearest(struct number_batch *batch, size_t place) {
    enum { FRACTION = 39, TOLERANCE = 8 };
    const uint64_t one = UINT64_C(1) << FRACTION;
    number_lanes fraction = number_lanes_widen(batch->bits + place) & 0x7fffff;
    number_lanes lower_is_closer = (number_lanes)(fraction == 0);
    number_lanes power = number_lanes_load(batch->power + place);
    number_lanes below_one = number_lanes_widen(batch->below_one + place);
    number_lanes factor = (fraction | 0x800000) << (8 - below_one);
    number_lanes value = (number_lanes)NUMBER_LANES_MULTIPLY(power >> 32, factor) +
                         ((number_lanes)NUMBER_LANES_MULTIPLY(power, factor) >> 32);
    number_lanes above = power >> (25 + below_one), below = above >> (lower_is_closer & 1);
    number_lanes rest = value & (one - 1), tenths = (rest << 3) + (rest << 1) + one / 2;
    number_lanes down = number_lanes_less(rest, below), up = number_lanes_less(one - above, rest);
    number_lanes_store(batch->tens + place, (value >> FRACTION) - up);
    number_lanes_store(batch->digit + place, tenths >> FRACTION & ~(down | up));
    number_lanes_store(batch->unsure + place, number_batch_near_zero(rest - below, TOLERANCE) |
                                                  number_batch_near_zero(one - above - rest, TOLERANCE) |
                                                  number_batch_near_zero(tenths & (one - 1), 16 * TOLERANCE) |
                                                  (lower_is_closer & ~(down | up)));
}

/* number_write_decimal_f32(). */
static inline void number_batch_decimal(struct number_batch *batch, size_t place) {
    number_lanes tens = number_lanes_load(batch->tens + place), digit = number_lanes_load(batch->digit + place);
    number_lanes digits = number_lanes_split(tens);
    number_lanes zeros =
        -(number_lanes_less(tens, number_lanes_all(10000000)) + number_lanes_less(tens, number_lanes_all(1000000)));
    number_lanes count =
        number_lanes_choose((number_lanes)(digit == 0), number_batch_count(digits), number_lanes_all(9));
    number_lanes k = number_lanes_widen(batch->k + place);
    number_lanes_store(batch->digits + place,
                       (digits >> 8 * zeros | digit << 8 << (56 - 8 * zeros)) + NUMBER_DIGITS_ASCII);
    number_lanes_store(batch->count + place, count - zeros);
    number_lanes_store(batch->point + place, k + (9 + NUMBER_BATCH_POINT - NUMBER_BATCH_TEN) - zeros);
}

/* number_write_layout(). */
static inline void number_batch_layout(struct number_batch *batch, size_t place) {
    number_lanes digits = number_lanes_load(batch->digits + place);
    number_lanes point = number_lanes_load(batch->point + place), count = number_lanes_load(batch->count + place);
    number_lanes large = number_lanes_less(number_lanes_all(NUMBER_BATCH_POINT + 7), point);
    number_lanes exponential = number_lanes_less(point, number_lanes_all(NUMBER_BATCH_POINT - 5)) |
                               number_lanes_less(number_lanes_all(NUMBER_BATCH_POINT + 21), point);
    point = number_lanes_choose(exponential | large, number_lanes_all(NUMBER_BATCH_POINT + 1), point);

    number_lanes one = number_lanes_all(1);
    number_lanes small = number_lanes_less(point, number_lanes_all(NUMBER_BATCH_POINT + 1)); /* 0.ddd */
    number_lanes shift = number_lanes_choose(small, 8 * (NUMBER_BATCH_POINT + 2 - point), number_lanes_all(8));
    number_lanes dot = number_lanes_choose(small, number_lanes_all(8), 8 * (point - NUMBER_BATCH_POINT));
    number_lanes zero_places = small & ((one << shift) - 1) & ~number_lanes_all(0xff00);
    number_lanes integer = ~small & ((one << dot) - 1);
    number_lanes_store(batch->first + place, number_lanes_all('.') << dot | (zero_places & NUMBER_DIGITS_ASCII) |
                                                 (digits & integer) | (digits & ~integer) << shift);
    number_lanes_store(batch->second + place, digits >> (64 - shift) | (number_lanes_load(batch->digit + place) + '0')
                                                                           << shift);
    number_lanes size = number_lanes_choose(number_lanes_less(point, count + NUMBER_BATCH_POINT), count + (shift >> 3),
                                            point - NUMBER_BATCH_POINT);
    number_lanes exponent = number_lanes_widen(batch->bits + place) >> 23 & 0xff;
    number_lanes rare = number_lanes_load(batch->unsure + place) | (number_lanes)(exponent == 0) |
                        (number_lanes)(exponent == 0xff) | (large & ~exponential);
    number_lanes_store(batch->size + place, size & ~rare);
}

/* Up to 2 * NUMBER_LANES_COUNT − 1 numbers more are done, of whatever stands there, and nobody looks at them. */
static void number_batch_fill(struct number_batch *batch, size_t count) {
    size_t place = 0;
    for (; place < count; place += 2 * NUMBER_LANES_COUNT)
        number_batch_scale(batch, place);
    for (count = place, place = 0; place < count; place++)
        batch->power[place] = number_powers_of_ten(NUMBER_BATCH_TEN - 1 - (int)batch->k[place]).high;
    for (place = 0; place < count; place += NUMBER_LANES_COUNT)
        number_batch_nearest(batch, place);
    for (place = 0; place < count; place += NUMBER_LANES_COUNT)
        number_batch_decimal(batch, place);
    for (place = 0; place < count; place += NUMBER_LANES_COUNT)
        number_batch_layout(batch, place);
}

size_t NUMBER_LANES_NAME(number_batch_f32, NUMBER_LEVEL)(const float *values, size_t count, char **text) {
    struct number_batch batch;
    memset(batch.bits, 0, sizeof batch.bits);
    char *place = *text;
    size_t done = 0;
    while (done < count) {
        size_t size = count - done < NUMBER_LANES_BATCH ? count - done : (size_t)NUMBER_LANES_BATCH;
        memcpy(batch.bits, values + done, size * sizeof *values);
        number_batch_fill(&batch, size);
        for (size_t i = 0; i < size; i++, done++) {
            if (__builtin_expect(batch.size[i] == 0, 0)) {
                if (!isfinite(values[done])) {
                    *text = place;
                    return done;
                }
                place = number_write_f32(values[done], place);
                *place++ = ',';
            } else {
                *place = '-';
                place += batch.bits[i] >> 31;
                number_digits_store(place, batch.first[i]);
                number_digits_store(place + 8, batch.second[i]);
                const char *suffix = number_batch_suffixes[batch.point[i]];
                place += batch.size[i];
                memcpy(place, suffix, sizeof *number_batch_suffixes);
                place += suffix[sizeof *number_batch_suffixes - 1];
            }
        }
    }
    *text = place;
    return count;
}
