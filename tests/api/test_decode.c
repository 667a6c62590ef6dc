/* api/decode.c, member.c, decode_mask.c, decode_tokens.c, decode_projections.c: members, and what is wrong with them.
 */
#include "api/decode.h"
#include "api/member.h"

#include "tests/api/body.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char any[] = "/v1/attention", self[] = "/v1/attention/self", cross[] = "/v1/attention/cross";

struct refusal {
    const char *path, *body, *code, *pointer;
};

static void are_refused(const struct refusal *refusals, size_t count) {
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < count; i++)
        exchange_refused(&exchange, refusals[i].path, refusals[i].body, 422, refusals[i].code, refusals[i].pointer);
    exchange_done(&exchange);
}

#define ARE_REFUSED(rows) are_refused(rows, sizeof(rows) / sizeof *(rows))

Test(decode, a_body_is_an_object) {
    static const char *const bodies[] = {"[1]", "[]", "5", "\"x\"", "null", "true", "[[1,0],[0,1]]", "  -1.5 "};
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        exchange_refused(&exchange, self, bodies[i], 422, "wrong_type", "");
    exchange_refused(&exchange, self, "", 400, "empty_body", NULL);
    exchange_refused(&exchange, self, "   ", 400, "invalid_json", NULL);
    exchange_refused(&exchange, self, "{}", 422, "missing_member", "/inputs");
    exchange_done(&exchange);
}

Test(decode, every_member_of_the_table_is_known_or_refused_as_not_there_yet) {
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < member_attention.count; i++) {
        const struct member *member = &member_attention.rows[i];
        char body[100], pointer[40];
        snprintf(pointer, sizeof pointer, "/%s", member->name);
        snprintf(body, sizeof body, "{\"%s\": null, \"inputs\": [[1]]}", member->name);
        if (strcmp(member->name, "inputs") != 0) /* null is absent, whatever the member */
            exchange_ok(&exchange, any, body);
        bool needs_heads = strcmp(member->name, "num_kv_heads") == 0;
        snprintf(body, sizeof body, "{\"%s\": {\"x\": 1}%s}", member->name, needs_heads ? ", \"num_heads\": 1" : "");
        exchange_post(&exchange, any, body); /* no member takes such an object */
        cr_assert_eq(exchange.reply.status, 422, "%s", body);
        cr_assert_eq(strncmp(exchange_member(&exchange, "pointer"), pointer, strlen(pointer)), 0, "%s: %.*s", body,
                     (int)exchange.reply.size, exchange.reply.body);
        cr_assert_eq(member_find(&member_attention, member->name), member);
    }
    exchange_done(&exchange);
}

Test(decode, an_unknown_member_gets_its_neighbour) {
    static const struct refusal rows[] = {
        {any, "{\"inputs\":[[1]],\"num_head\":2}", "unknown_member", "/num_head"},
        {any, "{\"inputs\":[[1]],\"num_head\":null}", "unknown_member", "/num_head"},
        {any, "{\"inputs\":[[1]],\"zzzzzzzzzz\":2}", "unknown_member", "/zzzzzzzzzz"},
        {any, "{\"inputs\":[[1]],\"\":2}", "unknown_member", "/"},
        {any, "{\"inputs\":[[1]],\"a/b~c\":2}", "unknown_member", "/a~1b~0c"},
        {any, "{\"inputs\":[[1]],\"mask\":{\"casual\":true}}", "unknown_member", "/mask/casual"},
        {any, "{\"inputs\":[[1]],\"add_norm\":{\"eps\":1}}", "unknown_member", "/add_norm/eps"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"querry\":{}}}", "unknown_member", "/projections/querry"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"query\":{\"wieght\":[[1]]}}}", "unknown_member",
         "/projections/query/wieght"},
        {any, "{\"inputs\":[[1]],\"num_heads\":1,\"projections\":{\"state_dict\":{\"in_proj_wieght\":[[1]]}}}",
         "unknown_member", "/projections/state_dict/in_proj_wieght"}};
    ARE_REFUSED(rows);
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, any, "{\"inputs\":[[1]],\"num_head\":2}", 422, "unknown_member", "/num_head");
    cr_assert_str_eq(exchange_member(&exchange, "detail"),
                     "There is no member \"num_head\": did you mean \"num_heads\"?");
    cr_assert_str_eq(exchange_member(&exchange, "expected"), "\"num_heads\"");
    exchange_done(&exchange);
}

