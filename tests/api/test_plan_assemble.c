/* api/plan_assemble.c and job_inputs.c: laws of cache, rotary positions and extra keys. What is put together from
 * pieces is answered like the whole, given at once. */
#include "tests/api/body.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char any[] = "/v1/attention", self[] = "/v1/attention/self", heads[] = "/v1/attention/multi-head";

enum { NUMBERS_MOST = 4096 };

/* [batch, heads, rows, cols] of random numbers, the same for the same seed. */
struct numbers {
    size_t shape[4];
    double data[NUMBERS_MOST];
};

static struct numbers numbers_of(uint64_t seed, size_t batch, size_t groups, size_t rows, size_t cols) {
    struct numbers numbers = {{batch, groups, rows, cols}, {0}};
    struct random random = {seed};
    cr_assert_leq(batch * groups * rows * cols, NUMBERS_MOST);
    for (size_t i = 0; i < batch * groups * rows * cols; i++)
        numbers.data[i] = (double)(float)random_number(&random, 1);
    return numbers;
}

/* Rows [first, first + count) of every item and head. */
static struct numbers rows_of(const struct numbers *all, size_t first, size_t count) {
    struct numbers rows = {{all->shape[0], all->shape[1], count, all->shape[3]}, {0}};
    size_t cols = all->shape[3];
    for (size_t outer = 0; outer < all->shape[0] * all->shape[1]; outer++)
        memcpy(rows.data + outer * count * cols, all->data + (outer * all->shape[2] + first) * cols,
               count * cols * sizeof *rows.data);
    return rows;
}

/* The last `rank` axes as nested arrays, behind a name. */
static void add(struct body *body, const char *name, const struct numbers *numbers, size_t rank) {
    body_add(body, "\"%s\":", name);
    body_tensor(body, numbers->data, rank, numbers->shape + 4 - rank);
    body_add(body, ",");
}

static void begin(struct body *body) {
    body_init(body);
    body_add(body, "{");
}

static const char *end(struct body *body, const char *more) {
    body_add(body, "%s}", more);
    return body_text(body);
}

/* Two bodies are answered by the same bytes, and let go of. */
static void same(struct body *one, const char *more, struct body *other, const char *other_more) {
    exchange_same(any, end(one, more), any, end(other, other_more));
    body_done(one);
    body_done(other);
}

/* A result of a body, in its order. */
static size_t result_of(const char *path, const char *body, const char *name, double *numbers, size_t most) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, path, body);
    size_t count = exchange_numbers(&exchange, name, numbers, most);
    exchange_done(&exchange);
    return count;
}

static void near(const double *one, const double *other, size_t count, double tolerance, const char *what) {
    for (size_t i = 0; i < count; i++)
        cr_assert_float_eq(one[i], other[i], tolerance, "%s %zu: %.17g and %.17g", what, i, one[i], other[i]);
}

Test(plan_assemble, cached_keys_are_keys_given_at_once) {
    static const char *const options[] = {
        "\"return\":[\"weights\",\"output\",\"scores\",\"masked\",\"heads\",\"present_key\",\"present_value\"]",
        "\"dtype\":\"float64\",\"mask\":{\"causal\":true,\"align\":\"bottom_right\"}",
        "\"mask\":{\"causal\":true,\"align\":\"top_left\"}",
        "\"mask\":{\"lengths\":[5,2],\"causal\":true,\"align\":\"bottom_right\"}",
        "\"mask\":{\"padding\":[1,0,0,0,1,0,0]}",
        "\"mask\":[[1,0,1,0,1,1,1],[0,1,1,1,0,0,1],[1,1,1,1,1,1,0]],\"average_heads\":true",
        "\"mask\":{\"window\":[1,2],\"align\":\"top_left\"},\"normalize\":\"sum\"",
    };
    struct numbers query = numbers_of(1, 2, 4, 3, 6), key = numbers_of(2, 2, 2, 7, 6),
                   value = numbers_of(3, 2, 2, 7, 5);
    struct numbers past_key = rows_of(&key, 0, 3), past_value = rows_of(&value, 0, 3);
    struct numbers new_key = rows_of(&key, 3, 4), new_value = rows_of(&value, 3, 4);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct body whole, pieces;
        begin(&whole);
        add(&whole, "query", &query, 4);
        add(&whole, "key", &key, 4);
        add(&whole, "value", &value, 4);
        begin(&pieces);
        add(&pieces, "query", &query, 4);
        add(&pieces, "key", &new_key, 4);
        add(&pieces, "value", &new_value, 4);
        add(&pieces, "past_key", &past_key, 4);
        add(&pieces, "past_value", &past_value, 4);
        same(&whole, options[i], &pieces, options[i]);
    }
}

