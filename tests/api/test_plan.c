/* api/plan.c, plan_sides.c, plan_maps.c, plan_mask.c: shapes that fit, shapes that do not, and limits on both sides. */
#include "tests/api/exchange.h"

#include "tests/api/body.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char any[] = "/v1/attention", self[] = "/v1/attention/self", heads[] = "/v1/attention/multi-head";

/* The answer's "shape" as it is written. */
static void has_shape(const char *path, const char *body, const char *shape) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, path, body);
    const char *place = strstr(exchange.text, "\"shape\":");
    cr_assert_not_null(place);
    cr_assert_eq(strncmp(place + 8, shape, strlen(shape)), 0, "%s: %.200s", body, place);
    /* The nested arrays have the shape that is declared. */
    const char *name;
    json_t *declared;
    json_object_foreach(json_object_get(exchange.json, "shape"), name, declared) {
        const json_t *level = json_object_get(exchange.json, name);
        for (size_t axis = 0; axis < json_array_size(declared); axis++, level = json_array_get(level, 0))
            cr_assert_eq(json_array_size(level), (size_t)json_number_value(json_array_get(declared, axis)), "%s: %s",
                         body, name);
        cr_assert(json_is_number(level));
    }
    exchange_done(&exchange);
}

Test(plan, the_answer_follows_the_query) {
    has_shape(any, "{\"query\":[1,0],\"context\":[[1,0],[0,1],[1,1]]}", "{\"weights\":[3],\"output\":[2]}");
    has_shape(any, "{\"query\":[1,0],\"key\":[[1,0],[0,1]],\"value\":[[1,2,3],[4,5,6]]}",
              "{\"weights\":[2],\"output\":[3]}");
    has_shape(any, "{\"query\":[1,0],\"context\":[[1,0],[0,1],[1,1]],\"num_heads\":2}",
              "{\"weights\":[2,3],\"output\":[2]}");
    has_shape(self, "{\"inputs\":[[1,0],[0,1],[1,1]]}", "{\"weights\":[3,3],\"output\":[3,2]}");
    has_shape(self, "{\"inputs\":[[[1,0],[0,1],[1,1]]]}", "{\"weights\":[1,3,3],\"output\":[1,3,2]}");
    has_shape(self, "{\"inputs\":[[1,0],[0,1],[1,1]],\"num_heads\":1}", "{\"weights\":[1,3,3],\"output\":[3,2]}");
    has_shape(self, "{\"inputs\":[[[1,0],[0,1]]],\"num_heads\":2}", "{\"weights\":[1,2,2,2],\"output\":[1,2,2]}");
    has_shape(self, "{\"inputs\":[[[1,0],[0,1]]],\"num_heads\":2,\"average_heads\":true}",
              "{\"weights\":[1,2,2],\"output\":[1,2,2]}");
    has_shape(self, "{\"inputs\":[[[[1,0]],[[0,1]]]]}", "{\"weights\":[1,2,1,1],\"output\":[1,2,1,2]}");
    has_shape(heads, "{\"inputs\":[[[[1,0]],[[0,1]]]]}", "{\"weights\":[1,2,1,1],\"output\":[1,2,1,2]}");
    has_shape(any, "{\"query\":[[[[1,0]],[[0,1]]]],\"key\":[[[[1,0],[1,1],[0,0]]]],\"value\":[[[[1],[2],[3]]]]}",
              "{\"weights\":[1,2,1,3],\"output\":[1,2,1,1]}");
    has_shape(any, "{\"query\":[[[1,0]]],\"context\":[[1,0],[0,1]]}", "{\"weights\":[1,1,2],\"output\":[1,1,2]}");
    has_shape(any, "{\"query\":[[1,0]],\"context\":[[[1,0],[0,1]]]}", "{\"weights\":[1,2],\"output\":[1,2]}");
}