Test(decode, a_member_of_another_route_names_that_route) {
    static const char *const members[] = {"query", "key", "value", "context", "query_tokens", "key_tokens"};
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < 6; i++) {
        char body[100], pointer[40];
        snprintf(pointer, sizeof pointer, "/%s", members[i]);
        snprintf(body, sizeof body, "{\"inputs\":[[1]],\"%s\":[[1]]}", members[i]);
        exchange_refused(&exchange, self, body, 422, "wrong_route", pointer);
        cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), "/v1/attention/cross"));
    }
    exchange_refused(&exchange, cross, "{\"inputs\":[[1]]}", 422, "wrong_route", "/inputs");
    cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), "/v1/attention/self"));
    exchange_done(&exchange);
}

Test(decode, members_are_required_by_their_route) {
    static const struct refusal rows[] = {
        {self, "{\"tokens\":[\"a\"]}", "missing_member", "/inputs"},
        {self, "{\"scale\":1}", "missing_member", "/inputs"},
        {any, "{}", "missing_member", "/query"},
        {any, "{\"query\":[[1]]}", "missing_member", "/context"},
        {any, "{\"query\":[[1]],\"value\":[[1]]}", "missing_member", "/key"},
        {any, "{\"key\":[[1]]}", "missing_member", "/query"},
        {cross, "{\"context\":[[1]]}", "missing_member", "/query"},
        {cross, "{\"query\":[[1]]}", "missing_member", "/context"},
        {"/v1/attention/multi-head", "{\"inputs\":[[1]]}", "missing_member", "/num_heads"},
        {any, "{\"inputs\":[[1]],\"num_kv_heads\":1}", "missing_member", "/num_heads"},
        {any, "{\"inputs\":[[1]],\"pad_token\":\"x\"}", "missing_member", "/tokens"},
        {"/v1/attention/merge", "{\"inputs\":[[1]]}", "wrong_route", "/inputs"},
        {"/v1/attention", "{\"parts\":[]}", "wrong_route", "/parts"}};
    ARE_REFUSED(rows);
}

Test(decode, members_that_contradict_each_other_are_refused) {
    static const struct refusal rows[] = {
        {any, "{\"inputs\":[[1]],\"query\":[[1]]}", "conflicting_members", "/query"},
        {any, "{\"inputs\":[[1]],\"context\":[[1]]}", "conflicting_members", "/context"},
        {any, "{\"query\":[[1]],\"context\":[[1]],\"key\":[[1]]}", "conflicting_members", "/context"},
        {any, "{\"query\":[[1]],\"context\":[[1]],\"value\":[[1]]}", "conflicting_members", "/context"},
        {any, "{\"inputs\":[[1]],\"decimals\":3,\"encoding\":\"b64\"}", "conflicting_members", "/decimals"},
        {any, "{\"inputs\":[[1]],\"normalize\":\"sum\",\"fully_masked\":\"uniform\"}", "conflicting_members",
         "/fully_masked"},
        {any, "{\"inputs\":[[1]],\"tokens\":[\"a\"],\"query_tokens\":[\"a\"]}", "conflicting_members", "/tokens"},
        {self, "{\"inputs\":[[1]],\"tokens\":[\"a\"],\"embeddings\":{\"a\":[1]}}", "conflicting_members",
         "/embeddings"},
        {self, "{\"inputs\":[[1]],\"embeddings\":{\"a\":[1]}}", "conflicting_members", "/embeddings"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"layout\":\"in_out\",\"state_dict\":{}}}", "conflicting_members",
         "/projections/layout"},
        {any, "{\"inputs\":[[[[1]]]],\"add_norm\":true}", "conflicting_members", "/add_norm"},
        {any, "{\"inputs\":[[[[1]]]],\"projections\":{\"query\":{\"weight\":[[1]]}}}", "conflicting_members",
         "/projections"}};
    ARE_REFUSED(rows);
}

