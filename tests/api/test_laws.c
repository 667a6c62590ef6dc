/* Laws of attention through the whole service: requests that say the same in other words are answered by the same
 * bytes, and what must not matter does not. */
#include "tests/api/body.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char any[] = "/v1/attention", self[] = "/v1/attention/self", masked[] = "/v1/attention/masked",
                  cross[] = "/v1/attention/cross", heads[] = "/v1/attention/multi-head";

enum { LAW_BATCH = 3, LAW_LENGTH = 7, LAW_FEATURES = 12, LAW_COUNT = LAW_BATCH * LAW_LENGTH * LAW_FEATURES };

static const size_t law_shape[] = {LAW_BATCH, LAW_LENGTH, LAW_FEATURES};

/* A nested random tensor as text, the same for the same seed; the caller frees it. */
static char *tensor_of(uint64_t seed, size_t rank, const size_t *shape) {
    struct random random = {seed};
    struct body body;
    size_t count = 1;
    for (size_t axis = 0; axis < rank; axis++)
        count *= shape[axis];
    double *numbers = body_random(&random, count);
    body_init(&body);
    body_tensor(&body, numbers, rank, shape);
    char *text = strdup(body_text(&body));
    free(numbers);
    body_done(&body);
    return text;
}

/* `body` with every $ replaced by the text; the caller frees it. */
static char *filled(const char *body, const char *text) {
    struct body filled;
    body_init(&filled);
    for (const char *place = body; *place != '\0'; place++)
        if (*place == '$')
            text_string(&filled.text, text);
        else
            text_bytes(&filled.text, place, 1);
    char *result = strdup(body_text(&filled));
    body_done(&filled);
    return result;
}

/* Two bodies with the same random tensor in place of $ are answered alike. */
static void same_with(const char *path, const char *body, const char *other_path, const char *other_body) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        char *tensor = tensor_of(seed, 3, law_shape);
        char *one = filled(body, tensor), *other = filled(other_body, tensor);
        exchange_same(path, one, other_path, other);
        free(one);
        free(other);
        free(tensor);
    }
}

Test(laws, the_masked_route_is_self_with_a_causal_mask) {
    same_with(masked, "{\"inputs\":$}", self, "{\"inputs\":$,\"mask\":\"causal\"}");
    same_with(masked, "{\"inputs\":$}", self, "{\"inputs\":$,\"mask\":{\"causal\":true}}");
    same_with(masked, "{\"inputs\":$}", self, "{\"inputs\":$,\"mask\":{\"window\":[-1,0]}}");
    same_with(masked, "{\"inputs\":$}", any, "{\"query\":$,\"context\":$,\"mask\":\"causal\"}");
}

Test(laws, inputs_are_query_key_and_value_at_once) {
    same_with(self, "{\"inputs\":$}", cross, "{\"query\":$,\"context\":$}");
    same_with(self, "{\"inputs\":$}", any, "{\"query\":$,\"key\":$,\"value\":$}");
}

Test(laws, value_defaults_to_key) {
    same_with(any, "{\"query\":$,\"key\":$}", any, "{\"query\":$,\"key\":$,\"value\":$}");
}

Test(laws, defaults_may_be_said) {
    same_with(
        self, "{\"inputs\":$}", self,
        "{\"inputs\":$,\"dtype\":\"float32\",\"encoding\":\"json\",\"normalize\":\"softmax\",\"fully_masked\":\"zero\","
        "\"average_heads\":false,\"add_norm\":false,\"return\":[\"weights\",\"output\"],\"mask\":{},\"projections\":{}"
        "}");
    same_with(heads, "{\"inputs\":$,\"num_heads\":4}", heads, "{\"inputs\":$,\"num_heads\":4,\"num_kv_heads\":4}");
    same_with(self, "{\"inputs\":$,\"add_norm\":true}", self, "{\"inputs\":$,\"add_norm\":{\"epsilon\":1e-5}}");
    same_with(self, "{\"inputs\":$,\"dtype\":\"float64\"}", self,
              "{\"inputs\":$,\"dtype\":\"float64\",\"scale\":0.2886751345948129}"); /* 1/√12 */
}

