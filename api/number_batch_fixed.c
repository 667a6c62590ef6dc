/* Writes float32 with one to eight decimals many at a time, by the method of number_fixed.c: see there for why it is
 * exact. Compiled for levels of processors and cut into passes as number_batch.c is. Numbers from 2^24 on, which are
 * whole, are written one by one. */
#include "api/number_batch.h"

#include "api/number.h"
#include "api/number_lanes.h"

#include <math.h>

/* What passes leave for later ones. */
struct number_batch_fixed {
    _Alignas(64) uint32_t bits[NUMBER_LANES_BATCH];
    uint64_t whole[NUMBER_LANES_BATCH];    /* the part before the point; all bits set: not written here */
    uint64_t fraction[NUMBER_LANES_BATCH]; /* the decimals as a number */
    uint64_t decimals[NUMBER_LANES_BATCH]; /* as characters */
};

/* Half to even: a half less the smallest unit is added, and that unit where the last decimal is odd. 24 bits times 27
 * are a product that lanes hold. */
static inline void number_batch_fixed_round(struct number_batch_fixed *batch, size_t place, uint64_t power) {
    number_lanes bits = number_lanes_widen(batch->bits + place), one = number_lanes_all(1);
    number_lanes exponent = bits >> 23 & 0xff, shift = 150 - exponent;
    number_lanes significand = (bits & 0x7fffff) | (~(number_lanes)(exponent == 0) & 0x800000);
    number_lanes large = number_lanes_less(shift, one), most = number_lanes_all(63);
    shift = number_lanes_choose(number_lanes_less(shift, most), shift, most); /* all is below a half from 52 on */
    shift = number_lanes_choose(large, one, shift);
    number_lanes whole = significand >> shift;
    number_lanes product = (number_lanes)NUMBER_LANES_MULTIPLY(significand - (whole << shift), number_lanes_all(power));
    number_lanes fraction = (product + (one << (shift - 1)) - 1 + (product >> shift & 1)) >> shift;
    number_lanes carry = (number_lanes)(fraction == power);
    number_lanes_store(batch->whole + place, (whole - carry) | large);
    number_lanes_store(batch->fraction + place, fraction & ~carry);
}

static inline void number_batch_fixed_split(struct number_batch_fixed *batch, size_t place, int decimals) {
    number_lanes digits = number_lanes_split(number_lanes_load(batch->fraction + place));
    number_lanes_store(batch->decimals + place, (digits + NUMBER_DIGITS_ASCII) >> (64 - 8 * decimals));
}

size_t NUMBER_LANES_NAME(number_batch_fixed_f32, NUMBER_LEVEL)(const float *values, size_t count, int decimals,
                                                               char **text) {
    struct number_batch_fixed batch;
    memset(batch.bits, 0, sizeof batch.bits);
    uint64_t power = number_digits_power(decimals);
    char *place = *text;
    size_t done = 0;
    while (done < count) {
        size_t size = count - done < NUMBER_LANES_BATCH ? count - done : (size_t)NUMBER_LANES_BATCH;
        memcpy(batch.bits, values + done, size * sizeof *values);
        for (size_t i = 0; i < size; i += NUMBER_LANES_COUNT)
            number_batch_fixed_round(&batch, i, power);
        for (size_t i = 0; i < size; i += NUMBER_LANES_COUNT)
            number_batch_fixed_split(&batch, i, decimals);
        for (size_t i = 0; i < size; i++, done++) {
            if (__builtin_expect(batch.whole[i] == UINT64_MAX, 0)) {
                if (!isfinite(values[done])) {
                    *text = place;
                    return done;
                }
                place = number_fixed_f64((double)values[done], decimals, place);
            } else {
                *place = '-';
                place = number_digits_whole(batch.whole[i], place + (batch.bits[i] >> 31));
                *place = '.';
                number_digits_store(place + 1, batch.decimals[i]);
                place += 1 + decimals;
            }
            *place++ = ',';
        }
    }
    *text = place;
    return count;
}
