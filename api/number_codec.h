/* The door to libstdc++'s number codec (<charconv>): correctly rounded reading, and the digits of writing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that number_codec_digits_* may write. */
enum { NUMBER_CODEC_DIGITS = 32 };

/* The value nearest to the JSON number [text, end), ties to even; ±∞ where it overflows. The byte at `end` must be
 * readable and no part of a number. */
float number_codec_read_f32(const char *text, const char *end);
double number_codec_read_f64(const char *text, const char *end);

/* The shortest text that reads back to the same bits, as d.ddde±dd; returns its end. */
char *number_codec_digits_f32(float value, char *text);
char *number_codec_digits_f64(double value, char *text);

/* Exactly `decimals` decimals, half to even on the exact binary value; returns the end, NULL if `size` is too small. */
char *number_codec_fixed(double value, int decimals, char *text, size_t size);

#ifdef __cplusplus
}
#endif
