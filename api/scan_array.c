/* Reads one array of numbers from a body's text into typed values.
 *
 * The array's rank is the depth of its first scalar, each axis' length that of its first array; whatever disagrees
 * later is a fault of the item, and only the first one is kept. The grammar is RFC 8259's, as everywhere. */
#include "api/scan_array.h"
#include "api/number.h"
#include "api/scan_token.h"

#include <math.h>
#include <string.h>

/* Where the reader stands: open arrays, and how many values each has so far. */
struct scan_array_state {
    struct scanner *scanner;
    struct scan_item *item;
    size_t depth;
    size_t counts[SCAN_RANK_MAX];
    const char *begin; /* of the value in hand */
};

/* Notes the first fault: at the value in hand, or with `depth` less than the open arrays at one that holds it. */
static void scan_array_fault(struct scan_array_state *state, enum error_code fault, const char *end, size_t depth,
                             size_t expected, size_t received) {
    struct scan_item *item = state->item;
    if (item->fault != ERROR_NONE)
        return;
    item->fault = fault;
    item->fault_begin = (size_t)(state->begin - state->scanner->scan->body);
    item->fault_end = (size_t)(end - state->scanner->scan->body);
    item->fault_depth = depth;
    memcpy(item->fault_path, state->counts, depth * sizeof *state->counts);
    item->fault_expected = expected;
    item->fault_received = received;
}

static void scan_array_store(struct scan_array_state *state, double value) {
    struct scanner *scanner = state->scanner;
    if (scanner->scan->dtype == DTYPE_FLOAT32)
        ((float *)state->item->values)[state->item->count] = (float)value;
    else
        ((double *)state->item->values)[state->item->count] = value;
}

/* true, false or null at `text`: its end, or NULL. */
static const char *scan_array_literal(struct scan_array_state *state, const char *text) {
    static const struct {
        const char *text;
        size_t size;
        double value;
    } literals[] = {{"true", 4, 1}, {"false", 5, 0}, {"null", 4, -INFINITY}};
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        size_t size = literals[i].size;
        if ((size_t)(state->scanner->end - text) < size || memcmp(text, literals[i].text, size) != 0)
            continue;
        scan_array_store(state, literals[i].value);
        if (*text != 'n' && !state->item->has_booleans)
            state->item->first_boolean = state->item->count;
        *(*text == 'n' ? &state->item->has_nulls : &state->item->has_booleans) = true;
        return text + size;
    }
    return NULL;
}

/* A number at `text`: its end, or NULL. */
static const char *scan_array_number(struct scan_array_state *state, const char *text) {
    struct scan_item *item = state->item;
    const char *end;
    bool finite;
    if (state->scanner->scan->dtype == DTYPE_FLOAT32) {
        float *value = (float *)item->values + item->count;
        end = number_read_f32(text, value);
        finite = end == NULL || isfinite(*value);
    } else {
        double *value = (double *)item->values + item->count;
        end = number_read_f64(text, value);
        finite = end == NULL || isfinite(*value);
    }
    if (!finite)
        scan_array_fault(state, ERROR_NOT_FINITE, end, state->depth, 0, 0);
    item->has_numbers = item->has_numbers || end != NULL;
    return end;
}

/* Nearly all there is to read: finite numbers in a row, of the right rank and within the limit. Moves *text to the end
 * of the last one that is so. */
static bool scan_array_row(struct scan_array_state *state, const char **text) {
    struct scan_item *item = state->item;
    struct scanner *scanner = state->scanner;
    size_t room = scanner->limits->elements - item->count;
    if (item->rank != 0 && item->rank != state->depth)
        return false;
    struct number_span body = {scanner->scan->body, scanner->end};
    size_t count = scanner->scan->dtype == DTYPE_FLOAT32
                       ? number_row_read_f32(text, body, (float *)item->values + item->count, room)
                       : number_row_read_f64(text, body, (double *)item->values + item->count, room);
    if (count == 0)
        return false;
    item->rank = state->depth;
    item->has_numbers = true;
    item->count += count;
    state->counts[state->depth - 1] += count;
    return true;
}

