/* Bodies of the tests: see body.h. */
#include "tests/api/body.h"

#include "api/base64.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void body_init(struct body *body) {
    memset(body, 0, sizeof *body);
    arena_init(&body->arena, 0);
    text_init(&body->text, &body->arena, &body->error);
}

void body_done(struct body *body) {
    arena_done(&body->arena);
}

const char *body_text(struct body *body) {
    char *end = text_reserve(&body->text, 1);
    cr_assert_not_null(end);
    *end = '\0';
    return body->text.data;
}

void body_add(struct body *body, const char *format, ...) {
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    cr_assert_geq(size, 0);
    text_bytes(&body->text, text, (size_t)size);
    free(text);
}

static void body_axis(struct body *body, const double **numbers, size_t rank, const size_t *shape) {
    body_add(body, "[");
    for (size_t i = 0; i < shape[0]; i++) {
        if (i > 0)
            body_add(body, ",");
        if (rank > 1)
            body_axis(body, numbers, rank - 1, shape + 1);
        else
            body_add(body, "%.17g", *(*numbers)++);
    }
    body_add(body, "]");
}

void body_tensor(struct body *body, const double *numbers, size_t rank, const size_t *shape) {
    body_axis(body, &numbers, rank, shape);
}

void body_b64(struct body *body, const double *numbers, size_t rank, const size_t *shape, bool is_double) {
    size_t count = 1;
    body_add(body, "{\"shape\":[");
    for (size_t axis = 0; axis < rank; axis++) {
        body_add(body, axis > 0 ? ",%zu" : "%zu", shape[axis]);
        count *= shape[axis];
    }
    float *floats = calloc(count, sizeof *floats);
    cr_assert_not_null(floats);
    for (size_t i = 0; i < count; i++)
        floats[i] = (float)numbers[i];
    size_t size = count * (is_double ? sizeof *numbers : sizeof *floats);
    char *text = calloc(base64_encoded_size(size) + 1, 1);
    cr_assert_not_null(text);
    base64_encode(is_double ? (const void *)numbers : floats, size, text);
    body_add(body, "],\"dtype\":\"%s\",\"b64\":\"%s\"}", is_double ? "float64" : "float32", text);
    free(text);
    free(floats);
}

size_t body_b64_numbers(const char *b64, bool is_double, double *numbers, size_t most) {
    size_t size = base64_decoded_size(b64, strlen(b64));
    cr_assert_neq(size, SIZE_MAX);
    unsigned char *bytes = malloc(size + 1);
    cr_assert_not_null(bytes);
    cr_assert_null(base64_decode(b64, strlen(b64), bytes));
    size_t each = is_double ? sizeof(double) : sizeof(float), count = size / each;
    cr_assert_eq(size % each, 0);
    for (size_t i = 0; i < count && i < most; i++) {
        float single;
        memcpy(is_double ? (void *)&numbers[i] : &single, bytes + i * each, each);
        if (!is_double)
            numbers[i] = (double)single;
    }
    free(bytes);
    return count;
}

double *body_random(struct random *random, size_t count) {
    double *numbers = calloc(count, sizeof *numbers);
    cr_assert_not_null(numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (double)(float)random_number(random, 1);
    return numbers;
}
