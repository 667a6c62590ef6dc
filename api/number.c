/* Numbers as JSON text. The digits come from libstdc++ (number_codec.h); grammar and layout are here. */
#include "api/number.h"

#include "api/number_codec.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool number_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *number_digits_end(const char *text, const char *end) {
    while (text < end && number_is_digit(*text))
        text++;
    return text;
}

const char *number_end(const char *text, const char *end) {
    if (text < end && *text == '-')
        text++;
    if (text == end || !number_is_digit(*text))
        return NULL;
    text = *text == '0' ? text + 1 : number_digits_end(text, end);

    if (text < end && *text == '.') {
        const char *fraction = text + 1;
        text = number_digits_end(fraction, end);
        if (text == fraction)
            return NULL;
    }
    if (text < end && (*text == 'e' || *text == 'E')) {
        text++;
        if (text < end && (*text == '+' || *text == '-'))
            text++;
        const char *exponent = text;
        text = number_digits_end(exponent, end);
        if (text == exponent)
            return NULL;
    }
    return text;
}

/* Lays out d.ddde±dd, as the codec writes it, in ECMAScript's way. `point` is the place of the decimal point counted
 * from the first digit: 1 for d.ddd. */
static char *number_layout(const char *scientific, const char *scientific_end, char *text) {
    if (*scientific == '-')
        *text++ = *scientific++;
    char digits[NUMBER_CODEC_DIGITS];
    int count = 0;
    for (; scientific < scientific_end && *scientific != 'e'; scientific++)
        if (*scientific != '.')
            digits[count++] = *scientific;
    bool negative = scientific[1] == '-';
    int point = 0;
    for (scientific += 2; scientific < scientific_end; scientific++)
        point = point * 10 + (*scientific - '0');
    point = (negative ? -point : point) + 1;

    if (point > 21 || point < -5) { /* d.ddde±d */
        *text++ = digits[0];
        if (count > 1) {
            *text++ = '.';
            memcpy(text, digits + 1, (size_t)count - 1);
            text += count - 1;
        }
        int exponent = point - 1;
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
    if (point <= 0) { /* 0.000ddd */
        *text++ = '0';
        *text++ = '.';
        for (int i = point; i < 0; i++)
            *text++ = '0';
        memcpy(text, digits, (size_t)count);
        return text + count;
    }
    for (int i = 0; i < count || i < point; i++) { /* dd.ddd or ddd000 */
        if (i == point)
            *text++ = '.';
        *text++ = i < count ? digits[i] : '0';
    }
    return text;
}

/* -0 keeps its sign: it has bits of its own to read back to. */
static char *number_write_zero(bool negative, char *text) {
    if (negative)
        *text++ = '-';
    *text++ = '0';
    return text;
}

char *number_write_f32(float value, char *text) {
    if (value == 0)
        return number_write_zero(signbit(value) != 0, text);
    char scientific[NUMBER_CODEC_DIGITS];
    return number_layout(scientific, number_codec_digits_f32(value, scientific), text);
}

char *number_write_f64(double value, char *text) {
    if (value == 0)
        return number_write_zero(signbit(value) != 0, text);
    char scientific[NUMBER_CODEC_DIGITS];
    return number_layout(scientific, number_codec_digits_f64(value, scientific), text);
}

char *number_write_fixed(double value, int decimals, char *text) {
    char *end = number_codec_fixed(value, decimals, text, NUMBER_MAX_FIXED);
    assert(end != NULL);
    return end;
}
