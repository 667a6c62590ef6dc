/* The figures of the origin notebooks (tests/golden/seeds.json) through the whole service, each to its tolerance. */
#include "tests/api/exchange.h"

#include "tests/api/body.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *golden_load(const char *part) {
    json_error_t error;
    json_t *all = json_load_file(TESTS_GOLDEN_DIR "/seeds.json", 0, &error);
    cr_assert_not_null(all, "%s", error.text);
    json_t *list = json_incref(json_object_get(all, part));
    json_decref(all);
    cr_assert(json_is_array(list));
    return list;
}

/* Two nested arrays alike to a tolerance. */
static void is_near(const char *name, const json_t *received, const json_t *expected, double tolerance) {
    if (!json_is_array(expected)) {
        double right = json_number_value(expected), is = json_number_value(received);
        cr_assert(json_is_number(received));
        cr_assert(fabs(is - right) <= tolerance, "%s: %.17g, not %.17g", name, is, right);
        return;
    }
    cr_assert_eq(json_array_size(received), json_array_size(expected), "%s", name);
    for (size_t i = 0; i < json_array_size(expected); i++)
        is_near(name, json_array_get(received, i), json_array_get(expected, i), tolerance);
}

/* The answer must echo the request's labels. */
static void labels_are_echoed(const struct exchange *exchange, const json_t *request) {
    static const char *const names[] = {"tokens", "query_tokens", "key_tokens"};
    for (size_t i = 0; i < 3; i++) {
        const json_t *labels = json_object_get(request, names[i]);
        cr_assert(labels == NULL || json_equal((json_t *)labels, json_object_get(exchange->json, names[i])));
    }
}

Test(golden, every_case_holds_to_its_tolerance) {
    json_t *cases = golden_load("cases");
    struct exchange exchange;
    exchange_init(&exchange);
    size_t index;
    json_t *golden;
    cr_assert_eq(json_array_size(cases), 12);
    json_array_foreach(cases, index, golden) {
        const char *name = json_string_value(json_object_get(golden, "name")), *member;
        json_t *request = json_object_get(golden, "request"), *expected;
        char *body = json_dumps(request, 0);
        exchange_ok(&exchange, json_string_value(json_object_get(golden, "route")), body);
        json_object_foreach(json_object_get(golden, "expect"), member, expected)
            is_near(name, json_object_get(exchange.json, member), expected,
                    json_number_value(json_object_get(golden, "tolerance")));
        labels_are_echoed(&exchange, request);
        free(body);
    }
    exchange_done(&exchange);
    json_decref(cases);
}

/* The shapes that the answer declares and those of its nested arrays; "B" stands for `batch`. */
static void has_shapes(const struct exchange *exchange, const json_t *shapes, size_t batch) {
    const char *name;
    json_t *shape;
    json_object_foreach((json_t *)shapes, name, shape) {
        const json_t *level = json_object_get(exchange->json, name);
        const json_t *declared = json_object_get(json_object_get(exchange->json, "shape"), name);
        cr_assert_eq(json_array_size(declared), json_array_size(shape), "%s", name);
        for (size_t axis = 0; axis < json_array_size(shape); axis++, level = json_array_get(level, 0)) {
            const json_t *length = json_array_get(shape, axis);
            size_t wanted = json_is_string(length) ? batch : (size_t)json_integer_value(length);
            cr_assert_eq((size_t)json_number_value(json_array_get(declared, axis)), wanted, "%s", name);
            cr_assert_eq(json_array_size(level), wanted, "%s", name);
        }
    }
}

static json_t *golden_shape(json_t *shapes, const char *name) {
    size_t index;
    json_t *shape;
    json_array_foreach(shapes, index, shape) {
        if (strcmp(json_string_value(json_object_get(shape, "name")), name) == 0)
            return shape;
    }
    cr_assert_fail("There is no shape %s", name);
    return NULL;
}