Test(decode, what_changes_scores_is_as_many_numbers_as_heads) {
    static const struct refusal rows[] = {
        {any, "{\"inputs\":[[1]],\"softcap\":0}", "out_of_range", "/softcap"},
        {any, "{\"inputs\":[[1]],\"softcap\":-2}", "out_of_range", "/softcap"},
        {any, "{\"inputs\":[[1]],\"softcap\":1e-35}", "out_of_range", "/softcap"},
        {any, "{\"inputs\":[[1]],\"softcap\":true}", "wrong_type", "/softcap"},
        {any, "{\"inputs\":[[1]],\"softcap\":[5]}", "wrong_type", "/softcap"},
        {any, "{\"inputs\":[[1]],\"alibi\":0.5}", "wrong_type", "/alibi"},
        {any, "{\"inputs\":[[1]],\"alibi\":\"true\"}", "wrong_type", "/alibi"},
        {any, "{\"inputs\":[[1]],\"alibi\":[1,2]}", "shape_mismatch", "/alibi"},
        {any, "{\"inputs\":[[1,2]],\"num_heads\":2,\"alibi\":[[1],[2]]}", "wrong_rank", "/alibi"},
        {any, "{\"inputs\":[[1,2]],\"num_heads\":2,\"alibi\":[1]}", "shape_mismatch", "/alibi"},
        {any, "{\"inputs\":[[1]],\"sinks\":1}", "wrong_type", "/sinks"},
        {any, "{\"inputs\":[[1]],\"sinks\":true}", "wrong_type", "/sinks"},
        {any, "{\"inputs\":[[1]],\"sinks\":[null]}", "wrong_type", "/sinks/0"},
        {any, "{\"inputs\":[[1]],\"sinks\":[1,2]}", "shape_mismatch", "/sinks"},
        {any, "{\"inputs\":[[1]],\"sinks\":[1e39]}", "not_finite", "/sinks/0"},
        {any, "{\"inputs\":[[1]],\"sinks\":[1],\"normalize\":\"none\"}", "conflicting_members", "/sinks"}};
    ARE_REFUSED(rows);
}

Test(decode, results_are_asked_for_by_name) {
    static const struct refusal rows[] = {
        {any, "{\"inputs\":[[1]],\"return\":\"weights\"}", "wrong_type", "/return"},
        {any, "{\"inputs\":[[1]],\"return\":[]}", "wrong_type", "/return"},
        {any, "{\"inputs\":[[1]],\"return\":[\"weights\",1]}", "wrong_type", "/return/1"},
        {any, "{\"inputs\":[[1]],\"return\":[\"weigths\"]}", "out_of_range", "/return/0"},
        {any, "{\"inputs\":[[1]],\"return\":[\"output\",\"attention_map\"]}", "out_of_range", "/return/1"},
        {any, "{\"inputs\":[[1]],\"return\":[\"lse\"],\"normalize\":\"sum\"}", "conflicting_members", "/return"}};
    ARE_REFUSED(rows);
    exchange_same(any, "{\"inputs\":[[1]],\"return\":[\"output\",\"weights\"]}", any, "{\"inputs\":[[1]]}");
    exchange_same(any, "{\"inputs\":[[1]],\"return\":[\"output\",\"output\"]}", any,
                  "{\"inputs\":[[1]],\"return\":[\"output\"]}");
}

Test(decode, results_come_in_the_contracts_order) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, any,
                "{\"tokens\":[\"a\",\"b\"],\"mask\":{\"lengths\":[0]},\"inputs\":[[1,2],[3,4]],\"num_heads\":2,"
                "\"return\":[\"output\",\"heads\",\"weights\",\"masked\",\"scores\",\"value\",\"key\",\"query\"]}");
    static const char *const order[] = {
        "{\"dtype\":", ",\"shape\":",  ",\"tokens\":", ",\"fully_masked\":", ",\"query\":", ",\"key\":",
        ",\"value\":", ",\"scores\":", ",\"masked\":", ",\"weights\":",      ",\"heads\":", ",\"output\":"};
    const char *place = exchange.text;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        place = strstr(place, order[i]);
        cr_assert_not_null(place, "%s in %.*s", order[i], (int)exchange.reply.size, exchange.reply.body);
    }
    exchange_done(&exchange);
}

