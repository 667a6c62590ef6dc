/* api/scan.c and scan_array.c: that taking the numbers out of a body changes neither what is JSON nor any number. */
#include "tests/api/exchange.h"

#include "api/decode.h"
#include "api/scan.h"
#include "tests/api/body.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char self[] = "/v1/attention/self";

/* What jansson alone says of a body. */
struct verdict {
    bool accepts, overflows;
    enum error_code code;
    bool has_offset; /* its message names the token, so that the token's place is known */
    size_t offset;
};

static struct verdict verdict_of_jansson(const char *body, size_t size) {
    json_error_t refusal;
    json_t *root = json_loadb(body, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &refusal);
    struct verdict verdict = {.accepts = root != NULL};
    json_decref(root);
    if (verdict.accepts)
        return verdict;
    enum json_error_code code = json_error_code(&refusal);
    verdict.overflows = code == json_error_numeric_overflow;
    verdict.code = code == json_error_duplicate_key  ? ERROR_DUPLICATE_MEMBER
                   : code == json_error_invalid_utf8 ? ERROR_INVALID_UTF8
                                                     : ERROR_INVALID_JSON;
    const char *near = strstr(refusal.text, " near '"), *last = strrchr(refusal.text, '\'');
    bool at_end = strstr(refusal.text, "near end of file") != NULL;
    verdict.has_offset = (near != NULL && last > near + 6) || at_end;
    if (verdict.has_offset)
        verdict.offset = (size_t)refusal.position - (at_end ? 0 : (size_t)(last - near - 7));
    return verdict;
}

static bool is_syntax(enum error_code code) {
    return code == ERROR_INVALID_JSON || code == ERROR_INVALID_UTF8 || code == ERROR_DUPLICATE_MEMBER;
}

/* What the service says: the error of decoding, if any. The body stands in a block of just its size. */
static struct error verdict_of_decode(const char *body, size_t size, struct arena *arena) {
    struct error error = {0};
    struct call call = {0};
    const char *allow;
    char *copy = malloc(size + 1);
    memcpy(copy, body, size);
    copy[size] = '\0';
    service_init();
    decode_call(&limits_default, route_find("POST", "/v1/attention", &allow), copy, size, arena, &call, &error);
    json_set_alloc_funcs(malloc, free);
    free(copy);
    arena_done(arena);
    return error;
}