enum { TOKENS = 9, FEATURES = 16, GROUPED = 8 };

/* Sends the sequence token by token, the last two at once; each answer's cache goes into the next request. The outputs,
 * and the present_key of the last answer. */
static void decode(const struct numbers *query, const struct numbers *key, const char *options, double *output,
                   double *present) {
    char *cache = strdup("");
    for (size_t done = 0; done < TOKENS;) {
        size_t count = TOKENS - done == 2 ? 2 : 1;
        struct numbers queries = rows_of(query, done, count), keys = rows_of(key, done, count);
        struct exchange exchange;
        struct body body;
        begin(&body);
        add(&body, "query", &queries, 2);
        add(&body, "context", &keys, 2);
        body_add(&body, "%s", cache);
        exchange_init(&exchange);
        exchange_ok(&exchange, heads, end(&body, options));
        cr_assert_eq(exchange_numbers(&exchange, "output", output + done * FEATURES, count * FEATURES),
                     count * FEATURES);
        done += count;
        cr_assert_eq(exchange_numbers(&exchange, "present_key", present, TOKENS * GROUPED), done * GROUPED);
        char *past_key = json_dumps(json_object_get(exchange.json, "present_key"), JSON_REAL_PRECISION(17));
        char *past_value = json_dumps(json_object_get(exchange.json, "present_value"), JSON_REAL_PRECISION(17));
        free(cache);
        cr_assert_geq(asprintf(&cache, "\"past_key\":%s,\"past_value\":%s,", past_key, past_value), 0);
        free(past_key);
        free(past_value);
        exchange_done(&exchange);
        body_done(&body);
    }
    free(cache);
}

Test(plan_assemble, decoding_token_by_token_is_one_causal_call) {
    static const char *const options[] = {
        "\"mask\":\"causal\"",
        "\"mask\":\"causal\",\"rotary\":true",
        "\"mask\":\"causal\",\"rotary\":{\"interleaved\":true,\"base\":500,\"dim\":2}",
        "\"mask\":{\"causal\":true,\"window\":[2,0]},\"rotary\":{}",
        "\"mask\":{\"causal\":true,\"align\":\"bottom_right\"},\"rotary\":{\"dim\":4}",
        "\"mask\":{\"window\":[3,0]},\"normalize\":\"none\"",
        "\"mask\":\"causal\",\"rotary\":{},\"add_zero_attn\":true",
    };
    struct numbers query = numbers_of(11, 1, 1, TOKENS, FEATURES), key = numbers_of(12, 1, 1, TOKENS, GROUPED);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char all[300];
        double decoded[TOKENS * FEATURES], present[TOKENS * GROUPED];
        snprintf(all, sizeof all,
                 "%s,\"num_heads\":4,\"num_kv_heads\":2,\"dtype\":\"float64\",\"return\":[\"output\",\"present_key\","
                 "\"present_value\"]",
                 options[i]);
        decode(&query, &key, all, decoded, present);
        struct exchange exchange;
        struct body body;
        begin(&body);
        add(&body, "query", &query, 2);
        add(&body, "context", &key, 2);
        exchange_init(&exchange);
        exchange_ok(&exchange, heads, end(&body, all));
        exchange_near(&exchange, "output", TOKENS * FEATURES, decoded, 1e-14);
        exchange_near(&exchange, "present_key", TOKENS * GROUPED, present, 0); /* a row is turned alone */
        body_done(&body);
        exchange_done(&exchange);
    }
}

