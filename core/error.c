/* The one error type of all layers: see error.h. */
#include "core/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, enum error_code code, const char *pointer, const char *detail, ...) {
    if (error->code != ERROR_NONE)
        return false;
    error->code = code;
    error->has_pointer = pointer != NULL;
    snprintf(error->pointer, sizeof error->pointer, "%s", pointer ? pointer : "");

    va_list arguments;
    va_start(arguments, detail);
    vsnprintf(error->detail, sizeof error->detail, detail, arguments);
    va_end(arguments);
    return false;
}

__attribute__((format(printf, 3, 0))) static void error_fill(char *text, size_t size, const char *format,
                                                             va_list arguments) {
    if (text[0] == '\0')
        vsnprintf(text, size, format, arguments);
}

bool error_expected(struct error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    error_fill(error->expected, sizeof error->expected, format, arguments);
    va_end(arguments);
    return false;
}

bool error_received(struct error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    error_fill(error->received, sizeof error->received, format, arguments);
    va_end(arguments);
    return false;
}

static const char *const error_slugs[ERROR_CODE_COUNT] = {[ERROR_NONE] = "none",
#define ERROR_SLUG(name, slug, title) [ERROR_##name] = slug,
                                                          ERROR_CODES(ERROR_SLUG)
#undef ERROR_SLUG
};

static const char *const error_titles[ERROR_CODE_COUNT] = {[ERROR_NONE] = "",
#define ERROR_TITLE(name, slug, title) [ERROR_##name] = title,
                                                           ERROR_CODES(ERROR_TITLE)
#undef ERROR_TITLE
};

const char *error_slug(enum error_code code) {
    assert(code < ERROR_CODE_COUNT);
    return error_slugs[code];
}

const char *error_title(enum error_code code) {
    assert(code < ERROR_CODE_COUNT);
    return error_titles[code];
}
