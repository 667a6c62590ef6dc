/* The header fields of answers. */
#include "server/answer.h"

#include <criterion/criterion.h>
#include <string.h>

static struct exchange_context context;
static struct exchange exchange;
static char fields[2048];

static int room = 100;

static bool add(void *unused, const char *name, const char *value) {
    (void)unused;
    if (room-- == 0)
        return false;
    strcat(strcat(strcat(strcat(fields, name), ": "), value), "\n");
    return true;
}

static void answer(const char *origins, const char *origin, struct reply reply) {
    context.cors.origins = origins;
    exchange.context = &context;
    exchange.request.origin = origin;
    exchange.reply = reply;
    strcpy(exchange.identifier, "id");
    fields[0] = '\0';
    cr_assert(answer_fields(&exchange, add, NULL));
}

static bool has(const char *line) {
    return strstr(fields, line) != NULL;
}

Test(answer, every_answer_says_what_it_is_and_that_it_is_not_to_be_stored) {
    answer("", "http://a", (struct reply){.status = 200, .type = "application/json"});
    cr_assert_str_eq(fields, "Content-Type: application/json\nCache-Control: no-store\n"
                             "X-Content-Type-Options: nosniff\nX-Request-Id: id\n");
}

Test(answer, a_refusal_says_what_to_do) {
    answer("", NULL, (struct reply){.status = 405, .type = "x", .allow = "GET", .retry_after_s = 3});
    cr_assert(has("Allow: GET\n"));
    cr_assert(has("Retry-After: 3\n"));
}

Test(answer, times_are_told_on_whole_answers_only) {
    struct reply reply = {.status = 200, .type = "x", .parse_ms = 1, .compute_ms = 2, .encode_ms = 3.25};
    answer("", NULL, reply);
    cr_assert(has("Server-Timing: parse;dur=1.000, compute;dur=2.000, encode;dur=3.250\n"));
    exchange.streamed = true;
    answer("", NULL, reply);
    cr_assert_not(has("Server-Timing"));
    exchange.streamed = false;
    reply.status = 422;
    answer("", NULL, reply);
    cr_assert_not(has("Server-Timing"));
}

Test(answer, an_allowed_page_may_read_any_answer) {
    answer("http://a,http://b", "http://a", (struct reply){.status = 422, .type = "x"});
    cr_assert(has("Vary: Origin\n"));
    cr_assert(has("Access-Control-Allow-Origin: http://a\n"));
    cr_assert(has("Timing-Allow-Origin: http://a\n"));
    cr_assert(has("Access-Control-Expose-Headers: Allow, Retry-After, Server-Timing, X-Request-Id\n"));
    answer("http://a,http://b", "http://c", (struct reply){.status = 200, .type = "x"});
    cr_assert(has("Vary: Origin\n"));
    cr_assert_not(has("Access-Control"));
}

Test(answer, a_preflight_is_told_methods_and_fields) {
    exchange.preflight = true;
    exchange.preflight_headers = "content-type";
    answer("*", "http://a", (struct reply){.status = 204, .allow = "POST, OPTIONS"});
    cr_assert(has("Access-Control-Allow-Origin: *\n"));
    cr_assert(has("Access-Control-Allow-Methods: POST, OPTIONS\n"));
    cr_assert(has("Access-Control-Allow-Headers: content-type\n"));
    cr_assert(has("Access-Control-Max-Age: 7200\n"));
    cr_assert_not(has("Private-Network"));
}

Test(answer, a_connection_that_closes_says_so) {
    exchange.closes = true;
    answer("", NULL, (struct reply){.status = 200, .type = "x"});
    cr_assert(has("Connection: close\n"));
}

Test(answer, a_415_says_what_would_be_taken) {
    answer("", NULL, (struct reply){.status = 415, .type = "x"});
    cr_assert(has("Accept: application/json\n"));
    cr_assert(has("Accept-Encoding: identity\n"));
}

Test(answer, none_is_sent_that_lacks_a_field) {
    exchange.closes = exchange.preflight = exchange.private_network = true;
    struct reply reply = {.status = 204, .type = "x", .allow = "GET", .retry_after_s = 1};
    answer("http://a", "http://a", reply);
    int fields_count = 100 - room;
    cr_assert_geq(fields_count, 14);
    for (int count = 0; count < fields_count; count++) {
        room = count;
        fields[0] = '\0';
        cr_expect_not(answer_fields(&exchange, add, NULL), "the field %d is missing", count);
    }
    room = fields_count;
    fields[0] = '\0';
    cr_assert(answer_fields(&exchange, add, NULL));
}
