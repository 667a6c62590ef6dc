/* The pieces of JSON text that numbers stand between: see scan_token.h. */
#include "api/scan_token.h"

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