/* How deep a text is nested, as far as strings are closed. */
static size_t depth_of(const char *body, size_t size) {
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = body[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{'))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!in_string && (c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return deepest;
}

static void judged_alike(const char *body, size_t size, uint64_t seed, struct arena *arena) {
    struct error error = verdict_of_decode(body, size, arena);
    if (size == 0) {
        cr_assert_eq(error.code, ERROR_EMPTY_BODY);
        return;
    }
    if (error.code == ERROR_TOO_DEEP) {
        cr_assert_gt(depth_of(body, size), limits_default.depth, "seed %llu: %.*s", (unsigned long long)seed, (int)size,
                     body);
        return;
    }
    if (memchr(body, '\0', size) != NULL) {
        cr_assert(is_syntax(error.code), "seed %llu: a NUL passes", (unsigned long long)seed);
        return;
    }
    struct verdict verdict = verdict_of_jansson(body, size);
    /* Within an array that is refused anyway a name may occur twice. */
    if (verdict.code == ERROR_DUPLICATE_MEMBER && error.code != ERROR_NONE && memchr(body, '[', size) != NULL)
        return;
    if (verdict.overflows) /* a number is too large for jansson: no matter of syntax, and not seen by the service */
        return;
    cr_assert_eq(verdict.accepts, (bool)!is_syntax(error.code), "seed %llu: jansson %s, the service says %s (%s): %.*s",
                 (unsigned long long)seed, verdict.accepts ? "accepts" : "refuses", error_slug(error.code),
                 error.detail, (int)size, body);
    if (verdict.accepts)
        return;
    /* jansson reads a byte beyond a number, which may be no UTF-8, before it says that the number should not stand
     * there. */
    if (verdict.code == ERROR_INVALID_UTF8 && error.code == ERROR_INVALID_JSON)
        return;
    cr_assert_eq(verdict.code, error.code, "seed %llu: %s, not %s: %.*s", (unsigned long long)seed,
                 error_slug(error.code), error_slug(verdict.code), (int)size, body);
    cr_assert(error.has_position);
    if (verdict.has_offset && error.code != ERROR_INVALID_UTF8)
        cr_assert_eq(verdict.offset, error.offset, "seed %llu: offset %zu, not %zu (%s): %.*s",
                     (unsigned long long)seed, error.offset, verdict.offset, error.detail, (int)size, body);
}

static const char *const seeds[] = {
    "{\"inputs\":[[1,0],[0,1]]}",
    "{\n \"inputs\": [[1.5e-3, -0.25], [0 , 1E5]],\n \"mask\": {\"causal\": true, \"bias\": [[0,null],[1,2]]}\n}",
    "{\"tokens\":[\"a\",\"b\\\"]\",\"[0]\"],\"embeddings\":{\"a\":[1,2],\"b\\\"]\":[3,4],\"[0]\":[5,6]},\"pad_token\":"
    "\"b\"}",
    "{\"query\":{\"shape\":[1,2],\"dtype\":\"float32\",\"b64\":\"AAAAAAAAgD8=\"},\"context\":{\"shape\":[1,2],\"data\":"
    "[1,2]}}",
    "{\"inputs\":[[1,\"a\",{\"b\":[1,2,{}]}],[true,false,null]],\"return\":[\"weights\"],\"scale\":-0.5e+3}",
    "[1,[2,[3]],\"x\",{},[],[[]],{\"a\":[]}]",
    "{\"tokens\":[\"\\u00e9\",\"\xed\x95\x9c\",\"\\ud83d\\ude00\"],\"inputs\":[[1],[2],[3]],\"dtype\":\"float64\"}",
    "[[[[1,2],[3,4]],[[5,6],[7,8]]]]",
    "  -12.5  ",
    "{\"b64\":\"b64\",\"a\":\"b64\",\"c\":{\"b64\":[\"b64\",1]},\"d\":{\"b64\" : \"AA\\/=\"}}",
};

enum { SEED_COUNT = sizeof seeds / sizeof *seeds, LONGEST = 400 };

/* One to four changes of a body: a byte changed, taken out or put in, a piece doubled, the end cut off. */
static size_t mutate(struct random *random, char body[LONGEST], size_t size) {
    static const char bytes[] = "[]{}\",:0123456789.-+eEtrufalsn \n\\/b64\x80\xff\xc3\xa9\x01'";
    for (size_t changes = random_size(random, 1, 4); changes > 0 && size > 0 && size < LONGEST - 40; changes--) {
        size_t place = random_size(random, 0, size - 1);
        char byte = random_chance(random, 3) ? '\0' : bytes[random_size(random, 0, sizeof bytes - 2)];
        switch (random_size(random, 0, 4)) {
        case 0:
            body[place] = byte;
            break;
        case 1:
            memmove(body + place, body + place + 1, size - place - 1);
            size--;
            break;
        case 2:
            memmove(body + place + 1, body + place, size - place);
            body[place] = byte;
            size++;
            break;
        case 3: {
            size_t length = random_size(random, 1, size - place < 20 ? size - place : 20);
            memmove(body + place + length, body + place, size - place);
            size += length;
            break;
        }
        default:
            if (random_chance(random, 20))
                size = place;
        }
    }
    return size;
}

Test(scan, what_jansson_accepts_and_refuses_is_accepted_and_refused) {
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < SEED_COUNT; i++)
        judged_alike(seeds[i], strlen(seeds[i]), 0, &arena);
    for (uint64_t seed = 1; seed <= TESTS_MANY / 40; seed++) {
        struct random random = {seed};
        char body[LONGEST];
        const char *from = seeds[random_size(&random, 0, SEED_COUNT - 1)];
        size_t size = strlen(from);
        memcpy(body, from, size);
        judged_alike(body, mutate(&random, body, size), seed, &arena);
    }
}

Test(scan, every_prefix_of_a_body_is_judged_as_jansson_does) {
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < SEED_COUNT; i++)
        for (size_t size = 0; size <= strlen(seeds[i]); size++)
            judged_alike(seeds[i], size, size, &arena);
}

/* A number as text, with whatever RFC 8259 allows. */
static size_t random_number_text(struct random *random, char text[64]) {
    size_t size = (size_t)sprintf(text, "%s%llu", random_chance(random, 50) ? "-" : "",
                                  (unsigned long long)(random_word(random) >> random_size(random, 0, 63)));
    if (random_chance(random, 60))
        size += (size_t)sprintf(text + size, ".%llu",
                                (unsigned long long)(random_word(random) >> random_size(random, 0, 63)));
    if (random_chance(random, 50))
        size += (size_t)sprintf(text + size, "%c%+d", random_chance(random, 50) ? 'e' : 'E',
                                (int)random_size(random, 0, 30) - 20);
    return size;
}

