/* A request's way through the server as a function: heads and bodies in, steps and replies out. */
#include "server/exchange.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static struct exchange_context context;
static struct task_ring ring;
static struct log quiet;
static struct exchange *exchange;

static void nothing(void *connection) {
    (void)connection;
}

static void setup(void) {
    static const struct task_hooks hooks = {nothing, nothing, exchange_release};
    task_ring_init(&ring, &hooks, 1, 3);
    log_init(&quiet, STDERR_FILENO, "logfmt", "error");
    context.service.limits = (struct limits){.body_bytes = 100000, .memory_bytes = 1 << 20};
    context.cors.origins = "";
    context.hosts = (struct hosts){"", true};
    context.log = &quiet;
    context.ring = &ring;
    identifier_init(&context.identifiers);
}

static void teardown(void) {
    if (exchange != NULL)
        exchange_free(exchange, 0, true);
    cr_assert_eq(atomic_load(&context.count), 0);
}

TestSuite(exchange, .init = setup, .fini = teardown);

/* `field` and `value`: one field beside Host, or NULL. */
static enum exchange_step begin(const char *method, const char *target, const char *field, const char *value) {
    struct guard_head head = {.version = "HTTP/1.1", .method = method, .field_count = 1};
    head.fields[0] = (struct guard_field){"Host", "localhost"};
    if (field != NULL)
        head.fields[head.field_count++] = (struct guard_field){field, value};
    exchange = exchange_new(&context, NULL, target);
    return exchange_head(exchange, &head, NULL);
}

static void refused_at_once(int status) {
    cr_assert_eq(exchange->reply.status, status);
    cr_assert(exchange->closes);
}

Test(exchange, a_small_body_is_answered) {
    cr_assert_eq(begin("POST", "/v1/job?x", "Content-Length", "4"), EXCHANGE_READ_ON);
    cr_assert_eq(exchange_body(exchange, "ec", 2), EXCHANGE_READ_ON);
    cr_assert_eq(exchange_body(exchange, "ho", 2), EXCHANGE_READ_ON);
    cr_assert_eq(exchange_end(exchange), EXCHANGE_QUEUE);
    cr_assert_eq(exchange->reply.status, 200);
    cr_assert_not(exchange->closes);
}

Test(exchange, a_small_job_is_run_at_once) {
    begin("POST", "/v1/job", "Content-Length", "11");
    exchange_body(exchange, "small 3 5 0", 11);
    cr_assert_eq(exchange_end(exchange), EXCHANGE_QUEUE);
    cr_assert_eq(exchange->reply.size, 15);
}

Test(exchange, no_length_and_no_chunks_is_411_and_closes_since_a_body_may_follow) {
    cr_assert_eq(begin("POST", "/v1/job", NULL, NULL), EXCHANGE_QUEUE);
    refused_at_once(411);
}

Test(exchange, an_empty_body_is_400_and_keeps_the_connection) {
    cr_assert_eq(begin("POST", "/v1/job", "Content-Length", "0"), EXCHANGE_READ_ON);
    cr_assert_eq(exchange_end(exchange), EXCHANGE_QUEUE);
    cr_assert_eq(exchange->reply.status, 400);
    cr_assert_not(exchange->closes);
}

Test(exchange, a_length_at_the_limit_is_read_and_one_byte_more_is_refused_at_once) {
    cr_assert_eq(begin("POST", "/v1/job", "Content-Length", "100000"), EXCHANGE_READ_ON);
    exchange_free(exchange, 0, true);
    cr_assert_eq(begin("POST", "/v1/job", "Content-Length", "100001"), EXCHANGE_QUEUE);
    refused_at_once(413);
}

Test(exchange, chunks_beyond_the_limit_are_dropped_and_refused_at_the_end) {
    static char piece[50000];
    begin("POST", "/v1/job", "Transfer-Encoding", "chunked");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(exchange_body(exchange, piece, sizeof piece), EXCHANGE_READ_ON);
    cr_assert_eq(exchange_end(exchange), EXCHANGE_QUEUE);
    refused_at_once(413);
}