/* One scalar of the array. */
static const char *scan_array_scalar(struct scan_array_state *state, const char *text) {
    struct scan_item *item = state->item;
    bool is_literal = *text == 't' || *text == 'f' || *text == 'n';
    const char *end = is_literal ? scan_array_literal(state, text) : scan_array_number(state, text);
    if (end == NULL)
        return NULL;
    if (item->rank == 0)
        item->rank = state->depth;
    if (state->depth != item->rank) {
        item->fault_in_rank = item->fault_in_rank || item->fault == ERROR_NONE;
        scan_array_fault(state, ERROR_RAGGED, end, state->depth, item->rank, state->depth);
    }
    if (item->count == state->scanner->limits->elements)
        scan_array_fault(state, ERROR_TOO_MANY_ELEMENTS, end, state->depth, 0, 0);
    else
        item->count++;
    return end;
}

/* The array at `state->depth` closes: its length must be that of its axis. */
static void scan_array_close(struct scan_array_state *state, const char *end) {
    struct scan_item *item = state->item;
    size_t axis = state->depth - 1, length = state->counts[axis];
    if (item->shape[axis] == 0)
        item->shape[axis] = length;
    if (item->shape[axis] != length)
        scan_array_fault(state, ERROR_RAGGED, end, axis, item->shape[axis], length);
}

/* Passes over the rest of an array that holds what is no number. */
static enum scan_array_result scan_array_skip(struct scan_array_state *state, const char **text) {
    const char *end = state->scanner->end;
    size_t depth = state->depth;
    while (*text < end) {
        char c = **text;
        if (c == '"') {
            *text = scan_token_string_end(*text, end);
            if (*text == NULL)
                return SCAN_ARRAY_NOT_JSON;
            continue;
        }
        if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        if (state->scanner->depth + depth > state->scanner->limits->depth)
            return SCAN_ARRAY_TOO_DEEP;
        ++*text;
        if (depth == 0)
            return SCAN_ARRAY_READ;
    }
    return SCAN_ARRAY_NOT_JSON;
}

/* The body can hold no more numbers than this: each has a digit, and a bracket or comma after it. */
static bool scan_array_reserve(struct scanner *scanner) {
    if (scanner->values != NULL)
        return true;
    scanner->values =
        arena_alloc(scanner->arena, scanner->scan->body_size / 2 + 1, dtype_size(scanner->scan->dtype), scanner->error);
    return scanner->values != NULL;
}

enum scan_array_result scan_array(struct scanner *scanner, struct scan_item *item, const char *text,
                                  const char **array_end) {
    if (!scan_array_reserve(scanner))
        return SCAN_ARRAY_NO_MEMORY;
    struct scan_array_state state = {.scanner = scanner, .item = item};
    item->values = (char *)scanner->values + scanner->value_count * dtype_size(scanner->scan->dtype);
    const char *end = scanner->end;
    for (;;) {
        text = scan_token_skip_space(text, end);
        state.begin = *array_end = text;
        if (text == end)
            return SCAN_ARRAY_NOT_JSON;
        if (*text == '[') {
            if (scanner->depth + state.depth >= scanner->limits->depth || state.depth == SCAN_RANK_MAX)
                return SCAN_ARRAY_TOO_DEEP;
            state.counts[state.depth++] = 0;
            text = scan_token_skip_space(text + 1, end);
            if (text == end || *text != ']')
                continue;
            scan_array_fault(&state, ERROR_EMPTY_AXIS, text + 1, state.depth - 1, 0, 0);
        } else if (*text == '"' || *text == '{') {
            item->fault = ERROR_NONE; /* what is no number outweighs what is no rectangle */
            scan_array_fault(&state, ERROR_WRONG_TYPE, text + 1, state.depth, 0, 0);
            *array_end = text;
            return scan_array_skip(&state, array_end);
        } else if (!scan_array_row(&state, &text)) {
            text = scan_array_scalar(&state, text);
            if (text == NULL)
                return SCAN_ARRAY_NOT_JSON;
            state.counts[state.depth - 1]++;
        }
        for (;;) { /* after a value: close arrays until a comma asks for the next one */
            text = scan_token_skip_space(text, end);
            if (text == end || (*text != ',' && *text != ']'))
                return SCAN_ARRAY_NOT_JSON;
            if (*text++ == ',')
                break;
            scan_array_close(&state, text);
            if (--state.depth == 0) {
                scanner->value_count += item->count;
                *array_end = text;
                return SCAN_ARRAY_READ;
            }
            state.counts[state.depth - 1]++;
        }
    }
}
