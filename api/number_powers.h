/* Powers of ten in 128 bits, what both reading and writing numbers rest on. */
#pragma once

#include <stdint.h>

/* Reading takes 10^-342 (a text of 19 digits times less is no double) to 10^308, writing 10^-292 to 10^324. From
 * 10^0 to 10^55 they are exact. */
enum {
    NUMBER_POWERS_LEAST = -342,
    NUMBER_POWERS_MOST = 324,
    NUMBER_POWERS_MOST_DOUBLE = 308,
    NUMBER_POWERS_EXACT = 55
};

/* 10^e = (high * 2^64 + low) * 2^(number_powers_log2(e) - 127), cut off: never more than the true power, and less by
 * under one unit of low. The top bit of high is set. */
struct number_power {
    uint64_t high, low;
};

extern const struct number_power number_powers[NUMBER_POWERS_MOST - NUMBER_POWERS_LEAST + 1];

static inline struct number_power number_powers_of_ten(int exponent) {
    return number_powers[exponent - NUMBER_POWERS_LEAST];
}

/* floor(log2(10^exponent)) for |exponent| < 1233 (log2(10) = 3.3219281, times 2^19). */
static inline int number_powers_log2(int exponent) {
    return (exponent * 1741647) >> 19;
}
