/* Bodies: what jansson alone accepts is accepted, what it refuses is refused; and the numbers of a tensor are those
 * that strtof or strtod reads. The first byte says which of these is tried with the others. */
#include "tests/fuzz/fuzz.h"

#include "api/decode.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { SCAN_FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY };

/* Not so many levels that jansson's own limit, 2048, is met. */
static const struct limits limits = {.body_bytes = 1 << 20,
                                     .depth = 16,
                                     .elements = 1 << 20,
                                     .values = 1 << 12,
                                     .work = 1 << 20,
                                     .answer_bytes = 1 << 20};

/* Decodes for a route, in an arena that is left to the caller. */
static struct error decoded(const char *body, size_t size, struct arena *arena, struct call *call) {
    struct error error = {0};
    const char *allow;
    arena_init(arena, (size_t)256 << 20);
    decode_init();
    decode_call(&limits, route_find("POST", "/v1/attention", &allow), body, size, arena, call, &error);
    json_set_alloc_funcs(malloc, free);
    return error;
}

static void is_judged_alike(const char *body, size_t size) {
    struct arena arena;
    struct call call = {0};
    struct error error = decoded(body, size, &arena, &call);
    arena_done(&arena);
    bool refused = error.code == ERROR_INVALID_JSON || error.code == ERROR_INVALID_UTF8 ||
                   error.code == ERROR_DUPLICATE_MEMBER || error.code == ERROR_EMPTY_BODY;
    fuzz_require(error.code != ERROR_INTERNAL && error.code != ERROR_NO_MEMORY, "%s: %s", error.detail, body);
    if (error.code == ERROR_TOO_DEEP || error.code == ERROR_TOO_MANY_VALUES ||
        error.code == ERROR_MEMORY_LIMIT) /* seen before all of it was read */
        return;
    json_error_t refusal;
    json_t *json = json_loadb(body, size, SCAN_FLAGS, &refusal);
    bool is_json = json != NULL;
    json_decref(json);
    if (!is_json && json_error_code(&refusal) == json_error_numeric_overflow) /* no matter of syntax */
        return;
    if (is_json && memchr(body, '\0', size) != NULL)
        return;
    fuzz_require(refused == !is_json, "jansson %s, attnd: %s %s: %s", is_json ? "accepts" : refusal.text,
                 error.code != ERROR_NONE ? error_slug(error.code) : "accepts", error.detail, body);
}

/* Whether `json` is a tensor that is taken: numbers in arrays of one shape, no axis empty; counts the numbers. */
static bool is_tensor(const json_t *json, size_t level, size_t *rank, size_t shape[TENSOR_RANK_USUAL], size_t *count) {
    if (!json_is_array(json)) {
        *count += 1;
        if (*rank == 0)
            *rank = level;
        return json_is_number(json) && level > 0 && *rank == level;
    }
    size_t length = json_array_size(json);
    if (level == TENSOR_RANK_USUAL || length == 0 || (*rank > 0 && level >= *rank))
        return false;
    if (shape[level] == 0)
        shape[level] = length;
    for (size_t i = 0; i < length; i++)
        if (!is_tensor(json_array_get(json, i), level + 1, rank, shape, count))
            return false;
    return shape[level] == length;
}

/* A query of the bytes, of one dtype, against the C library's numbers. */
static void is_read_exactly(const char *value, size_t size, bool is_double) {
    json_error_t refusal;
    json_t *json = json_loadb(value, size, SCAN_FLAGS | JSON_DECODE_INT_AS_REAL, &refusal);
    size_t rank = 0, shape[TENSOR_RANK_USUAL] = {0}, count = 0;
    bool expected = json != NULL && is_tensor(json, 0, &rank, shape, &count);
    json_decref(json);
    if (!expected)
        return;

    static const char heads[2][28] = {"{\"dtype\":\"float32\",\"query\":", "{\"dtype\":\"float64\",\"query\":"};
    static const char tail[] = "}";
    char *body = malloc(sizeof *heads + size + sizeof tail);
    size_t length = sizeof *heads - 1;
    memcpy(body, heads[is_double], length);
    memcpy(body + length, value, size);
    memcpy(body + length + size, tail, sizeof tail);
    length += size + sizeof tail - 1;

    struct arena arena;
    struct call call = {0};
    struct error error = decoded(body, length, &arena, &call);
    const struct tensor *query = &call.query;
    bool is_finite = true;
    size_t place = 0;
    for (const char *at = value; *at != '\0' && is_finite; at++) {
        const char *end = fuzz_number_end(at);
        if (end == NULL)
            continue;
        double number = is_double ? fuzz_double(at, end) : (double)fuzz_float(at, end);
        is_finite = number - number == 0;
        if (is_finite && error.code == ERROR_NONE) {
            float single = (float)number;
            fuzz_require(place < query->count, "%s", value);
            fuzz_require(is_double ? memcmp((double *)query->data + place, &number, sizeof number) == 0
                                   : memcmp((float *)query->data + place, &single, sizeof single) == 0,
                         "number %zu is not %a: %s", place, number, value);
        }
        place++;
        at = end - 1;
    }
    if (is_finite) {
        fuzz_require(error.code == ERROR_NONE, "%s: %s", error.detail, value);
        fuzz_require(query->count == count && place == count && query->rank == rank, "%zu numbers of %zu: %s",
                     query->count, count, value);
        for (size_t axis = 0; axis < rank; axis++)
            fuzz_require(query->shape[axis] == shape[axis], "axis %zu: %s", axis, value);
    } else {
        fuzz_require(error.code == ERROR_NOT_FINITE, "%s: %s", error_slug(error.code), value);
    }
    arena_done(&arena);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    char *text = fuzz_copy(data + 1, size - 1);
    if (*data % 3 == 0)
        is_judged_alike(text, size - 1);
    else if (memchr(text, '\0', size - 1) == NULL)
        is_read_exactly(text, size - 1, *data % 3 == 1);
    free(text);
    return 0;
}
