/* Base64 (RFC 4648 section 4): the standard alphabet, with padding, without white space. */
#pragma once

#include <stddef.h>

/* Bytes of text for `size` bytes of data. */
size_t base64_encoded_size(size_t size);

/* Writes the text and returns its end. A text written in pieces must be cut at multiples of 3 bytes. */
char *base64_encode(const void *data, size_t size, char *text);

/* Bytes of data in `size` bytes of text, or SIZE_MAX where a text cannot have that length or padding. */
size_t base64_decoded_size(const char *text, size_t size);

/* Decodes into base64_decoded_size() bytes; returns NULL, or the first byte of the text that does not belong. */
const char *base64_decode(const char *text, size_t size, void *data);
