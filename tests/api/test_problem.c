/* api/problem.c and page.c: every code has a status, a page, and a request that gets it. */
#include "api/problem.h"

#include "tests/api/body.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char self[] = "/v1/attention/self", any[] = "/v1/attention";

/* One request for every code that api/ gives; the first of a code is its example. */
static const struct {
    enum error_code code;
    const char *path, *body, *pointer;
} problem_examples[] = {
    {ERROR_INVALID_JSON, self, "{\"inputs\": [[1,0],[0,1]]", NULL},
    {ERROR_INVALID_UTF8, self, "{\"tokens\": [\"\xff\"]}", NULL},
    {ERROR_TOO_DEEP, self, "{\"inputs\": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", NULL},
    {ERROR_EMPTY_BODY, self, "", NULL},
    {ERROR_DUPLICATE_MEMBER, self, "{\"inputs\": [[1]], \"inputs\": [[2]]}", NULL},
    {ERROR_NOT_FOUND, "/v1/attentions", "{}", NULL},
    {ERROR_METHOD_NOT_ALLOWED, "/problems/x", "{}", NULL},
    {ERROR_TOO_MANY_ELEMENTS, self, "{\"inputs\": {\"shape\": [1000000,1000000], \"data\": [1]}}", "/inputs/shape"},
    {ERROR_UNKNOWN_MEMBER, self, "{\"inputs\": [[1]], \"masks\": 1}", "/masks"},
    {ERROR_MISSING_MEMBER, self, "{}", "/inputs"},
    {ERROR_CONFLICT, any, "{\"inputs\": [[1]], \"query\": [[1]]}", "/query"},
    {ERROR_WRONG_ROUTE, self, "{\"query\": [[1]]}", "/query"},
    {ERROR_WRONG_TYPE, self, "{\"inputs\": \"x\"}", "/inputs"},
    {ERROR_OUT_OF_RANGE, self, "{\"inputs\": [[1]], \"num_heads\": 0}", "/num_heads"},
    {ERROR_RAGGED, self, "{\"inputs\": [[1,2],[3]]}", "/inputs/1"},
    {ERROR_WRONG_RANK, self, "{\"inputs\": [1,2]}", "/inputs"},
    {ERROR_SHAPE_MISMATCH, any, "{\"query\": [[1,2]], \"context\": [[1]]}", "/context"},
    {ERROR_EMPTY_AXIS, self, "{\"inputs\": []}", "/inputs"},
    {ERROR_NOT_FINITE, self, "{\"inputs\": [[1e99]]}", "/inputs/0/0"},
    {ERROR_INVALID_BASE64, self, "{\"inputs\": {\"shape\": [1,1], \"dtype\": \"float16\", \"b64\": \"A-A=\"}}",
     "/inputs/b64"},
    {ERROR_UNKNOWN_TOKEN, self, "{\"tokens\": [\"b\"], \"embeddings\": {\"a\": [1]}}", "/tokens/0"},
    {ERROR_FULLY_MASKED, self, "{\"inputs\": [[1]], \"mask\": [[false]], \"fully_masked\": \"error\"}", "/mask"},
    {ERROR_OVERFLOW, self, "{\"inputs\": [[1e30]]}", NULL}};

enum { EXAMPLE_COUNT = sizeof problem_examples / sizeof *problem_examples };

/* Codes of what happens around a request, whose tests are those of server/; and those that other tests of api/ get by
 * changing the fields, the limits or the memory: test_scan.c, test_service.c, test_plan.c, test_memory.c. */
static const enum error_code problem_elsewhere[] = {ERROR_BAD_REQUEST,
                                                    ERROR_ORIGIN_REFUSED,
                                                    ERROR_MISDIRECTED,
                                                    ERROR_METHOD_UNKNOWN,
                                                    ERROR_NOT_ACCEPTABLE,
                                                    ERROR_REQUEST_TIMEOUT,
                                                    ERROR_LENGTH_REQUIRED,
                                                    ERROR_EXPECTATION_FAILED,
                                                    ERROR_UNSUPPORTED_MEDIA_TYPE,
                                                    ERROR_UNSUPPORTED_ENCODING,
                                                    ERROR_BODY_TOO_LARGE,
                                                    ERROR_TOO_MANY_VALUES,
                                                    ERROR_TOO_MUCH_WORK,
                                                    ERROR_ANSWER_TOO_LARGE,
                                                    ERROR_MEMORY_LIMIT,
                                                    ERROR_HEADER_TOO_LARGE,
                                                    ERROR_SERVER_FULL,
                                                    ERROR_DRAINING,
                                                    ERROR_NO_MEMORY,
                                                    ERROR_INTERNAL};

Test(problem, every_code_has_an_example_here_or_elsewhere) {
    for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        size_t found = 0;
        for (size_t i = 0; i < EXAMPLE_COUNT; i++)
            found += (int)problem_examples[i].code == code;
        for (size_t i = 0; i < sizeof problem_elsewhere / sizeof *problem_elsewhere; i++)
            found += (int)problem_elsewhere[i] == code;
        cr_assert_eq(found, 1, "%s has %zu examples", error_slug((enum error_code)code), found);
    }
}

