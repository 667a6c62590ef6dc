/* attention_axes: api/decode_axes.c and plan_axes.c. Attention over some axes is attention on each slice of the others,
 * and every result has the axes of the tensors it comes from. */
#include "tests/api/body.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char any[] = "/v1/attention";

enum { RANK_MOST = 8, RESULT_MOST = 1 << 14 };

/* Numbers in some axes. */
struct array {
    size_t rank, shape[16], count;
    double *numbers;
};

static struct array array_random(struct random *random, size_t rank, const size_t *shape) {
    struct array array = {.rank = rank, .count = 1};
    for (size_t axis = 0; axis < rank; axis++)
        array.count *= array.shape[axis] = shape[axis];
    array.numbers = body_random(random, array.count);
    return array;
}

/* The index of each axis of element `flat`. */
static void unravel(size_t rank, const size_t *shape, size_t flat, size_t *index) {
    for (size_t axis = rank; axis-- > 0; flat /= shape[axis])
        index[axis] = flat % shape[axis];
}

static size_t ravel(size_t rank, const size_t *shape, const size_t *index) {
    size_t flat = 0;
    for (size_t axis = 0; axis < rank; axis++)
        flat = flat * shape[axis] + index[axis];
    return flat;
}

/* One request with attention_axes, at random. */
struct trial {
    size_t rank, axes_count, axes[RANK_MOST], others_count, others[RANK_MOST], heads;
    struct array query, key, value;
};

static struct trial trial_random(struct random *random) {
    struct trial trial = {.rank = random_size(random, 3, 6), .heads = random_size(random, 1, 2)};
    size_t between = trial.rank - 2, free[RANK_MOST], query[RANK_MOST], key[RANK_MOST], value[RANK_MOST];
    for (size_t i = 0; i < between; i++)
        free[i] = i + 1;
    trial.axes_count = random_size(random, 1, between);
    bool attended[RANK_MOST] = {false};
    for (size_t i = 0, left = between; i < trial.axes_count; i++) {
        size_t pick = random_size(random, 0, --left);
        trial.axes[i] = free[pick];
        attended[free[pick]] = true;
        free[pick] = free[left];
    }
    for (size_t axis = 0; axis + 1 < trial.rank; axis++) {
        query[axis] = key[axis] = random_size(random, 1, 3);
        if (attended[axis])
            key[axis] = random_size(random, 1, 3);
        else
            trial.others[trial.others_count++] = axis;
        value[axis] = key[axis];
    }
    query[trial.rank - 1] = key[trial.rank - 1] = 2 * trial.heads;
    value[trial.rank - 1] = 3 * trial.heads;
    trial.query = array_random(random, trial.rank, query);
    trial.key = array_random(random, trial.rank, key);
    trial.value = array_random(random, trial.rank, value);
    return trial;
}

static void trial_free(struct trial *trial) {
    free(trial->query.numbers);
    free(trial->key.numbers);
    free(trial->value.numbers);
}

static void trial_post(const struct trial *trial, bool from_the_end, const char *more, struct exchange *exchange) {
    struct body body;
    body_init(&body);
    body_add(&body, "{\"query\":");
    body_tensor(&body, trial->query.numbers, trial->rank, trial->query.shape);
    body_add(&body, ",\"key\":");
    body_tensor(&body, trial->key.numbers, trial->rank, trial->key.shape);
    body_add(&body, ",\"value\":");
    body_tensor(&body, trial->value.numbers, trial->rank, trial->value.shape);
    body_add(&body, ",\"num_heads\":%zu,\"dtype\":\"float64\",\"attention_axes\":[", trial->heads);
    for (size_t i = 0; i < trial->axes_count; i++)
        body_add(&body, "%s%ld", i > 0 ? "," : "", (long)trial->axes[i] - (from_the_end ? (long)trial->rank : 0));
    body_add(&body, "]%s}", more);
    exchange_ok(exchange, any, body_text(&body));
    body_done(&body);
}

/* An element of a tensor by its slice (an index in each of the other axes), its position (an index in each attended
 * axis) and its feature. */
static size_t trial_place(const struct trial *trial, const struct array *array, const size_t *slice,
                          const size_t *position, size_t feature) {
    size_t index[RANK_MOST] = {0};
    for (size_t i = 0; i < trial->others_count; i++)
        index[trial->others[i]] = slice[i];
    for (size_t i = 0; i < trial->axes_count; i++)
        index[trial->axes[i]] = position[i];
    index[trial->rank - 1] = feature;
    return ravel(trial->rank, array->shape, index);
}

/* The lengths of the attended axes, or the others, of a tensor; their product. */
static size_t lengths_of(const struct array *array, size_t count, const size_t *axes, size_t *lengths) {
    size_t product = 1;
    for (size_t i = 0; i < count; i++)
        product *= lengths[i] = array->shape[axes[i]];
    return product;
}

