/* api/service.c and page.c: what the head of a request decides, the pages, and replies as values. */
#include "api/service.h"

#include "api/member.h"
#include "api/route.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char tiny[] = "{\"inputs\":[[1,0],[0,1]]}";

static void answered(struct request request, int status, const char *code) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_send(&exchange, &request);
    cr_assert_eq(exchange.reply.status, status, "%s %s: %d", request.method, request.path, exchange.reply.status);
    if (code != NULL)
        cr_assert_str_eq(exchange_member(&exchange, "code"), code);
    exchange_done(&exchange);
}

static struct request post_of(const char *content_type, const char *accept, const char *origin) {
    return (struct request){.method = "POST",
                            .path = "/v1/attention/self",
                            .content_type = content_type,
                            .accept = accept,
                            .origin = origin,
                            .body = tiny,
                            .body_size = sizeof tiny - 1};
}

Test(service, plain_curl_works_and_a_pages_form_does_not) {
    answered(post_of("application/x-www-form-urlencoded", "*/*", NULL), 200, NULL);
    answered(post_of("application/x-www-form-urlencoded", "*/*", "http://example.com"), 415, "unsupported_media_type");
    answered(post_of(NULL, NULL, "http://example.com"), 415, "unsupported_media_type");
    answered(post_of("", NULL, "http://example.com"), 415, "unsupported_media_type");
    answered(post_of("application/json", NULL, "http://example.com"), 200, NULL);
    answered(post_of(NULL, NULL, NULL), 200, NULL);
    answered(post_of("text/plain", NULL, NULL), 415, "unsupported_media_type");
    answered(post_of("application/json", "text/html", NULL), 406, "not_acceptable");
    answered(post_of("application/json", "application/json, text/html;q=0.5", NULL), 200, NULL);
}

Test(service, a_page_is_not_asked_for_its_body_type) {
    answered((struct request){.method = "GET", .path = "/", .content_type = "text/plain"}, 200, NULL);
    answered((struct request){.method = "HEAD", .path = "/v1/attention"}, 200, NULL);
    answered((struct request){.method = "GET", .path = "/", .accept = "text/html,*/*;q=0.8"}, 200, NULL);
    answered((struct request){.method = "GET", .path = "/", .accept = "image/png"}, 406, "not_acceptable");
    answered((struct request){.method = "GET", .path = "/v1/attention", .accept = "text/html"}, 406, "not_acceptable");
}

Test(service, methods_and_paths_that_there_are_not) {
    answered((struct request){.method = "GET", .path = "/v1/attention/self"}, 405, "method_not_allowed");
    answered((struct request){.method = "DELETE", .path = "/"}, 405, "method_not_allowed");
    answered((struct request){.method = "POST", .path = "/nothing"}, 404, "not_found");
    answered((struct request){.method = "GET", .path = ""}, 404, "not_found");
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_get(&exchange, "/v1/attention/self");
    cr_assert_str_eq(exchange.reply.allow, "POST, OPTIONS");
    exchange_post(&exchange, "/v1/attention/multihead", tiny);
    cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), "did you mean /v1/attention/multi-head?"));
    exchange_done(&exchange);
}

Test(service, only_a_post_takes_a_body) {
    for (size_t i = 0; route_at(i) != NULL; i++)
        cr_assert_eq(service_route_takes_body(route_at(i)), strcmp(route_at(i)->method, "POST") == 0);
}

Test(service, the_answer_is_worked_by_hand) {
    /* inputs are the unit vectors, so the scores are 1/√2 on the diagonal and 0 beside it: the weights of a row are
     * e^0.70710678/(e^0.70710678 + 1) = 0.66976155 and 0.33023845, and the outputs the same. */
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, "/v1/attention/self", tiny);
    const double rows[] = {0.66976155, 0.33023845, 0.33023845, 0.66976155};
    exchange_near(&exchange, "weights", 4, rows, 1e-7);
    exchange_near(&exchange, "output", 4, rows, 1e-7);
    static const char opening[] =
        "{\"dtype\":\"float32\",\"shape\":{\"weights\":[2,2],\"output\":[2,2]},\"weights\":[[0.66";
    cr_assert_eq(strncmp(exchange.text, opening, sizeof opening - 1), 0, "%s", exchange.text);
    cr_assert_eq(exchange.reply.body[exchange.reply.size - 1], '\n');
    exchange_done(&exchange);
}

