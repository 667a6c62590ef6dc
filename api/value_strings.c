/* An array of strings, or of arrays of strings: see value.h. The scan has seen that it is one, and how long it is. */
#include "api/scan_text.h"
#include "api/scan_token.h"
#include "api/value.h"

enum { VALUE_STRINGS_ASK = 4096 }; /* strings between two looks at whether the request is cancelled */

/* What does not belong there, from its place in the body. */
static bool value_strings_wrong(const struct decoder *decoder, const char *text, const char *place,
                                const char *wanted) {
    const char *received = value_describe_text(decoder, text);
    error_set(decoder->error, ERROR_WRONG_TYPE, place, "%s must be %s, not %s.", place + 1, wanted, received);
    error_expected(decoder->error, "%s", wanted);
    return error_received(decoder->error, "%s", received);
}

/* Whether the value is such an array, without fault. */
static bool value_strings_check(const struct decoder *decoder, const json_t *json, const char *pointer, bool may_nest,
                                const char *wanted) {
    const struct scan_item *item = value_item(decoder, json);
    const char *body = decoder->scan->body;
    if (json_is_array(json))
        return value_wrong_type(decoder, json_array_get(json, 0), value_element(pointer, 0).text, "a string");
    if (item == NULL || item->kind != SCAN_STRINGS || value_is_empty(decoder, item))
        return value_wrong_type(decoder, json, pointer, wanted);
    const struct scan_array *array = item->array;
    if (array->rank > 1 && !may_nest) {
        const char *inner = scan_token_skip_space(body + item->body_begin + 1, body + item->body_end);
        return value_strings_wrong(decoder, inner, value_element(pointer, 0).text, "a string");
    }
    const struct scan_fault *fault = array->fault;
    if (fault == NULL)
        return true;
    return value_strings_wrong(decoder, body + fault->begin, value_path(pointer, fault->path, fault->depth).text,
                               array->rank > 1 && fault->depth == 1 ? "an array of strings" : "a string");
}

bool value_strings(const struct decoder *decoder, const json_t *json, const char *pointer, bool may_nest,
                   const char *wanted, struct value_strings *strings) {
    if (!value_strings_check(decoder, json, pointer, may_nest, wanted))
        return false;
    const struct scan_item *item = value_item(decoder, json);
    const struct scan_array *array = item->array;
    const char *text = decoder->scan->body + item->body_begin, *end = decoder->scan->body + item->body_end;
    bool nested = array->rank == 2;
    struct value_strings read = {
        .nested = nested, .lists = nested ? array->shape[0] : 1, .longest = array->shape[array->rank - 1]};
    size_t *lengths = arena_alloc(decoder->arena, read.lists, sizeof *lengths, decoder->error);
    const char *const **lists = arena_alloc(decoder->arena, read.lists, sizeof *lists, decoder->error);
    const char **names = arena_alloc(decoder->arena, array->count, sizeof *names, decoder->error);
    char *to = arena_alloc(decoder->arena, (size_t)(end - text), 1, decoder->error);
    if (lengths == NULL || lists == NULL || names == NULL || to == NULL)
        return false;
    size_t list = 0, count = 0;
    for (text = nested ? text + 1 : text; text < end; text++) {
        if (*text == '[') {
            lists[list] = names + count;
        } else if (*text == ']' && list < read.lists) {
            lengths[list] = (size_t)(names + count - lists[list]);
            list++;
        } else if (*text == '"') {
            if (count % VALUE_STRINGS_ASK == 0 && arena_is_cancelled(decoder->arena))
                return error_set(decoder->error, ERROR_CANCELLED, NULL, "The request was cancelled.");
            names[count++] = to;
            to = scan_text_read(&text, end, to);
        }
    }
    read.lengths = lengths;
    read.names = lists;
    *strings = read;
    return true;
}
