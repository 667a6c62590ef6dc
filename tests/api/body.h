/* Bodies of the tests: JSON texts put together from pieces, with tensors of random numbers. */
#pragma once

#include "api/text.h"
#include "tests/core/random.h"

/* A text that lives until body_done. */
struct body {
    struct arena arena;
    struct error error;
    struct text text;
};

void body_init(struct body *body);
void body_done(struct body *body);

/* The text so far, with a NUL at its end. */
const char *body_text(struct body *body);

void body_add(struct body *body, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Nested arrays in that shape. */
void body_tensor(struct body *body, const double *numbers, size_t rank, const size_t *shape);

/* {"shape", "dtype", "b64"}, as float64 or float32. */
void body_b64(struct body *body, const double *numbers, size_t rank, const size_t *shape, bool is_double);

/* The numbers of a b64 text; at most `most` are stored. */
size_t body_b64_numbers(const char *b64, bool is_double, double *numbers, size_t most);

/* `count` numbers between −1 and 1 that are floats; the caller frees them. */
double *body_random(struct random *random, size_t count);