Test(laws, null_members_are_absent_ones) {
    same_with(
        self, "{\"inputs\":$}", self,
        "{\"inputs\":$,\"query\":null,\"mask\":null,\"dtype\":null,\"num_heads\":null,\"scale\":null,\"return\":null,"
        "\"tokens\":null,\"embeddings\":null,\"softcap\":null,\"projections\":null,\"decimals\":null,\"seed\":null}");
    same_with(self, "{\"inputs\":$,\"mask\":\"causal\"}", self,
              "{\"inputs\":$,\"mask\":{\"causal\":true,\"bias\":null,\"align\":null}}");
    same_with(self, "{\"inputs\":$}", self,
              "{\"inputs\":{\"shape\":[3,7,12],\"data\":$,\"b64\":null,\"dtype\":null},\"projections\":{\"query\":null,"
              "\"state_dict\":null,\"init\":null,\"layout\":\"out_in\"}}");
    same_with(self, "{\"inputs\":$,\"add_norm\":true}", self,
              "{\"inputs\":$,\"add_norm\":{\"epsilon\":null,\"weight\":null,\"bias\":null}}");
    same_with(masked, "{\"inputs\":$}", masked, "{\"inputs\":$,\"mask\":null}");
}

Test(laws, members_stand_in_any_order) {
    same_with(heads, "{\"inputs\":$,\"num_heads\":3,\"num_kv_heads\":3,\"dtype\":\"float64\"}", heads,
              "{\"dtype\":\"float64\",\"num_kv_heads\":3,\"num_heads\":3,\"inputs\":$}");
    same_with(self, "{\"inputs\":$,\"normalize\":\"none\",\"fully_masked\":\"zero\"}", self,
              "{\"fully_masked\":\"zero\",\"normalize\":\"none\",\"inputs\":$}");
}

Test(laws, white_space_does_not_matter) {
    same_with(self, "{\"inputs\":$,\"scale\":2}", self, " \r\n{\t\"inputs\" :\n$ , \"scale\"\r:\t2.0e0\n}\n ");
}

/* The numbers of a result; the caller frees them. */
static double *numbers_of(const char *path, const char *body, const char *name, size_t count) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, path, body);
    double *numbers = calloc(count, sizeof *numbers);
    cr_assert_eq(exchange_numbers(&exchange, name, numbers, count), count, "%s", name);
    exchange_done(&exchange);
    return numbers;
}

static void same_numbers(const char *body, const char *other, const char *name, size_t count) {
    double *one = numbers_of(any, body, name, count), *two = numbers_of(any, other, name, count);
    cr_assert_eq(memcmp(one, two, count * sizeof *one), 0, "%s of %.300s\nand %.300s", name, body, other);
    free(one);
    free(two);
}

Test(laws, one_head_is_none_but_for_the_axis) {
    char *tensor = tensor_of(1, 3, law_shape);
    char *none = filled("{\"inputs\":$}", tensor), *one = filled("{\"inputs\":$,\"num_heads\":1}", tensor);
    same_numbers(none, one, "weights", LAW_BATCH * LAW_LENGTH * LAW_LENGTH);
    same_numbers(none, one, "output", LAW_COUNT);
    char *average = filled("{\"inputs\":$,\"num_heads\":1,\"average_heads\":true}", tensor);
    exchange_same(any, none, any, average);
    free(none);
    free(one);
    free(average);
    free(tensor);
}

