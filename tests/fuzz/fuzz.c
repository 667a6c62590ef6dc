/* What the fuzz targets share: see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "%s:%d: not so: %s: ", file, line, condition);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

char *fuzz_copy(const void *data, size_t size) {
    char *copy = malloc(size + 1);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static const char *digits_end(const char *text) {
    while (is_digit(*text))
        text++;
    return text;
}

const char *fuzz_number_end(const char *text) {
    if (*text == '-')
        text++;
    if (!is_digit(*text))
        return NULL;
    text = *text == '0' ? text + 1 : digits_end(text);
    if (*text == '.') {
        if (!is_digit(text[1]))
            return NULL;
        text = digits_end(text + 1);
    }
    if (*text == 'e' || *text == 'E') {
        text += text[1] == '-' || text[1] == '+' ? 2 : 1;
        if (!is_digit(*text))
            return NULL;
        text = digits_end(text);
    }
    return text;
}

float fuzz_float(const char *text, const char *end) {
    char *copy = fuzz_copy(text, (size_t)(end - text));
    float value = strtof(copy, NULL);
    free(copy);
    return value;
}

double fuzz_double(const char *text, const char *end) {
    char *copy = fuzz_copy(text, (size_t)(end - text));
    double value = strtod(copy, NULL);
    free(copy);
    return value;
}