Test(plan_assemble, present_without_a_cache_is_key_and_value) {
    struct numbers inputs = numbers_of(21, 2, 1, 5, 12);
    static const char *const options[] = {"", "\"num_heads\":3,", "\"num_heads\":2,\"rotary\":{\"interleaved\":true},"};
    inputs.shape[1] = 2; /* [2,5,12] as the last three axes */
    inputs.shape[0] = 1;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct exchange exchange;
        struct body body;
        double key[120], value[120];
        begin(&body);
        add(&body, "inputs", &inputs, 3);
        body_add(&body, "%s", options[i]);
        exchange_init(&exchange);
        exchange_ok(&exchange, self, end(&body, "\"return\":[\"present_value\",\"present_key\",\"key\",\"value\"]"));
        cr_assert_eq(exchange_numbers(&exchange, "key", key, 120), (size_t)120);
        cr_assert_eq(exchange_numbers(&exchange, "value", value, 120), (size_t)120);
        exchange_near(&exchange, "present_key", 120, key, 0);
        exchange_near(&exchange, "present_value", 120, value, 0);
        exchange_done(&exchange);
        body_done(&body);
    }
}

/* The text of rotary with consecutive positions from `first` on, before `more`. */
static void add_positions(struct body *body, double first, size_t count, const char *more) {
    body_add(body, "\"rotary\":{\"positions\":[");
    for (size_t i = 0; i < count; i++)
        body_add(body, i > 0 ? ",%.17g" : "%.17g", first + (double)i);
    body_add(body, "]%s},", more);
}

Test(plan_assemble, scores_depend_on_the_distance_of_positions_alone) {
    struct numbers inputs = numbers_of(31, 1, 1, 6, 8);
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        const char *more = interleaved ? ",\"interleaved\":true" : "";
        double scores[4][2 * 36];
        static const double first[] = {0, 0, 17, -4.25};
        for (size_t i = 0; i < 4; i++) {
            struct body body;
            begin(&body);
            add(&body, "inputs", &inputs, 2);
            if (i == 0) /* positions are counted from 0 */
                body_add(&body, "\"rotary\":{\"dim\":4%s},", more);
            else
                add_positions(&body, first[i], 6, more);
            cr_assert_eq(result_of(heads, end(&body, "\"num_heads\":2,\"dtype\":\"float64\",\"return\":[\"scores\"]"),
                                   "scores", scores[i], 72),
                         (size_t)72);
            near(scores[i], scores[0], 72, i < 2 ? 0 : 1e-13, "score");
            body_done(&body);
        }
    }
}

