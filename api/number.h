/* Numbers as JSON text (RFC 8259 section 6): the grammar, reading and writing. */
#pragma once

#include <stddef.h>

/* Most bytes of one number and a comma: "-0.0000011754944" or 21 integer digits; "-0.0000022250738585072014"; with
 * decimals, the integer digits of the largest double, sign, point and 17 decimals. */
enum { NUMBER_MAX_F32 = 24, NUMBER_MAX_F64 = 26, NUMBER_MAX_FIXED = 309 + 1 + 1 + 17 + 1 };

/* The end of the JSON number that starts at `text`, or NULL where none does. [text, end) must be followed by a
 * readable byte that is no part of a number. */
const char *number_end(const char *text, const char *end);

/* Writes the text with the fewest significant digits that reads back to the same bits (the layout is ECMAScript's
 * Number::toString: plain from 1e-6 to below 1e21, else an exponent); returns its end. The value is finite. */
char *number_write_f32(float value, char *text);
char *number_write_f64(double value, char *text);

/* Writes exactly `decimals` decimals (0 to 17); returns its end. The value is finite; NUMBER_MAX_FIXED bytes do. */
char *number_write_fixed(double value, int decimals, char *text);