static void values_are_the_librarys(enum dtype dtype) {
    enum { ROWS = 40, COLS = 50 };
    static char texts[ROWS * COLS][64];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        struct body body;
        body_init(&body);
        body_add(&body, "{\"inputs\": [");
        for (size_t i = 0; i < ROWS * COLS; i++) {
            random_number_text(&random, texts[i]);
            body_add(&body, "%s%s%s",
                     i % COLS > 0 ? ", "
                     : i > 0      ? "],\n["
                                  : "[",
                     random_chance(&random, 20) ? "\t" : "", texts[i]);
        }
        body_add(&body, "]]}");
        struct scan scan = {0};
        struct error error = {0};
        const char *text = body_text(&body);
        cr_assert(scan_body(text, strlen(text), dtype, &limits_default, &body.arena, &scan, &error));
        cr_assert_eq(scan.count, 1);
        const struct scan_array *array = scan.items[0].array;
        cr_assert_null(array->fault);
        cr_assert_eq(array->count, ROWS * COLS);
        static double doubles[ROWS * COLS];
        scan_doubles(&scan, &scan.items[0], doubles);
        for (size_t i = 0; i < ROWS * COLS; i++) {
            double right = dtype == DTYPE_FLOAT32 ? (double)strtof(texts[i], NULL) : strtod(texts[i], NULL);
            const void *values = scan_values(&scan, array);
            double read = dtype == DTYPE_FLOAT32 ? (double)((const float *)values)[i] : ((const double *)values)[i];
            cr_assert_eq(doubles[i], strtod(texts[i], NULL), "%s is %a again", texts[i], doubles[i]);
            cr_assert_eq(memcmp(&right, &read, sizeof right), 0, "seed %llu: %s is %a, not %a",
                         (unsigned long long)seed, texts[i], read, right);
        }
        body_done(&body);
    }
}

Test(scan, floats_are_strtofs) {
    values_are_the_librarys(DTYPE_FLOAT32);
}

Test(scan, doubles_are_strtods) {
    values_are_the_librarys(DTYPE_FLOAT64);
}

/* The envelope of a body, and how many items were taken out. */
static void envelope_is(const char *body, const char *envelope, size_t count) {
    struct arena arena;
    struct scan scan = {0};
    struct error error = {0};
    arena_init(&arena, 0);
    cr_assert(scan_body(body, strlen(body), DTYPE_FLOAT64, &limits_default, &arena, &scan, &error), "%s", error.detail);
    cr_assert_eq(scan.envelope_size, strlen(envelope), "%.*s", (int)scan.envelope_size, scan.envelope);
    cr_assert_eq(memcmp(scan.envelope, envelope, scan.envelope_size), 0, "%.*s", (int)scan.envelope_size,
                 scan.envelope);
    cr_assert_eq(scan.count, count);
    arena_done(&arena);
}

Test(scan, numbers_and_their_arrays_become_placeholders) {
    envelope_is("{\"a\": [[1,2],[3,4]], \"b\" : 5}", "{\"a\": 0 , \"b\" : 1 }", 2);
    envelope_is("[0]", "0 ", 1);
    envelope_is("[[true],[null]]", "0 ", 1);
    envelope_is("[\"a\",[],{}]", "0 ", 1);
    envelope_is("[\"a\"]", "0 ", 1);
    envelope_is("[[\"a\"],[\"b\",\"c\"]]", "0 ", 1);
    envelope_is("[]", "0 ", 1);
    envelope_is("[[[]]]", "0 ", 1);
    envelope_is("[[{}]]", "0 ", 1);
    envelope_is("[{},[1],5,[]]", "[{},0 ,1 ,2 ]", 3);
    envelope_is("[1,\"a\"]", "0 ", 1);
    envelope_is("[\"a\",1]", "0 ", 1);
    envelope_is("[1][2]", "0 1 ", 2);
    envelope_is("{\"a\":true,\"b\":null}", "{\"a\":true,\"b\":null}", 0);
    envelope_is("{\"b64\":\"AAAA\",\"b\":\"b64\"}", "{\"b64\":0 ,\"b\":\"b64\"}", 1);
    envelope_is("{\"b\":\"b64\",\"c\":\"AAAA\"}", "{\"b\":\"b64\",\"c\":\"AAAA\"}", 0);
    envelope_is("{\"b64\":\"A\\/A\"}", "{\"b64\":\"A\\/A\"}", 0);
}

Test(scan, of_a_broken_array_the_envelope_has_the_wrong_token_in_its_surroundings) {
    envelope_is("{\"a\":[1,2,]}", "{\"a\":[0, ]}", 1);
    envelope_is("{\"a\":[[1,2],[3 4]]}", "{\"a\":[0 4]]}", 1);
    envelope_is("{\"a\":[[1,01]]}", "{\"a\":[0, 01]]}", 1);
    envelope_is("{\"a\":[[-01]]}", "{\"a\":[ -01]]}", 1);
    envelope_is("{\"a\":[\"x\",\"\\q\"]}", "{\"a\":[0, \"\\q\"]}", 1);
    envelope_is("{\"a\":[1,{\"b\" 2}]}", "{\"a\":{\"\" 2}]}", 1);
    envelope_is("{\"a\":[1,{\"b\":}]}", "{\"a\":{\"\": }]}", 1);
    envelope_is("{\"a\":[1,{\"b\":2,}]}", "{\"a\":{\"\":0, }]}", 1);
    envelope_is("{\"a\":[1,{\"b\":2]]}", "{\"a\":{\"\":0 ]]}", 1);
    envelope_is("{\"a\":[1,{,}]}", "{\"a\":{ ,}]}", 1);
}