/* One sentence's tokens; without its padding at the end where `cut`. */
static json_t *golden_sentence(const json_t *sentence, const char *pad, bool cut) {
    json_t *copy = json_array();
    for (size_t i = 0; i < json_array_size(sentence); i++)
        if (!cut || strcmp(json_string_value(json_array_get(sentence, i)), pad) != 0)
            json_array_append(copy, json_array_get(sentence, i));
    return copy;
}

static void padded_heads(struct exchange *exchange, const json_t *shape, bool cut) {
    const json_t *sentences = json_object_get(shape, "sentences");
    const char *pad = json_string_value(json_object_get(shape, "pad_token"));
    size_t features = (size_t)json_integer_value(json_object_get(shape, "features"));
    struct random random = {71};
    json_t *request = json_pack("{s:[], s:{}, s:s, s:O}", "tokens", "embeddings", "pad_token", pad, "num_heads",
                                json_object_get(shape, "num_heads"));
    json_t *embeddings = json_object_get(request, "embeddings");
    for (size_t i = 0; i < json_array_size(sentences); i++) {
        const json_t *sentence = json_array_get(sentences, i);
        json_array_append_new(json_object_get(request, "tokens"), golden_sentence(sentence, pad, cut));
        for (size_t j = 0; j < json_array_size(sentence); j++) {
            json_t *vector = json_array();
            for (size_t k = 0; k < features; k++)
                json_array_append_new(vector, json_real(random_number(&random, 2)));
            if (strcmp(json_string_value(json_array_get(sentence, j)), pad) != 0)
                json_object_set(embeddings, json_string_value(json_array_get(sentence, j)), vector);
            json_decref(vector);
        }
    }
    char *body = json_dumps(request, 0);
    exchange_ok(exchange, json_string_value(json_object_get(shape, "route")), body);
    free(body);
    json_decref(request);
    has_shapes(exchange, json_object_get(shape, "expect_shape"), 0);
    cr_assert(json_equal((json_t *)sentences, json_object_get(exchange->json, "tokens")));

    const json_t *weights = json_object_get(exchange->json, "weights");
    for (size_t b = 0; b < json_array_size(weights); b++)
        for (size_t h = 0; h < 8; h++)
            for (size_t i = 0; i < 5; i++) {
                const json_t *row = json_array_get(json_array_get(json_array_get(weights, b), h), i);
                double sum = 0;
                for (size_t j = 0; j < 5; j++) {
                    double weight = json_number_value(json_array_get(row, j));
                    bool pads = strcmp(json_string_value(json_array_get(json_array_get(sentences, b), j)), pad) == 0;
                    cr_assert(pads ? weight == 0 : weight > 0, "weights[%zu][%zu][%zu][%zu] is %g", b, h, i, j, weight);
                    sum += weight;
                }
                cr_assert(fabs(sum - 1) < 1e-6);
            }
}

Test(golden, padded_heads_hide_the_padding_given_or_filled_up) {
    json_t *shapes = golden_load("shapes");
    struct exchange exchange;
    exchange_init(&exchange);
    cr_assert_eq(json_array_size(shapes), 3);
    padded_heads(&exchange, golden_shape(shapes, "coffee-padded-heads"), false);
    padded_heads(&exchange, golden_shape(shapes, "coffee-padded-heads"), true);
    exchange_done(&exchange);
    json_decref(shapes);
}

/* softmax(q·kᵀ·scale) of one head of two features, worked here from the definition. */
static void head_weights(const double heads[3][8], size_t head, double scale, double weights[3][3]) {
    for (size_t i = 0; i < 3; i++) {
        double sum = 0;
        for (size_t j = 0; j < 3; j++) {
            const double *q = heads[i] + 2 * head, *k = heads[j] + 2 * head;
            weights[i][j] = exp((q[0] * k[0] + q[1] * k[1]) * scale);
            sum += weights[i][j];
        }
        for (size_t j = 0; j < 3; j++)
            weights[i][j] /= sum;
    }
}