Test(laws, split_heads_are_the_heads_that_num_heads_splits) {
    /* [B,L,H·D] with num_heads and the same numbers as [B,H,L,D]. */
    struct random random = {3};
    double *numbers = body_random(&random, LAW_COUNT), *split = calloc(LAW_COUNT, sizeof *split);
    for (size_t b = 0; b < LAW_BATCH; b++)
        for (size_t l = 0; l < LAW_LENGTH; l++)
            for (size_t f = 0; f < LAW_FEATURES; f++)
                split[((b * 4 + f / 3) * LAW_LENGTH + l) * 3 + f % 3] =
                    numbers[(b * LAW_LENGTH + l) * LAW_FEATURES + f];
    struct body merged, apart;
    body_init(&merged);
    body_init(&apart);
    body_add(&merged, "{\"num_heads\":4,\"return\":[\"weights\",\"heads\"],\"inputs\":");
    body_tensor(&merged, numbers, 3, law_shape);
    body_add(&merged, "}");
    body_add(&apart, "{\"return\":[\"weights\",\"heads\"],\"inputs\":");
    body_tensor(&apart, split, 4, (size_t[]){LAW_BATCH, 4, LAW_LENGTH, 3});
    body_add(&apart, "}");
    double *one = numbers_of(any, body_text(&merged), "weights", LAW_BATCH * 4 * LAW_LENGTH * LAW_LENGTH);
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, any, body_text(&apart));
    exchange_near(&exchange, "weights", LAW_BATCH * 4 * LAW_LENGTH * LAW_LENGTH, one, 1e-7);
    exchange_done(&exchange);
    free(one);
    free(numbers);
    free(split);
    body_done(&merged);
    body_done(&apart);
}

/* A body with the items of a batch in that order. */
static char *permuted(const double *numbers, const size_t order[LAW_BATCH], const char *more) {
    struct body body;
    body_init(&body);
    body_add(&body, "{\"inputs\":[");
    for (size_t b = 0; b < LAW_BATCH; b++) {
        body_add(&body, b > 0 ? "," : "");
        body_tensor(&body, numbers + order[b] * LAW_LENGTH * LAW_FEATURES, 2, law_shape + 1);
    }
    body_add(&body, "]%s}", more);
    char *text = strdup(body_text(&body));
    body_done(&body);
    return text;
}

Test(laws, permuting_batch_items_permutes_answers) {
    struct random random = {4};
    double *numbers = body_random(&random, LAW_COUNT);
    static const size_t orders[][LAW_BATCH] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
    static const char *const mores[] = {"", ",\"num_heads\":3", ",\"mask\":\"causal\",\"add_norm\":true"};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 1; j < 3; j++) {
            char *plain = permuted(numbers, orders[0], mores[i]), *other = permuted(numbers, orders[j], mores[i]);
            double *one = numbers_of(any, plain, "output", LAW_COUNT),
                   *two = numbers_of(any, other, "output", LAW_COUNT);
            for (size_t b = 0; b < LAW_BATCH; b++)
                cr_assert_eq(memcmp(two + b * LAW_LENGTH * LAW_FEATURES, one + orders[j][b] * LAW_LENGTH * LAW_FEATURES,
                                    LAW_LENGTH * LAW_FEATURES * sizeof *one),
                             0);
            free(one);
            free(two);
            free(plain);
            free(other);
        }
    free(numbers);
}

Test(laws, a_batch_item_alone_is_answered_as_in_company) {
    struct random random = {4};
    double *numbers = body_random(&random, LAW_COUNT);
    char *batch = permuted(numbers, (size_t[]){0, 1, 2}, "");
    double *all = numbers_of(any, batch, "output", LAW_COUNT);
    for (size_t b = 0; b < LAW_BATCH; b++) {
        struct body body;
        body_init(&body);
        body_add(&body, "{\"inputs\":");
        body_tensor(&body, numbers + b * LAW_LENGTH * LAW_FEATURES, 2, law_shape + 1);
        body_add(&body, "}");
        double *one = numbers_of(any, body_text(&body), "output", LAW_LENGTH * LAW_FEATURES);
        cr_assert_eq(memcmp(one, all + b * LAW_LENGTH * LAW_FEATURES, LAW_LENGTH * LAW_FEATURES * sizeof *one), 0);
        free(one);
        body_done(&body);
    }
    free(all);
    free(batch);
    free(numbers);
}