Test(scan, more_items_than_one_digit_counts) {
    struct body body, envelope;
    body_init(&body);
    body_init(&envelope);
    for (size_t i = 0; i < 1234; i++) {
        body_add(&body, "%s%zu", i == 0 ? "{\"a\":[{}," : ",", i * 7);
        body_add(&envelope, "%s%zu ", i == 0 ? "{\"a\":[{}," : ",", i);
    }
    envelope_is(body_text(&body), body_text(&envelope), 1234);
    body_done(&body);
    body_done(&envelope);
}

static void broken_at(const char *body, const char *code, size_t line, size_t column, size_t offset) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, self, body, 400, code, NULL);
    const char *names[] = {"line", "column", "offset"};
    size_t places[] = {line, column, offset};
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq((size_t)json_number_value(json_object_get(exchange.json, names[i])), places[i], "%s: %.*s", body,
                     (int)exchange.reply.size, exchange.reply.body);
    exchange_done(&exchange);
}

Test(scan, a_syntax_error_says_where) {
    broken_at("{\"inputs\": [[1,0],[0,1]}", "invalid_json", 1, 24, 23);
    broken_at("{\"inputs\":\n [[1,0],\n  [0,1],]}", "invalid_json", 3, 9, 28);
    broken_at("{\n\"a\": 1,\n}", "invalid_json", 3, 1, 10);
    broken_at("{\"a\" 1}", "invalid_json", 1, 6, 5);
    broken_at("{\"inputs\": [[1,2],[3,4]] \"scale\": 1}", "invalid_json", 1, 26, 25);
    broken_at("{\"inputs\": [[NaN,0]]}", "invalid_json", 1, 14, 13);
    broken_at("{\"inputs\": [[1,NaN]]}", "invalid_json", 1, 16, 15);
    broken_at("{\"scale\": -Infinity}", "invalid_json", 1, 11, 10);
    broken_at("{\"scale\": 01}", "invalid_json", 1, 11, 10);
    broken_at("{\"inputs\": [[-01]]}", "invalid_json", 1, 14, 13);
    broken_at("{\"scale\": .5}", "invalid_json", 1, 11, 10);
    broken_at("{'inputs': 1}", "invalid_json", 1, 2, 1);
    broken_at("{\"a\": True}", "invalid_json", 1, 7, 6);
    broken_at("{\"a\": [1, 2", "invalid_json", 1, 12, 11);
    broken_at("{\"a\": 1", "invalid_json", 1, 8, 7);
    broken_at("{\"a\": 1} x", "invalid_json", 1, 10, 9);
    broken_at("{\"a\": [1, \"b\" 2]}", "invalid_json", 1, 15, 14);
    broken_at("{\"tokens\": [\"a\",\n\"b\"\n\"c\"]}", "invalid_json", 3, 1, 21);
    broken_at("\xef\xbb\xbf{}", "invalid_json", 1, 1, 0);
    broken_at("hello", "invalid_json", 1, 1, 0);
    broken_at("{\"scale\": 1,\n \"scale\": 2}", "duplicate_member", 2, 2, 14);
    broken_at("{\"tokens\": [\"\\ud800\"]}", "invalid_json", 1, 13, 12);
}

Test(scan, a_long_duplicate_name_is_named) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(
        &exchange, self,
        "{\"embeddings\": {\"a_rather_long_token_of_a_user\": [1],\n \"a_rather_long_token_of_a_user\": [2]}}", 400,
        "duplicate_member", NULL);
    cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), "a_rather_long_token_of_a_user"), "%s",
                       exchange_member(&exchange, "detail"));
    exchange_done(&exchange);
}

Test(scan, what_is_no_text_is_refused_within_a_b64_too) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, self, "{\"inputs\": {\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AA\xff=\"}}", 400,
                     "invalid_utf8", NULL);
    exchange_refused(&exchange, self, "{\"inputs\": {\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AA\nA=\"}}", 400,
                     "invalid_json", NULL);
    exchange_refused(&exchange, self, "{\"tokens\": [\"a\xc3\"]}", 400, "invalid_utf8", NULL);
    exchange_refused(&exchange, self, "{\"tokens\": [\"\xed\xa0\x80\"]}", 400, "invalid_utf8", NULL);
    exchange_post_bytes(&exchange, self, "{\"inputs\":[[1]]}\0", 17);
    cr_assert_eq(exchange.reply.status, 400);
    exchange_post_bytes(&exchange, self, "{\"inputs\":[[1\0]]}", 17);
    cr_assert_eq(exchange.reply.status, 400);
    exchange_done(&exchange);
}

