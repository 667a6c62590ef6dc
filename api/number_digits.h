/* Decimal digits, eight at a time in a 64-bit word, the first digit in the lowest byte: what reading and writing share.
 *
 * The idea (SIMD within a register) is old; for text to number it is in Lemire, "Number Parsing at a Gigabyte per
 * Second" (2021), for number to text in Khuong, "How to print integers really fast" (2011). */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* The character '0' in each byte. */
#define NUMBER_DIGITS_ASCII UINT64_C(0x3030303030303030)

/* The digits that every 64-bit number can hold; 10^exponent for 0 up to these. */
enum { NUMBER_DIGITS_MOST = 19 };

static inline uint64_t number_digits_power(long exponent) {
    static const uint64_t powers[] = {1,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000,
                                      1000000000000000000,
                                      10000000000000000000u};
    return powers[exponent];
}

static inline uint64_t number_digits_load(const char *text) {
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return le64toh(word);
}

static inline void number_digits_store(char *text, uint64_t word) {
    word = htole64(word);
    memcpy(text, &word, sizeof word);
}

/* The eight digits of a number below 10^8, leading zeros included, as bytes 0 to 9. The number is cut in halves, all
 * parts at once, until each part is a digit: n becomes u = n / 10^m and, in the bits above, n - 10^m * u; that is,
 * n * 2^b - u * (10^m * 2^b - 1). The other factors are 1 / 10^m, rounded up. */
static inline uint64_t number_digits_split(uint32_t number) {
    uint64_t upper = (uint64_t)number * 109951163 >> 40;
    uint64_t fours = ((uint64_t)number << 32) - upper * ((UINT64_C(10000) << 32) - 1);
    upper = (fours * 10486 >> 20) & 0x0000007f0000007f;
    uint64_t twos = (fours << 16) - upper * ((100 << 16) - 1);
    upper = (twos * 103 >> 10) & 0x000f000f000f000f;
    return (twos << 8) - upper * ((10 << 8) - 1);
}

/* The number whose eight digits (bytes 0 to 9) these are: neighbours are joined, all at once, until one is left. */
static inline uint64_t number_digits_join(uint64_t digits) {
    digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ff;
    digits = (digits * 100 + (digits >> 16)) & 0x0000ffff0000ffff;
    return (digits * 10000 + (digits >> 32)) & 0xffffffff;
}

/* How many of the eight digits (bytes 0 to 9) are left when trailing zeros are taken away. The added bit stands below
 * the first digit's bits, so that no digits count 0 without a branch. */
static inline int number_digits_count(uint64_t digits) {
    return (68 - __builtin_clzll(digits << 3 | 4)) / 8;
}

/* The digits of a whole number. */
static inline char *number_digits_whole(uint64_t whole, char *text) {
    if (__builtin_expect(whole < 10, 1)) {
        *text = (char)('0' + whole);
        return text + 1;
    }
    char digits[20];
    int count = 0;
    for (; whole > 0; whole /= 10)
        digits[count++] = (char)('0' + whole % 10);
    while (count > 0)
        *text++ = digits[--count];
    return text;
}