/* A [L,S] tensor of random flags or numbers, wrapped in `wraps` more arrays on each side's account. */
static char *mask_text(uint64_t seed, bool flags, size_t copies_batch, size_t copies_heads) {
    struct body body;
    body_init(&body);
    if (copies_batch > 0)
        body_add(&body, "[");
    for (size_t b = 0; b < (copies_batch > 0 ? copies_batch : 1); b++) {
        body_add(&body, b > 0 ? "," : "");
        if (copies_heads > 0)
            body_add(&body, "[");
        for (size_t h = 0; h < (copies_heads > 0 ? copies_heads : 1); h++) {
            struct random random = {seed};
            body_add(&body, h > 0 ? "," : "");
            for (size_t i = 0; i < LAW_LENGTH; i++) {
                body_add(&body, i == 0 ? "[" : ",");
                for (size_t j = 0; j < LAW_LENGTH; j++) {
                    body_add(&body, j == 0 ? "[" : ",");
                    if (flags)
                        body_add(&body, random_chance(&random, 60) ? "true" : "false");
                    else
                        body_add(&body, "%.9g", random_number(&random, 2));
                }
                body_add(&body, "]");
            }
            body_add(&body, "]");
        }
        if (copies_heads > 0)
            body_add(&body, "]");
    }
    if (copies_batch > 0)
        body_add(&body, "]");
    char *text = strdup(body_text(&body));
    body_done(&body);
    return text;
}

Test(laws, a_mask_of_two_axes_is_its_broadcast_to_four) {
    static const char *const parts[] = {"attend", "block", "bias", "multiply"};
    char *tensor = tensor_of(5, 3, law_shape);
    for (size_t i = 0; i < 4; i++) {
        char start[100];
        snprintf(start, sizeof start, "{\"num_heads\":2,\"mask\":{\"%s\":$},\"inputs\":", parts[i]);
        char *bodies[4];
        static const size_t copies[4][2] = {{0, 0}, {1, 1}, {LAW_BATCH, 1}, {LAW_BATCH, 2}};
        for (size_t j = 0; j < 4; j++) {
            char *mask = mask_text(i + 1, i < 2, copies[j][0], copies[j][1]), *begin = filled(start, mask);
            cr_assert_geq(asprintf(&bodies[j], "%s%s}", begin, tensor), 0);
            free(begin);
            free(mask);
            exchange_same(heads, bodies[0], heads, bodies[j]);
        }
        for (size_t j = 0; j < 4; j++)
            free(bodies[j]);
    }
    free(tensor);
}

Test(laws, a_mask_by_itself_is_attend_and_block_its_opposite) {
    char *attend = mask_text(6, true, 0, 0), *tensor = tensor_of(6, 3, law_shape);
    struct body block;
    body_init(&block);
    for (const char *place = attend; *place != '\0'; place++)
        if (*place == 't' || *place == 'f') {
            body_add(&block, "%d", *place == 'f');
            place += *place == 't' ? 3 : 4;
        } else {
            text_bytes(&block.text, place, 1);
        }
    char *bodies[3];
    cr_assert_geq(asprintf(&bodies[0], "{\"mask\":%s,\"inputs\":%s}", attend, tensor), 0);
    cr_assert_geq(asprintf(&bodies[1], "{\"mask\":{\"attend\":%s},\"inputs\":%s}", attend, tensor), 0);
    cr_assert_geq(asprintf(&bodies[2], "{\"mask\":{\"block\":%s},\"inputs\":%s}", body_text(&block), tensor), 0);
    exchange_same(self, bodies[0], self, bodies[1]);
    exchange_same(self, bodies[0], self, bodies[2]);
    for (size_t i = 0; i < 3; i++)
        free(bodies[i]);
    body_done(&block);
    free(attend);
    free(tensor);
}

/* A weight of [in,out], or turned, [out,in]. */
static char *weight_of(uint64_t seed, size_t in, size_t out, bool turned) {
    struct random random = {seed};
    double *weight = body_random(&random, in * out), *other = calloc(in * out, sizeof *other);
    for (size_t i = 0; i < in; i++)
        for (size_t j = 0; j < out; j++)
            other[j * in + i] = weight[i * out + j];
    struct body body;
    body_init(&body);
    body_tensor(&body, turned ? other : weight, 2, turned ? (size_t[]){out, in} : (size_t[]){in, out});
    char *text = strdup(body_text(&body));
    free(weight);
    free(other);
    body_done(&body);
    return text;
}

