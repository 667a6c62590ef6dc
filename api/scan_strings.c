/* Reads one array of strings, or of arrays of strings, from a body's text: what they are is read when somebody asks
 * (api/value_strings.c). Arrays that begin with neither strings nor numbers come here as well, and are at fault. */
#include "api/scan_array.h"
#include "api/scan_text.h"
#include "api/scan_token.h"

/* The opening brackets, up to the first scalar: how many is the rank. */
static enum scan_array_result scan_strings_open(struct scan_array_state *state) {
    const char *end = state->scanner->end;
    while (state->text < end && *state->text == '[') {
        if (!scan_array_opens(state))
            return SCAN_ARRAY_TOO_DEEP;
        state->counts[state->depth - 1] = 0;
        state->text = scan_token_skip_space(state->text + 1, end);
    }
    state->place = SCAN_ARRAY_OPEN;
    state->array.rank = state->depth;
    state->array.first = (size_t)(state->text - state->scanner->scan->body);
    return SCAN_ARRAY_READ;
}

/* The first scalar is not a string, or stands too deep for one: the fault is there, or at the array around it. */
static bool scan_strings_first(struct scan_array_state *state) {
    const char *first = state->text;
    bool empty = *first == ']';
    size_t depth = state->array.rank - (empty ? 1 : 0);
    if (!empty && *first == '"' && depth <= 2)
        return true;
    size_t brackets = depth > 2 ? state->array.rank - 2 : empty ? 1 : 0; /* back to the one at fault */
    for (; brackets > 0; state->text--)
        brackets -= state->text[-1] == '[';
    depth = depth > 2 ? 2 : depth;
    scan_array_fault(state, ERROR_WRONG_TYPE, first, depth, 0, 0);
    state->text = first;
    return false;
}

/* A string or, between lists, the bracket that opens one: moves on, unless it is something else. */
static enum scan_array_result scan_strings_value(struct scan_array_state *state) {
    const char *end = state->scanner->end, *text = state->text;
    bool in_list = state->depth == state->array.rank;
    if (in_list && *text == '"') {
        const char *next = scan_text_end(text, end);
        if (next == NULL)
            return SCAN_ARRAY_NOT_JSON;
        state->array.count++;
        state->counts[state->depth - 1]++;
        state->place = SCAN_ARRAY_VALUE;
        state->text = next;
        return SCAN_ARRAY_READ;
    }
    const char *inside = !in_list && *text == '[' ? scan_token_skip_space(text + 1, end) : text;
    if (inside == text || *inside != '"') {
        scan_array_fault(state, ERROR_WRONG_TYPE, text, state->depth, 0, 0);
        return SCAN_ARRAY_READ;
    }
    state->counts[state->depth++] = 0;
    state->place = SCAN_ARRAY_OPEN;
    state->text = inside;
    return SCAN_ARRAY_READ;
}

/* What follows a value: its comma, or the brackets that close there. */
static bool scan_strings_after(struct scan_array_state *state) {
    const char *end = state->scanner->end;
    for (;;) {
        const char *text = state->text = scan_token_skip_space(state->text, end);
        if (text == end || (*text != ',' && *text != ']'))
            return false;
        state->text++;
        if (*text == ',') {
            state->place = SCAN_ARRAY_COMMA;
            return true;
        }
        size_t axis = state->depth - 1;
        if (state->shape[axis] < state->counts[axis])
            state->shape[axis] = state->counts[axis];
        if (--state->depth == 0)
            return true;
        state->counts[state->depth - 1]++;
    }
}

enum scan_array_result scan_strings(struct scan_array_state *state, struct scan_item *item) {
    enum scan_array_result result = scan_strings_open(state);
    if (result != SCAN_ARRAY_READ)
        return result;
    if (state->text == state->scanner->end)
        return SCAN_ARRAY_NOT_JSON;
    item->kind = SCAN_STRINGS;
    bool fits = scan_strings_first(state);
    while (fits && state->depth > 0) {
        state->text = scan_token_skip_space(state->text, state->scanner->end);
        if (state->text == state->scanner->end)
            return SCAN_ARRAY_NOT_JSON;
        if (!scan_array_goes_on(state->scanner, state->text))
            return SCAN_ARRAY_FAILED;
        result = scan_strings_value(state);
        if (result != SCAN_ARRAY_READ)
            return result;
        fits = state->fault.code == ERROR_NONE;
        if (fits && state->place == SCAN_ARRAY_VALUE && !scan_strings_after(state))
            return SCAN_ARRAY_NOT_JSON;
    }
    if (!fits)
        result = scan_rest(state);
    return result == SCAN_ARRAY_READ ? scan_array_keep(state, item) : result;
}