Test(decode, tokens_are_strings_or_lists_of_them) {
    static const struct refusal rows[] = {
        {self, "{\"inputs\":[[1]],\"tokens\":\"a\"}", "wrong_type", "/tokens"},
        {self, "{\"inputs\":[[1]],\"tokens\":[]}", "wrong_type", "/tokens"},
        {self, "{\"inputs\":[[1]],\"tokens\":[1]}", "wrong_type", "/tokens"},
        {self, "{\"inputs\":[[1],[2]],\"tokens\":[\"a\",null]}", "wrong_type", "/tokens/1"},
        {self, "{\"inputs\":[[1],[2]],\"tokens\":[\"a\",[\"b\"]]}", "wrong_type", "/tokens/1"},
        {self, "{\"inputs\":[[[1]]],\"tokens\":[[]]}", "wrong_type", "/tokens/0"},
        {self, "{\"inputs\":[[[1]],[[1]]],\"tokens\":[[\"a\"],\"b\"]}", "wrong_type", "/tokens/1"},
        {self, "{\"inputs\":[[1]],\"tokens\":[\"a\",\"b\"]}", "shape_mismatch", "/tokens"},
        {self, "{\"inputs\":[[1]],\"tokens\":[[\"a\"],[\"b\"]]}", "shape_mismatch", "/tokens"},
        {cross, "{\"query\":[[1]],\"context\":[[1],[2]],\"tokens\":[\"a\"]}", "shape_mismatch", "/tokens"},
        {cross, "{\"query\":[[1]],\"context\":[[1],[2]],\"query_tokens\":[\"a\",\"b\"]}", "shape_mismatch",
         "/query_tokens"},
        {cross, "{\"query\":[[1]],\"context\":[[1],[2]],\"key_tokens\":[\"a\"]}", "shape_mismatch", "/key_tokens"},
        {self, "{\"inputs\":[[[1],[2]],[[1],[2]]],\"tokens\":[[\"a\",\"b\"],[\"c\"]]}", "ragged_array", "/tokens/1"},
        {self, "{\"tokens\":[\"a\",\"x\"],\"embeddings\":{\"a\":[1]}}", "unknown_token", "/tokens/1"},
        {self, "{\"tokens\":[[\"a\"],[\"x\"]],\"embeddings\":{\"a\":[1]}}", "unknown_token", "/tokens/1/0"},
        {self, "{\"tokens\":[\"a\"],\"embeddings\":{}}", "missing_member", "/embeddings"},
        {self, "{\"tokens\":[\"a\"],\"embeddings\":[[1]]}", "wrong_type", "/embeddings"},
        {self, "{\"tokens\":[\"a\"],\"embeddings\":{\"a\":1}}", "wrong_type", "/embeddings/a"},
        {self, "{\"tokens\":[\"a\"],\"embeddings\":{\"a\":[[1]]}}", "wrong_rank", "/embeddings/a"},
        {self, "{\"tokens\":[\"a\"],\"embeddings\":{\"a\":[1,2],\"b/c\":[1]}}", "shape_mismatch", "/embeddings/b~1c"}};
    ARE_REFUSED(rows);
}

Test(decode, embeddings_are_looked_up) {
    static const char plain[] = "{\"inputs\":[[1,0],[0,1],[1,0]],\"tokens\":[\"a\",\"b\",\"a\"]}";
    exchange_same(self, plain, self,
                  "{\"tokens\":[\"a\",\"b\",\"a\"],\"embeddings\":{\"a\":[1,0],\"b\":[0,1],\"c\":[5,5]}}");
    exchange_same(
        self, plain, self,
        "{\"tokens\":[\"a\",\"b\",\"a\"],\"embeddings\":{\"a\":{\"shape\":[2],\"data\":[1,0]},\"b\":{\"shape\":[2],"
        "\"dtype\":\"float16\",\"b64\":\"AAAAPA==\"}}}");
    exchange_same(
        cross, "{\"query\":[[1,0]],\"context\":[[0,1],[1,0]],\"query_tokens\":[\"a\"],\"key_tokens\":[\"b\",\"a\"]}",
        cross, "{\"query_tokens\":[\"a\"],\"key_tokens\":[\"b\",\"a\"],\"embeddings\":{\"a\":[1,0],\"b\":[0,1]}}");
    exchange_same(cross, "{\"query\":[[1,0]],\"context\":[[0,1],[1,0]],\"key_tokens\":[\"b\",\"a\"]}", cross,
                  "{\"query\":[[1,0]],\"key_tokens\":[\"b\",\"a\"],\"embeddings\":{\"a\":[1,0],\"b\":[0,1]}}");
}

