/* Takes the numbers out of a body before jansson sees it: see scan.h. The envelope's side is here, arrays of numbers
 * are read in scan_array.c. */
#include "api/number.h"
#include "api/scan_array.h"
#include "api/scan_token.h"

#include <string.h>

/* Appends to the envelope; it never outgrows the body by more than its placeholders. */
static bool scan_append(struct scanner *scanner, const char *bytes, size_t size) {
    struct scan *scan = scanner->scan;
    if (scanner->capacity - scan->envelope_size < size) {
        size_t capacity = 2 * scanner->capacity + size + 1024;
        char *envelope = arena_grow(scanner->arena, scan->envelope, scanner->capacity, capacity, scanner->error);
        if (envelope == NULL)
            return false;
        scan->envelope = envelope;
        scanner->capacity = capacity;
    }
    if (size > 0) /* an empty envelope has no place yet */
        memcpy(scan->envelope + scan->envelope_size, bytes, size);
    scan->envelope_size += size;
    return true;
}

/* Copies what stands between the last item and `text`. */
static bool scan_flush(struct scanner *scanner, const char *text) {
    if (!scan_append(scanner, scanner->copied, (size_t)(text - scanner->copied)))
        return false;
    scanner->copied = text;
    return true;
}

static struct scan_item *scan_new_item(struct scanner *scanner) {
    struct scan *scan = scanner->scan;
    if (scan->count == scanner->items_capacity) {
        size_t capacity = scanner->items_capacity == 0 ? 8 : 2 * scanner->items_capacity;
        struct scan_item *items = arena_grow(scanner->arena, scan->items, scanner->items_capacity * sizeof *items,
                                             capacity * sizeof *items, scanner->error);
        if (items == NULL)
            return NULL;
        scan->items = items;
        scanner->items_capacity = capacity;
    }
    struct scan_item *item = &scan->items[scan->count++];
    memset(item, 0, sizeof *item);
    return item;
}

/* Puts `[n]`, or `[n,array]` where the array holds what is no number, for the item that ends at `end`. */
static bool scan_replace(struct scanner *scanner, struct scan_item *item, const char *begin, const char *end) {
    struct scan *scan = scanner->scan;
    char index[24] = "[";
    size_t size = 1;
    char digits[20];
    size_t digit_count = 0;
    for (size_t n = (size_t)(item - scan->items); n > 0 || digit_count == 0; n /= 10)
        digits[digit_count++] = (char)('0' + n % 10);
    while (digit_count > 0)
        index[size++] = digits[--digit_count];

    if (!scan_flush(scanner, begin) || !scan_append(scanner, index, size))
        return false;
    if (item->fault == ERROR_WRONG_TYPE) { /* jansson still checks the grammar of the whole array */
        if (!scan_append(scanner, ",", 1) || !scan_append(scanner, begin, (size_t)(end - begin)))
            return false;
    }
    if (!scan_append(scanner, "]", 1))
        return false;
    item->body_begin = (size_t)(begin - scan->body);
    item->body_end = (size_t)(end - scan->body);
    item->envelope_end = scan->envelope_size;
    scanner->copied = end;
    return true;
}

/* Whether all bytes are printable ASCII without a backslash. */
static bool scan_is_plain(const char *text, const char *end) {
    bool plain = true;
    for (; text < end; text++) { /* no early end: so the loop can be vectorized */
        unsigned char byte = (unsigned char)*text;
        plain &= (byte >= 0x20) & (byte < 0x80) & (byte != '\\');
    }
    return plain;
}

/* Takes out the long text of a "b64" member; where it has escapes, or is no proper string, jansson shall read it. */
static bool scan_b64(struct scanner *scanner, const char *begin, const char *end) {
    if (!scan_is_plain(begin, end))
        return true;
    struct scan_item *item = scan_new_item(scanner);
    if (item == NULL)
        return false;
    item->is_text = true;
    return scan_replace(scanner, item, begin, end);
}

/* Whether the array that opens at `text` is one of numbers: its first scalar is a number, true, false or null. */
static bool scan_is_numbers(const char *text, const char *end) {
    while (text < end && *text == '[')
        text = scan_token_skip_space(text + 1, end);
    return text < end &&
           (*text == '-' || (*text >= '0' && *text <= '9') || *text == 't' || *text == 'f' || *text == 'n');
}

static bool scan_too_deep(struct scanner *scanner, const char *text) {
    struct error *error = scanner->error;
    error_set(error, ERROR_TOO_DEEP, NULL,
              "The body nests arrays and objects more than %zu deep; tensors need at most 8.", scanner->limits->depth);
    error_expected(error, "at most %zu levels", scanner->limits->depth);
    scan_position(scanner->scan->body, (size_t)(text - scanner->scan->body), error);
    return false;
}