/* [1,0] at position p becomes [cos p, sin p]; the queries of a longer cache or of bottom_right come later. */
Test(plan_assemble, positions_are_counted_from_the_offset) {
    static const struct {
        const char *more, *result;
        double first;
    } cases[] = {
        {"", "query", 0},
        {"", "key", 0},
        {"\"mask\":{\"align\":\"bottom_right\"},", "query", 1},
        {"\"mask\":{\"align\":\"bottom_right\"},", "key", 0},
        {"\"mask\":{\"align\":\"bottom_right\",\"lengths\":[1]},", "query", -1},
        {"\"past_key\":[[[[9,9],[8,8]]]],\"past_value\":[[[[1,1],[1,1]]]],", "query", 2},
        {"\"past_key\":[[[[9,9],[8,8]]]],\"past_value\":[[[[1,1],[1,1]]]],", "key", 2},
        {"\"past_key\":[[[[9,9],[8,8]]]],\"past_value\":[[[[1,1],[1,1]]]],\"mask\":{\"align\":\"top_left\"},", "query",
         0},
        {"\"past_key\":[[[[9,9],[8,8]]]],\"past_value\":[[[[1,1],[1,1]]]],\"mask\":{\"align\":\"bottom_right\"},",
         "query", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[500];
        double numbers[6];
        bool is_key = strcmp(cases[i].result, "key") == 0;
        snprintf(body, sizeof body,
                 "{%s\"query\":[[1,0],[1,0]],\"context\":[[1,0],[1,0],[1,0]],\"rotary\":{},\"dtype\":\"float64\","
                 "\"return\":[\"%s\"]}",
                 cases[i].more, cases[i].result);
        size_t count = result_of(any, body, cases[i].result, numbers, 6);
        cr_assert_eq(count, (size_t)(is_key ? 6 : 4));
        for (size_t row = 0; row < count / 2; row++) {
            double position = cases[i].first + (double)row;
            cr_assert_float_eq(numbers[2 * row], cos(position), 1e-15, "%s", body);
            cr_assert_float_eq(numbers[2 * row + 1], sin(position), 1e-15, "%s", body);
        }
    }
}

Test(plan_assemble, base_and_dim_are_those_of_the_formula) {
    double numbers[6];
    const char *body = "{\"query\":[[1,1,0,0,7,8]],\"key\":[[0,0,0,0,0,0]],\"rotary\":{\"base\":100,\"dim\":4,"
                       "\"positions\":[3]},\"dtype\":\"float64\",\"return\":[\"query\"]}";
    const double expected[] = {cos(3), cos(0.3), sin(3), sin(0.3), 7, 8}; /* 100^(−2/4) = 0.1 */
    cr_assert_eq(result_of(any, body, "query", numbers, 6), (size_t)6);
    near(numbers, expected, 6, 1e-15, "feature");
}

/* Pairs (2i, 2i + 1) are pairs (i, i + dim/2) of the features in another order. */
Test(plan_assemble, interleaved_features_are_the_others_reordered) {
    struct numbers inputs = numbers_of(41, 1, 1, 5, 8), reordered = inputs;
    for (size_t row = 0; row < 5; row++)
        for (size_t i = 0; i < 4; i++) {
            reordered.data[row * 8 + i] = inputs.data[row * 8 + 2 * i];
            reordered.data[row * 8 + 4 + i] = inputs.data[row * 8 + 2 * i + 1];
        }
    double scores[2][25];
    for (size_t i = 0; i < 2; i++) {
        struct body body;
        begin(&body);
        add(&body, "inputs", i == 0 ? &inputs : &reordered, 2);
        body_add(&body, "\"rotary\":{\"interleaved\":%s},", i == 0 ? "true" : "false");
        result_of(any, end(&body, "\"dtype\":\"float64\",\"return\":[\"scores\"]"), "scores", scores[i], 25);
        body_done(&body);
    }
    near(scores[0], scores[1], 25, 1e-14, "score");
}

Test(plan_assemble, positions_may_differ_by_batch_item) {
    exchange_same(any, "{\"inputs\":[[[1,2],[3,4]],[[1,2],[3,4]]],\"rotary\":{\"positions\":[5,9]}}", any,
                  "{\"inputs\":[[[1,2],[3,4]],[[1,2],[3,4]]],\"rotary\":{\"positions\":[[5,9],[5,9]]}}");
    double scores[8];
    const char *body = "{\"inputs\":[[[1,2],[3,4]],[[1,2],[3,4]]],\"rotary\":{\"positions\":[[0,1],[0,0]]},"
                       "\"return\":[\"scores\"]}";
    cr_assert_eq(result_of(any, body, "scores", scores, 8), (size_t)8);
    cr_assert_eq(scores[0], scores[4]);
    cr_assert_neq(scores[1], scores[5]);
}

/* torch appends bias_k and bias_v, then zeros; every query sees them, whatever the mask. */
Test(plan_assemble, extra_keys_are_keys_at_the_end_that_no_mask_hides) {
    static const struct {
        const char *mask, *wider, *extra;
    } cases[] = {
        {"", "", "[0,0]"},
        {"\"mask\":\"causal\",", "\"mask\":[[1,0,0,1],[1,1,0,1]],", "[0,0]"},
        {"\"mask\":{\"window\":[0,0]},", "\"mask\":[[1,0,0,1],[0,1,0,1]],", "[0,0]"},
        {"\"mask\":{\"causal\":true,\"align\":\"bottom_right\"},", "\"mask\":[[1,1,0,1],[1,1,1,1]],", "[0,0]"},
        {"\"mask\":{\"lengths\":[1]},", "\"mask\":[[1,0,0,1],[1,0,0,1]],", "[0,0]"},
        {"\"mask\":[[0,0,0],[0,1,0]],", "\"mask\":[[0,0,0,1],[0,1,0,1]],", "[0,0]"},
        {"\"mask\":{\"padding\":[1,0,1]},", "\"mask\":{\"padding\":[1,0,1,0]},", "[0,0]"},
        {"\"mask\":{\"bias\":[[1,null,3],[2,2,null]]},", "\"mask\":{\"bias\":[[1,null,3,0],[2,2,null,0]]},", "[0,0]"},
        {"\"mask\":{\"query_padding\":[0,1]},", "\"mask\":{\"query_padding\":[0,1]},", "[0,0]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char one[400], other[400];
        snprintf(one, sizeof one,
                 "{%s\"add_zero_attn\":true,\"query\":[[1,2],[3,-1]],\"context\":[[1,0],[0,1],[1,1]],\"return\":["
                 "\"scores\",\"masked\",\"weights\",\"output\"]}",
                 cases[i].mask);
        snprintf(other, sizeof other,
                 "{%s\"query\":[[1,2],[3,-1]],\"context\":[[1,0],[0,1],[1,1],%s],\"return\":[\"scores\",\"masked\","
                 "\"weights\",\"output\"]}",
                 cases[i].wider, cases[i].extra);
        exchange_same(any, one, any, other);
    }
}

Test(plan_assemble, a_state_dict_with_bias_k_and_bias_v_adds_them_before_the_zeros) {
#define IDENTITY "[[1,0],[0,1],[1,0],[0,1],[1,0],[0,1]]"
    static const char options[] = "\"num_heads\":2,\"return\":[\"weights\",\"heads\",\"output\"]}";
    char one[500], other[500];
    for (int zeros = 0; zeros < 2; zeros++) {
        snprintf(one, sizeof one,
                 "{\"inputs\":[[1,2],[3,-1]],%s\"projections\":{\"state_dict\":{\"in_proj_weight\":" IDENTITY
                 ",\"out_proj.weight\":[[1,0],[0,1]],\"bias_k\":[[[5,-6]]],\"bias_v\":[[[7,8]]]}},%s",
                 zeros ? "\"add_zero_attn\":true," : "", options);
        snprintf(other, sizeof other,
                 "{\"query\":[[1,2],[3,-1]],\"key\":[[1,2],[3,-1],[5,-6]%s],\"value\":[[1,2],[3,-1],[7,8]%s],%s",
                 zeros ? ",[0,0]" : "", zeros ? ",[0,0]" : "", options);
        exchange_same(any, one, any, other);
    }
}

Test(plan_assemble, extra_keys_are_neither_turned_nor_cached) {
    double numbers[16];
    const char *body = "{\"inputs\":[[1,2],[3,-1]],\"num_heads\":1,\"rotary\":{\"positions\":[2,3]},\"projections\":{"
                       "\"state_dict\":{\"in_proj_weight\":" IDENTITY
                       ",\"out_proj.weight\":[[1,0],[0,1]],\"bias_k\":[[[5,-6]]],\"bias_v\":[[[7,8]]]}},\"dtype\":"
                       "\"float64\",\"scale\":1,\"return\":[\"query\",\"scores\",\"present_key\",\"key\"]}";
    double query[4];
    cr_assert_eq(result_of(any, body, "query", query, 4), (size_t)4);
    cr_assert_eq(result_of(any, body, "present_key", numbers, 16), (size_t)4);
    cr_assert_eq(result_of(any, body, "key", numbers, 16), (size_t)4);
    cr_assert_eq(result_of(any, body, "scores", numbers, 16), (size_t)6);
    cr_assert_float_eq(numbers[2], query[0] * 5 - query[1] * 6, 1e-14);
    cr_assert_float_eq(numbers[5], query[2] * 5 - query[3] * 6, 1e-14);
#undef IDENTITY
}

/* A value that overflows on its way through the projection is an error where it is weighed, and nothing where it is
 * hidden, wherever the cache puts it. */
Test(plan_assemble, a_projected_value_that_overflows_matters_only_where_it_is_weighed) {
    static const struct {
        const char *more;
        int status;
    } cases[] = {
        {"", 422},
        {"\"mask\":[[0,1]],", 200},
        {"\"mask\":[[1,0]],", 422},
        {"\"mask\":[[0,1]],\"add_zero_attn\":true,", 200},
        {"\"past_key\":[[[[1,1]]]],\"past_value\":[[[[1,1]]]],\"mask\":[[1,0,1]],", 200},
        {"\"past_key\":[[[[1,1]]]],\"past_value\":[[[[1,1]]]],\"mask\":[[0,1,0]],", 422},
        {"\"past_key\":[[[[1,1]]]],\"past_value\":[[[[1,1]]]],\"mask\":[[0,0,1]],", 200},
        {"\"past_key\":[[[[1,1]]]],\"past_value\":[[[[1,1]]]],\"mask\":[[1,0,1]],\"add_zero_attn\":true,", 200},
    };
    static const char *const returns[] = {"[\"output\"]", "[\"weights\",\"output\"]"};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        char body[500];
        struct exchange exchange;
        snprintf(body, sizeof body,
                 "{%s\"query\":[[1,1]],\"key\":[[1,1],[1,1]],\"value\":[[1e30,0],[1,1]],\"projections\":{\"value\":{"
                 "\"weight\":[[1e30,0],[0,1]],\"bias\":[5,7]}},\"return\":%s}",
                 cases[i / 2].more, returns[i % 2]);
        exchange_init(&exchange);
        if (cases[i / 2].status == 200) {
            double output[2];
            exchange_ok(&exchange, any, body);
            cr_assert_eq(exchange_numbers(&exchange, "output", output, 2), (size_t)2);
            cr_assert(output[1] <= 8 && output[1] > 0, "%s", body);
        } else {
            exchange_refused(&exchange, any, body, 422, "overflow", NULL);
        }
        exchange_done(&exchange);
    }
    static const char *const shown[] = {"value", "present_value"};
    for (size_t i = 0; i < 2; i++) {
        char body[500];
        struct exchange exchange;
        snprintf(body, sizeof body,
                 "{\"query\":[[1,1]],\"key\":[[1,1],[1,1]],\"value\":[[1,1],[1e30,0]],\"mask\":[[1,1,0]],\"past_key\":"
                 "[[[[1,1]]]],\"past_value\":[[[[1,1]]]],\"projections\":{\"value\":{\"weight\":[[1e30,0],[0,1]]}},"
                 "\"return\":[\"%s\"]}",
                 shown[i]);
        exchange_init(&exchange);
        exchange_refused(&exchange, any, body, 422, "overflow", NULL);
        exchange_done(&exchange);
    }
}

Test(plan_assemble, a_turned_number_that_overflows_is_told_where_it_counts) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, any,
                     "{\"inputs\":[[3e38,-3e38]],\"rotary\":{\"positions\":[0.8]},\"return\":[\"key\"]}", 422,
                     "overflow", NULL);
    exchange_ok(&exchange, any,
                "{\"query\":[[1,1],[1,1]],\"key\":[[1,1],[3e38,-3e38]],\"rotary\":{\"positions\":[0,0.8]},\"mask\":["
                "[1,0],[1,0]]}");
    exchange_done(&exchange);
}

