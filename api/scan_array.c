/* Reads one array of numbers from a body's text into typed values.
 *
 * The array's rank is the depth of its first scalar, each axis' length that of its first array; whatever disagrees
 * later is a fault of the item, and only the first one is kept. The grammar is RFC 8259's, as everywhere. */
#include "api/scan_array.h"
#include "api/number.h"
#include "api/scan_token.h"

#include <math.h>
#include <string.h>

enum {
    SCAN_ARRAY_ASK = 64 * 1024,    /* bytes between two looks at whether the request is cancelled */
    SCAN_ARRAY_ROW = 16 * 1024,    /* numbers read at a time */
    SCAN_ARRAY_FIRST = 256 * 1024, /* numbers that the first array finds room for, where the body can hold so many */
};

bool scan_array_goes_on(struct scanner *scanner, const char *text) {
    if (text - scanner->asked < SCAN_ARRAY_ASK)
        return true;
    scanner->asked = text;
    return !arena_is_cancelled(scanner->arena) ||
           error_set(scanner->error, ERROR_CANCELLED, NULL, "The request was cancelled.");
}

bool scan_array_opens(struct scan_array_state *state) {
    struct scanner *scanner = state->scanner;
    if (scanner->depth + state->depth >= scanner->limits->depth || state->depth == SCAN_RANK_MAX)
        return false;
    state->depth++;
    return true;
}

void scan_array_fault(struct scan_array_state *state, enum error_code code, const char *end, size_t depth,
                      size_t expected, size_t received) {
    struct scan_fault *fault = &state->fault;
    if (fault->code != ERROR_NONE)
        return;
    fault->code = code;
    fault->begin = (size_t)(state->text - state->scanner->scan->body);
    fault->end = (size_t)(end - state->scanner->scan->body);
    fault->depth = depth;
    memcpy(fault->path, state->counts, depth * sizeof *state->counts);
    fault->expected = expected;
    fault->received = received;
}

enum scan_array_result scan_array_keep(struct scan_array_state *state, struct scan_item *item) {
    struct scanner *scanner = state->scanner;
    struct scan_array *array =
        arena_alloc(scanner->arena, 1, sizeof *array + state->array.rank * sizeof *array->shape, scanner->error);
    if (array == NULL)
        return SCAN_ARRAY_FAILED;
    size_t *shape = (size_t *)(array + 1);
    memcpy(shape, state->shape, state->array.rank * sizeof *shape);
    *array = state->array;
    array->shape = shape;
    item->array = array;
    if (state->fault.code == ERROR_NONE)
        return SCAN_ARRAY_READ;
    size_t size = offsetof(struct scan_fault, path) + state->fault.depth * sizeof *state->fault.path;
    struct scan_fault *fault = arena_alloc(scanner->arena, 1, size, scanner->error);
    if (fault == NULL)
        return SCAN_ARRAY_FAILED;
    memcpy(fault, &state->fault, size);
    array->fault = fault;
    return SCAN_ARRAY_READ;
}

/* Room for one more number, of this array or the next. A body can hold no more numbers than one for two of its bytes:
 * each has a digit, and a bracket or comma after it. */
static bool scan_array_room(struct scan_array_state *state) {
    struct scanner *scanner = state->scanner;
    struct scan *scan = scanner->scan;
    size_t width = dtype_size(scan->dtype), needed = (state->array.first + state->array.count + 1) * width;
    if (needed <= scan->value_bytes)
        return true;
    size_t most = (scan->body_size / 2 + 1) * width, bytes = 2 * scan->value_bytes;
    if (bytes < SCAN_ARRAY_FIRST * width)
        bytes = SCAN_ARRAY_FIRST * width;
    if (bytes > most)
        bytes = most;
    void *values = arena_grow(scanner->arena, scan->values, scan->value_bytes, bytes, scanner->error);
    if (values == NULL)
        return false;
    scan->values = values;
    scan->value_bytes = bytes;
    return true;
}

/* The place of the next number. */
static void *scan_array_next(const struct scan_array_state *state) {
    const struct scan *scan = state->scanner->scan;
    return (char *)scan->values + (state->array.first + state->array.count) * dtype_size(scan->dtype);
}

/* true, false or null: its end, or NULL. */
static const char *scan_array_literal(struct scan_array_state *state) {
    const char *text = state->text, *end = scan_token_literal_end(text, state->scanner->end);
    struct scan_array *array = &state->array;
    if (end == NULL)
        return NULL;
    double value = *text == 't' ? 1 : *text == 'f' ? 0 : -INFINITY;
    if (state->scanner->scan->dtype == DTYPE_FLOAT32)
        *(float *)scan_array_next(state) = (float)value;
    else
        *(double *)scan_array_next(state) = value;
    if (*text != 'n' && !array->has_booleans)
        array->first_boolean = array->count;
    *(*text == 'n' ? &array->has_nulls : &array->has_booleans) = true;
    return end;
}

/* A number: its end, or NULL. */
static const char *scan_array_number(struct scan_array_state *state) {
    const char *end;
    bool finite;
    if (state->scanner->scan->dtype == DTYPE_FLOAT32) {
        float *value = scan_array_next(state);
        end = number_read_f32(state->text, value);
        finite = end == NULL || isfinite(*value);
    } else {
        double *value = scan_array_next(state);
        end = number_read_f64(state->text, value);
        finite = end == NULL || isfinite(*value);
    }
    if (!finite)
        scan_array_fault(state, ERROR_NOT_FINITE, end, state->depth, 0, 0);
    state->array.has_numbers = state->array.has_numbers || end != NULL;
    return end;
}