/* Naive attention of one head on one slice, in the order of attention_axes: weights [L][S], output [L][3]. */
static void naive(const struct trial *trial, const size_t *slice, size_t head, double *weights, double *output) {
    size_t query_lengths[RANK_MOST], key_lengths[RANK_MOST], i[RANK_MOST], j[RANK_MOST];
    size_t queries = lengths_of(&trial->query, trial->axes_count, trial->axes, query_lengths);
    size_t keys = lengths_of(&trial->key, trial->axes_count, trial->axes, key_lengths);
    for (size_t row = 0; row < queries; row++) {
        double sum = 0;
        unravel(trial->axes_count, query_lengths, row, i);
        for (size_t col = 0; col < keys; col++) {
            double score = 0;
            unravel(trial->axes_count, key_lengths, col, j);
            for (size_t d = 2 * head; d < 2 * head + 2; d++)
                score += trial->query.numbers[trial_place(trial, &trial->query, slice, i, d)] *
                         trial->key.numbers[trial_place(trial, &trial->key, slice, j, d)];
            sum += weights[row * keys + col] = exp(score / sqrt(2));
        }
        for (size_t d = 0; d < 3; d++)
            output[row * 3 + d] = 0;
        for (size_t col = 0; col < keys; col++) {
            weights[row * keys + col] /= sum;
            unravel(trial->axes_count, key_lengths, col, j);
            for (size_t d = 0; d < 3; d++)
                output[row * 3 + d] += weights[row * keys + col] *
                                       trial->value.numbers[trial_place(trial, &trial->value, slice, j, 3 * head + d)];
        }
    }
}

static void has_shape(const struct exchange *exchange, const char *name, const size_t *shape, size_t rank) {
    const json_t *json = json_object_get(json_object_get(exchange->json, "shape"), name);
    cr_assert_eq(json_array_size(json), rank, "%s: %.300s", name, exchange->text);
    const json_t *nested = json_object_get(exchange->json, name);
    for (size_t axis = 0; axis < rank; axis++) {
        cr_assert_eq((size_t)json_number_value(json_array_get(json, axis)), shape[axis], "%s: %.300s", name,
                     exchange->text);
        cr_assert_eq(json_array_size(nested), shape[axis]);
        nested = json_array_get(nested, 0);
    }
    cr_assert(json_is_number(nested));
}

static void agrees(const struct trial *trial, const struct exchange *exchange) {
    size_t lengths[RANK_MOST], slice[RANK_MOST], query_lengths[RANK_MOST], key_lengths[RANK_MOST], i[RANK_MOST];
    size_t slices = lengths_of(&trial->query, trial->others_count, trial->others, lengths);
    size_t queries = lengths_of(&trial->query, trial->axes_count, trial->axes, query_lengths);
    size_t keys = lengths_of(&trial->key, trial->axes_count, trial->axes, key_lengths), rank = 0;
    size_t shape[16], output_shape[RANK_MOST];
    memcpy(shape, lengths, trial->others_count * sizeof *shape);
    rank = trial->others_count;
    shape[rank++] = trial->heads;
    memcpy(shape + rank, query_lengths, trial->axes_count * sizeof *shape);
    rank += trial->axes_count;
    has_shape(exchange, "lse", shape, rank);
    memcpy(shape + rank, key_lengths, trial->axes_count * sizeof *shape);
    rank += trial->axes_count;
    has_shape(exchange, "weights", shape, rank);
    memcpy(output_shape, trial->query.shape, trial->rank * sizeof *output_shape);
    output_shape[trial->rank - 1] = 3 * trial->heads;
    has_shape(exchange, "output", output_shape, trial->rank);

    static double weights[RESULT_MOST], output[RESULT_MOST], right[RESULT_MOST], mixed[RESULT_MOST];
    exchange_numbers(exchange, "weights", weights, RESULT_MOST);
    exchange_numbers(exchange, "output", output, RESULT_MOST);
    struct array shown = {.rank = trial->rank};
    memcpy(shown.shape, output_shape, sizeof output_shape);
    for (size_t item = 0; item < slices; item++)
        for (size_t head = 0; head < trial->heads; head++) {
            unravel(trial->others_count, lengths, item, slice);
            naive(trial, slice, head, right, mixed);
            const double *got = weights + (item * trial->heads + head) * queries * keys;
            for (size_t k = 0; k < queries * keys; k++)
                cr_assert_float_eq(got[k], right[k], 1e-13);
            for (size_t row = 0; row < queries; row++)
                for (size_t d = 0; d < 3; d++) {
                    unravel(trial->axes_count, query_lengths, row, i);
                    size_t place = trial_place(trial, &shown, slice, i, 3 * head + d);
                    cr_assert_float_eq(output[place], mixed[row * 3 + d], 1e-13);
                }
        }
}