Test(decode, the_pad_token_hides_its_keys_and_fills_up_lists) {
    exchange_same(
        self, "{\"tokens\":[[\"a\",\"b\"],[\"a\"]],\"embeddings\":{\"a\":[1,0],\"b\":[0,1]},\"pad_token\":\"-\"}", self,
        "{\"tokens\":[[\"a\",\"b\"],[\"a\",\"-\"]],\"inputs\":[[[1,0],[0,1]],[[1,0],[0,0]]],"
        "\"mask\":{\"padding\":[[false,false],[false,true]]}}");
    exchange_same(self, "{\"tokens\":[\"-\",\"b\"],\"inputs\":[[1,0],[0,1]],\"pad_token\":\"-\"}", self,
                  "{\"tokens\":[\"-\",\"b\"],\"inputs\":[[1,0],[0,1]],\"mask\":{\"padding\":[1,0]}}");
    exchange_same(self, "{\"tokens\":[\"-\",\"b\"],\"inputs\":[[1,0],[0,1]],\"pad_token\":\"-\",\"mask\":\"causal\"}",
                  self,
                  "{\"tokens\":[\"-\",\"b\"],\"inputs\":[[1,0],[0,1]],\"mask\":{\"padding\":[1,0],\"causal\":true}}");
    exchange_same(cross,
                  "{\"query\":[[1,0]],\"context\":[[0,1],[1,0]],\"key_tokens\":[\"-\",\"a\"],\"query_tokens\":[\"-\"],"
                  "\"pad_token\":\"-\"}",
                  cross,
                  "{\"query\":[[1,0]],\"context\":[[0,1],[1,0]],\"key_tokens\":[\"-\",\"a\"],\"query_tokens\":[\"-\"],"
                  "\"mask\":{\"block\":[[1,0]]}}");
}

Test(decode, projections_that_are_none_say_why) {
    static const struct refusal rows[] = {
        {any, "{\"inputs\":[[1]],\"projections\":5}", "wrong_type", "/projections"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"query\":[[1]]}}", "wrong_type", "/projections/query"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"query\":{}}}", "missing_member", "/projections/query/weight"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"query\":{\"bias\":[1]}}}", "missing_member",
         "/projections/query/weight"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"query\":{\"weight\":[1]}}}", "wrong_rank",
         "/projections/query/weight"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"query\":{\"weight\":[[1]],\"bias\":[[1]]}}}", "wrong_rank",
         "/projections/query/bias"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"query\":{\"weight\":[[1],[2]]}}}", "shape_mismatch",
         "/projections/query/weight"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"query\":{\"weight\":[[1]],\"bias\":[1,2]}}}", "shape_mismatch",
         "/projections/query/bias"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"output\":{\"weight\":[[1],[2]]}}}", "shape_mismatch",
         "/projections/output/weight"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"layout\":\"out_out\"}}", "out_of_range", "/projections/layout"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"features\":2}}", "missing_member", "/projections/features"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"state_dict\":{}}}", "missing_member",
         "/projections/state_dict/q_proj_weight"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"state_dict\":[1]}}", "wrong_type", "/projections/state_dict"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"state_dict\":{\"in_proj_weight\":[[1],[1],[1]]}}}",
         "missing_member", "/projections/state_dict/out_proj.weight"},
        {any,
         "{\"inputs\":[[1]],\"projections\":{\"state_dict\":{\"in_proj_weight\":[[1],[1],[1]],\"out_proj.weight\":[[1]]"
         "}}}",
         "missing_member", "/num_heads"},
        {any,
         "{\"inputs\":[[1]],\"num_heads\":1,\"projections\":{\"state_dict\":{\"in_proj_weight\":[[1],[1]],"
         "\"out_proj.weight\":[[1]]}}}",
         "shape_mismatch", "/projections/state_dict/in_proj_weight"},
        {any,
         "{\"inputs\":[[1]],\"num_heads\":1,\"projections\":{\"state_dict\":{\"in_proj_weight\":[[1],[1],[1]],"
         "\"in_proj_bias\":[1],\"out_proj.weight\":[[1]]}}}",
         "shape_mismatch", "/projections/state_dict/in_proj_bias"},
        {any,
         "{\"inputs\":[[1]],\"num_heads\":1,\"projections\":{\"state_dict\":{\"in_proj_weight\":[[1],[1],[1]],"
         "\"q_proj_weight\":[[1]],\"out_proj.weight\":[[1]]}}}",
         "conflicting_members", "/projections/state_dict/q_proj_weight"},
        {any,
         "{\"inputs\":[[1]],\"num_heads\":1,\"projections\":{\"state_dict\":{\"in_proj_weight\":[[1],[1],[1]],"
         "\"bias_k\":[[[1]]],\"out_proj.weight\":[[1]]}}}",
         "missing_member", "/projections/state_dict/bias_v"},
        {any,
         "{\"inputs\":[[1,2]],\"num_heads\":2,\"num_kv_heads\":1,\"projections\":{\"state_dict\":{\"in_proj_weight\":[["
         "1,1],[1,1]"
         ",[1,1],[1,1],[1,1],[1,1]],\"out_proj.weight\":[[1,1],[1,1]]}}}",
         "conflicting_members", "/num_kv_heads"}};
    ARE_REFUSED(rows);
}