Test(golden, four_heads_of_two_features) {
    json_t *shapes = golden_load("shapes"), *shape = golden_shape(shapes, "four-heads-of-two");
    struct exchange exchange;
    exchange_init(&exchange);
    json_t *request = json_pack("{s:O, s:O, s:O, s:[s,s,s,s]}", "inputs", json_object_get(shape, "inputs"), "num_heads",
                                json_object_get(shape, "num_heads"), "scale", json_object_get(shape, "scale"), "return",
                                "query", "weights", "heads", "output");
    char *body = json_dumps(request, 0);
    exchange_ok(&exchange, json_string_value(json_object_get(shape, "route")), body);
    has_shapes(&exchange, json_object_get(shape, "expect_shape"), 1);

    const double inputs[3][8] = {{1, 0, 1, 0, 1, 0, 1, 0}, {0, 2, 0, 2, 0, 2, 0, 2}, {1, 1, 1, 1, 1, 1, 1, 1}};
    double all[4][3][3];
    for (size_t head = 0; head < 4; head++)
        head_weights(inputs, head, 1 / sqrt(8), all[head]);
    exchange_near(&exchange, "weights", 36, &all[0][0][0], 1e-6);
    free(body);
    json_decref(request);
    exchange_done(&exchange);
    json_decref(shapes);
}

static void golden_matrix(struct body *body, struct random *random, const char *name, size_t in, size_t out) {
    double *weight = body_random(random, in * out), *bias = body_random(random, out);
    for (size_t i = 0; i < in * out; i++)
        weight[i] *= 0.05;
    body_add(body, "\"%s\":{\"weight\":", name);
    body_b64(body, weight, 2, (size_t[]){in, out}, false);
    body_add(body, ",\"bias\":");
    body_b64(body, bias, 1, &out, false);
    body_add(body, "}");
    free(weight);
    free(bias);
}

Test(golden, a_keras_block_has_its_shapes_and_rows_of_mean_zero) {
    json_t *shapes = golden_load("shapes"), *shape = golden_shape(shapes, "keras-block");
    size_t features = (size_t)json_integer_value(json_object_get(shape, "features"));
    size_t length = (size_t)json_integer_value(json_object_get(shape, "length"));
    size_t heads = (size_t)json_integer_value(json_object_get(shape, "num_heads"));
    size_t width = heads * (size_t)json_integer_value(json_object_get(shape, "head_size")), batch = 2;
    struct random random = {73};
    struct body body;
    struct exchange exchange;
    body_init(&body);
    exchange_init(&exchange);
    double *inputs = body_random(&random, batch * length * features);
    char *add_norm = json_dumps(json_object_get(shape, "add_norm"), 0);
    body_add(&body, "{\"inputs\":");
    body_tensor(&body, inputs, 3, (size_t[]){batch, length, features});
    body_add(&body, ",\"num_heads\":%zu,\"add_norm\":%s,\"projections\":{", heads, add_norm);
    const char *names[] = {"query", "key", "value"};
    for (size_t i = 0; i < 3; i++) {
        golden_matrix(&body, &random, names[i], features, width);
        body_add(&body, ",");
    }
    golden_matrix(&body, &random, "output", width, features);
    body_add(&body, "}}");
    exchange_ok(&exchange, json_string_value(json_object_get(shape, "route")), body_text(&body));
    has_shapes(&exchange, json_object_get(shape, "expect_shape"), batch);

    double *output = calloc(batch * length * features, sizeof *output);
    exchange_numbers(&exchange, "output", output, batch * length * features);
    for (size_t row = 0; row < batch * length; row++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < features; i++) {
            sum += output[row * features + i];
            squares += output[row * features + i] * output[row * features + i];
        }
        cr_assert(fabs(sum / (double)features) < 1e-5);
        cr_assert(squares / (double)features < 1 + 1e-5 && squares / (double)features > 0.9);
    }
    free(output);
    free(inputs);
    free(add_norm);
    exchange_done(&exchange);
    body_done(&body);
    json_decref(shapes);
}