Test(problem, every_example_gets_its_code) {
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < EXAMPLE_COUNT; i++)
        exchange_refused(&exchange, problem_examples[i].path, problem_examples[i].body,
                         problem_status(problem_examples[i].code), error_slug(problem_examples[i].code),
                         problem_examples[i].pointer);
    exchange_done(&exchange);
}

Test(problem, every_code_has_a_page_that_explains_it) {
    struct exchange exchange;
    exchange_init(&exchange);
    for (int i = ERROR_NONE + 1; i < ERROR_CODE_COUNT; i++) {
        enum error_code code = (enum error_code)i;
        char path[80];
        snprintf(path, sizeof path, "/problems/%s", error_slug(code));
        exchange_get(&exchange, path);
        cr_assert_eq(exchange.reply.status, 200, "%s", path);
        cr_assert_str_eq(exchange.reply.type, "text/plain; charset=utf-8");
        char *page = strdup(exchange.text);
        cr_assert_not_null(strstr(page, error_title(code)));
        cr_assert_not_null(strstr(page, error_slug(code)));
        cr_assert_gt(strlen(problem_explanation(code)), 40, "%s", path);
        cr_assert_not_null(strstr(page, problem_explanation(code)));
        free(page);
    }
    exchange_get(&exchange, "/problems/nothing_of_the_kind");
    cr_assert_eq(exchange.reply.status, 404);
    static const char *const lists[] = {"/problems/", "/problems"};
    for (size_t i = 0; i < 2; i++) {
        exchange_get(&exchange, lists[i]);
        cr_assert_eq(exchange.reply.status, 200);
        for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++)
            cr_expect_not_null(strstr(exchange.text, error_slug((enum error_code)code)));
    }
    exchange_done(&exchange);
}

Test(problem, slugs_and_titles_are_told_apart) {
    for (int a = ERROR_NONE; a < ERROR_CODE_COUNT; a++)
        for (int b = ERROR_NONE; b < a; b++) {
            cr_assert_str_neq(error_slug((enum error_code)a), error_slug((enum error_code)b));
            cr_assert_str_neq(error_title((enum error_code)a), error_title((enum error_code)b));
        }
}

Test(problem, statuses_are_errors_and_only_a_defect_is_500) {
    for (int i = ERROR_NONE + 1; i < ERROR_CODE_COUNT; i++) {
        int status = problem_status((enum error_code)i);
        cr_assert(status >= 400 && status < 600);
        cr_assert_eq(status == 500, i == ERROR_INTERNAL, "%s", error_slug((enum error_code)i));
    }
}

Test(problem, an_error_with_everything_becomes_json_with_everything) {
    struct body body;
    body_init(&body);
    struct error error = {.code = ERROR_INVALID_JSON,
                          .has_pointer = true,
                          .pointer = "/a\"b",
                          .detail = "line\nbreak \xff",
                          .expected = "x",
                          .received = "\"y\"",
                          .has_position = true,
                          .line = 1,
                          .column = 2,
                          .offset = 3};
    problem_write(&error, &body.text);
    const char *text = body_text(&body);
    cr_assert_str_eq(text,
                     "{\"type\":\"/problems/invalid_json\",\"title\":\"The body is not valid JSON\",\"status\":400,"
                     "\"detail\":\"line\\u000abreak \xef\xbf\xbd\",\"code\":\"invalid_json\",\"pointer\":\"/a\\\"b\","
                     "\"expected\":\"x\",\"received\":\"\\\"y\\\"\",\"line\":1,\"column\":2,\"offset\":3}\n");
    body_done(&body);
}

Test(problem, a_text_of_the_users_never_breaks_the_problem) {
    /* exchange_refused parses every problem as JSON; the texts here are quoted in its detail, and cut. */
    static const char *const texts[] = {
        "\\\"",
        "\\u0001",
        "한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한",
        "x한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한",
        "xx한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한한",
        "%s%n%d",
        "\\\\"};
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char body[1000];
        snprintf(body, sizeof body, "{\"inputs\":[[1]],\"%s\":1}", texts[i]);
        exchange_post(&exchange, any, body);
        cr_assert_eq(exchange.reply.status, 422);
        snprintf(body, sizeof body, "{\"inputs\":[[1]],\"normalize\":\"%s\"}", texts[i]);
        exchange_refused(&exchange, any, body, 422, "out_of_range", "/normalize");
        snprintf(body, sizeof body, "{\"tokens\":[\"%s\"],\"embeddings\":{\"a\":[1]}}", texts[i]);
        exchange_refused(&exchange, any, body, 422, "unknown_token", "/tokens/0");
        snprintf(body, sizeof body, "{\"tokens\":[\"a\"],\"embeddings\":{\"a\":[1],\"%s\":[1,2]}}", texts[i]);
        exchange_post(&exchange, any, body);
        cr_assert_eq(exchange.reply.status, 422);
    }
    exchange_done(&exchange);
}