Test(decode, what_is_drawn_says_how) {
    static const struct refusal rows[] = {
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"keras\"}}", "out_of_range", "/projections/init"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\",\"features\":0}}", "out_of_range",
         "/projections/features"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\",\"bias\":1}}", "wrong_type",
         "/projections/bias"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\",\"output\":{\"weight\":[[1]]}}}",
         "wrong_type", "/projections/output"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\",\"key\":{\"weight\":[[1]]}}}",
         "conflicting_members", "/projections/key"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\",\"feature\":2}}", "unknown_member",
         "/projections/feature"},
        {any, "{\"inputs\":[[1]],\"seed\":1}", "missing_member", "/seed"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\"},\"seed\":1.5}", "out_of_range",
         "/seed"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\"},\"seed\":18446744073709551616}",
         "out_of_range", "/seed"},
        {any, "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\"},\"seed\":-9223372036854775809}",
         "out_of_range", "/seed"},
        {any, "{\"inputs\":[[1]],\"return\":[\"projections\"]}", "missing_member", "/projections"},
        {any, "{\"inputs\":[[1,2]],\"gate\":{\"weight\":[[1],[1]]}}", "shape_mismatch", "/gate/weight"},
        {any, "{\"inputs\":[[1]],\"gate\":{\"weight\":[[1]],\"bias\":[1,2]}}", "shape_mismatch", "/gate/bias"},
        {any, "{\"inputs\":[[1]],\"gate\":{\"bias\":[1]}}", "missing_member", "/gate/weight"},
        {any, "{\"inputs\":[[[[1]]]],\"gate\":{\"weight\":[[1]]}}", "conflicting_members", "/gate"}};
    ARE_REFUSED(rows);
}

/* Seeds of more than 53 bits are read to the last digit: of a neighbour the low 32 bits are others. */
Test(decode, a_seed_is_read_exactly) {
    static const char one[] = "{\"inputs\":[[1]],\"projections\":{\"init\":\"torch.nn.Linear\"},\"seed\":%s}";
    static const char *const alike[][2] = {{"9007199254740993", "1"},     {"18446744073709551615", "4294967295"},
                                           {"-1", "4294967295"},          {"-9223372036854775808", "0"},
                                           {"-9223372036854775807", "1"}, {"1e3", "1000"},
                                           {"9007199254740992", "0"}};
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        char body[200], other[200];
        snprintf(body, sizeof body, one, alike[i][0]);
        snprintf(other, sizeof other, one, alike[i][1]);
        exchange_same(any, body, any, other);
    }
}

Test(decode, a_weight_that_is_turned_is_told_so) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, any,
                     "{\"inputs\":[[1,2]],\"projections\":{\"query\":{\"weight\":[[1,2],[1,2],[1,2]]}}}", 422,
                     "shape_mismatch", "/projections/query/weight");
    cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), "\"out_in\""), "%s",
                       exchange_member(&exchange, "detail"));
    exchange_done(&exchange);
}

Test(decode, mask_parts_of_the_wrong_kind_are_refused) {
    static const struct refusal rows[] = {
        {self, "{\"inputs\":[[1]],\"mask\":\"casual\"}", "wrong_type", "/mask"},
        {self, "{\"inputs\":[[1]],\"mask\":true}", "wrong_type", "/mask"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"causal\":1}}", "wrong_type", "/mask/causal"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"align\":\"left\"}}", "out_of_range", "/mask/align"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"window\":\"1\"}}", "wrong_type", "/mask/window"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"window\":[1]}}", "wrong_type", "/mask/window"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"window\":[1,2,3]}}", "wrong_type", "/mask/window"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"window\":[1,null]}}", "wrong_type", "/mask/window"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"window\":[1,-2]}}", "out_of_range", "/mask/window"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"window\":0.5}}", "out_of_range", "/mask/window"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"lengths\":1}}", "wrong_type", "/mask/lengths"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"lengths\":[2]}}", "out_of_range", "/mask/lengths/0"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"lengths\":[-1]}}", "out_of_range", "/mask/lengths/0"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"lengths\":[0.5]}}", "out_of_range", "/mask/lengths/0"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"lengths\":[1,1]}}", "shape_mismatch", "/mask/lengths"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"padding\":[true,false]}}", "shape_mismatch", "/mask/padding"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"padding\":[[true],[false]]}}", "shape_mismatch", "/mask/padding"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"query_padding\":[[[true]]]}}", "shape_mismatch", "/mask/query_padding"},
        {self, "{\"inputs\":[[1]],\"mask\":{\"attend\":\"x\"}}", "wrong_type", "/mask/attend"}};
    ARE_REFUSED(rows);
}

