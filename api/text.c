/* A growing text in an arena: see text.h. */
#include "api/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void text_init(struct text *text, struct arena *arena, struct error *error) {
    *text = (struct text){.arena = arena, .error = error};
}

void text_init_fixed(struct text *text, char *memory, size_t size, struct error *error) {
    *text = (struct text){.data = memory, .capacity = size, .error = error};
}

bool text_ok(const struct text *text) {
    return !text->failed;
}

char *text_reserve(struct text *text, size_t size) {
    if (text->failed)
        return NULL;
    if (text->capacity - text->size >= size)
        return text->data + text->size;

    if (text->arena == NULL) {
        error_set(text->error, ERROR_INTERNAL, NULL, "A text of %zu bytes has no room for more.", text->capacity);
        text->failed = true;
        return NULL;
    }
    size_t capacity = text->capacity < 256 ? 256 : text->capacity;
    while (capacity - text->size < size && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    char *data = arena_grow(text->arena, text->data, text->capacity, capacity, text->error);
    if (data == NULL) {
        text->failed = true;
        return NULL;
    }
    text->data = data;
    text->capacity = capacity;
    return text->data + text->size;
}

void text_advance(struct text *text, size_t size) {
    text->size += size;
}

void text_bytes(struct text *text, const char *bytes, size_t size) {
    char *place = text_reserve(text, size);
    if (place == NULL || size == 0)
        return;
    memcpy(place, bytes, size);
    text_advance(text, size);
}

void text_string(struct text *text, const char *string) {
    text_bytes(text, string, strlen(string));
}

/* Not printf: answers have many of these, and printf is slow where a library has registered conversions of its own, as
 * libquadmath does. */
void text_size(struct text *text, size_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_bytes(text, digits + at, sizeof digits - at);
}

void text_format(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char buffer[1024];
    int size = vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    if (size > 0)
        text_bytes(text, buffer, (size_t)size < sizeof buffer ? (size_t)size : sizeof buffer - 1);
}

size_t text_utf8_length(const char *text, size_t size) {
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char first = bytes[0];
    size_t length = first < 0x80                    ? 1
                    : first >= 0xc2 && first < 0xe0 ? 2
                    : (first & 0xf0) == 0xe0        ? 3
                    : first >= 0xf0 && first < 0xf5 ? 4
                                                    : 0;
    if (length == 0 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
    bool surrogate = first == 0xed && bytes[1] > 0x9f;
    bool beyond = first == 0xf4 && bytes[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : length;
}

size_t text_utf8_prefix(const char *bytes, size_t size) {
    size_t prefix = 0, length;
    while (prefix < size && (length = text_utf8_length(bytes + prefix, size - prefix)) > 0)
        prefix += length;
    return prefix;
}

void text_json_string(struct text *text, const char *bytes, size_t size) {
    text_bytes(text, "\"", 1);
    for (size_t i = 0; i < size;) {
        unsigned char byte = (unsigned char)bytes[i];
        size_t length = text_utf8_length(bytes + i, size - i);
        if (length == 0)
            text_string(text, "\xef\xbf\xbd");
        else if (byte == '"' || byte == '\\')
            text_format(text, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            text_format(text, "\\u%04x", byte);
        else
            text_bytes(text, bytes + i, length);
        i += length == 0 ? 1 : length;
    }
    text_bytes(text, "\"", 1);
}

void text_json_sizes(struct text *text, const size_t *sizes, size_t count) {
    text_bytes(text, "[", 1);
    for (size_t i = 0; i < count; i++) {
        text_string(text, i == 0 ? "" : ",");
        text_size(text, sizes[i]);
    }
    text_bytes(text, "]", 1);
}