Test(laws, out_in_is_in_out_transposed) {
    char *tensor = tensor_of(7, 3, law_shape), *bodies[2];
    for (int turned = 0; turned < 2; turned++) {
        char *maps[4];
        static const size_t sizes[4][2] = {{12, 10}, {12, 10}, {12, 6}, {6, 5}};
        for (size_t i = 0; i < 4; i++)
            maps[i] = weight_of(i + 1, sizes[i][0], sizes[i][1], turned);
        cr_assert_geq(
            asprintf(&bodies[turned],
                     "{\"num_heads\":2,\"inputs\":%s,\"projections\":{\"layout\":\"%s\",\"query\":{\"weight\":%s,"
                     "\"bias\":[1,2,3,4,5,6,7,8,9,10]},\"key\":{\"weight\":%s},\"value\":{\"weight\":%s},\"output\":"
                     "{\"weight\":%s,\"bias\":[1,2,3,4,5]}}}",
                     tensor, turned ? "out_in" : "in_out", maps[0], maps[1], maps[2], maps[3]),
            0);
        for (size_t i = 0; i < 4; i++)
            free(maps[i]);
    }
    size_t weights = LAW_BATCH * 2 * LAW_LENGTH * LAW_LENGTH, outputs = LAW_BATCH * LAW_LENGTH * 5;
    double *one = numbers_of(heads, bodies[0], "weights", weights),
           *out = numbers_of(heads, bodies[0], "output", outputs);
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, heads, bodies[1]);
    exchange_near(&exchange, "weights", weights, one, 2e-6);
    exchange_near(&exchange, "output", outputs, out, 2e-5);
    exchange_done(&exchange);
    free(one);
    free(out);
    free(bodies[0]);
    free(bodies[1]);
    free(tensor);
}

/* The inside of a nested array: its text without the outer brackets. */
static char *rows_of(uint64_t seed, size_t rows, size_t cols) {
    char *text = tensor_of(seed, 2, (size_t[]){rows, cols});
    size_t size = strlen(text);
    memmove(text, text + 1, size - 2);
    text[size - 2] = '\0';
    return text;
}

Test(laws, a_state_dict_is_its_maps_apart) {
    char *tensor = tensor_of(8, 3, law_shape), *maps[4], *bodies[3];
    for (size_t i = 0; i < 4; i++)
        maps[i] = rows_of(i + 1, LAW_FEATURES, LAW_FEATURES);
    static const char bias[3][60] = {"1,2,3,4,5,6,7,8,9,10,11,12", "1,2,1,2,1,2,1,2,1,2,1,2",
                                     "3,2,1,3,2,1,3,2,1,3,2,1"};
    static const char last[] = "[0,1,0,1,0,1,0,1,0,1,0,1]";
    cr_assert_geq(
        asprintf(&bodies[0],
                 "{\"num_heads\":3,\"inputs\":%s,\"projections\":{\"state_dict\":{\"in_proj_weight\":[%s,%s,%s],"
                 "\"in_proj_bias\":[%s,%s,%s],\"out_proj.weight\":[%s],\"out_proj.bias\":%s}}}",
                 tensor, maps[0], maps[1], maps[2], bias[0], bias[1], bias[2], maps[3], last),
        0);
    cr_assert_geq(
        asprintf(&bodies[1],
                 "{\"num_heads\":3,\"inputs\":%s,\"projections\":{\"state_dict\":{\"q_proj_weight\":[%s],"
                 "\"k_proj_weight\":[%s],\"v_proj_weight\":[%s],\"in_proj_bias\":[%s,%s,%s],\"out_proj.weight\":[%s],"
                 "\"out_proj.bias\":%s}}}",
                 tensor, maps[0], maps[1], maps[2], bias[0], bias[1], bias[2], maps[3], last),
        0);
    cr_assert_geq(
        asprintf(&bodies[2],
                 "{\"num_heads\":3,\"inputs\":%s,\"projections\":{\"layout\":\"out_in\",\"query\":{\"weight\":[%s],"
                 "\"bias\":[%s]},\"key\":{\"weight\":[%s],\"bias\":[%s]},\"value\":{\"weight\":[%s],\"bias\":[%s]},"
                 "\"output\":{\"weight\":[%s],\"bias\":%s}}}",
                 tensor, maps[0], bias[0], maps[1], bias[1], maps[2], bias[2], maps[3], last),
        0);
    exchange_same(heads, bodies[0], heads, bodies[1]);
    exchange_same(heads, bodies[0], heads, bodies[2]);
    for (size_t i = 0; i < 3; i++)
        free(bodies[i]);
    for (size_t i = 0; i < 4; i++)
        free(maps[i]);
    free(tensor);
}

