/* The grammar of what will be refused anyway: an array with something in it that does not belong there. jansson would
 * make an object of each value in it. That a name occurs twice in an object of it is passed over. */
#include "api/number.h"
#include "api/scan_array.h"
#include "api/scan_text.h"
#include "api/scan_token.h"

/* Whether the innermost of the open brackets is an object's, one bit each. */
static bool scan_rest_in_object(uint64_t objects, size_t depth) {
    return objects >> (depth - 1) & 1;
}

/* A value's end at `text`, NULL where there is none. */
static const char *scan_rest_scalar(const char *text, const char *end) {
    if (*text == '"')
        return scan_text_end(text, end);
    if (*text != '-' && (*text < '0' || *text > '9'))
        return scan_token_literal_end(text, end);
    double ignored;
    const char *number_end = number_read_f64(text, &ignored);
    bool leading_zero = number_end != NULL && *number_end >= '0' && *number_end <= '9';
    return leading_zero ? NULL : number_end;
}

/* Passes over the token at `text` of an array or object that expects no value; NULL where it is wrong. A closing
 * bracket leaves the place as it is: what it stands in is known to the caller. */
static const char *scan_rest_mark(struct scan_array_state *state, const char *text) {
    enum scan_array_place place = state->place;
    bool takes_name = place == SCAN_ARRAY_OBJECT || place == SCAN_ARRAY_NEXT;
    if (takes_name && *text == '"') {
        state->place = SCAN_ARRAY_NAME;
        return scan_text_end(text, state->scanner->end);
    }
    if (place == SCAN_ARRAY_NAME && *text == ':')
        state->place = SCAN_ARRAY_COLON;
    else if (place == SCAN_ARRAY_VALUE && *text == ',')
        state->place = SCAN_ARRAY_COMMA;
    else if (place == SCAN_ARRAY_MEMBER && *text == ',')
        state->place = SCAN_ARRAY_NEXT;
    else
        return NULL;
    return text + 1;
}

static bool scan_rest_closes(enum scan_array_place place, char c) {
    return c == ']' ? place == SCAN_ARRAY_OPEN || place == SCAN_ARRAY_VALUE
                    : c == '}' && (place == SCAN_ARRAY_OBJECT || place == SCAN_ARRAY_MEMBER);
}

enum scan_array_result scan_rest(struct scan_array_state *state) {
    const char *end = state->scanner->end;
    uint64_t objects = 0;
    for (;;) {
        const char *text = state->text = scan_token_skip_space(state->text, end);
        if (text == end)
            return SCAN_ARRAY_NOT_JSON;
        if (!scan_array_goes_on(state->scanner, text))
            return SCAN_ARRAY_FAILED;
        enum scan_array_place place = state->place;
        bool takes_value = place == SCAN_ARRAY_OPEN || place == SCAN_ARRAY_COMMA || place == SCAN_ARRAY_COLON;
        bool opens = takes_value && (*text == '[' || *text == '{'), closes = scan_rest_closes(place, *text);
        if (opens && !scan_array_opens(state))
            return SCAN_ARRAY_TOO_DEEP;
        if (opens) {
            uint64_t bit = (uint64_t)1 << (state->depth - 1);
            objects = *text == '{' ? objects | bit : objects & ~bit;
            state->place = *text == '{' ? SCAN_ARRAY_OBJECT : SCAN_ARRAY_OPEN;
        } else if (closes && --state->depth == 0) {
            state->text = text + 1;
            return SCAN_ARRAY_READ;
        }
        const char *next = opens || closes ? text + 1 : takes_value ? scan_rest_scalar(text, end) : NULL;
        if (closes || (takes_value && !opens && next != NULL))
            state->place = scan_rest_in_object(objects, state->depth) ? SCAN_ARRAY_MEMBER : SCAN_ARRAY_VALUE;
        if (!takes_value && !closes) {
            next = scan_rest_mark(state, text);
            if (next == NULL)
                state->place = place;
        }
        if (next == NULL)
            return SCAN_ARRAY_NOT_JSON;
        state->text = next;
    }
}