/* Opens `levels` arrays under one object, with `inside` in the middle. */
static void nested_is(size_t levels, const char *inside, int status, const char *code, const char *pointer) {
    struct body body;
    struct exchange exchange;
    body_init(&body);
    exchange_init(&exchange);
    body_add(&body, "{\"inputs\":");
    for (size_t i = 0; i < levels; i++)
        body_add(&body, "[");
    body_add(&body, "%s", inside);
    for (size_t i = 0; i < levels; i++)
        body_add(&body, "]");
    body_add(&body, "}");
    exchange_refused(&exchange, self, body_text(&body), status, code, pointer);
    exchange_done(&exchange);
    body_done(&body);
}

Test(scan, depth_is_limited_wherever_it_comes_from) {
    nested_is(15, "1", 422, "wrong_rank", "/inputs");
    nested_is(16, "1", 400, "nested_too_deep", NULL);
    nested_is(15, "\"x\"", 422, "wrong_type", "/inputs/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0");
    nested_is(16, "\"x\"", 400, "nested_too_deep", NULL);
    nested_is(15, "", 422, "empty_axis", "/inputs/0/0/0/0/0/0/0/0/0/0/0/0/0/0");
    nested_is(16, "", 400, "nested_too_deep", NULL);
    nested_is(14, "{}", 422, "wrong_type", "/inputs/0/0/0/0/0/0/0/0/0/0/0/0/0/0");
    nested_is(15, "{\"a\":{}}", 400, "nested_too_deep", NULL);
    nested_is(14, "1,{\"a\":2}", 422, "wrong_type", "/inputs/0/0/0/0/0/0/0/0/0/0/0/0/0/1");
    nested_is(15, "1,{\"a\":2}", 400, "nested_too_deep", NULL);
    nested_is(100000, "1", 400, "nested_too_deep", NULL);
    nested_is(100000, "", 400, "nested_too_deep", NULL);
}

Test(scan, depth_is_a_setting) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange.service.limits.depth = 4;
    exchange_refused(&exchange, self, "{\"inputs\":[[[1]]],\"x\":[[[[1]]]]}", 400, "nested_too_deep", NULL);
    exchange_ok(&exchange, self, "{\"inputs\":[[[1]]]}");
    exchange.service.limits.depth = 3;
    exchange_refused(&exchange, self, "{\"inputs\":[[[1]]]}", 400, "nested_too_deep", NULL);
    exchange_ok(&exchange, self, "{\"inputs\":[[1]]}");
    exchange_done(&exchange);
}

Test(scan, what_is_no_tensor_is_shown_to_the_element) {
    static const struct {
        const char *inputs, *code, *pointer;
    } rows[] = {{"[[1,2],[3]]", "ragged_array", "/inputs/1"},
                {"[[1],[2,3]]", "ragged_array", "/inputs/1"},
                {"[[[1,2],[3,4]],[[5,6]]]", "ragged_array", "/inputs/1"},
                {"[[[1,2],[3,4]],[[5,6],[7]]]", "ragged_array", "/inputs/1/1"},
                {"[[1,2],3]", "ragged_array", "/inputs/1"},
                {"[1,[2]]", "ragged_array", "/inputs/1/0"},
                {"[[1,2],[[3,4]]]", "ragged_array", "/inputs/1/0/0"},
                {"[[1,2],[]]", "empty_axis", "/inputs/1"},
                {"[1,[]]", "empty_axis", "/inputs/1"},
                {"[]", "empty_axis", "/inputs"},
                {"[[1,\"2\"]]", "wrong_type", "/inputs/0/1"},
                {"[[1,2],[{\"a\":1},2]]", "wrong_type", "/inputs/1/0"},
                {"[[1,2],\"x\"]", "wrong_type", "/inputs/1"},
                {"[[1,2],[3],[\"x\"]]", "wrong_type", "/inputs/2/0"},
                {"[[1,null],[0,1]]", "wrong_type", "/inputs/0/1"},
                {"[[1,0],[0,true]]", "wrong_type", "/inputs/1/1"},
                {"[[1,\"a\",99999999999999999999]]", "wrong_type", "/inputs/0/1"},
                {"[[1,\"a\",1e400]]", "wrong_type", "/inputs/0/1"},
                {"[[1e400,\"a\"]]", "wrong_type", "/inputs/0/1"},
                {"[[1,{\"b\":1e400},\"a\"]]", "wrong_type", "/inputs/0/1"},
                {"[[1,2],[{\"b\":[99999999999999999999,\"c\"]}]]", "wrong_type", "/inputs/1/0"},
                {"[\"a\",1e400]", "wrong_type", "/inputs/0"},
                {"[[],99999999999999999999]", "empty_axis", "/inputs/0"},
                {"[{\"b\":1e400}]", "wrong_type", "/inputs/0"},
                {"[[{\"b\":1e400}]]", "wrong_type", "/inputs/0/0"},
                {"[[\"1\",2]]", "wrong_type", "/inputs/0/0"},
                {"[[],[1]]", "empty_axis", "/inputs/0"},
                {"[[[]]]", "empty_axis", "/inputs/0/0"},
                {"[[1,1e39],[0,1]]", "not_finite", "/inputs/0/1"},
                {"[[1,1],[-1e400,1]]", "not_finite", "/inputs/1/0"},
                {"[[[[[1]]]]]", "wrong_rank", "/inputs"},
                {"1", "wrong_type", "/inputs"},
                {"\"[[1]]\"", "wrong_type", "/inputs"},
                {"true", "wrong_type", "/inputs"}};
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"inputs\": %s}", rows[i].inputs);
        exchange_refused(&exchange, self, body, 422, rows[i].code, rows[i].pointer);
    }
    exchange_ok(&exchange, self, "{\"inputs\": [[1,1e39],[0,1]], \"dtype\": \"float64\", \"scale\": 0}");
    exchange_done(&exchange);
}

