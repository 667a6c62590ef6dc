/* From a body's text to a call: scan.c takes the numbers out, jansson reads what is left, and each member is decoded
 * by its row of api/member.c. json_t values do not leave this file and the decoders it calls. */
#include "api/decode.h"

#include "api/decode_tokens.h"
#include "api/member.h"
#include "api/scan_token.h"
#include "api/text.h"
#include "api/value.h"

#include <assert.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* jansson's allocations go to the arena of the exchange whose envelope this thread is parsing, and it makes none at
 * other times. One that fails does not return: jansson 2.14 drops the byte for which its token buffer could not grow,
 * then runs past the token's end in search of the closing quote, or aborts. All that it holds is the arena's, so
 * nothing is lost by leaving it where it stands. */
static _Thread_local struct {
    struct arena *arena; /* NULL: nothing is being parsed */
    struct error *error;
    jmp_buf failed;
} decode_memory;

static void *decode_malloc(size_t size) {
    assert(decode_memory.arena != NULL);
    void *memory = arena_alloc(decode_memory.arena, size, 1, decode_memory.error);
    if (memory == NULL)
        longjmp(decode_memory.failed, 1);
    return memory;
}

static void decode_free(void *pointer) {
    (void)pointer; /* the arena frees all at once */
}

void decode_init(void) {
    json_set_alloc_funcs(decode_malloc, decode_free);
    json_object_seed(0);
}

const char *decode_library(void) {
    return jansson_version_str();
}

/* What a person most likely did wrong, from the text at the place where it stops being JSON. */
static const char *decode_hint(const char *text) {
    if (*text == '\0')
        return " The body ends too early: a bracket, brace or quote is not closed, or the upload was cut.";
    if (*text == '\'')
        return " JSON strings and names take double quotes.";
    if (strncmp(text, "NaN", 3) == 0 || strncmp(text, "Infinity", 8) == 0 || strncmp(text, "-Infinity", 9) == 0)
        return " JSON has no NaN or Infinity; a key is disallowed by null in mask.bias, or by mask.attend.";
    if (strncmp(text, "True", 4) == 0 || strncmp(text, "False", 5) == 0 || strncmp(text, "None", 4) == 0)
        return " JSON writes true, false and null; in Python, json.dumps() does that.";
    if (*text == ']' || *text == '}')
        return " Look for a comma before the bracket, or a bracket of the wrong kind.";
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        return " Leave out the byte order mark.";
    if (*text == '.' || *text == '+' || (*text >= '0' && *text <= '9'))
        return " Numbers are written like -1.5e-3: no plus sign or zeros in front, a digit on both sides of the point.";
    return "";
}

/* The length of the token that jansson refused, which ends at envelope[position]: its message quotes a short one, near
 * '…', and a long one is a string. */
static size_t decode_token_length(const struct scan *scan, const json_error_t *refusal, size_t position) {
    const char *near = strstr(refusal->text, " near '"), *last = strrchr(refusal->text, '\'');
    if (near != NULL && last > near + 6)
        return (size_t)(last - (near + 7));
    const char *end = scan->envelope + position, *begin = end - 1;
    bool is_string = position > 1 && *begin == '"' && strstr(refusal->text, " near ") == NULL;
    if (!is_string || json_error_code(refusal) == json_error_invalid_utf8)
        return 0;
    for (begin--; begin > scan->envelope && (*begin != '"' || begin[-1] == '\\'); begin--)
        ;
    return (size_t)(end - begin);
}

