/* The pieces of JSON text that numbers stand between. */
#pragma once

/* The first byte from `text` on that is no white space (RFC 8259 section 2). */
const char *scan_token_skip_space(const char *text, const char *end);

/* The end of the string that opens at `text`, past its closing quote; NULL where it does not close. */
const char *scan_token_string_end(const char *text, const char *end);

/* The end of the word true, false or null at `text`, NULL where there is none. */
const char *scan_token_literal_end(const char *text, const char *end);

/* The value of the root object's member of that name, which stands in quotes; NULL where none is found. Text that is no
 * JSON, or names written with escapes, may mislead it. */
const char *scan_token_root_member(const char *text, const char *end, const char *name);