/* Nearly all there is to read: finite numbers in a row, of the right rank and within the limit. Moves on to the end of
 * the last one that is so. */
static bool scan_array_row(struct scan_array_state *state) {
    struct scan_array *array = &state->array;
    const struct scan *scan = state->scanner->scan;
    size_t left = state->scanner->limits->elements - array->count;
    size_t room = scan->value_bytes / dtype_size(scan->dtype) - array->first - array->count;
    if (array->rank != 0 && array->rank != state->depth)
        return false;
    if (room > left)
        room = left;
    if (room > SCAN_ARRAY_ROW)
        room = SCAN_ARRAY_ROW;
    struct number_span body = {scan->body, state->scanner->end};
    size_t count = scan->dtype == DTYPE_FLOAT32 ? number_row_read_f32(&state->text, body, scan_array_next(state), room)
                                                : number_row_read_f64(&state->text, body, scan_array_next(state), room);
    if (count == 0)
        return false;
    array->rank = state->depth;
    array->has_numbers = true;
    array->count += count;
    state->counts[state->depth - 1] += count;
    return true;
}

/* One scalar of the array. */
static bool scan_array_scalar(struct scan_array_state *state) {
    struct scan_array *array = &state->array;
    bool is_literal = *state->text == 't' || *state->text == 'f' || *state->text == 'n';
    const char *end = is_literal ? scan_array_literal(state) : scan_array_number(state);
    if (end == NULL)
        return false;
    if (array->rank == 0)
        array->rank = state->depth;
    if (state->depth != array->rank) {
        state->fault.in_rank = state->fault.in_rank || state->fault.code == ERROR_NONE;
        scan_array_fault(state, ERROR_RAGGED, end, state->depth, array->rank, state->depth);
    }
    if (array->count == state->scanner->limits->elements)
        scan_array_fault(state, ERROR_TOO_MANY_ELEMENTS, end, state->depth, 0, 0);
    else
        array->count++;
    state->counts[state->depth - 1]++;
    state->text = end;
    return true;
}

/* The array at `state->depth` closes: its length must be that of its axis. */
static void scan_array_close(struct scan_array_state *state) {
    size_t axis = state->depth - 1, length = state->counts[axis];
    if (state->shape[axis] == 0)
        state->shape[axis] = length;
    if (state->shape[axis] != length)
        scan_array_fault(state, ERROR_RAGGED, state->text, axis, state->shape[axis], length);
}

/* After a value: closes arrays until a comma asks for the next one, or all are closed. False: neither follows; a digit
 * behind a number means that the number begins with a zero too many, and is the wrong token. */
static bool scan_array_after(struct scan_array_state *state) {
    const char *end = state->scanner->end, *value_end = state->text;
    state->place = SCAN_ARRAY_VALUE;
    if (value_end < end && value_end[-1] == '0' && *value_end >= '0' && *value_end <= '9') {
        state->text = value_end[-2] == '-' ? value_end - 2 : value_end - 1;
        state->place = state->counts[state->depth - 1] > 1 ? SCAN_ARRAY_COMMA : SCAN_ARRAY_OPEN;
        return false;
    }
    for (;;) {
        state->text = scan_token_skip_space(state->text, end);
        if (state->text == end || (*state->text != ',' && *state->text != ']'))
            return false;
        if (*state->text++ == ',') {
            state->place = SCAN_ARRAY_COMMA;
            return true;
        }
        scan_array_close(state);
        if (--state->depth == 0)
            return true;
        state->counts[state->depth - 1]++;
    }
}

/* What is no number: the rest is for its grammar alone. */
static enum scan_array_result scan_array_give_up(struct scan_array_state *state, struct scan_item *item) {
    state->fault.code = ERROR_NONE; /* what is no number outweighs what is no rectangle */
    scan_array_fault(state, ERROR_WRONG_TYPE, state->text + 1, state->depth, 0, 0);
    state->array.rank = state->array.count = 0;
    enum scan_array_result result = scan_rest(state);
    return result == SCAN_ARRAY_READ ? scan_array_keep(state, item) : result;
}

enum scan_array_result scan_array(struct scan_array_state *state, struct scan_item *item) {
    struct scanner *scanner = state->scanner;
    const char *end = scanner->end;
    item->kind = SCAN_NUMBERS;
    state->array.first = scanner->scan->value_count;
    do {
        const char *text = state->text = scan_token_skip_space(state->text, end);
        if (text == end)
            return SCAN_ARRAY_NOT_JSON;
        if (!scan_array_goes_on(scanner, text) || !scan_array_room(state))
            return SCAN_ARRAY_FAILED;
        if (*text == '[') {
            if (!scan_array_opens(state))
                return SCAN_ARRAY_TOO_DEEP;
            state->counts[state->depth - 1] = 0;
            state->place = SCAN_ARRAY_OPEN;
            state->text = scan_token_skip_space(text + 1, end);
            if (state->text == end || *state->text != ']')
                continue;
            const char *inside = state->text;
            state->text = text;
            scan_array_fault(state, ERROR_EMPTY_AXIS, inside + 1, state->depth - 1, 0, 0);
            state->text = inside;
        } else if (*text == '"' || *text == '{') {
            return scan_array_give_up(state, item);
        } else if (!scan_array_row(state) && !scan_array_scalar(state)) {
            return SCAN_ARRAY_NOT_JSON;
        }
        if (!scan_array_after(state))
            return SCAN_ARRAY_NOT_JSON;
    } while (state->depth > 0);
    if (state->fault.code == ERROR_NONE)
        scanner->scan->value_count += state->array.count;
    return scan_array_keep(state, item);
}