Test(scan, a_ragged_array_names_both_lengths) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, self, "{\"inputs\": [[1,2,3],[4,5]]}", 422, "ragged_array", "/inputs/1");
    cr_assert_str_eq(exchange_member(&exchange, "expected"), "length 3");
    cr_assert_str_eq(exchange_member(&exchange, "received"), "length 2");
    exchange_done(&exchange);
}

Test(scan, a_users_text_that_looks_like_a_placeholder_is_text) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, self, "{\"tokens\":[\"[0]\",\"[1]\"],\"inputs\":[[1,0],[0,1]]}");
    const json_t *tokens = json_object_get(exchange.json, "tokens");
    cr_assert_str_eq(json_string_value(json_array_get(tokens, 0)), "[0]");
    cr_assert_str_eq(json_string_value(json_array_get(tokens, 1)), "[1]");
    exchange_refused(&exchange, self, "{\"tokens\":[[0]],\"inputs\":[[1,0]]}", 422, "wrong_type", "/tokens");
    exchange_refused(&exchange, self, "{\"tokens\":[\"a\",[0]],\"inputs\":[[1,0],[0,1]]}", 422, "wrong_type",
                     "/tokens/1");
    exchange_refused(&exchange, self, "{\"tokens\":[[\"a\"],[0]],\"inputs\":[[1,0]]}", 422, "wrong_type", "/tokens/1");
    exchange_refused(&exchange, self, "{\"pad_token\":[0],\"tokens\":[\"a\"],\"inputs\":[[1]]}", 422, "wrong_type",
                     "/pad_token");
    exchange_refused(&exchange, self, "{\"inputs\":[[1]],\"return\":[0]}", 422, "wrong_type", "/return");
    exchange_refused(&exchange, self, "{\"inputs\":[[1]],\"return\":[\"weights\",[0]]}", 422, "wrong_type",
                     "/return/1");
    exchange_refused(&exchange, self, "{\"inputs\":[[1]],\"num_heads\":[1]}", 422, "wrong_type", "/num_heads");
    exchange_refused(&exchange, self, "{\"inputs\":[[1]],\"num_heads\":[[1]]}", 422, "wrong_type", "/num_heads");
    exchange_refused(&exchange, self, "{\"inputs\":[[1]],\"dtype\":[0]}", 422, "wrong_type", "/dtype");
    exchange_refused(&exchange, self, "{\"inputs\":[[1]],\"add_norm\":[0]}", 422, "wrong_type", "/add_norm");
    exchange_refused(&exchange, self, "{\"inputs\":[[1]],\"projections\":[0]}", 422, "wrong_type", "/projections");
    exchange_refused(&exchange, self, "[0]", 422, "wrong_type", "");
    exchange_refused(&exchange, self, "{\"embeddings\":{\"a\":{\"x\":[0]}},\"tokens\":[\"a\"]}", 422, "unknown_member",
                     "/embeddings/a/x");
    exchange_ok(&exchange, self, "{\"tokens\":[\"[0]\"],\"embeddings\":{\"[0]\":[7]}}");
    double seven = 7;
    exchange_near(&exchange, "output", 1, &seven, 0);
    exchange_done(&exchange);
}