/* lse has the axes of weights but the last, down to a bare number. */
Test(plan, lse_is_a_number_for_each_row) {
    static const struct {
        const char *members, *shape;
    } rows[] = {
        {"\"query\":[1,0],\"context\":[[1,0],[0,1]]", "{\"lse\":[]}"},
        {"\"query\":[1,0],\"context\":[[1,0],[0,1]],\"num_heads\":2", "{\"lse\":[2]}"},
        {"\"inputs\":[[1,0],[0,1],[1,1]]", "{\"lse\":[3]}"},
        {"\"inputs\":[[1,0],[0,1],[1,1]],\"num_heads\":2", "{\"lse\":[2,3]}"},
        {"\"inputs\":[[[1,0],[0,1],[1,1]],[[1,0],[0,1],[1,1]]]", "{\"lse\":[2,3]}"},
        {"\"inputs\":[[[1,0],[0,1],[1,1]]],\"num_heads\":2,\"average_heads\":true", "{\"lse\":[1,2,3]}"},
        {"\"inputs\":[[[[1,0]],[[0,1]]]]", "{\"lse\":[1,2,1]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[200];
        snprintf(body, sizeof body, "{%s,\"return\":[\"lse\"]}", rows[i].members);
        has_shape(any, body, rows[i].shape);
    }
}

Test(plan, every_result_has_its_shape) {
    has_shape(
        any,
        "{\"query\":[[1,2,3,4],[1,2,3,4]],\"key\":[[1,2],[3,4],[5,6]],\"value\":[[1],[2],[3]],\"num_heads\":2,"
        "\"num_kv_heads\":1,\"return\":[\"query\",\"key\",\"value\",\"scores\",\"capped\",\"masked\",\"weights\","
        "\"lse\",\"heads\","
        "\"output\"]}",
        "{\"query\":[2,2,2],\"key\":[1,3,2],\"value\":[1,3,1],\"scores\":[2,2,3],\"capped\":[2,2,3],\"masked\":[2,2,3],"
        "\"weights\":[2,2,3],\"lse\":[2,2],\"heads\":[2,2,1],\"output\":[2,2]}");
    has_shape(self,
              "{\"inputs\":[[1,2],[3,4]],\"return\":[\"query\",\"key\",\"value\",\"scores\",\"masked\",\"heads\"]}",
              "{\"query\":[2,2],\"key\":[2,2],\"value\":[2,2],\"scores\":[2,2],\"masked\":[2,2],\"heads\":[2,2]}");
    has_shape(any, "{\"query\":[1,2],\"context\":[[1,2],[3,4]],\"return\":[\"query\",\"key\",\"scores\",\"heads\"]}",
              "{\"query\":[2],\"key\":[2,2],\"scores\":[2],\"heads\":[2]}");
}

Test(plan, projections_set_the_sizes) {
    has_shape(
        self,
        "{\"inputs\":[[1,2]],\"num_heads\":2,\"projections\":{\"query\":{\"weight\":[[1,2,3,4,5,6],[1,2,3,4,5,6]]},"
        "\"key\":{\"weight\":[[1,2,3,4,5,6],[1,2,3,4,5,6]]},\"output\":{\"weight\":[[1,1,1],[1,1,1]]}},"
        "\"return\":[\"query\",\"key\",\"value\",\"output\"]}",
        "{\"query\":[2,1,3],\"key\":[2,1,3],\"value\":[2,1,1],\"output\":[1,3]}");
}

Test(plan, what_is_drawn_has_its_features) {
    has_shape(heads,
              "{\"query\":[[1,2,3]],\"key\":[[1,2]],\"value\":[[1]],\"num_heads\":2,\"projections\":{\"init\":"
              "\"torch.nn.Linear\",\"features\":4,\"bias\":true,\"output\":true},"
              "\"return\":[\"query\",\"value\",\"output\"]}",
              "{\"query\":[2,1,2],\"value\":[2,1,2],\"output\":[1,4]}");
    has_shape(any,
              "{\"query\":[[1,2,3]],\"key\":[[1,2]],\"projections\":{\"init\":\"torch.nn.Linear\"},"
              "\"return\":[\"output\"]}",
              "{\"output\":[1,3]}");
}

struct refusal {
    const char *path, *body, *code, *pointer;
};

Test(plan, shapes_that_disagree_are_named_with_both_numbers) {
    static const struct refusal rows[] = {
        {self, "{\"inputs\":[1,2]}", "wrong_rank", "/inputs"},
        {any, "{\"query\":[1,2],\"context\":[1,2]}", "wrong_rank", "/context"},
        {any, "{\"query\":[1,2],\"context\":[[[1,2]]]}", "wrong_rank", "/context"},
        {any, "{\"query\":[[1,2]],\"key\":[[1,2]],\"value\":[1]}", "wrong_rank", "/value"},
        {any, "{\"query\":[[1,2]],\"context\":[[[[1,2]]]]}", "wrong_rank", "/query"},
        {any, "{\"query\":[[[[1,2]]]],\"context\":[[[1,2]]]}", "wrong_rank", "/context"},
        {any, "{\"query\":[[1,2]],\"context\":[[1,2,3]]}", "shape_mismatch", "/context"},
        {any, "{\"query\":[[1,2]],\"key\":[[1,2]],\"value\":[[1],[2]]}", "shape_mismatch", "/value"},
        {any, "{\"query\":[[[1]],[[1]]],\"context\":[[1]]}", "shape_mismatch", "/context"},
        {any, "{\"query\":[[[1]],[[1]]],\"context\":[[[1]],[[1]],[[1]]]}", "shape_mismatch", "/context"},
        {any, "{\"query\":[[[1]]],\"key\":[[[1]]],\"value\":[[[1]],[[1]]]}", "shape_mismatch", "/value"},
        {any, "{\"query\":[[[[1]]]],\"key\":[[[[1]]]],\"value\":[[[[1]],[[1]]]]}", "shape_mismatch", "/value"},
        {any, "{\"query\":[[[[1]],[[1]],[[1]]]],\"context\":[[[[1]],[[1]]]]}", "shape_mismatch", "/context"},
        {any, "{\"inputs\":[[[[1]]]],\"num_heads\":2}", "shape_mismatch", "/num_heads"},
        {any, "{\"inputs\":[[[[1]]]],\"num_heads\":1,\"num_kv_heads\":2}", "shape_mismatch", "/num_kv_heads"},
        {heads, "{\"inputs\":[[1,2,3]],\"num_heads\":2}", "shape_mismatch", "/num_heads"},
        {heads, "{\"inputs\":[[1,2,3,4]],\"num_heads\":4,\"num_kv_heads\":3}", "shape_mismatch", "/num_kv_heads"},
        {heads, "{\"query\":[[1,2]],\"key\":[[1,2]],\"value\":[[1]],\"num_heads\":2}", "shape_mismatch", "/value"},
        {heads, "{\"inputs\":[[1,2,3,4]],\"num_heads\":4,\"num_kv_heads\":2}", "shape_mismatch", "/inputs"},
        {any, "{\"query\":[[1,2]],\"key\":[[1,2]],\"value\":[[1]],\"add_norm\":true}", "shape_mismatch", "/add_norm"},
        {heads,
         "{\"inputs\":[[1,2]],\"num_heads\":2,\"num_kv_heads\":1,\"projections\":{\"init\":\"torch.nn.Linear\"}}",
         "conflicting_members", "/num_kv_heads"},
        {heads, "{\"inputs\":[[1,2]],\"num_heads\":2,\"projections\":{\"init\":\"torch.nn.Linear\",\"features\":3}}",
         "shape_mismatch", "/num_heads"},
        {any, "{\"inputs\":[[1,2]],\"add_norm\":{\"weight\":[1]}}", "shape_mismatch", "/add_norm/weight"},
        {any, "{\"inputs\":[[1,2]],\"add_norm\":{\"bias\":[[1,2]]}}", "shape_mismatch", "/add_norm/bias"},
        {any, "{\"inputs\":[[1,2]],\"add_norm\":{\"epsilon\":-1}}", "out_of_range", "/add_norm/epsilon"},
        {self, "{\"inputs\":[[1],[2]],\"mask\":[[1,1]]}", "shape_mismatch", "/mask"},
        {self, "{\"inputs\":[[1],[2]],\"mask\":[1,1]}", "wrong_rank", "/mask"},
        {self, "{\"inputs\":[[1],[2]],\"mask\":[[[1,1],[1,1]]]}", "wrong_rank", "/mask"},
        {self, "{\"inputs\":[[1],[2]],\"mask\":{\"bias\":[[[[1,1]],[[1,1]]]]}}", "shape_mismatch", "/mask/bias"},
        {self, "{\"inputs\":[[1],[2]],\"mask\":{\"attend\":[[[[1,1],[1,1],[1,1]]]]}}", "shape_mismatch",
         "/mask/attend"},
        {self, "{\"inputs\":[[1],[2]],\"mask\":{\"attend\":[[[[1],[1]]]]}}", "shape_mismatch", "/mask/attend"},
        {self,
         "{\"inputs\":[[1,0],[0,1]],\"mask\":\"causal\",\"fully_masked\":\"error\",\"tokens\":[\"-\",\"a\"],"
         "\"pad_token\":\"-\"}",
         "fully_masked", "/mask"},
        {self, "{\"inputs\":[[1,0],[0,1]],\"fully_masked\":\"error\",\"tokens\":[\"-\",\"-\"],\"pad_token\":\"-\"}",
         "fully_masked", "/pad_token"}};
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        exchange_refused(&exchange, rows[i].path, rows[i].body, 422, rows[i].code, rows[i].pointer);
    exchange_refused(&exchange, any, "{\"query\":[[1,2]],\"context\":[[1,2,3]]}", 422, "shape_mismatch", "/context");
    cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), "3 features"));
    cr_assert_str_eq(exchange_member(&exchange, "expected"), "2 features");
    cr_assert_str_eq(exchange_member(&exchange, "received"), "3 features");
    exchange_done(&exchange);
}