Test(decode, a_mask_drops_the_routes_default) {
    exchange_same("/v1/attention/masked", "{\"inputs\":[[1,0],[0,1]],\"mask\":{}}", self, "{\"inputs\":[[1,0],[0,1]]}");
    exchange_same("/v1/attention/masked", "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"causal\":false}}", self,
                  "{\"inputs\":[[1,0],[0,1]]}");
    exchange_same("/v1/attention/masked", "{\"inputs\":[[1,0],[0,1]],\"mask\":null}", self,
                  "{\"inputs\":[[1,0],[0,1]],\"mask\":\"causal\"}");
}

/* Lists of one token beside a long one. */
static void unequal_lists(struct body *body, size_t lists, size_t length, const char *more) {
    body_init(body);
    body_add(body, "{\"tokens\":[[\"a\"");
    for (size_t i = 1; i < length; i++)
        body_add(body, ",\"a\"");
    body_add(body, "]");
    for (size_t i = 1; i < lists; i++)
        body_add(body, ",[\"a\"]");
    body_add(body, "],\"pad_token\":\"-\"%s}", more);
}

Test(decode, what_tokens_ask_for_is_refused_before_it_is_made) {
    static const struct {
        const char *more, *code, *pointer;
        int status;
    } rows[] = {{",\"embeddings\":{\"a\":[1]}", "answer_too_large", "/return", 413},
                {",\"embeddings\":{\"a\":[1]},\"return\":[\"masked\"]", "answer_too_large", "/return", 413},
                {",\"inputs\":[[1]]", "shape_mismatch", "/tokens", 422},
                {"", "missing_member", "/inputs", 422}};
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct body body;
        unequal_lists(&body, 1000, 3000, rows[i].more);
        exchange_refused(&exchange, self, body_text(&body), rows[i].status, rows[i].code, rows[i].pointer);
        cr_assert_leq(exchange.arena.used, 8 * strlen(body_text(&body)) + 131072, "%s: %zu bytes", rows[i].more,
                      exchange.arena.used);
        body_done(&body);
    }
    struct body body;
    unequal_lists(&body, 1000, 3000, ",\"embeddings\":{\"a\":[1]},\"return\":[\"output\"]");
    exchange.service.limits.work = (uint64_t)1 << 33; /* 1000 · 3000 · 3000 · 2 are more */
    exchange_refused(&exchange, self, body_text(&body), 413, "too_much_work", "/tokens");
    cr_assert_leq(exchange.arena.used, 8 * strlen(body_text(&body)) + 131072);
    body_done(&body);
    exchange.service.limits = limits_default;
    body_init(&body);
    body_add(&body, "{\"tokens\":[\"a\"");
    for (size_t i = 1; i < 8000; i++)
        body_add(&body, ",\"a\"");
    body_add(&body, "],\"embeddings\":{\"a\":[1");
    for (size_t i = 1; i < 14000; i++)
        body_add(&body, ",1");
    body_add(&body, "]}}"); /* 8000 · 8000 · (14000 + 14000) are more than 2^40, and 448 MB would be looked up */
    exchange_refused(&exchange, self, body_text(&body), 413, "too_much_work", "/tokens");
    cr_assert_leq(exchange.arena.used, 8 * strlen(body_text(&body)) + 131072);
    body_done(&body);
    exchange_done(&exchange);
}