Test(scan, a_token_called_float64_changes_no_number) {
    /* 0.1 as a double and as a float differ, so a body read with the wrong dtype would show. */
    struct exchange exchange;
    exchange_init(&exchange);
    static const char *const bodies[] = {
        "{\"tokens\":[\"float64\",\"b\"],\"inputs\":[[0.1,0.7],[0.3,1e-3]],\"mask\":{\"bias\":[[0.1,null],[0.2,0.3]]}}",
        "{\"tokens\":[\"a\",\"b\"],\"inputs\":[[0.1,0.7],[0.3,1e-3]],\"mask\":{\"bias\":[[0.1,null],[0.2,0.3]]}}"};
    double outputs[2][8];
    for (size_t i = 0; i < 2; i++) {
        exchange_ok(&exchange, self, bodies[i]);
        cr_assert_str_eq(exchange_member(&exchange, "dtype"), "float32");
        cr_assert_eq(exchange_numbers(&exchange, "weights", outputs[i], 4), 4);
        cr_assert_eq(exchange_numbers(&exchange, "output", outputs[i] + 4, 4), 4);
    }
    cr_assert_eq(memcmp(outputs[0], outputs[1], sizeof outputs[0]), 0);
    exchange_refused(&exchange, self, "{\"tokens\":[\"float64\"],\"inputs\":[[1e39]]}", 422, "not_finite",
                     "/inputs/0/0");
    exchange_done(&exchange);
}

Test(scan, a_b64_text_may_be_written_with_escapes) {
    /* 0x3f 0xff 0xff 0xbf are "P///vw==": slashes may be escaped in JSON. */
    static const char plain[] = "{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"P///vw==\"}}";
    exchange_same(self, plain, self, "{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"P\\/\\/\\/vw==\"}}");
    exchange_same(self, plain, self,
                  "{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"\\u0050///vw\\u003d=\"}}");
    exchange_same(self, plain, self, "{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b\\u00364\":\"P///vw==\"}}");
    exchange_same(self, plain, self, "{\"inputs\":{\"b64\"\n:\t\"P///vw==\" ,\"shape\":[1,1],\"dtype\":\"float32\"}}");
}

/* Scans `count` pieces in an array or, with an object's bracket, as values of members. */
static struct error scan_of(const char *open, const char *piece, size_t count, const char *close, size_t values,
                            const atomic_bool *cancelled, size_t *used) {
    struct body body;
    struct arena arena;
    struct scan scan = {0};
    struct error error = {0};
    struct limits limits = limits_default;
    limits.values = values;
    body_init(&body);
    arena_init(&arena, 0);
    arena.cancelled = cancelled;
    body_add(&body, "%s", open);
    for (size_t i = 0; i < count; i++)
        body_add(&body, "%s%s", i > 0 ? "," : "", piece);
    body_add(&body, "%s", close);
    const char *text = body_text(&body);
    bool ok = scan_body(text, strlen(text), DTYPE_FLOAT32, &limits, &arena, &scan, &error);
    cr_assert_eq(ok, (bool)(error.code == ERROR_NONE));
    *used = arena.used;
    arena_done(&arena);
    body_done(&body);
    return error;
}

Test(scan, values_are_counted_as_jansson_would_make_them) {
    static const struct {
        const char *open, *piece, *close;
        size_t each, more; /* values of a piece, and of what is around them */
    } rows[] = {{"[", "{}", "]", 1, 1},
                {"[{},", "1", "]", 1, 2},
                {"{\"a\":[{}],\"b\":[{},", "true", "]}", 1, 5},
                {"[{},", "[1,2,3]", "]", 1, 2},
                {"[{},", "[\"a\",\"b\"]", "]", 1, 2},
                {"[{},", "\"x\"", "]", 1, 2},
                {"[", "{\"a\":1,\"b\":[1],\"c\":\"x\",\"b64\":\"AAAA\"}", "]", 5, 1},
                {"[", "1", "]", 0, 1},
                {"[", "\"x\"", "]", 0, 1},
                {"[\"x\",", "{\"a\":{}}", "]", 0, 1}};
    size_t used;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t due = 50 * rows[i].each + rows[i].more;
        struct error right = scan_of(rows[i].open, rows[i].piece, 50, rows[i].close, due, NULL, &used);
        struct error error = scan_of(rows[i].open, rows[i].piece, 50, rows[i].close, due - 1, NULL, &used);
        cr_assert_eq(right.code, ERROR_NONE, "%s: %s", rows[i].piece, right.detail);
        cr_assert_eq(error.code, ERROR_TOO_MANY_VALUES, "%s: %s", rows[i].piece, error_slug(error.code));
        cr_assert(error.has_position);
    }
    struct exchange exchange;
    exchange_init(&exchange);
    exchange.service.limits.values = 5;
    exchange_ok(&exchange, self, "{\"inputs\":[[1]],\"scale\":1,\"num_heads\":1,\"dtype\":\"float32\"}");
    exchange_refused(&exchange, self, "{\"inputs\":[[1]],\"scale\":1,\"num_heads\":1,\"dtype\":\"float32\",\"seed\":1}",
                     413, "too_many_values", NULL);
    cr_assert_str_eq(exchange_member(&exchange, "expected"), "at most 5 values");
    exchange_done(&exchange);
}

