/* Numbers as JSON text (RFC 8259 section 6), one by one and by the row: reading and writing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Reads the JSON number that starts at `text`, rounded to nearest, ties to even, ±infinity where it overflows; returns
 * its end, or NULL where there is none. A byte that is no part of a number must follow, as a NUL follows each body. */
const char *number_read_f32(const char *text, float *value);
const char *number_read_f64(const char *text, double *value);

/* All of a text, whose bytes may be read wherever a row of it is. */
struct number_span {
    const char *begin, *end;
};

/* The same for a row of numbers with a comma, or a comma and a space, between them: up to `count` of them, up to the
 * first that is none or not finite. Returns how many were read and moves *text to the end of the last. */
size_t number_row_read_f32(const char **text, struct number_span all, float *values, size_t count);
size_t number_row_read_f64(const char **text, struct number_span all, double *values, size_t count);

/* Most bytes of one number and a comma: "-0.0000011754944" or 21 integer digits; "-0.0000022250738585072014"; with
 * decimals, the integer digits of the largest double, sign, point and 17 decimals. What writes numbers may write up to
 * NUMBER_SPILL bytes past the end of its text. */
enum { NUMBER_MAX_F32 = 24, NUMBER_MAX_F64 = 26, NUMBER_MAX_FIXED = 309 + 1 + 1 + 17 + 1, NUMBER_SPILL = 24 };

/* Writes the text with the fewest significant digits that reads back to the same bits (the layout is ECMAScript's
 * Number::toString: plain from 1e-6 to below 1e21, else an exponent); returns its end. The value is finite. */
char *number_write_f32(float value, char *text);
char *number_write_f64(double value, char *text);

/* Writes exactly `decimals` decimals (0 to 17), half to even on the exact binary value; returns the end. The value is
 * finite. */
char *number_fixed_f64(double value, int decimals, char *text);

/* The same for a row, a comma after each number, up to the first that is not finite; moves *text behind them and
 * returns how many were written. */
size_t number_write_row_f32(const float *values, size_t count, char **text);
size_t number_write_row_f64(const double *values, size_t count, char **text);
size_t number_fixed_row_f32(const float *values, size_t count, int decimals, char **text);
size_t number_fixed_row_f64(const double *values, size_t count, int decimals, char **text);

/* The same without vectors: what every processor can. */
size_t number_write_each_f32(const float *values, size_t count, char **text);
size_t number_fixed_each_f32(const float *values, size_t count, int decimals, char **text);