Test(plan, a_mask_of_rank_3_is_shown_both_shapes_it_could_be) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, self, "{\"inputs\":[[1],[2]],\"mask\":[[[1,1],[1,1]]]}", 422, "wrong_rank", "/mask");
    const char *detail = exchange_member(&exchange, "detail");
    cr_assert(strstr(detail, "[1,1,2,2] for one mask a batch item") != NULL && strstr(detail, "or [1,1,2,2]") != NULL,
              "%s", detail);
    exchange_done(&exchange);
}

Test(plan, padded_queries_are_no_fault_where_a_fully_masked_row_is) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, self,
                "{\"inputs\":[[1],[2]],\"fully_masked\":\"error\",\"mask\":{\"query_padding\":[true,false]}}");
    exchange_refused(&exchange, self, "{\"inputs\":[[1],[2]],\"fully_masked\":\"error\",\"mask\":{\"lengths\":[0]}}",
                     422, "fully_masked", "/mask");
    exchange_done(&exchange);
}

Test(plan, a_row_without_keys_is_zero_or_uniform_and_listed) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, self,
                "{\"inputs\":[[1,3],[2,5]],\"mask\":[[0,0],[1,1]],\"return\":[\"masked\",\"weights\",\"output\"]}");
    cr_assert_not_null(strstr(exchange.text, "\"fully_masked\":[0]"));
    cr_assert_not_null(strstr(exchange.text, "\"masked\":[[null,null],"));
    cr_assert_not_null(strstr(exchange.text, "\"weights\":[[0,0],"));
    cr_assert_not_null(strstr(exchange.text, "\"output\":[[0,0],"));
    exchange_ok(&exchange, self, "{\"inputs\":[[1,3],[2,5]],\"mask\":[[0,0],[1,1]],\"fully_masked\":\"uniform\"}");
    cr_assert_not_null(strstr(exchange.text, "\"fully_masked\":[0]"));
    cr_assert_not_null(strstr(exchange.text, "\"weights\":[[0.5,0.5],"));
    cr_assert_not_null(strstr(exchange.text, "\"output\":[[1.5,4],"));
    exchange_done(&exchange);
}