Test(service, a_job_leaves_the_reply_open_until_it_is_collected) {
    struct exchange exchange;
    exchange_init(&exchange);
    const struct route *route;
    const char *allow;
    struct error error = {0};
    struct request request = post_of(NULL, NULL, NULL);
    service_init();
    cr_assert(service_route(&request, &route, &allow, &error));
    service_answer(&exchange.service, &request, route, &exchange.arena, &exchange.reply);
    cr_assert_not_null(exchange.reply.job);
    cr_assert_null(exchange.reply.body);
    cr_assert_eq(exchange.reply.status, 200);
    service_collect(&exchange.arena, &exchange.reply);
    cr_assert_null(exchange.reply.job);
    cr_assert_geq(exchange.reply.parse_ms, 0);
    cr_assert_geq(exchange.reply.compute_ms, 0);
    cr_assert_geq(exchange.reply.encode_ms, 0);
    json_set_alloc_funcs(malloc, free);
    exchange_done(&exchange);
}

static void lists_members(const json_t *members, const struct member_list *list) {
    cr_assert_eq(json_array_size(members), list->count);
    for (size_t i = 0; i < list->count; i++) {
        const json_t *member = json_array_get(members, i);
        cr_assert_str_eq(json_string_value(json_object_get(member, "name")), list->rows[i].name);
        cr_assert(json_is_string(json_object_get(member, "type")));
        cr_assert(json_is_string(json_object_get(member, "meaning")));
    }
}

Test(service, the_catalogue_lists_every_route_and_member) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_get(&exchange, "/v1/attention");
    cr_assert_eq(exchange.reply.status, 200);
    cr_assert_str_eq(exchange.reply.type, "application/json");
    const json_t *routes = json_object_get(exchange.json, "routes"),
                 *members = json_object_get(exchange.json, "members");
    size_t count = 0;
    for (; route_at(count) != NULL; count++)
        cr_assert_eq(strncmp(json_string_value(json_object_get(json_array_get(routes, count), "path")),
                             route_at(count)->path, strlen(route_at(count)->path)),
                     0);
    cr_assert_eq(json_array_size(routes), count + 2, "the two probes of the server are listed too");
    lists_members(members, &member_attention);
    for (count = 0; route_at(count) != NULL; count++) {
        const json_t *own = json_object_get(json_array_get(routes, count), "members");
        cr_assert_eq(own != NULL, route_at(count)->kind == ROUTE_MERGE);
        if (own != NULL)
            lists_members(own, &member_merge);
    }
    cr_assert_eq((size_t)json_number_value(json_object_get(json_object_get(exchange.json, "limits"), "body_bytes")),
                 limits_default.body_bytes);
    exchange_done(&exchange);
}

/* Each curl line of the front page, run. */
Test(service, the_front_pages_lines_work) {
    struct exchange page, exchange;
    exchange_init(&page);
    exchange_init(&exchange);
    exchange_get(&page, "/");
    cr_assert_eq(page.reply.status, 200);
    cr_assert_str_eq(page.reply.type, "text/html; charset=utf-8");
    char *text = strdup(page.text), *place = text;
    size_t lines = 0;
    while ((place = strstr(place, "<pre>curl http://")) != NULL) {
        char *path = strchr(place + 17, '/'), *body = strstr(path, " -d '"), *end = strchr(body + 5, '\'');
        *body = *end = '\0';
        exchange_ok(&exchange, path, body + 5);
        place = end + 1;
        lines++;
    }
    cr_assert_eq(lines, 5);
    free(text);
    exchange_done(&page);
    exchange_done(&exchange);
}