Test(laws, an_identity_map_is_none) {
    static const char identity[] = "[[1,0],[0,1]]";
    char *map = filled(
        "{\"inputs\":[[0.5,2],[-1,0.25],[3,1]],\"projections\":{\"query\":{\"weight\":$},\"value\":{\"weight\":$},"
        "\"output\":{\"weight\":$,\"bias\":[0,0]}}}",
        identity);
    exchange_same(self, "{\"inputs\":[[0.5,2],[-1,0.25],[3,1]]}", self, map);
    free(map);
}

/* {"inputs", "num_heads", …} in float64 with `more` at the end. */
static char *gate_body(const double *inputs, const double *weight, const double *bias, const char *more) {
    struct body body;
    body_init(&body);
    body_add(&body, "{\"dtype\":\"float64\",\"return\":[\"output\"],\"num_heads\":3,\"inputs\":");
    body_b64(&body, inputs, 3, law_shape, true);
    if (weight != NULL) {
        body_add(&body, ",\"gate\":{\"weight\":");
        body_b64(&body, weight, 2, (size_t[]){LAW_FEATURES, LAW_FEATURES}, true);
        body_add(&body, ",\"bias\":");
        body_b64(&body, bias, 1, (size_t[]){LAW_FEATURES}, true);
        body_add(&body, "}");
    }
    body_add(&body, "%s}", more);
    char *text = strdup(body_text(&body));
    body_done(&body);
    return text;
}

/* Worked from the definition: merged · sigmoid(inputs · W + b), then the output map, here a sum. */
Test(laws, a_gate_multiplies_the_merged_heads_by_a_sigmoid) {
    static const char sum[] = ",\"projections\":{\"output\":{\"weight\":"
                              "[[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1]]}}";
    struct random random = {83};
    struct exchange exchange;
    exchange_init(&exchange);
    double *inputs = body_random(&random, LAW_COUNT), *bias = body_random(&random, LAW_FEATURES);
    double *weight = body_random(&random, LAW_FEATURES * LAW_FEATURES);
    double merged[LAW_COUNT], sums[LAW_BATCH * LAW_LENGTH] = {0};
    char *plain = gate_body(inputs, NULL, NULL, ""), *gated = gate_body(inputs, weight, bias, "");
    char *mapped = gate_body(inputs, weight, bias, sum);
    exchange_ok(&exchange, any, plain);
    cr_assert_eq(exchange_numbers(&exchange, "output", merged, LAW_COUNT), LAW_COUNT);
    for (size_t row = 0; row < LAW_BATCH * LAW_LENGTH; row++)
        for (size_t col = 0; col < LAW_FEATURES; col++) {
            double z = bias[col];
            for (size_t i = 0; i < LAW_FEATURES; i++)
                z += inputs[row * LAW_FEATURES + i] * weight[i * LAW_FEATURES + col];
            merged[row * LAW_FEATURES + col] /= 1 + exp(-z);
            sums[row] += merged[row * LAW_FEATURES + col];
        }
    exchange_ok(&exchange, any, gated);
    exchange_near(&exchange, "output", LAW_COUNT, merged, 1e-13);
    exchange_ok(&exchange, any, mapped);
    exchange_near(&exchange, "output", LAW_BATCH * LAW_LENGTH, sums, 1e-12);
    free(plain);
    free(gated);
    free(mapped);
    free(inputs);
    free(bias);
    free(weight);
    exchange_done(&exchange);
}

/* The text of the first `rows` rows of a result in an answer. */
static char *first_rows(const char *answer, const char *name, size_t rows) {
    char opening[40];
    snprintf(opening, sizeof opening, ",\"%s\":[", name);
    const char *begin = strstr(answer, opening), *end;
    cr_assert_not_null(begin);
    for (end = begin; rows > 0; rows--)
        end = strchr(end + 1, ']');
    return strndup(begin, (size_t)(end - begin));
}