/* tokens label the new positions; key_tokens these alone or the cached ones too. */
Test(plan_assemble, labels_are_of_the_new_tokens_or_of_all_keys) {
#define CACHE "\"past_key\":[[[[1,1]]]],\"past_value\":[[[[1,1]]]],"
    static const char *const fitting[] = {"\"tokens\":[\"a\",\"b\"]", "\"key_tokens\":[\"a\",\"b\"]",
                                          "\"query_tokens\":[\"a\",\"b\"],\"key_tokens\":[\"x\",\"a\",\"b\"]"};
    static const struct {
        const char *members, *pointer;
    } wrong[] = {{"\"tokens\":[\"x\",\"a\",\"b\"]", "/tokens"},
                 {"\"key_tokens\":[\"a\"]", "/key_tokens"},
                 {"\"key_tokens\":[\"a\",\"b\",\"c\",\"d\"]", "/key_tokens"},
                 {"\"query_tokens\":[\"x\",\"a\",\"b\"]", "/query_tokens"}};
    struct exchange exchange;
    char body[300];
    exchange_init(&exchange);
    for (size_t i = 0; i < sizeof fitting / sizeof *fitting; i++) {
        snprintf(body, sizeof body, "{" CACHE "\"query\":[[1,0],[0,1]],\"context\":[[1,0],[0,1]],%s}", fitting[i]);
        exchange_ok(&exchange, any, body);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(body, sizeof body, "{" CACHE "\"query\":[[1,0],[0,1]],\"context\":[[1,0],[0,1]],%s}",
                 wrong[i].members);
        exchange_refused(&exchange, any, body, 422, "shape_mismatch", wrong[i].pointer);
    }
    exchange_done(&exchange);
    /* The pad token hides the keys it labels. */
    exchange_same(any, "{" CACHE "\"inputs\":[[1,0],[0,1]],\"mask\":{\"padding\":[0,0,1]},\"tokens\":[\"a\",\"-\"]}",
                  any, "{" CACHE "\"inputs\":[[1,0],[0,1]],\"tokens\":[\"a\",\"-\"],\"pad_token\":\"-\"}");
    exchange_same(
        any, "{" CACHE "\"inputs\":[[1,0],[0,1]],\"mask\":{\"padding\":[1,0,0]},\"key_tokens\":[\"-\",\"a\",\"b\"]}",
        any, "{" CACHE "\"inputs\":[[1,0],[0,1]],\"key_tokens\":[\"-\",\"a\",\"b\"],\"pad_token\":\"-\"}");
#undef CACHE
}

/* The bound on magnitudes covers cache and extra keys: what it lets stream never fails. */
Test(plan_assemble, large_numbers_of_a_cache_are_seen_by_the_bound) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, any, "{\"inputs\":[[1e20,0]],\"past_key\":[[[[1e30,0]]]],\"past_value\":[[[[1,1]]]]}",
                     422, "overflow", NULL);
    exchange_refused(&exchange, any,
                     "{\"inputs\":[[1,0]],\"normalize\":\"none\",\"past_key\":[[[[1e10,0]]]],\"past_value\":[[[[1e30,1]"
                     "]]]}",
                     422, "overflow", NULL);
    exchange_ok(&exchange, any,
                "{\"query\":[[1e20,0]],\"context\":[[1,0]],\"past_key\":[[[[1e30,0]]]],\"past_value\":[[[[3e38,1]]]],"
                "\"mask\":[[0,1]]}");
    exchange_done(&exchange);
}