/* Behind another port or name the lines are right too; what a shell could take for more is not shown. */
Test(service, the_front_page_names_the_host_it_was_asked_by) {
    static const char *const rows[][2] = {{"example.org:9000", "curl http://example.org:9000/v1"},
                                          {"[::1]:81", "curl http://[::1]:81/v1"},
                                          {"a;reboot", "curl http://127.0.0.1:8080/v1"},
                                          {"$(x)", "curl http://127.0.0.1:8080/v1"},
                                          {"a<b", "curl http://127.0.0.1:8080/v1"},
                                          {"", "curl http://127.0.0.1:8080/v1"}};
    struct exchange page;
    exchange_init(&page);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        exchange_send(&page, &(struct request){.method = "GET", .path = "/", .host = rows[i][0]});
        cr_expect_not_null(strstr(page.text, rows[i][1]), "%s", rows[i][0]);
    }
    exchange_done(&page);
}

Test(service, without_any_memory_there_is_still_a_problem) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange.arena.fail_at = 1;
    exchange.arena.fail_on = true;
    const char *paths[] = {"/", "/v1/attention", "/problems/overflow"};
    for (int spare = 0; spare < 2; spare++) {
        exchange.arena.spare = spare ? exchange.problem : NULL;
        for (size_t i = 0; i < 3; i++) {
            exchange_get(&exchange, paths[i]);
            cr_assert_eq(exchange.reply.status, 503);
            cr_assert_str_eq(exchange.reply.type, "application/problem+json");
            cr_assert_eq(exchange.reply.retry_after_s, 1);
            cr_assert_str_eq(exchange_member(&exchange, "code"), "out_of_memory");
        }
    }
    exchange_get(&exchange, "/nothing");
    cr_assert_eq(exchange.reply.status, 404);
    exchange_done(&exchange);
}

Test(service, requests_leave_nothing_behind) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, "/v1/attention/self", tiny);
    char *first = strdup(exchange.text);
    static const char *const others[] = {"{\"inputs\":[[1,2],[3]]}", "{\"inputs\":", "{\"inputs\":[[1e30]]}",
                                         "{\"inputs\":[[7,7]],\"dtype\":\"float64\"}", "{\"tokens\":[\"a\"]}"};
    for (size_t i = 0; i < 200; i++) {
        exchange_post(&exchange, "/v1/attention/self", others[i % 5]);
        exchange_ok(&exchange, "/v1/attention/self", tiny);
        cr_assert_str_eq(exchange.text, first);
    }
    free(first);
    exchange_done(&exchange);
}

Test(service, a_short_body_that_takes_long_is_left_to_another_thread) {
    struct exchange exchange;
    exchange_init(&exchange);
    service_init();
    const struct route *route;
    const char *allow;
    struct error error = {0};
    static char small[] = "{\"inputs\":[[1,0],[0,1]]}";
    static char much[] =
        "{\"inputs\":[[1,0],[0,1]],\"projections\":{\"init\":\"torch.nn.Linear\",\"features\":100000}}";
    struct request request = {.method = "POST", .path = "/v1/attention", .body = small, .body_size = sizeof small - 1};
    cr_assert(service_route(&request, &route, &allow, &error));
    struct arena *arena = &exchange.arena;
    size_t limit = arena->limit;
    cr_assert(service_answer_briefly(&exchange.service, &request, route, arena, &exchange.reply));
    cr_assert_not_null(exchange.reply.job);

    request.body = much;
    request.body_size = sizeof much - 1;
    exchange.reply = (struct reply){0};
    cr_assert_not(service_answer_briefly(&exchange.service, &request, route, arena, &exchange.reply));
    cr_assert_eq(exchange.reply.status, 0);
    cr_assert_eq(arena->limit, limit);
    service_answer(&exchange.service, &request, route, arena, &exchange.reply);
    cr_assert_not_null(exchange.reply.job);

    arena->limit = arena->used + 1000; /* a limit below what is brief is the request's own */
    cr_assert(service_answer_briefly(&exchange.service, &request, route, arena, &exchange.reply));
    cr_assert_eq(exchange.reply.status, 413);
    json_set_alloc_funcs(malloc, free);
    exchange_done(&exchange);
}
