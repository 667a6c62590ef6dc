/* Base64: decoding against a strict decoder of another kind, and the round trip, whole and in pieces. */
#include "tests/fuzz/fuzz.h"

#include "api/base64.h"

#include <stdlib.h>
#include <string.h>

/* The value of a digit, −1 for any other byte. */
static int digit_of(char byte) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *place = byte != '\0' ? strchr(digits, byte) : NULL;
    return place != NULL ? (int)(place - digits) : -1;
}

/* Decodes bit by bit; returns how many bytes, or SIZE_MAX where the text is not base64 to the letter. */
static size_t decode_strictly(const char *text, size_t size, unsigned char *bytes) {
    if (size % 4 != 0)
        return SIZE_MAX;
    size_t digits = size, count = 0;
    while (size - digits < 2 && digits > 0 && text[digits - 1] == '=')
        digits--;
    unsigned held = 0, bits = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return SIZE_MAX;
        held = (held << 6 | (unsigned)digit) & 0xfff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[count++] = (unsigned char)(held >> bits);
        }
    }
    return (held & ((1U << bits) - 1)) == 0 ? count : SIZE_MAX; /* bits left over must be 0 */
}

static void is_decoded(const char *text, size_t size) {
    unsigned char *due = malloc(size + 1);
    size_t due_count = decode_strictly(text, size, due), count = base64_decoded_size(text, size);
    if (count == SIZE_MAX) {
        fuzz_require(due_count == SIZE_MAX, "%s has %zu bytes", text, due_count);
        free(due);
        return;
    }
    unsigned char *bytes = malloc(count);
    const char *wrong = base64_decode(text, size, bytes);
    fuzz_require((wrong == NULL) == (due_count != SIZE_MAX), "%s", text);
    if (wrong == NULL)
        fuzz_require(count == due_count && (count == 0 || memcmp(bytes, due, count) == 0), "%s", text);
    else
        fuzz_require(wrong >= text && wrong < text + size, "%s", text);
    free(bytes);
    free(due);
}

static void comes_back(const uint8_t *data, size_t size) {
    size_t length = base64_encoded_size(size);
    char *text = malloc(length), *pieces = malloc(length), *end = pieces;
    unsigned char *back = malloc(size);
    fuzz_require(base64_encode(data, size, text) == text + length, "%zu bytes", size);
    for (size_t from = 0, piece = 3; from < size; from += piece, piece += 3)
        end = base64_encode(data + from, size - from < piece ? size - from : piece, end);
    fuzz_require(end == pieces + length && memcmp(text, pieces, length) == 0, "%zu bytes", size);
    fuzz_require(base64_decoded_size(text, length) == size, "%zu bytes", size);
    fuzz_require(base64_decode(text, length, back) == NULL && memcmp(data, back, size) == 0, "%zu bytes", size);
    free(text);
    free(pieces);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_copy(data, size);
    is_decoded(text, size);
    free(text);
    if (size > 0)
        comes_back(data, size);
    return 0;
}
