/* Base64 by vectors of 32 bytes: what base64.c does group by group, for processors that can. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether this processor can. */
bool base64_batch_usable(void);

/* Encodes whole batches of 24 bytes to 32 characters and returns how many bytes that were. */
size_t base64_batch_encode(const unsigned char *bytes, size_t size, char *text);

/* Decodes whole batches of 32 characters to 24 bytes, up to the first that holds what does not belong, and returns how
 * many characters that were. */
size_t base64_batch_decode(const char *text, size_t size, unsigned char *bytes);