Test(plan, the_first_hundred_fully_masked_rows_are_listed) {
    struct body body;
    struct exchange exchange;
    body_init(&body);
    exchange_init(&exchange);
    body_add(&body, "{\"return\":[\"output\"],\"mask\":{\"lengths\":[0]},\"inputs\":[");
    for (size_t i = 0; i < 150; i++)
        body_add(&body, i == 0 ? "[1]" : ",[1]");
    body_add(&body, "]}");
    exchange_ok(&exchange, self, body_text(&body));
    const json_t *rows = json_object_get(exchange.json, "fully_masked");
    cr_assert_eq(json_array_size(rows), 100);
    for (size_t i = 0; i < 100; i++)
        cr_assert_eq(json_number_value(json_array_get(rows, i)), (double)i);
    exchange_done(&exchange);
    body_done(&body);
}

/* A request passes at a limit and is refused one below it. */
static void limited(const char *body, size_t *limit, size_t least, struct exchange *exchange, const char *code,
                    const char *pointer) {
    *limit = least;
    exchange_ok(exchange, self, body);
    *limit = least - 1;
    exchange_refused(exchange, self, body, 413, code, pointer);
    char number[24];
    snprintf(number, sizeof number, "%zu", least - 1);
    cr_assert_not_null(strstr(exchange_member(exchange, "detail"), number), "%s", exchange_member(exchange, "detail"));
}

Test(plan, elements_are_limited_in_every_form) {
    struct exchange exchange;
    exchange_init(&exchange);
    size_t *limit = &exchange.service.limits.elements;
    limited("{\"inputs\":[[1,2,3],[4,5,6]]}", limit, 6, &exchange, "too_many_elements", "/inputs");
    limited("{\"inputs\":{\"shape\":[2,3],\"data\":[1,2,3,4,5,6]}}", limit, 6, &exchange, "too_many_elements",
            "/inputs/shape");
    limited("{\"inputs\":{\"shape\":[1,3],\"dtype\":\"float16\",\"b64\":\"ADwAPAA8\"}}", limit, 3, &exchange,
            "too_many_elements", "/inputs/shape");
    limited("{\"tokens\":[\"a\",\"a\",\"a\"],\"embeddings\":{\"a\":[1,2]}}", limit, 6, &exchange, "too_many_elements",
            "/tokens");
    limited("{\"tokens\":[[\"a\",\"a\"],[\"a\"]],\"embeddings\":{\"a\":[1]},\"pad_token\":\"-\"}", limit, 4, &exchange,
            "too_many_elements", "/tokens");
    exchange_done(&exchange);
}

