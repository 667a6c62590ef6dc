/* POST /v1/attention/merge as a whole: api/decode_merge.c, plan_merge.c and job_merge.c. */
#include "tests/api/body.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static const char any[] = "/v1/attention", merge[] = "/v1/attention/merge";

static void answers(const char *body, const char *wanted) {
    char *text = exchange_text(merge, body);
    cr_assert_str_eq(text, wanted, "%s: %s", body, text);
    free(text);
}

Test(merge, results_follow_the_shape_of_the_outputs) {
    answers(
        "{\"parts\":[{\"output\":[1,3],\"lse\":2},{\"output\":[3,5],\"lse\":2}],\"decimals\":4}",
        "{\"dtype\":\"float32\",\"shape\":{\"lse\":[],\"output\":[2]},\"lse\":2.6931,\"output\":[2.0000,4.0000]}\n");
    answers("{\"parts\":[{\"output\":[[1],[2]],\"lse\":[0,0]}]}",
            "{\"dtype\":\"float32\",\"shape\":{\"lse\":[2],\"output\":[2,1]},\"lse\":[0,0],\"output\":[[1],[2]]}\n");
    answers("{\"parts\":[{\"output\":[[[1],[2]],[[3],[4]]],\"lse\":[[0,1],[2,3]]}],\"dtype\":\"float64\"}",
            "{\"dtype\":\"float64\",\"shape\":{\"lse\":[2,2],\"output\":[2,2,1]},\"lse\":[[0,1],[2,3]],"
            "\"output\":[[[1],[2]],[[3],[4]]]}\n");
    answers("{\"parts\":[{\"output\":[[[[1]],[[2]]]],\"lse\":[[[0],[1]]]}]}",
            "{\"dtype\":\"float32\",\"shape\":{\"lse\":[1,2,1],\"output\":[1,2,1,1]},\"lse\":[[[0],[1]]],"
            "\"output\":[[[[1]],[[2]]]]}\n");
}

Test(merge, rows_without_keys) {
    answers("{\"parts\":[{\"output\":[[1],[2],[3]],\"lse\":[null,1,null]},{\"output\":[[4],[5],[6]],"
            "\"lse\":[1,null,null]}]}",
            "{\"dtype\":\"float32\",\"shape\":{\"lse\":[3],\"output\":[3,1]},\"lse\":[1,1,null],"
            "\"output\":[[4],[2],[0]]}\n");
    answers("{\"parts\":[{\"output\":[0,0],\"lse\":null},{\"output\":[4,5],\"lse\":1}],\"return\":[\"output\"]}",
            "{\"dtype\":\"float32\",\"shape\":{\"output\":[2]},\"output\":[4,5]}\n");
    answers("{\"parts\":[{\"output\":[0,0],\"lse\":null}],\"return\":[\"lse\"]}",
            "{\"dtype\":\"float32\",\"shape\":{\"lse\":[]},\"lse\":null}\n");
    answers("{\"parts\":[{\"output\":[[7]],\"lse\":[null]}],\"return\":[\"lse\"],\"encoding\":\"b64\"}",
            "{\"dtype\":\"float32\",\"shape\":{\"lse\":[1]},\"lse\":{\"shape\":[1],\"dtype\":\"float32\",\"b64\":"
            "\"AACA/w==\"}}\n");
}

Test(merge, a_part_may_be_written_in_b64) {
    answers("{\"parts\":[{\"output\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AACAPw==\"},"
            "\"lse\":{\"shape\":[1],\"dtype\":\"float32\",\"b64\":\"AACA/w==\"}},{\"output\":[[3]],\"lse\":[0]}]}",
            "{\"dtype\":\"float32\",\"shape\":{\"lse\":[1],\"output\":[1,1]},\"lse\":[0],\"output\":[[3]]}\n");
    /* The lse of one query is a tensor of no axes, as it is answered. */
    answers("{\"parts\":[{\"output\":[3],\"lse\":{\"shape\":[],\"dtype\":\"float32\",\"b64\":\"AACAPw==\"}}],"
            "\"return\":[\"lse\"],\"encoding\":\"b64\"}",
            "{\"dtype\":\"float32\",\"shape\":{\"lse\":[]},\"lse\":{\"shape\":[],\"dtype\":\"float32\",\"b64\":"
            "\"AACAPw==\"}}\n");
}

