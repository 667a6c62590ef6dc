/* The n-th allocation fails, for every n, through whole requests: a request ends in a problem and the next one is
 * answered as if nothing had been. */
#include "tests/api/exchange.h"

#include "tests/api/body.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char any[] = "/v1/attention";

/* A reply of the request with memory enough: to compare the others with. */
struct memory_right {
    int status;
    char *text;
};

/* One failing run: 503, or what it would have been. A problem may say less than it would with memory for its words. */
static void failing_run(struct exchange *exchange, const char *body, const struct memory_right *right) {
    size_t n = exchange->arena.fail_at;
    exchange_post(exchange, any, body);
    const struct reply *reply = &exchange->reply;
    if (reply->status == 503) {
        cr_assert_str_eq(exchange_member(exchange, "code"), "out_of_memory", "allocation %zu of %.100s", n, body);
        cr_assert_eq(reply->retry_after_s, 1);
        return;
    }
    cr_assert_eq(reply->status, right->status, "allocation %zu of %.100s: %d %.*s", n, body, reply->status,
                 (int)reply->size, reply->body);
    if (right->status == 200)
        cr_assert(reply->size == strlen(right->text) && memcmp(reply->body, right->text, reply->size) == 0,
                  "allocation %zu of %.100s", n, body);
}

static void every_allocation_fails(const char *body, int status) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_post(&exchange, any, body);
    cr_assert_eq(exchange.reply.status, status, "%.200s: %.*s", body, (int)exchange.reply.size, exchange.reply.body);
    struct memory_right right = {status, strdup(exchange.text)};
    size_t count = exchange.arena.allocations, refused = 0;
    cr_assert_gt(count, 3);
    for (int sticky = 0; sticky < 2; sticky++)
        for (size_t n = 1; n <= count + 1; n++) {
            exchange.arena.fail_at = n;
            exchange.arena.fail_on = sticky;
            failing_run(&exchange, body, &right);
            refused += exchange.reply.status == 503;
            cr_assert(n <= count || exchange.reply.status == status, "%.100s", body);

            exchange.arena.fail_at = 0;
            exchange_post(&exchange, any, body);
            cr_assert_eq(exchange.reply.status, status);
            cr_assert(exchange.reply.size == strlen(right.text) &&
                          memcmp(exchange.reply.body, right.text, exchange.reply.size) == 0,
                      "after allocation %zu of %.100s", n, body);
        }
    cr_assert_gt(refused, count, "%.100s: %zu of 2 · %zu runs were refused", body, refused, count);
    free(right.text);
    exchange_done(&exchange);
}

Test(memory, a_plain_request) {
    every_allocation_fails("{\"inputs\":[[1,0],[0,1]]}", 200);
}

Test(memory, a_batch_with_every_result) {
    every_allocation_fails(
        "{\"inputs\":[[[1,0],[0,1]],[[1,2],[3,4]]],\"num_heads\":2,\"return\":[\"query\",\"key\",\"value\","
        "\"scores\",\"masked\",\"weights\",\"heads\",\"output\"],\"average_heads\":true,\"decimals\":3}",
        200);
}

Test(memory, every_part_of_a_mask) {
    every_allocation_fails(
        "{\"inputs\":[[[1,0],[0,1]],[[1,2],[3,4]]],\"mask\":{\"causal\":true,\"align\":\"bottom_right\","
        "\"window\":[1,1],\"attend\":[[1,1],[1,1]],\"block\":[[0,0],[0,0]],\"bias\":[[0,null],[1,2]],"
        "\"multiply\":[[1,2],[3,4]],\"lengths\":[1,2],\"padding\":[0,0],\"query_padding\":[0,1]}}",
        200);
}

Test(memory, tokens_and_embeddings) {
    every_allocation_fails(
        "{\"tokens\":[[\"a\",\"b\"],[\"a\"]],\"pad_token\":\"-\",\"embeddings\":{\"a\":[1,0],\"b\":{\"shape\":"
        "[2],\"dtype\":\"float16\",\"b64\":\"AAAAPA==\"}},\"add_norm\":{\"epsilon\":0.1,\"weight\":[1,2]}}",
        200);
}

Test(memory, projections) {
    every_allocation_fails(
        "{\"inputs\":[[1,2],[3,4]],\"num_heads\":2,\"projections\":{\"query\":{\"weight\":[[1,0],[0,1]],"
        "\"bias\":[1,2]},\"key\":{\"weight\":[[1,0],[0,1]]},\"value\":{\"weight\":[[1,0],[0,1]]},\"output\":"
        "{\"weight\":[[1],[2]]},\"layout\":\"in_out\"}}",
        200);
}

Test(memory, drawn_projections_and_a_gate) {
    every_allocation_fails(
        "{\"inputs\":[[1,2],[3,4]],\"num_heads\":2,\"projections\":{\"init\":\"torch.nn.Linear\",\"bias\":true,"
        "\"output\":true},\"seed\":7,\"gate\":{\"weight\":[[1,0],[0,1]],\"bias\":[1,2]},"
        "\"return\":[\"projections\",\"output\"]}",
        200);
}

