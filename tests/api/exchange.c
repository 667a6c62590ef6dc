/* The whole service as a function: see exchange.h.
 *
 * The service gives jansson the arena of the exchange as allocator, which is the wrong one for a reply that is parsed
 * after it; so both allocators take turns here. */
#include "tests/api/exchange.h"

#include "tests/api/body.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers are numbers: jansson would refuse 9223372036854776000 as an integer, and lose the sign of -0. */
enum { EXCHANGE_JSON = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL };

void exchange_init(struct exchange *exchange) {
    *exchange = (struct exchange){.service = {.limits = limits_default, .version = "0.0.0"}};
    arena_init(&exchange->arena, limits_default.memory_bytes);
    exchange->arena.spare = exchange->problem;
    exchange->arena.spare_size = sizeof exchange->problem;
}

void exchange_done(struct exchange *exchange) {
    json_decref(exchange->json);
    free(exchange->text);
    exchange->json = NULL;
    exchange->text = NULL;
    arena_done(&exchange->arena);
}

void exchange_send(struct exchange *exchange, const struct request *request) {
    struct arena *arena = &exchange->arena;
    size_t fail_at = arena->fail_at;
    bool fail_on = arena->fail_on;
    exchange_done(exchange);
    arena->fail_at = fail_at;
    arena->fail_on = fail_on;

    const struct route *route = NULL;
    const char *allow = NULL;
    struct error error = {0};
    service_init();
    if (service_route(request, &route, &allow, &error)) {
        service_answer(&exchange->service, request, route, arena, &exchange->reply);
        if (exchange->reply.job != NULL)
            service_collect(arena, &exchange->reply);
    } else {
        service_problem(&error, arena, &exchange->reply);
        exchange->reply.allow = allow;
    }
    json_set_alloc_funcs(malloc, free);

    const struct reply *reply = &exchange->reply;
    cr_assert_null(reply->job);
    cr_assert_not_null(reply->body);
    cr_assert_not_null(reply->type);
    exchange->text = malloc(reply->size + 1);
    cr_assert_not_null(exchange->text);
    memcpy(exchange->text, reply->body, reply->size);
    exchange->text[reply->size] = '\0';
    if (strstr(reply->type, "json") != NULL) {
        json_error_t refusal;
        exchange->json = json_loadb(reply->body, reply->size, EXCHANGE_JSON, &refusal);
        cr_assert_not_null(exchange->json, "The reply is no JSON: %s: %.*s", refusal.text, (int)reply->size,
                           reply->body);
    }
}

void exchange_post_bytes(struct exchange *exchange, const char *path, const char *body, size_t size) {
    /* A block of just that size, so that AddressSanitizer sees a byte read too many. */
    char *copy = malloc(size + 1);
    cr_assert_not_null(copy);
    memcpy(copy, body, size);
    copy[size] = '\0';
    struct request request = {
        .method = "POST", .path = path, .content_type = "application/json", .body = copy, .body_size = size};
    exchange_send(exchange, &request);
    free(copy);
}

void exchange_post(struct exchange *exchange, const char *path, const char *body) {
    exchange_post_bytes(exchange, path, body, strlen(body));
}

void exchange_get(struct exchange *exchange, const char *path) {
    exchange_send(exchange, &(struct request){.method = "GET", .path = path});
}

void exchange_ok(struct exchange *exchange, const char *path, const char *body) {
    exchange_post(exchange, path, body);
    cr_assert_eq(exchange->reply.status, 200, "%s %.400s: %d %.*s", path, body, exchange->reply.status,
                 (int)exchange->reply.size, exchange->reply.body);
    cr_assert_str_eq(exchange->reply.type, "application/json");
}

const char *exchange_member(const struct exchange *exchange, const char *name) {
    const char *string = json_string_value(json_object_get(exchange->json, name));
    return string != NULL ? string : "";
}

void exchange_refused(struct exchange *exchange, const char *path, const char *body, int status, const char *code,
                      const char *pointer) {
    exchange_post(exchange, path, body);
    const struct reply *reply = &exchange->reply;
    int shown = (int)reply->size;
    cr_assert_eq(reply->status, status, "%s %.400s: %d %.*s", path, body, reply->status, shown, reply->body);
    cr_assert_str_eq(reply->type, "application/problem+json");
    cr_assert_eq((int)json_number_value(json_object_get(exchange->json, "status")), status);
    cr_assert_str_eq(exchange_member(exchange, "code"), code, "%s %.400s: %.*s", path, body, shown, reply->body);
    const json_t *received = json_object_get(exchange->json, "pointer");
    if (pointer == NULL)
        cr_assert_null(received, "%.400s: %.*s", body, shown, reply->body);
    else
        cr_assert_str_eq(exchange_member(exchange, "pointer"), pointer, "%.400s: %.*s", body, shown, reply->body);
    char type[64];
    snprintf(type, sizeof type, "/problems/%s", code);
    cr_assert_str_eq(exchange_member(exchange, "type"), type);
    cr_assert_gt(strlen(exchange_member(exchange, "title")), 0);
    const char *detail = exchange_member(exchange, "detail");
    cr_assert_gt(strlen(detail), 10, "%.400s: %s", body, detail);
}

static void exchange_flatten(const json_t *json, double *numbers, size_t most, size_t *count) {
    if (json_is_array(json)) {
        for (size_t i = 0; i < json_array_size(json); i++)
            exchange_flatten(json_array_get(json, i), numbers, most, count);
        return;
    }
    cr_assert(json_is_number(json) || json_is_null(json));
    if (*count < most)
        numbers[*count] = json_is_null(json) ? -INFINITY : json_number_value(json);
    ++*count;
}

size_t exchange_numbers(const struct exchange *exchange, const char *name, double *numbers, size_t most) {
    const json_t *json = json_object_get(exchange->json, name);
    cr_assert_not_null(json, "There is no %s in %.*s", name, (int)exchange->reply.size, exchange->reply.body);
    size_t count = 0;
    if (!json_is_object(json)) {
        exchange_flatten(json, numbers, most, &count);
        return count;
    }
    bool is_double = strcmp(json_string_value(json_object_get(json, "dtype")), "float64") == 0;
    return body_b64_numbers(json_string_value(json_object_get(json, "b64")), is_double, numbers, most);
}

void exchange_near(const struct exchange *exchange, const char *name, size_t count, const double *numbers,
                   double tolerance) {
    double *received = calloc(count, sizeof *received);
    cr_assert_not_null(received);
    cr_assert_eq(exchange_numbers(exchange, name, received, count), count);
    for (size_t i = 0; i < count; i++) {
        bool near = received[i] == numbers[i] || fabs(received[i] - numbers[i]) <= tolerance;
        cr_assert(near, "%s[%zu] is %.17g, not %.17g", name, i, received[i], numbers[i]);
    }
    free(received);
}

char *exchange_text(const char *path, const char *body) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, path, body);
    char *text = strdup(exchange.text);
    cr_assert_not_null(text);
    exchange_done(&exchange);
    return text;
}

void exchange_same(const char *path, const char *body, const char *other_path, const char *other_body) {
    char *text = exchange_text(path, body), *other = exchange_text(other_path, other_body);
    cr_assert_str_eq(text, other, "%s %.2000s\nis not %s %.2000s", path, body, other_path, other_body);
    free(text);
    free(other);
}