Test(scan, bulk_costs_a_few_times_its_text) {
    static const char *const pieces[] = {"1",     "\"\"",     "[]",   "{}",         "[\"\"]", "[1]",
                                         "[[1]]", "{\"\":1}", "null", "[[\"\",1]]", "1e400",  "\"\\n\""};
    static const char *const opens[] = {"[1,", "[\"a\",", "[[\"a\"],", "[[],", "[[1],", "[[{}],", "[[1,\"a\"],"};
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++)
        for (size_t j = 0; j < sizeof pieces / sizeof *pieces; j++)
            for (size_t broken = 0; broken < 2; broken++) {
                size_t used, count = 100000, size = count * (strlen(pieces[j]) + 1);
                scan_of(opens[i], pieces[j], count, broken ? ",]" : "]", 2, NULL, &used);
                cr_assert_leq(used, 4 * size + 40000, "%s%s: %zu bytes take %zu", opens[i], pieces[j], size, used);
            }
}

Test(scan, a_cancelled_scan_ends) {
    static const char *const opens[] = {"[1,", "[\"a\",", "[{},", "[1,\"a\","};
    atomic_bool cancelled = true;
    size_t used;
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
        struct arena arena;
        struct scan scan = {0};
        struct error error = {0};
        struct body body;
        body_init(&body);
        body_add(&body, "%s", opens[i]);
        for (size_t j = 0; j < 20000; j++)
            body_add(&body, "%s,", i == 1 ? "\"bb\"" : "1234");
        body_add(&body, "0]");
        /* All memory that the scan needs is there before it is cancelled, so that no allocation tells it. */
        arena_init(&arena, 0);
        const char *text = body_text(&body);
        cr_assert(scan_body(text, strlen(text), DTYPE_FLOAT32, &limits_default, &arena, &scan, &error));
        size_t allocations = arena.allocations;
        arena.cancelled = &cancelled;
        cr_assert_not(scan_body(text, strlen(text), DTYPE_FLOAT32, &limits_default, &arena, &scan, &error));
        cr_assert_eq(error.code, ERROR_CANCELLED);
        cr_assert_leq(arena.allocations - allocations, i == 2 ? 20000 : 2);
        arena_done(&arena);
        body_done(&body);
    }
    cr_assert_eq(scan_of("[", "1", 2, "]", 10, &cancelled, &used).code, ERROR_CANCELLED);
}

Test(scan, the_dtype_is_known_before_the_scan_unless_it_hides) {
    /* A tensor of dtype float64 in a float32 request: as many allocations, and as much memory, as one of float32. */
    struct exchange exchange;
    size_t allocations[2], used[2];
    exchange_init(&exchange);
    for (size_t i = 0; i < 2; i++) {
        struct body body;
        body_init(&body);
        body_add(&body, "{\"query\":{\"shape\":[1],\"dtype\":\"%s\",\"b64\":\"%s\"},\"context\":[[1]",
                 i == 0 ? "float64" : "float32", i == 0 ? "AAAAAAAAAAA=" : "AAAAAA==");
        for (size_t j = 0; j < 50000; j++)
            body_add(&body, ",[2]");
        body_add(&body, "],\"return\":[\"lse\"]}");
        exchange_ok(&exchange, "/v1/attention", body_text(&body));
        allocations[i] = exchange.arena.allocations;
        used[i] = exchange.arena.used;
        body_done(&body);
    }
    cr_assert_eq(allocations[0], allocations[1]);
    cr_assert_leq(used[0], used[1] + 100); /* its text is 4 bytes longer */
    exchange_done(&exchange);
    /* 0.1 is a double. */
    static const char plain[] = "{\"inputs\":[[0.1,0.7],[0.3,1e-3]],\"dtype\":\"float64\"}";
    exchange_same(self, plain, self, "{\"inputs\":[[0.1,0.7],[0.3,1e-3]],\"dtyp\\u0065\":\"float64\"}");
    exchange_same(self, plain, self, "{\"inputs\":[[0.1,0.7],[0.3,1e-3]],\"dtype\":\"\\u0066loat64\"}");
    exchange_same(self, plain, self, "{\"dtype\" :\n\"float64\",\"inputs\":[[0.1,0.7],[0.3,1e-3]]}");
}
