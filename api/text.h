/* A growing text in an arena. Failure is sticky: after an allocation failed, further calls do nothing and
 * text_ok() is false, so that a writer checks once at its end. */
#pragma once

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

struct text {
    struct arena *arena; /* NULL: the text cannot grow */
    struct error *error;
    char *data;
    size_t size, capacity;
    bool failed;
};

void text_init(struct text *text, struct arena *arena, struct error *error);

/* A text that does not grow: for where there may be no memory. */
void text_init_fixed(struct text *text, char *memory, size_t size, struct error *error);
bool text_ok(const struct text *text);

/* Room for `size` more bytes: where to write them, or NULL. text_advance() then says how many were written. */
char *text_reserve(struct text *text, size_t size);
void text_advance(struct text *text, size_t size);

void text_bytes(struct text *text, const char *bytes, size_t size);
void text_string(struct text *text, const char *string);
void text_size(struct text *text, size_t number);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The length of the UTF-8 sequence at `bytes` (RFC 3629), 0 where there is none. */
size_t text_utf8_length(const char *bytes, size_t size);

/* How many bytes from the beginning are whole UTF-8 sequences. */
size_t text_utf8_prefix(const char *bytes, size_t size);

/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void text_json_string(struct text *text, const char *bytes, size_t size);

/* [1,2,3] */
void text_json_sizes(struct text *text, const size_t *sizes, size_t count);