Test(laws, a_future_key_leaves_a_causal_row_as_it_is) {
    struct random random = {9};
    double *numbers = body_random(&random, LAW_LENGTH * LAW_FEATURES);
    struct body plain;
    body_init(&plain);
    body_add(&plain, "{\"inputs\":");
    body_tensor(&plain, numbers, 2, law_shape + 1);
    body_add(&plain, "}");
    char *answer = exchange_text(masked, body_text(&plain));
    for (size_t future = 1; future < LAW_LENGTH; future++)
        for (int huge = 0; huge < 2; huge++) {
            struct body body;
            double kept = numbers[future * LAW_FEATURES];
            numbers[future * LAW_FEATURES] = huge ? 1e18 : 0.5; /* with 1e30 the row itself would overflow */
            body_init(&body);
            body_add(&body, "{\"inputs\":");
            body_tensor(&body, numbers, 2, law_shape + 1);
            body_add(&body, "}");
            char *changed = exchange_text(masked, body_text(&body));
            static const char *const names[] = {"weights", "output"};
            for (size_t i = 0; i < 2; i++) {
                char *before = first_rows(answer, names[i], future), *after = first_rows(changed, names[i], future);
                cr_assert_str_eq(before, after);
                free(before);
                free(after);
            }
            cr_assert_str_neq(answer, changed);
            free(changed);
            body_done(&body);
            numbers[future * LAW_FEATURES] = kept;
        }
    free(answer);
    free(numbers);
    body_done(&plain);
}

Test(laws, nothing_of_a_disallowed_key_reaches_the_result) {
    /* The third key would overflow every score and its value every output. */
    static const char clean[] =
        "{\"query\":[[1,2],[3,4]],\"key\":[[1,0],[0,1],[0,0]],\"value\":[[1],[2],[0]],\"mask\":$}";
    static const char dirty[] =
        "{\"query\":[[1,2],[3,4]],\"key\":[[1,0],[0,1],[3e38,3e38]],\"value\":[[1],[2],[3e38]],\"mask\":$}";
    static const char *const masks[] = {"{\"lengths\":[2]}",
                                        "{\"padding\":[0,0,1]}",
                                        "[[1,1,0],[1,1,0]]",
                                        "{\"block\":[[0,0,1],[0,0,1]]}",
                                        "{\"bias\":[[0,0,null],[0,0,null]]}",
                                        "{\"window\":[2,0]}"};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        char *one = filled(clean, masks[i]), *other = filled(dirty, masks[i]);
        exchange_same(cross, one, cross, other);
        free(one);
        free(other);
    }
}

Test(laws, grouped_heads_are_heads_repeated) {
    static const char grouped[] = "{\"query\":[[1,2,3,4],[5,6,7,8]],\"key\":[[1,0.5],[0.25,2]],\"value\":[[1],[2]],"
                                  "\"num_heads\":2,\"num_kv_heads\":1}";
    static const char repeated[] = "{\"query\":[[1,2,3,4],[5,6,7,8]],\"key\":[[1,0.5,1,0.5],[0.25,2,0.25,2]],"
                                   "\"value\":[[1,1],[2,2]],\"num_heads\":2}";
    exchange_same(any, grouped, any, repeated);
}

Test(laws, a_single_query_is_its_row) {
    double *row = numbers_of(cross, "{\"query\":[1,2],\"context\":[[3,4],[0.5,0.25],[1,1]]}", "weights", 3);
    double *all = numbers_of(cross, "{\"query\":[[1,2]],\"context\":[[3,4],[0.5,0.25],[1,1]]}", "weights", 3);
    cr_assert_eq(memcmp(row, all, 3 * sizeof *row), 0);
    free(row);
    free(all);
}

Test(laws, decimals_round_the_same_numbers) {
    struct exchange exchange;
    double *exact = numbers_of(self, "{\"dtype\":\"float64\",\"inputs\":[[1,0.3],[0.2,1]]}", "weights", 4);
    exchange_init(&exchange);
    for (int decimals = 0; decimals <= 17; decimals++) {
        char body[100], wanted[40];
        snprintf(body, sizeof body, "{\"dtype\":\"float64\",\"inputs\":[[1,0.3],[0.2,1]],\"decimals\":%d}", decimals);
        exchange_ok(&exchange, self, body);
        snprintf(wanted, sizeof wanted, "\"weights\":[[%.*f,", decimals, exact[0]);
        cr_assert_not_null(strstr(exchange.text, wanted), "%.*s", (int)exchange.reply.size, exchange.reply.body);
    }
    free(exact);
    exchange_done(&exchange);
}