Test(exchange, chunks_without_an_end_are_not_read_for_ever) {
    static char piece[50000];
    begin("POST", "/v1/job", "Transfer-Encoding", "chunked");
    int count = 0;
    while (exchange_body(exchange, piece, sizeof piece) == EXCHANGE_READ_ON)
        cr_assert_lt(count++, 10);
}

Test(exchange, a_declared_length_allocates_nothing_before_it_arrives) {
    context.service.limits.body_bytes = (size_t)1 << 40;
    begin("POST", "/v1/job", "Content-Length", "1000000000000");
    exchange_body(exchange, "x", 1);
    cr_assert_lt(exchange->arena.used, 100000);
}

Test(exchange, a_body_that_outgrows_its_memory_is_refused_at_the_end) {
    static char piece[300000];
    context.service.limits.body_bytes = (size_t)1 << 30;
    begin("POST", "/v1/job", "Content-Length", "3000000");
    for (int i = 0; i < 10; i++)
        cr_assert_eq(exchange_body(exchange, piece, sizeof piece), EXCHANGE_READ_ON);
    cr_assert_eq(exchange_end(exchange), EXCHANGE_QUEUE);
    cr_assert_eq(exchange->reply.status, 413);
    cr_assert_not_null(strstr(exchange->reply.body, "memory_limit"));
}

Test(exchange, every_allocation_may_fail_and_an_answer_is_still_made) {
    for (size_t nth = 1; nth < 12; nth++) {
        struct guard_head head = {.version = "HTTP/1.1", .method = "POST", .field_count = 2};
        head.fields[0] = (struct guard_field){"Host", "localhost"};
        head.fields[1] = (struct guard_field){"Content-Length", "4"};
        struct exchange *one = exchange_new(&context, NULL, "/v1/job");
        one->arena.fail_at = nth;
        one->arena.fail_on = true;
        enum exchange_step step = exchange_head(one, &head, NULL);
        if (step == EXCHANGE_READ_ON) {
            cr_assert_eq(exchange_body(one, "echo", 4), EXCHANGE_READ_ON);
            step = exchange_end(one);
        }
        cr_assert_eq(step, EXCHANGE_QUEUE);
        cr_assert(one->reply.status == 200 || one->reply.status == 503, "%zu: %d", nth, one->reply.status);
        exchange_free(one, 0, true);
    }
}

Test(exchange, a_doubtful_head_is_refused_at_once) {
    cr_assert_eq(begin("POST", "/v1/job", "Content-Length", "4x"), EXCHANGE_QUEUE);
    refused_at_once(400);
}

Test(exchange, a_doubtful_target_is_refused_at_once) {
    cr_assert_eq(begin("GET", "/livez%00", NULL, NULL), EXCHANGE_QUEUE);
    refused_at_once(400);
}

Test(exchange, a_wrong_path_keeps_the_connection_unless_a_body_comes) {
    cr_assert_eq(begin("GET", "/nix", NULL, NULL), EXCHANGE_READ_ON);
    cr_assert_eq(exchange_end(exchange), EXCHANGE_QUEUE);
    cr_assert_eq(exchange->reply.status, 404);
    cr_assert_not(exchange->closes);
    exchange_free(exchange, 0, true);
    cr_assert_eq(begin("POST", "/nix", "Content-Length", "4"), EXCHANGE_QUEUE);
    refused_at_once(404);
}

Test(exchange, a_wrong_method_is_told_the_right_ones) {
    begin("DELETE", "/v1/job", NULL, NULL);
    exchange_end(exchange);
    cr_assert_eq(exchange->reply.status, 405);
    cr_assert_str_eq(exchange->reply.allow, "POST");
    exchange_free(exchange, 0, true);
    begin("POST", "/livez", "Content-Length", "0");
    exchange_end(exchange);
    cr_assert_eq(exchange->reply.status, 405);
    cr_assert_str_eq(exchange->reply.allow, "GET, HEAD, OPTIONS");
}

