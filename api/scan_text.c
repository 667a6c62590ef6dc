/* Strings of JSON text: see scan_text.h. */
#include "api/scan_text.h"

#include "api/text.h"

#include <stdint.h>
#include <string.h>

/* The number of \uXXXX at `text`. */
static bool scan_text_unit(const char *text, const char *end, uint32_t *unit) {
    if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
        return false;
    *unit = 0;
    for (size_t i = 2; i < 6; i++) {
        char c = text[i], lower = (char)(c | 0x20);
        bool is_digit = c >= '0' && c <= '9', is_letter = lower >= 'a' && lower <= 'f';
        if (!is_digit && !is_letter)
            return false;
        *unit = *unit * 16 + (uint32_t)(is_digit ? c - '0' : lower - 'a' + 10);
    }
    return true;
}

/* The character that an escape at `text` stands for; returns the escape's end, NULL where it is none. */
static const char *scan_text_escape(const char *text, const char *end, uint32_t *character) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter = end - text < 2 ? NULL : memchr(letters, text[1], sizeof letters - 1);
    if (letter != NULL) {
        *character = (uint32_t)meanings[letter - letters];
        return text + 2;
    }
    uint32_t low;
    if (!scan_text_unit(text, end, character) || *character == 0 || (*character >= 0xdc00 && *character < 0xe000))
        return NULL;
    text += 6;
    if (*character < 0xd800 || *character >= 0xdc00)
        return text;
    if (!scan_text_unit(text, end, &low) || low < 0xdc00 || low >= 0xe000)
        return NULL;
    *character = 0x10000 + ((*character - 0xd800) << 10) + (low - 0xdc00);
    return text + 6;
}

const char *scan_text_end(const char *text, const char *end) {
    for (text++; text < end && *text != '"';) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20)
            return NULL;
        if (byte == '\\') {
            uint32_t character;
            text = scan_text_escape(text, end, &character);
            if (text == NULL)
                return NULL;
            continue;
        }
        size_t length = byte < 0x80 ? 1 : text_utf8_length(text, (size_t)(end - text));
        if (length == 0)
            return NULL;
        text += length;
    }
    return text < end ? text + 1 : NULL;
}

/* A character in UTF-8. */
static char *scan_text_write(uint32_t character, char *to) {
    if (character < 0x80) {
        *to++ = (char)character;
        return to;
    }
    size_t more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(first[more] | character >> 6 * more);
    while (more-- > 0)
        *to++ = (char)(0x80 | (character >> 6 * more & 0x3f));
    return to;
}

char *scan_text_read(const char **text, const char *end, char *to) {
    const char *from = *text + 1;
    while (*from != '"') {
        size_t plain = 0;
        while (from[plain] != '"' && from[plain] != '\\')
            plain++;
        memcpy(to, from, plain);
        to += plain;
        from += plain;
        if (*from == '\\') {
            uint32_t character = 0;
            from = scan_text_escape(from, end, &character);
            to = scan_text_write(character, to);
        }
    }
    *text = from;
    *to++ = '\0';
    return to;
}
