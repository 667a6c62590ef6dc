/* The pieces of JSON text that numbers stand between. */
#pragma once

/* The first byte from `text` on that is no white space (RFC 8259 section 2). */
const char *scan_token_skip_space(const char *text, const char *end);

/* The end of the string that opens at `text`, past its closing quote; NULL where it does not close. */
const char *scan_token_string_end(const char *text, const char *end);