Test(decode, batches_that_differ_are_refused_before_they_are_looked_up) {
    static const struct {
        const char *sides, *pointer;
    } rows[] = {{"\"query_tokens\":[[\"a\"],[\"a\"]],\"context\":[[1]]", "/context"},
                {"\"query_tokens\":[[\"a\"],[\"a\"]],\"key\":[[[1]]],\"value\":[[[1]]]", "/key"},
                {"\"query_tokens\":[\"a\",\"a\"],\"key_tokens\":[[\"a\"],[\"a\"]]", "/key_tokens"},
                {"\"query\":[[1]],\"key_tokens\":[[\"a\"],[\"a\"]]", "/key_tokens"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[300];
        struct exchange exchange;
        exchange_init(&exchange);
        snprintf(body, sizeof body, "{%s,\"embeddings\":{\"a\":[1]}}", rows[i].sides);
        exchange_refused(&exchange, any, body, 422, "shape_mismatch", rows[i].pointer);
        exchange_done(&exchange);
    }
}

Test(decode, much_to_look_up_is_left_to_a_worker) {
    struct body body;
    struct arena arena;
    struct error error = {0};
    struct call call = {0};
    struct limits limits = limits_default;
    const char *allow;
    unequal_lists(&body, 100, 3000, ",\"embeddings\":{\"a\":[1]},\"return\":[\"output\"]");
    const char *text = body_text(&body);
    arena_init(&arena, 0);
    limits.is_brief = true;
    service_init();
    cr_assert_not(decode_call(&limits, route_find("POST", self, &allow), text, strlen(text), &arena, &call, &error));
    json_set_alloc_funcs(malloc, free);
    cr_assert_eq(error.code, ERROR_DEFERRED);
    cr_assert_leq(arena.used, 8 * strlen(text) + 131072);
    arena_done(&arena);
    body_done(&body);
}

Test(decode, a_long_pad_token_counts_as_often_as_the_answer_repeats_it) {
    struct exchange exchange;
    exchange_init(&exchange);
    static const char body[] = "{\"tokens\":[[\"a\",\"b\",\"c\"],[\"a\"]],\"pad_token\":\"0123456789\","
                               "\"inputs\":[[[1],[1],[1]],[[1],[1],[1]]],\"return\":[\"lse\"]}";
    exchange.service.limits.answer_bytes = 2000;
    exchange_ok(&exchange, self, body);
    exchange.service.limits.answer_bytes = 25; /* two pad tokens of 13 bytes are more */
    exchange_refused(&exchange, self, body, 413, "answer_too_large", "/tokens");
    exchange_done(&exchange);
}

Test(decode, padding_is_looked_up_like_any_token) {
    static const char filled[] = "{\"tokens\":[[\"a\",\"b\"],[\"b\",\"-\"]],\"pad_token\":\"-\",%s}";
    static const char shorter[] = "{\"tokens\":[[\"a\",\"b\"],[\"b\"]],\"pad_token\":\"-\",%s}";
    static const char *const embeddings[] = {
        "\"embeddings\":{\"a\":[1,0],\"b\":[0,1]}", "\"embeddings\":{\"a\":[1,0],\"b\":[0,1],\"-\":[5,5]}",
        ("\"embeddings\":{\"a\":{\"shape\":[2],\"data\":[1,0]},\"b\":{\"shape\":[2],\"dtype\":\"float16\",\"b64\":"
         "\"AAAAPA==\"},\"-\":[5,5]}")};
    for (size_t i = 0; i < sizeof embeddings / sizeof *embeddings; i++) {
        char one[400], other[400];
        snprintf(one, sizeof one, filled, embeddings[i]);
        snprintf(other, sizeof other, shorter, embeddings[i]);
        exchange_same(self, one, self, other);
    }
}

Test(decode, an_embedding_is_read_once_however_often_its_token_stands) {
    /* 2,000 tokens of one vector of 512 numbers in b64: what is looked up takes 4 MB, decoding it each time twice as
     * much more.
     */
    struct exchange exchange;
    struct body body;
    exchange_init(&exchange);
    body_init(&body);
    body_add(&body, "{\"return\":[\"lse\"],\"tokens\":[\"a\"");
    for (size_t i = 1; i < 2000; i++)
        body_add(&body, ",\"a\"");
    body_add(&body, "],\"embeddings\":{\"a\":{\"shape\":[512],\"dtype\":\"float32\",\"b64\":\"");
    for (size_t i = 0; i < 682; i++)
        body_add(&body, "AAAA");
    body_add(&body, "AAA=\"}}}");
    exchange_ok(&exchange, self, body_text(&body));
    cr_assert_leq(exchange.arena.used, 2000 * 512 * 4 + 2000000, "%zu", exchange.arena.used);
    body_done(&body);
    exchange_done(&exchange);
}