Test(memory, a_state_dict) {
    every_allocation_fails(
        "{\"inputs\":[[1,2],[3,4]],\"num_heads\":2,\"projections\":{\"state_dict\":{\"in_proj_weight\":"
        "[[1,2],[3,4],[5,6],[7,8],[9,1],[2,3]],\"in_proj_bias\":[1,2,3,4,5,6],\"out_proj.weight\":"
        "[[1,2],[3,4]],\"out_proj.bias\":[1,2]}}}",
        200);
}

Test(memory, a_cache_rotary_positions_and_extra_keys) {
    every_allocation_fails("{\"inputs\":[[1,2],[3,4]],\"num_heads\":1,\"rotary\":{\"positions\":[4,5]},\"add_zero_"
                           "attn\":true,\"past_key\":"
                           "[[[[1,2]]]],\"past_value\":[[[[3,4]]]],\"tokens\":[\"a\",\"b\"],\"pad_token\":\"b\","
                           "\"mask\":{\"lengths\":[2]},"
                           "\"return\":[\"key\",\"weights\",\"present_key\",\"present_value\",\"output\"],"
                           "\"projections\":{\"state_dict\":{"
                           "\"in_proj_weight\":[[1,2],[3,4],[5,6],[7,8],[9,1],[2,3]],\"out_proj.weight\":[[1,2],[3,4]],"
                           "\"bias_k\":[[[1,2]]],"
                           "\"bias_v\":[[[3,4]]]}}}",
                           200);
    every_allocation_fails("{\"query\":[[1,2]],\"context\":[[1,2],[3,4]],\"rotary\":true,\"mask\":{\"align\":"
                           "\"bottom_right\"}}",
                           200);
    every_allocation_fails("{\"inputs\":[[1,2]],\"past_key\":[[[[1,2,3]]]],\"past_value\":[[[[1,2]]]]}", 422);
}

Test(memory, b64_in_and_out) {
    every_allocation_fails(
        "{\"encoding\":\"b64\",\"dtype\":\"float64\",\"query\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":"
        "\"AACAPw==\"},\"context\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AAC\\u0041Pw==\"}}",
        200);
}

Test(memory, tokens_longer_than_any_buffer_at_first) {
    /* jansson's token buffer grows by doubling from 16 bytes; a growth that fails must end the parse at once. */
    every_allocation_fails(
        "{\"tokens\":[\"a token of more than thirty-two bytes, and more than sixty-four bytes too\",\"한국어로 쓴 "
        "아주 긴 낱말 하나, 그리고 따옴표 \\\" 하나\"],\"inputs\":[[1],[2]]}",
        200);
    every_allocation_fails("{\"inputs\":[[1,\"a\",1234567890123456789.12345678901234567890123456789e-10,1]]}", 422);
    every_allocation_fails("{\"inputs\":[[1,2]],\"scale\":nonononononononononononononononononononono}", 400);
}

Test(memory, the_limit_falls_within_a_token) {
    /* The limit is reached at every size, with texts in the body that need room to grow. */
    struct exchange exchange;
    exchange_init(&exchange);
    struct body body;
    body_init(&body);
    body_add(&body, "{\"inputs\":[[1]],\"tokens\":[\"");
    for (size_t i = 0; i < 30000; i++)
        body_add(&body, "%zu ", i);
    body_add(&body, "\"]}");
    exchange_ok(&exchange, any, body_text(&body));
    size_t used = exchange.arena.used, refused = 0;
    for (size_t limit = 1000; limit < used; limit += 3001) {
        exchange.arena.limit = limit;
        exchange_post(&exchange, any, body_text(&body));
        int status = exchange.reply.status;
        cr_assert(status == 200 || status == 413 || status == 503, "%zu: %d", limit, status);
        refused += status != 200;
    }
    cr_assert_gt(refused, 10);
    exchange_done(&exchange);
    body_done(&body);
}

Test(memory, a_body_that_is_scanned_twice) {
    every_allocation_fails("{\"inputs\":[[1,0.1],[0,1]],\"tokens\":[\"float64\",\"b\"],\"scale\":1}", 200);
}

Test(memory, an_answer_of_many_parts) {
    struct random random = {91};
    struct body body;
    size_t shape[] = {210, 3};
    body_init(&body);
    double *numbers = body_random(&random, shape[0] * shape[1]);
    body_add(&body, "{\"inputs\":");
    body_tensor(&body, numbers, 2, shape);
    body_add(&body, "}");
    every_allocation_fails(body_text(&body), 200);
    free(numbers);
    body_done(&body);
}

Test(memory, refusals) {
    every_allocation_fails("{\"inputs\":[[1,2],[3]]}", 422);
    every_allocation_fails("{\"inputs\":[[1,2],[3,4]],\"mask\":{\"bias\":[[1,2]]}}", 422);
    every_allocation_fails("{\"inputs\":[[1,2],[3,4]],\"normalize\":{\"a\":1}}", 422);
    every_allocation_fails("{\"inputs\":[[1e30,2],[3,4]]}", 422);
    every_allocation_fails("{\"inputs\":[[1,2],[3,4]] \"x\"", 400);
    every_allocation_fails("{\"inputs\":[[1,2],[3,4]],\"inputs\":1}", 400);
}