Test(exchange, options_says_what_a_path_takes) {
    begin("OPTIONS", "/v1/job", NULL, NULL);
    exchange_end(exchange);
    cr_assert_eq(exchange->reply.status, 204);
    cr_assert_str_eq(exchange->reply.allow, "POST, OPTIONS");
    exchange_free(exchange, 0, true);
    begin("OPTIONS", "/nix", NULL, NULL);
    exchange_end(exchange);
    cr_assert_eq(exchange->reply.status, 404);
}

Test(exchange, a_full_ring_is_503_and_a_large_body_is_not_even_read) {
    cr_assert(task_admit(&ring));
    begin("POST", "/v1/job", "Content-Length", "10");
    exchange_body(exchange, "hold 3 5 0", 10);
    cr_assert_eq(exchange_end(exchange), EXCHANGE_QUEUE);
    cr_assert_eq(exchange->reply.status, 503);
    cr_assert_not(exchange->closes);
    exchange_free(exchange, 0, true);
    cr_assert_eq(begin("POST", "/v1/job", "Content-Length", "90000"), EXCHANGE_QUEUE);
    refused_at_once(503);
}

Test(exchange, while_draining_work_is_refused_and_readiness_denied) {
    atomic_store(&context.draining, true);
    atomic_store(&context.refusing, true);
    begin("POST", "/v1/job", "Content-Length", "4");
    refused_at_once(503);
    exchange_free(exchange, 0, true);
    begin("GET", "/readyz", NULL, NULL);
    exchange_end(exchange);
    refused_at_once(503);
    exchange_free(exchange, 0, true);
    begin("GET", "/livez", NULL, NULL);
    exchange_end(exchange);
    cr_assert_eq(exchange->reply.status, 200);
}

Test(exchange, another_host_is_refused_and_so_is_a_target_of_one) {
    struct guard_head head = {.version = "HTTP/1.1", .method = "GET", .field_count = 1};
    head.fields[0] = (struct guard_field){"Host", "evil.example"};
    exchange = exchange_new(&context, NULL, "/livez");
    cr_assert_eq(exchange_head(exchange, &head, NULL), EXCHANGE_READ_ON);
    cr_assert_eq(exchange->error.code, ERROR_MISDIRECTED);
    cr_assert(exchange->answered);
    exchange_free(exchange, 0, true);
    begin("GET", "http://evil.example/livez", NULL, NULL);
    cr_assert_eq(exchange->error.code, ERROR_MISDIRECTED);
    cr_assert(exchange->answered);
    exchange_free(exchange, 0, true);
    begin("GET", "http://127.0.0.1:1/livez", NULL, NULL);
    cr_assert_eq(exchange->reply.status, 200);
}

Test(exchange, a_preflight_of_an_origin_that_is_not_listed_is_told_why) {
    struct guard_head head = {.version = "HTTP/1.1", .method = "OPTIONS", .field_count = 3};
    head.fields[0] = (struct guard_field){"Host", "localhost"};
    head.fields[1] = (struct guard_field){"Access-Control-Request-Method", "POST"};
    head.fields[2] = (struct guard_field){"Origin", "http://127.0.0.1:5500"};
    exchange = exchange_new(&context, NULL, "/v1/job");
    exchange_head(exchange, &head, NULL);
    cr_assert_eq(exchange->error.code, ERROR_ORIGIN_REFUSED);
    cr_assert(exchange->foreign);
    exchange_free(exchange, 0, true);
    context.cors.origins = "http://127.0.0.1:*";
    exchange = exchange_new(&context, NULL, "/v1/job");
    exchange_head(exchange, &head, NULL);
    cr_assert_eq(exchange->reply.status, 204);
    cr_assert_not(exchange->foreign);
}
