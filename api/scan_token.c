/* The pieces of JSON text that numbers stand between: see scan_token.h. */
#include "api/scan_token.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

const char *scan_token_skip_space(const char *text, const char *end) {
    while (text < end && (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t'))
        text++;
    return text;
}

const char *scan_token_string_end(const char *text, const char *end) {
    for (text++; (text = memchr(text, '"', (size_t)(end - text))) != NULL; text++) {
        const char *backslash = text;
        while (backslash[-1] == '\\')
            backslash--;
        if ((text - backslash) % 2 == 0)
            return text + 1;
    }
    return NULL;
}

const char *scan_token_literal_end(const char *text, const char *end) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t size = strlen(words[i]);
        if ((size_t)(end - text) < size || memcmp(text, words[i], size) != 0)
            continue;
        char next = text + size < end ? (char)(text[size] | 0x20) : ' ';
        return next >= 'a' && next <= 'z' ? NULL : text + size;
    }
    return NULL;
}

const char *scan_token_root_member(const char *text, const char *end, const char *name) {
    size_t depth = 0, size = strlen(name);
    while (text < end) {
        char c = *text;
        if (c == '"') {
            const char *string = text;
            text = scan_token_string_end(text, end);
            if (text == NULL)
                return NULL;
            bool is_it = depth == 1 && (size_t)(text - string) == size && memcmp(string, name, size) == 0;
            const char *colon = is_it ? scan_token_skip_space(text, end) : end;
            if (colon < end && *colon == ':')
                return scan_token_skip_space(colon + 1, end);
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        text++;
    }
    return NULL;
}
