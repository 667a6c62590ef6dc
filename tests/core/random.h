/* Random numbers of the tests: a fixed seed each, so that a failure comes again; printed with every failed case. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood, 2014). */
static inline uint64_t random_word(struct random *random) {
    uint64_t z = random->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* From least to most, both included. */
static inline size_t random_size(struct random *random, size_t least, size_t most) {
    return least + (size_t)(random_word(random) % (most - least + 1));
}

static inline bool random_chance(struct random *random, unsigned percent) {
    return random_word(random) % 100 < percent;
}

/* From −most to most. */
static inline double random_number(struct random *random, double most) {
    return most * (ldexp((double)(random_word(random) >> 11), -52) - 1);
}
