/* Strings of JSON text, as strictly as jansson reads them. */
#pragma once

#include <stdbool.h>

/* The end of the string that opens at `text`, past its closing quote; NULL where it does not close or jansson refuses
 * it: no UTF-8, a control character, an unknown escape, half a surrogate pair, \u0000. */
const char *scan_text_end(const char *text, const char *end);

/* Writes what such a string means, and a NUL, to `to`, which needs at most as many bytes as its text; returns the end
 * of what was written, and moves *text to the closing quote. */
char *scan_text_read(const char **text, const char *end, char *to);
