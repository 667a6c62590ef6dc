/* Takes the bulk out of a body before jansson sees it: see scan.h. The envelope's side is here, arrays are read in
 * scan_array.c and scan_strings.c. */
#include "api/number.h"
#include "api/scan_array.h"
#include "api/scan_token.h"

#include <math.h>
#include <string.h>

/* Appends to the envelope; it never outgrows the body by more than its placeholders. */
static bool scan_append(struct scanner *scanner, const char *bytes, size_t size) {
    struct scan *scan = scanner->scan;
    if (scan->envelope_capacity - scan->envelope_size < size) {
        size_t capacity = 2 * scan->envelope_capacity + size + 1024;
        char *envelope = arena_grow(scanner->arena, scan->envelope, scan->envelope_capacity, capacity, scanner->error);
        if (envelope == NULL)
            return false;
        scan->envelope = envelope;
        scan->envelope_capacity = capacity;
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
    if (scan->count == scan->capacity) {
        size_t capacity = scan->capacity == 0 ? 8 : 2 * scan->capacity;
        struct scan_item *items = arena_grow(scanner->arena, scan->items, scan->capacity * sizeof *items,
                                             capacity * sizeof *items, scanner->error);
        if (items == NULL)
            return NULL;
        scan->items = items;
        scan->capacity = capacity;
    }
    struct scan_item *item = &scan->items[scan->count++];
    *item = (struct scan_item){0};
    return item;
}

/* Puts `placeholder` into the envelope for the item of body[begin, end). */
static bool scan_replace(struct scanner *scanner, struct scan_item *item, const char *begin, const char *end,
                         const char *placeholder, size_t size) {
    struct scan *scan = scanner->scan;
    if (!scan_flush(scanner, begin) || !scan_append(scanner, placeholder, size))
        return false;
    item->body_begin = (size_t)(begin - scan->body);
    item->body_end = (size_t)(end - scan->body);
    item->envelope_end = scan->envelope_size;
    scanner->copied = end;
    return true;
}

/* Puts the item's index there. */
static bool scan_take_out(struct scanner *scanner, struct scan_item *item, const char *begin, const char *end) {
    char digits[21];
    size_t first = sizeof digits, index = (size_t)(item - scanner->scan->items);
    digits[--first] = ' '; /* so that no digits that follow make one number with it */
    do {
        digits[--first] = (char)('0' + index % 10);
        index /= 10;
    } while (index > 0);
    return scan_replace(scanner, item, begin, end, digits + first, sizeof digits - first);
}

/* One value more in the envelope, at `text`. */
static bool scan_counts(struct scanner *scanner, const char *text) {
    size_t limit = scanner->limits->values;
    if (++scanner->values <= limit)
        return true;
    struct error *error = scanner->error;
    error_set(error, ERROR_TOO_MANY_VALUES, NULL,
              "The body has more than %zu values, an array of numbers or of strings counting as one: give tensors as "
              "such arrays or in b64, or send the request in smaller pieces.",
              limit);
    error_expected(error, "at most %zu values", limit);
    scan_position(scanner->scan->body, (size_t)(text - scanner->scan->body), error);
    return false;
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
    item->kind = SCAN_TEXT;
    return scan_take_out(scanner, item, begin, end);
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
    item->kind = SCAN_NUMBER;
    item->number = number;
    if (!scan_take_out(scanner, item, *text, end))
        return false;
    *text = end;
    return true;
}

/* An array that is no JSON: what jansson needs to see of it is the wrong token, and what may stand there. */
static bool scan_broken(struct scanner *scanner, const struct scan_array_state *state, struct scan_item *item,
                        const char *begin) {
    static const char *const places[] = {
        [SCAN_ARRAY_OPEN] = "[ ",         [SCAN_ARRAY_VALUE] = "[0 ",      [SCAN_ARRAY_COMMA] = "[0, ",
        [SCAN_ARRAY_OBJECT] = "{ ",       [SCAN_ARRAY_NAME] = "{\"\" ",    [SCAN_ARRAY_COLON] = "{\"\": ",
        [SCAN_ARRAY_MEMBER] = "{\"\":0 ", [SCAN_ARRAY_NEXT] = "{\"\":0, ",
    };
    const char *place = places[state->place];
    item->kind = SCAN_NUMBER;
    return scan_replace(scanner, item, begin, state->text, place, strlen(place)) && scan_stop(scanner, state->text);
}

/* One array, unless it is one of objects, which stays in the envelope. */
static bool scan_one_array(struct scanner *scanner, const char **text, bool *taken) {
    const char *begin = *text, *first = scan_token_skip_space(begin + 1, scanner->end);
    *taken = first < scanner->end && *first != '{';
    if (!*taken)
        return true;
    while (first < scanner->end && *first == '[')
        first = scan_token_skip_space(first + 1, scanner->end);
    bool is_numbers = first < scanner->end && (*first == '-' || (*first >= '0' && *first <= '9') || *first == 't' ||
                                               *first == 'f' || *first == 'n');
    struct scan_item *item = scan_new_item(scanner);
    if (item == NULL)
        return false;
    struct scan_array_state state;
    state.scanner = scanner;
    state.text = begin;
    state.place = SCAN_ARRAY_OPEN;
    state.depth = 0;
    state.array = (struct scan_array){0};
    state.fault.code = ERROR_NONE;
    state.fault.in_rank = false;
    memset(state.shape, 0, sizeof state.shape);
    switch (is_numbers ? scan_array(&state, item) : scan_strings(&state, item)) {
    case SCAN_ARRAY_READ:
        *text = state.text;
        return scan_take_out(scanner, item, begin, state.text);
    case SCAN_ARRAY_NOT_JSON:
        return scan_broken(scanner, &state, item, begin);
    case SCAN_ARRAY_TOO_DEEP:
        return scan_too_deep(scanner, state.text);
    case SCAN_ARRAY_FAILED:
        return false;
    }
    return false;
}

/* A string: a name, a label, or a b64 text. `*name_is_b64` tells that the last string read is "b64". */
static bool scan_string(struct scanner *scanner, const char **text, bool *name_is_b64) {
    const char *end = scan_token_string_end(*text, scanner->end);
    if (end == NULL)
        return scan_stop(scanner, *text);
    const char *after = scan_token_skip_space(end, scanner->end);
    bool is_name = after < scanner->end && *after == ':';
    if (!is_name && !scan_counts(scanner, *text))
        return false;
    const char *before = *text;
    while (*name_is_b64 && before > scanner->scan->body && memchr(" \n\r\t", before[-1], 4) != NULL)
        before--;
    bool is_b64 = *name_is_b64 && before > scanner->scan->body && before[-1] == ':';
    if (is_b64 && !scan_b64(scanner, *text, end))
        return false;
    *name_is_b64 = end - *text == 5 && memcmp(*text, "\"b64\"", 5) == 0;
    *text = end;
    return true;
}

/* What neither is taken out nor begins a string. */
static bool scan_plain(struct scanner *scanner, const char **text) {
    char c = **text;
    if (c == '[' || c == '{')
        scanner->depth++;
    else if ((c == ']' || c == '}') && scanner->depth > 0)
        scanner->depth--;
    if (scanner->depth > scanner->limits->depth)
        return scan_too_deep(scanner, *text);
    bool is_literal = c == 't' || c == 'f' || c == 'n'; /* each word has one of them */
    if ((c == '[' || c == '{' || is_literal) && !scan_counts(scanner, *text))
        return false;
    ++*text;
    return true;
}

bool scan_body(const char *body, size_t size, enum dtype dtype, const struct limits *limits, struct arena *arena,
               struct scan *scan, struct error *error) {
    scan->dtype = dtype;
    scan->body = body;
    scan->body_size = size;
    scan->envelope_size = scan->count = scan->value_count = 0;
    scan->stopped = false;
    struct scanner scanner = {.scan = scan,
                              .limits = limits,
                              .arena = arena,
                              .error = error,
                              .copied = body,
                              .asked = body,
                              .end = body + size};
    const char *text = body;
    bool name_is_b64 = false;
    while (text < scanner.end && !scan->stopped) {
        char c = *text;
        bool ok = scan_array_goes_on(&scanner, text), taken = c == '-' || (c >= '0' && c <= '9');
        if (ok && c == '"')
            ok = scan_string(&scanner, &text, &name_is_b64);
        else if (ok && taken)
            ok = scan_counts(&scanner, text) && scan_number(&scanner, &text);
        else if (ok) {
            if (c == '[')
                ok = scan_one_array(&scanner, &text, &taken) && (!taken || scan_counts(&scanner, text));
            if (ok && !taken)
                ok = scan_plain(&scanner, &text);
        }
        if (!ok)
            return false;
    }
    return scan_flush(&scanner, scanner.end);
}

const void *scan_values(const struct scan *scan, const struct scan_array *array) {
    return (const char *)scan->values + array->first * dtype_size(scan->dtype);
}

void scan_doubles(const struct scan *scan, const struct scan_item *item, double *numbers) {
    const char *text = scan->body + item->body_begin, *end = scan->body + item->body_end;
    while (text < end) {
        const char *literal_end = *text >= 'a' ? scan_token_literal_end(text, end) : NULL;
        if (literal_end != NULL) {
            *numbers++ = *text == 't' ? 1 : *text == 'f' ? 0 : -INFINITY;
            text = literal_end;
        } else if (*text == '-' || (*text >= '0' && *text <= '9')) {
            text = number_read_f64(text, numbers++);
        } else {
            text++;
        }
    }
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
    if (low < scan->count && offset > scan->items[low].body_begin) /* inside a placeholder */
        offset = scan->items[low].body_begin;
    return offset < scan->body_size ? offset : scan->body_size;
}