/* jansson's refusal as an error of the body. */
static bool decode_syntax_error(const struct scan *scan, const json_error_t *refusal, struct error *error) {
    size_t position = refusal->position > 0 ? (size_t)refusal->position : 0;
    size_t near = decode_token_length(scan, refusal, position);
    size_t offset = scan_body_offset(scan, position >= near ? position - near : 0);
    if (json_error_code(refusal) == json_error_invalid_utf8)
        offset = text_utf8_prefix(scan->body, scan->body_size);
    const char *text = scan->body + offset;
    struct error place = {0};
    scan_position(scan->body, offset, &place);
    int message = (int)strcspn(refusal->text, "\n");
    const char *cut = strstr(refusal->text, " near ");
    if (cut != NULL)
        message = (int)(cut - refusal->text);

    switch (json_error_code(refusal)) {
    case json_error_duplicate_key:
        error_set(error, ERROR_DUPLICATE_MEMBER, NULL,
                  "The name %.*s occurs a second time in its object at line %zu, column %zu: write each member once.",
                  (int)(near < 60 ? near : 60), text, place.line, place.column);
        break;
    case json_error_invalid_utf8:
        error_set(error, ERROR_INVALID_UTF8, NULL,
                  "The body is not UTF-8 at line %zu, column %zu: send the text in UTF-8.", place.line, place.column);
        break;
    case json_error_null_character:
        error_set(error, ERROR_INVALID_JSON, NULL,
                  "A string at line %zu, column %zu holds \\u0000, which is not taken: leave it out.", place.line,
                  place.column);
        break;
    default:
        error_set(error, ERROR_INVALID_JSON, NULL,
                  "The body stops being JSON at line %zu, column %zu, near %s%.*s%s: %.*s.%s", place.line, place.column,
                  *text == '\0' ? "" : "\"", (int)strcspn(text, "\r\n") < 20 ? (int)strcspn(text, "\r\n") : 20, text,
                  *text == '\0' ? "its end" : "\"", message, refusal->text, decode_hint(text));
    }
    scan_position(scan->body, offset, error);
    return false;
}

/* The body is not JSON at a byte of it. */
static bool decode_refuse_at(const struct scan *scan, size_t offset, const char *why, struct error *error) {
    error_set(error, ERROR_INVALID_JSON, NULL, "The body is not JSON at byte %zu: %s.", offset, why);
    scan_position(scan->body, offset, error);
    return false;
}

/* json_loadb() with the arena's memory. NULL: refused, or, with an error, no memory. */
static json_t *decode_parse(const struct scan *scan, struct arena *arena, json_error_t *refusal, struct error *error) {
    decode_memory.arena = arena;
    decode_memory.error = error;
    if (setjmp(decode_memory.failed) != 0) {
        decode_memory.arena = NULL;
        return NULL;
    }
    json_t *root = json_loadb(scan->envelope, scan->envelope_size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, refusal);
    decode_memory.arena = NULL;
    return root;
}

/* The envelope as jansson's value, NULL with an error. It is the arena's, and never given back by itself. */
static json_t *decode_envelope(const struct scan *scan, struct arena *arena, struct error *error) {
    if (memchr(scan->envelope, '\0', scan->envelope_size) != NULL) { /* jansson lets one pass at the end */
        size_t offset = (size_t)((const char *)memchr(scan->body, '\0', scan->body_size) - scan->body);
        decode_refuse_at(scan, offset, "JSON text holds no NUL", error);
        return NULL;
    }
    json_error_t refusal;
    json_t *root = decode_parse(scan, arena, &refusal, error);
    if (root == NULL && error->code == ERROR_NONE)
        decode_syntax_error(scan, &refusal, error);
    if (root != NULL && scan->stopped)
        decode_refuse_at(scan, scan->stopped_at, "this is no array of numbers", error);
    return scan->stopped ? NULL : root;
}

/* "dtype" alone, before everything that depends on it. */
static bool decode_dtype(const struct decoder *decoder, const json_t *root) {
    static const char *const names[] = {"float32", "float64", "float16", "bfloat16"}; /* of enum dtype */
    const json_t *json = json_object_get(root, "dtype");
    size_t index = DTYPE_FLOAT32;
    if (json != NULL && !json_is_null(json) && !value_choice(decoder, json, "/dtype", names, 4, &index))
        return false;
    decoder->call->written = (enum dtype)index;
    decoder->call->dtype = index == DTYPE_FLOAT64 ? DTYPE_FLOAT64 : DTYPE_FLOAT32;
    return true;
}

/* A name that the route has no member of. Always NULL. */
static const struct member *decode_unknown(const struct decoder *decoder, const char *name, const char *pointer) {
    const struct member_list *list = member_list_of(decoder->route);
    const struct member_list *other = list == &member_merge ? &member_attention : &member_merge;
    const char *nearest = value_nearest(name, list->name_at);
    if (member_find(other, name) != NULL)
        error_set(decoder->error, ERROR_WRONG_ROUTE, pointer, "%s does not take \"%s\": send it to %s.",
                  decoder->route->path, name, other == &member_merge ? "/v1/attention/merge" : "/v1/attention");
    else if (nearest != NULL) {
        error_set(decoder->error, ERROR_UNKNOWN_MEMBER, pointer, "There is no member \"%.60s\": did you mean \"%s\"?",
                  name, nearest);
        error_expected(decoder->error, "\"%s\"", nearest);
    } else {
        error_set(decoder->error, ERROR_UNKNOWN_MEMBER, pointer,
                  "There is no member \"%.60s\": GET /v1/attention lists all members.", name);
    }
    return NULL;
}

