/* Base64 (RFC 4648 section 4): three bytes to four characters by table and back, after whole batches by vectors. */
#include "api/base64.h"

#include "api/base64_batch.h"

#include <stdint.h>
#include <string.h>

static const char base64_alphabet[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V',
    'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r',
    's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

size_t base64_encoded_size(size_t size) {
    return size / 3 * 4 + (size % 3 != 0 ? 4 : 0);
}

char *base64_encode(const void *data, size_t size, char *text) {
    const unsigned char *bytes = data;
    if (base64_batch_usable()) {
        size_t done = base64_batch_encode(bytes, size, text);
        bytes += done;
        size -= done;
        text += done / 3 * 4;
    }
    for (; size >= 3; size -= 3, bytes += 3) {
        uint32_t group = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
        *text++ = base64_alphabet[group >> 18];
        *text++ = base64_alphabet[group >> 12 & 63];
        *text++ = base64_alphabet[group >> 6 & 63];
        *text++ = base64_alphabet[group & 63];
    }
    if (size > 0) {
        uint32_t group = (uint32_t)bytes[0] << 16 | (size == 2 ? (uint32_t)bytes[1] << 8 : 0);
        *text++ = base64_alphabet[group >> 18];
        *text++ = base64_alphabet[group >> 12 & 63];
        *text++ = size == 2 ? base64_alphabet[group >> 6 & 63] : '=';
        *text++ = '=';
    }
    return text;
}

size_t base64_decoded_size(const char *text, size_t size) {
    if (size % 4 != 0)
        return SIZE_MAX;
    size_t padding = 0;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    return size / 4 * 3 - padding;
}

/* 0 to 63, or 64 for a character that is not of the alphabet. */
static uint32_t base64_value(char c) {
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

static const char *base64_first_wrong(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (base64_value(text[i]) == 64)
            return text + i;
    return text + size - 1;
}

const char *base64_decode(const char *text, size_t size, void *data) {
    uint32_t table[256]; /* on the stack and in cache: 64 for what does not belong */
    for (unsigned c = 0; c < 256; c++)
        table[c] = base64_value((char)c);

    unsigned char *bytes = data;
    size_t padding = size * 3 / 4 - base64_decoded_size(text, size);
    const char *end = text + size - (padding > 0 ? 4 : 0);
    if (base64_batch_usable()) {
        size_t done = base64_batch_decode(text, (size_t)(end - text), bytes);
        text += done;
        bytes += done / 4 * 3;
    }
    for (; text < end; text += 4) {
        uint32_t a = table[(unsigned char)text[0]], b = table[(unsigned char)text[1]];
        uint32_t c = table[(unsigned char)text[2]], d = table[(unsigned char)text[3]];
        if (((a | b | c | d) & 64) != 0)
            return base64_first_wrong(text, 4);
        uint32_t group = a << 18 | b << 12 | c << 6 | d;
        *bytes++ = (unsigned char)(group >> 16);
        *bytes++ = (unsigned char)(group >> 8);
        *bytes++ = (unsigned char)group;
    }
    if (padding > 0) {
        uint32_t a = table[(unsigned char)text[0]], b = table[(unsigned char)text[1]];
        uint32_t c = padding == 2 ? 0 : table[(unsigned char)text[2]];
        uint32_t group = a << 18 | b << 12 | c << 6;
        if (((a | b | c) & 64) != 0 || (group & (padding == 2 ? 0xffff : 0xff)) != 0)
            return base64_first_wrong(text, 4 - padding);
        *bytes++ = (unsigned char)(group >> 16);
        if (padding == 1)
            *bytes++ = (unsigned char)(group >> 8);
    }
    return NULL;
}