Test(plan, work_is_limited_with_the_projections) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange.service.limits.work = 3 * 3 * 4; /* L·S·(D+Dv) */
    exchange_ok(&exchange, self, "{\"inputs\":[[1,0],[0,1],[1,1]]}");
    exchange.service.limits.work--;
    exchange_refused(&exchange, self, "{\"inputs\":[[1,0],[0,1],[1,1]]}", 413, "too_much_work", NULL);
    cr_assert_str_eq(exchange_member(&exchange, "expected"), "at most 35");
    cr_assert_str_eq(exchange_member(&exchange, "received"), "36");

    static const char mapped[] = "{\"inputs\":[[1,0]],\"projections\":{\"query\":{\"weight\":[[1,0],[0,1]]},"
                                 "\"output\":{\"weight\":[[1,0,0,0,0],[0,1,0,0,0]]}}}";
    exchange.service.limits.work = 4 + 2 * 2 + 2 * 5;
    exchange_ok(&exchange, self, mapped);
    exchange.service.limits.work--;
    exchange_refused(&exchange, self, mapped, 413, "too_much_work", NULL);
    exchange_done(&exchange);
}

/* The text of an answer can be no longer than the limit that let it pass. */
Test(plan, the_answer_is_limited_before_it_is_computed) {
    static const char *const bodies[] = {
        "{\"inputs\":[[1,0.3],[0.1,1],[0.7,1]]}", "{\"inputs\":[[1,0.3],[0.1,1],[0.7,1]],\"encoding\":\"b64\"}",
        "{\"inputs\":[[1,0.3],[0.1,1],[0.7,1]],\"decimals\":17,\"return\":[\"scores\"]}",
        "{\"inputs\":[[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1]],\"return\":[\"output\"]}"};
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        uint64_t passes = 1 << 20, refuses = 0; /* bisect the least limit that lets it pass */
        while (passes - refuses > 1) {
            exchange.service.limits.answer_bytes = refuses + (passes - refuses) / 2;
            exchange_post(&exchange, self, bodies[i]);
            *(exchange.reply.status == 200 ? &passes : &refuses) = exchange.service.limits.answer_bytes;
        }
        exchange.service.limits.answer_bytes = refuses;
        exchange_refused(&exchange, self, bodies[i], 413, "answer_too_large", "/return");
        exchange.service.limits.answer_bytes = passes;
        exchange_ok(&exchange, self, bodies[i]);
        cr_assert_leq(exchange.reply.size, passes + 60, "%s", bodies[i]); /* and the head */
        cr_assert_lt(passes, 8 * exchange.reply.size + 500, "%s: the estimate is %llu for %zu bytes", bodies[i],
                     (unsigned long long)passes, exchange.reply.size);
    }
    exchange.service.limits.answer_bytes = 0; /* no limit */
    exchange_ok(&exchange, self, bodies[0]);
    exchange_done(&exchange);
}

Test(plan, memory_is_limited) {
    static const char body[] = "{\"inputs\":[[1,0.3],[0.1,1],[0.7,1]],\"return\":[\"scores\",\"weights\",\"output\"]}";
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, self, body);
    size_t used = exchange.arena.used;
    bool refused = false, passed = false;
    char named[32];
    for (size_t limit = 0; limit <= used; limit += 512) {
        exchange.arena.limit = limit == 0 ? 1 : limit;
        exchange_post(&exchange, self, body);
        cr_assert_leq(exchange.arena.used, exchange.arena.limit);
        if (exchange.reply.status == 200) {
            passed = true;
            continue;
        }
        refused = true;
        const char *code = exchange_member(&exchange, "code");
        cr_assert_str_eq(code, "memory_limit", "%zu: %s", limit, code);
        cr_assert_eq(exchange.reply.status, 413);
        snprintf(named, sizeof named, " %zu bytes", exchange.arena.limit);
        cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), named));
    }
    cr_assert(refused && passed);
    exchange_done(&exchange);
}