/* The row of a name that is known and belongs to the route; NULL with an error. */
static const struct member *decode_member(const struct decoder *decoder, const char *name, bool is_null) {
    const struct member *member = member_find(member_list_of(decoder->route), name);
    if (member != NULL && is_null)
        return member;
    struct value_pointer pointer = value_child("", name);
    if (member == NULL)
        return decode_unknown(decoder, name, pointer.text);
    for (size_t i = 0; i < ROUTE_REFUSED_MAX && decoder->route->refused[i] != NULL; i++)
        if (strcmp(name, decoder->route->refused[i]) == 0) {
            error_set(decoder->error, ERROR_WRONG_ROUTE, pointer.text,
                      "%s does not take \"%s\": send it to %s, or to /v1/attention, which takes every member.",
                      decoder->route->path, name, decoder->route->instead);
            return NULL;
        }
    return member;
}

/* Every member of the root in the table's order. */
static bool decode_members(struct decoder *decoder, const json_t *root) {
    const struct member_list *list = member_list_of(decoder->route);
    const json_t *given[MEMBER_MAX] = {NULL};
    const char *name;
    json_t *json;
    json_object_foreach((json_t *)root, name, json) {
        const struct member *member = decode_member(decoder, name, json_is_null(json));
        if (member == NULL)
            return false;
        given[member - list->rows] = json_is_null(json) ? NULL : json;
    }
    for (size_t i = 0; i < list->count; i++)
        if (given[i] != NULL && !list->rows[i].decode(decoder, given[i], value_child("", list->rows[i].name).text))
            return false;
    return decode_tokens_finish(decoder);
}

static void decode_defaults(const struct route *route, struct call *call) {
    enum dtype dtype = call->dtype, written = call->written;
    *call = (struct call){.dtype = dtype, .written = written, .decimals = -1, .epsilon = 1e-5};
    call->returns[route->kind == ROUTE_MERGE ? RESULT_LSE : RESULT_WEIGHTS] = true;
    call->returns[RESULT_OUTPUT] = true;
    if (route->causal) {
        call->mask_count = 1;
        call->mask[0] = (struct call_mask_part){.kind = MASK_CAUSAL, .pointer = "/mask/causal"};
    }
}

bool decode_call(const struct limits *limits, const struct route *route, const char *body, size_t size,
                 struct arena *arena, struct call *call, struct error *error) {
    if (size == 0)
        return error_set(error, ERROR_EMPTY_BODY, NULL, "The body is empty: send a JSON object, such as %s.",
                         member_list_of(route)->example);
    struct scan scan = {0};
    struct embeddings embeddings = {0};
    struct decoder decoder = {.limits = limits,
                              .scan = &scan,
                              .route = route,
                              .arena = arena,
                              .error = error,
                              .call = call,
                              .embeddings = &embeddings};

    /* Numbers are rounded once, to the dtype computed in, which stands somewhere in the text. It is looked for where
     * the body has the word at all; one that hides it (behind an escape, say) is scanned again. */
    const char *dtype = memmem(body, size, "float64", 7);
    if (dtype != NULL)
        dtype = scan_token_root_member(body, body + size, "\"dtype\"");
    bool is_float64 = dtype != NULL && strncmp(dtype, "\"float64\"", 9) == 0;
    enum dtype guess = is_float64 ? DTYPE_FLOAT64 : DTYPE_FLOAT32;
    for (;;) {
        if (!scan_body(body, size, guess, limits, arena, &scan, error))
            return false;
        const json_t *root = decode_envelope(&scan, arena, error);
        if (root == NULL)
            return false;
        if (!json_is_object(root)) {
            const char *received = value_describe(&decoder, root);
            error_set(error, ERROR_WRONG_TYPE, "", "The body must be a JSON object, such as %s, not %s.",
                      member_list_of(route)->example, received);
            error_expected(error, "an object");
            return error_received(error, "%s", received);
        }
        if (!decode_dtype(&decoder, root))
            return false;
        if (call->dtype == guess) {
            decode_defaults(route, call);
            return decode_members(&decoder, root);
        }
        guess = call->dtype;
    }
}