/* log Σ exp(score) of each row. */
static void add_lse(struct body *body, const double *scores, size_t rows, size_t keys) {
    body_add(body, ",\"lse\":[");
    for (size_t row = 0; row < rows; row++) {
        double sum = 0;
        for (size_t key = 0; key < keys; key++)
            sum += exp(scores[row * keys + key]);
        body_add(body, "%s%.17g", row > 0 ? "," : "", log(sum));
    }
    body_add(body, "]}");
}

/* Keys cut in three at any place: what the pieces give, joined, is what one call gives. */
Test(merge, attention_over_ranges_of_keys_joins_to_attention_over_all) {
    enum { QUERIES = 7, SIZE = 3, KEYS_MAX = 40 };
    struct random random = {3};
    for (size_t round = 0; round < 30; round++) {
        size_t keys = random_size(&random, 3, KEYS_MAX), cuts[4] = {0, 0, 0, keys};
        cuts[1] = random_size(&random, 1, keys - 2);
        cuts[2] = random_size(&random, cuts[1] + 1, keys - 1);
        double *query = body_random(&random, QUERIES * SIZE), *key = body_random(&random, keys * SIZE);
        double scores[QUERIES * KEYS_MAX], output[QUERIES * SIZE];
        struct exchange exchange;
        struct body parts;
        body_init(&parts);
        body_add(&parts, "{\"dtype\":\"float64\",\"return\":[\"output\"],\"parts\":[");
        exchange_init(&exchange);
        for (size_t range = 0; range <= 3; range++) { /* the last one is all */
            size_t first = range < 3 ? cuts[range] : 0, count = range < 3 ? cuts[range + 1] - first : keys;
            struct body body;
            body_init(&body);
            body_add(&body, "{\"dtype\":\"float64\",\"return\":[\"scores\",\"output\"],\"query\":");
            body_tensor(&body, query, 2, (size_t[]){QUERIES, SIZE});
            body_add(&body, ",\"key\":");
            body_tensor(&body, key + first * SIZE, 2, (size_t[]){count, SIZE});
            body_add(&body, "}");
            exchange_ok(&exchange, any, body_text(&body));
            body_done(&body);
            exchange_numbers(&exchange, "scores", scores, QUERIES * KEYS_MAX);
            exchange_numbers(&exchange, "output", output, QUERIES * SIZE);
            if (range == 3)
                break;
            body_add(&parts, "%s{\"output\":", range > 0 ? "," : "");
            body_tensor(&parts, output, 2, (size_t[]){QUERIES, SIZE});
            add_lse(&parts, scores, QUERIES, count);
        }
        body_add(&parts, "]}");
        exchange_ok(&exchange, merge, body_text(&parts));
        exchange_near(&exchange, "output", QUERIES * SIZE, output, 1e-14);
        exchange_done(&exchange);
        body_done(&parts);
        free(query);
        free(key);
    }
}

/* Many parts of a job, each in its place: an output of one part is that part, number by number. */
Test(merge, a_large_answer_is_what_went_in) {
    enum { ROWS = 3001, COLS = 33 };
    struct random random = {5};
    double *output = body_random(&random, ROWS * COLS), *lse = body_random(&random, ROWS);
    struct body body;
    body_init(&body);
    body_add(&body, "{\"dtype\":\"float64\",\"parts\":[{\"output\":");
    body_b64(&body, output, 2, (size_t[]){ROWS, COLS}, true);
    body_add(&body, ",\"lse\":");
    body_b64(&body, lse, 1, (size_t[]){ROWS}, true);
    body_add(&body, "}]}");
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, merge, body_text(&body));
    exchange_near(&exchange, "output", ROWS * COLS, output, 0);
    exchange_near(&exchange, "lse", ROWS, lse, 0);
    exchange_done(&exchange);
    body_done(&body);
    free(output);
    free(lse);
}

Test(merge, limits_hold) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange.service.limits.work = 7;
    static const char body[] = "{\"parts\":[{\"output\":[[1,2],[3,4]],\"lse\":[0,0]},{\"output\":[[1,2],[3,4]],"
                               "\"lse\":[0,0]}]}";
    exchange_refused(&exchange, merge, body, 413, "too_much_work", NULL);
    exchange.service.limits.work = 8;
    exchange_ok(&exchange, merge, body);
    exchange.service.limits.answer_bytes = 100;
    exchange_refused(&exchange, merge, body, 413, "answer_too_large", "/return");
    exchange_done(&exchange);
}