Test(laws, alibi_of_true_is_the_papers_slopes) {
    same_with(heads, "{\"inputs\":$,\"num_heads\":4,\"alibi\":true}", heads,
              "{\"inputs\":$,\"num_heads\":4,\"alibi\":[0.25,0.0625,0.015625,0.00390625]}");
    same_with(heads, "{\"inputs\":$,\"num_heads\":6,\"alibi\":true}", heads,
              "{\"inputs\":$,\"num_heads\":6,\"alibi\":[0.25,0.0625,0.015625,0.00390625,0.5,0.125]}");
    same_with(self, "{\"inputs\":$,\"alibi\":true}", self, "{\"inputs\":$,\"alibi\":[0.00390625]}");
    same_with(self, "{\"inputs\":$,\"alibi\":false}", self, "{\"inputs\":$}");
}

Test(laws, alibi_is_a_bias) {
    same_with(self, "{\"inputs\":$,\"alibi\":[0.5],\"mask\":{\"causal\":true}}", self,
              "{\"inputs\":$,\"mask\":{\"causal\":true,\"bias\":["
              "[0,-0.5,-1,-1.5,-2,-2.5,-3],[-0.5,0,-0.5,-1,-1.5,-2,-2.5],[-1,-0.5,0,-0.5,-1,-1.5,-2],"
              "[-1.5,-1,-0.5,0,-0.5,-1,-1.5],[-2,-1.5,-1,-0.5,0,-0.5,-1],[-2.5,-2,-1.5,-1,-0.5,0,-0.5],"
              "[-3,-2.5,-2,-1.5,-1,-0.5,0]]}}");
}

Test(laws, what_takes_nothing_changes_nothing) {
    same_with(heads, "{\"inputs\":$,\"num_heads\":2,\"sinks\":[-1e30,-1e30]}", heads, "{\"inputs\":$,\"num_heads\":2}");
    same_with(heads, "{\"inputs\":$,\"num_heads\":2,\"alibi\":[0,0]}", heads, "{\"inputs\":$,\"num_heads\":2}");
    same_with(self, "{\"inputs\":$,\"softcap\":null,\"sinks\":null,\"alibi\":null}", self, "{\"inputs\":$}");
}

/* Whatever else is asked for, lse is the same number: by itself, beside the weights, and beside the output alone. */
Test(laws, lse_is_the_same_in_any_company) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        static const char *const companies[] = {"\"lse\"", "\"lse\",\"weights\"", "\"lse\",\"output\"",
                                                "\"scores\",\"capped\",\"masked\",\"weights\",\"lse\",\"heads\""};
        char *tensor = tensor_of(seed, 3, law_shape);
        double expected[LAW_BATCH * 3 * LAW_LENGTH];
        const size_t count = sizeof expected / sizeof *expected;
        for (size_t i = 0; i < 4; i++) {
            char form[300];
            snprintf(form, sizeof form,
                     "{\"inputs\":$,\"num_heads\":3,\"softcap\":2,\"sinks\":[0,1,-1],\"mask\":{\"window\":[2,1],"
                     "\"query_padding\":[0,0,1,0,0,0,0]},\"return\":[%s]}",
                     companies[i]);
            char *body = filled(form, tensor);
            struct exchange exchange;
            exchange_init(&exchange);
            exchange_ok(&exchange, heads, body);
            if (i == 0)
                cr_assert_eq(exchange_numbers(&exchange, "lse", expected, count), count);
            static const double sinks[] = {0, 1, -1}; /* all there is of the sum of a query that is hidden */
            for (size_t row = 2; row < count; row += LAW_LENGTH)
                cr_assert_eq(expected[row], sinks[row / LAW_LENGTH % 3]);
            exchange_near(&exchange, "lse", count, expected, 1e-5);
            exchange_done(&exchange);
            free(body);
        }
        free(tensor);
    }
}