void scan_position(const char *body, size_t offset, struct error *error) {
    error->has_position = true;
    error->offset = offset;
    error->line = 1;
    size_t line_begin = 0;
    for (size_t i = 0; i < offset; i++)
        if (body[i] == '\n') {
            error->line++;
            line_begin = i + 1;
        }
    error->column = offset - line_begin + 1;
}

/* Leaves all from `text` on to jansson, which must refuse it. */
static bool scan_stop(struct scanner *scanner, const char *text) {
    scanner->scan->stopped = true;
    scanner->scan->stopped_at = (size_t)(text - scanner->scan->body);
    return true;
}

/* One number by itself. */
static bool scan_number(struct scanner *scanner, const char **text) {
    double number;
    const char *end = number_read_f64(*text, &number);
    bool leading_zero = end != NULL && *end >= '0' && *end <= '9';
    if (end == NULL || leading_zero)
        return scan_stop(scanner, *text);
    struct scan_item *item = scan_new_item(scanner);
    if (item == NULL)
        return false;
    item->number = number;
    item->has_numbers = true;
    item->count = 1;
    if (!scan_replace(scanner, item, *text, end))
        return false;
    *text = end;
    return true;
}

/* One array of numbers. */
static bool scan_numbers(struct scanner *scanner, const char **text) {
    struct scan_item *item = scan_new_item(scanner);
    if (item == NULL)
        return false;
    const char *end = NULL;
    switch (scan_array(scanner, item, *text, &end)) {
    case SCAN_ARRAY_READ:
        break;
    case SCAN_ARRAY_NOT_JSON:
        scanner->scan->count--;
        return scan_stop(scanner, *text);
    case SCAN_ARRAY_TOO_DEEP:
        return scan_too_deep(scanner, end);
    case SCAN_ARRAY_NO_MEMORY:
        return false;
    }
    if (!scan_replace(scanner, item, *text, end))
        return false;
    *text = end;
    return true;
}

/* A string: a name, a label, or a b64 text. `*name_is_b64` tells that the last string read is "b64". */
static bool scan_string(struct scanner *scanner, const char **text, bool *name_is_b64) {
    const char *end = scan_token_string_end(*text, scanner->end);
    if (end == NULL)
        return scan_stop(scanner, *text);
    const char *before = *text;
    while (before > scanner->scan->body && memchr(" \n\r\t", before[-1], 4) != NULL)
        before--;
    bool is_value = before > scanner->scan->body && before[-1] == ':';
    if (is_value && *name_is_b64 && !scan_b64(scanner, *text, end))
        return false;
    *name_is_b64 = end - *text == 5 && memcmp(*text, "\"b64\"", 5) == 0;
    *text = end;
    return true;
}

bool scan_body(const char *body, size_t size, enum dtype dtype, const struct limits *limits, struct arena *arena,
               struct scan *scan, struct error *error) {
    *scan = (struct scan){.dtype = dtype, .body = body, .body_size = size};
    struct scanner scanner = {
        .scan = scan, .limits = limits, .arena = arena, .error = error, .copied = body, .end = body + size};
    const char *text = body;
    bool name_is_b64 = false;
    while (text < scanner.end && !scan->stopped) {
        char c = *text;
        bool ok = true;
        if (c == '"') {
            ok = scan_string(&scanner, &text, &name_is_b64);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            ok = scan_number(&scanner, &text);
        } else if (c == '[' && scan_is_numbers(text, scanner.end)) {
            ok = scan_numbers(&scanner, &text);
        } else {
            if (c == '[' || c == '{')
                scanner.depth++;
            else if ((c == ']' || c == '}') && scanner.depth > 0)
                scanner.depth--;
            if (scanner.depth > limits->depth)
                return scan_too_deep(&scanner, text);
            text++;
        }
        if (!ok)
            return false;
    }
    return scan_flush(&scanner, scanner.end);
}

size_t scan_body_offset(const struct scan *scan, size_t envelope_offset) {
    size_t low = 0, high = scan->count; /* the items before `low` end at or before the offset */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (scan->items[middle].envelope_end <= envelope_offset)
            low = middle + 1;
        else
            high = middle;
    }
    size_t body_end = low == 0 ? 0 : scan->items[low - 1].body_end;
    size_t envelope_end = low == 0 ? 0 : scan->items[low - 1].envelope_end;
    size_t offset = body_end + (envelope_offset - envelope_end);
    if (low < scan->count && offset > scan->items[low].body_begin) { /* inside a placeholder, or the array it holds */
        const struct scan_item *item = &scan->items[low];
        size_t array = item->envelope_end - 1 - (item->body_end - item->body_begin);
        bool holds_array = item->fault == ERROR_WRONG_TYPE && envelope_offset > array;
        offset = item->body_begin + (holds_array ? envelope_offset - array : 0);
    }
    return offset < scan->body_size ? offset : scan->body_size;
}