Test(axes, random_axes_agree_with_attention_slice_by_slice) {
    struct random random = {17};
    for (size_t round = 0; round < 300; round++) {
        struct trial trial = trial_random(&random);
        struct exchange exchange;
        exchange_init(&exchange);
        trial_post(&trial, round % 2, ",\"return\":[\"weights\",\"lse\",\"output\"]", &exchange);
        agrees(&trial, &exchange);
        exchange_done(&exchange);
        trial_free(&trial);
    }
}

/* An output map and add_norm see the rows in the order of the output, whichever way attention had them. */
Test(axes, what_comes_after_attention_has_the_querys_order) {
    struct random random = {19};
    size_t shape[] = {2, 3, 4, 2}, turned[] = {2, 4, 3, 2}, i[4], j[4];
    struct array inputs = array_random(&random, 4, shape), other = array_random(&random, 4, turned);
    for (size_t flat = 0; flat < inputs.count; flat++) {
        unravel(4, shape, flat, i);
        j[0] = i[0], j[1] = i[2], j[2] = i[1], j[3] = i[3];
        other.numbers[ravel(4, turned, j)] = inputs.numbers[flat];
    }
    static const char more[] = ",\"return\":[\"output\"],\"dtype\":\"float64\",\"add_norm\":{\"epsilon\":0.5},"
                               "\"projections\":{\"output\":{\"weight\":[[1,2],[3,-1]],\"bias\":[0.5,0]}}}";
    double output[48], other_output[48];
    for (size_t turn = 0; turn < 2; turn++) {
        struct body body;
        struct exchange exchange;
        body_init(&body);
        exchange_init(&exchange);
        body_add(&body, "{\"inputs\":");
        body_tensor(&body, turn ? other.numbers : inputs.numbers, 4, turn ? turned : shape);
        body_add(&body, ",\"attention_axes\":%d%s", turn ? 2 : 1, more);
        exchange_ok(&exchange, any, body_text(&body));
        cr_assert_eq(exchange_numbers(&exchange, "output", turn ? other_output : output, 48), 48);
        exchange_done(&exchange);
        body_done(&body);
    }
    for (size_t flat = 0; flat < inputs.count; flat++) {
        unravel(4, shape, flat, i);
        j[0] = i[0], j[1] = i[2], j[2] = i[1], j[3] = i[3];
        cr_assert_float_eq(output[flat], other_output[ravel(4, turned, j)], 1e-14);
    }
    free(inputs.numbers);
    free(other.numbers);
}

Test(axes, the_axis_of_three_is_no_news) {
    exchange_same(any, "{\"inputs\":[[[1,0],[0,1]]],\"attention_axes\":1}", any, "{\"inputs\":[[[1,0],[0,1]]]}");
    exchange_same(any, "{\"inputs\":[[[1,0],[0,1]]],\"attention_axes\":[-2]}", any, "{\"inputs\":[[[1,0],[0,1]]]}");
}

/* Masks speak of positions and batch items: B' = 2·1, L = S = 2. Keys that no tensor brought make one axis of all. */
Test(axes, masks_see_flat_axes_and_more_keys_make_them_flat) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, any,
                "{\"inputs\":[[[[1],[2]]],[[[3],[4]]]],\"attention_axes\":[2],\"mask\":{\"lengths\":[1,2],"
                "\"causal\":true},\"return\":[\"masked\"],\"scale\":1}");
    cr_assert_not_null(strstr(exchange.text, "\"masked\":[[[[1,null],[2,null]]],[[[9,null],[12,16]]]]"));
    exchange_ok(&exchange, any,
                "{\"inputs\":[[[[1],[2]],[[3],[4]]]],\"attention_axes\":[1,2],\"add_zero_attn\":true,"
                "\"return\":[\"scores\"],\"scale\":1}");
    cr_assert_not_null(strstr(exchange.text, "{\"scores\":[1,2,2,5]}"), "%s", exchange.text);
    exchange_done(&exchange);
}

Test(axes, eight_axes_give_scores_of_fourteen) {
    struct exchange exchange;
    exchange_init(&exchange);
    static const char inputs[] = "{\"inputs\":[[[[[[[[3]]]]]]]],\"num_heads\":1,\"scale\":1,\"attention_axes\":"
                                 "[1,2,3,4,5,6],\"return\":[\"scores\",\"output\"]%s}";
    char body[300];
    snprintf(body, sizeof body, inputs, "");
    exchange_ok(&exchange, any, body);
    cr_assert_not_null(strstr(exchange.text, "\"scores\":[[[[[[[[[[[[[[9]]]]]]]]]]]]]],\"output\":[[[[[[[[3]]]]]]]]}"),
                       "%s", exchange.text);
    snprintf(body, sizeof body, inputs, ",\"encoding\":\"b64\"");
    exchange_ok(&exchange, any, body);
    exchange_done(&exchange);
}
