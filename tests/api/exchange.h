/* The whole service as a function: a request in, a reply out, no sockets. Criterion fails the test where something here
 * goes wrong. */
#pragma once

#include "api/service.h"

#include <jansson.h>

struct exchange {
    struct service service;
    struct arena arena;
    struct reply reply;
    char *text;   /* the reply's body with a NUL after it */
    json_t *json; /* the same parsed, NULL where it is no JSON */
    char problem[SERVICE_PROBLEM_MAX];
};

/* The contract's limits; a test changes exchange->service.limits or exchange->arena before it sends. */
void exchange_init(struct exchange *exchange);
void exchange_done(struct exchange *exchange);

/* Routes and answers one request, after giving back all that the one before took (the arena's limit and failure
 * injection stay). */
void exchange_send(struct exchange *exchange, const struct request *request);

/* POST of JSON; exchange_post_bytes takes a body that may hold a NUL. */
void exchange_post(struct exchange *exchange, const char *path, const char *body);
void exchange_post_bytes(struct exchange *exchange, const char *path, const char *body, size_t size);
void exchange_get(struct exchange *exchange, const char *path);

/* POST that must be answered with 200. */
void exchange_ok(struct exchange *exchange, const char *path, const char *body);

/* POST that must be answered with a problem of this status, code and pointer (NULL: none); the problem must hold all
 * that every problem holds. */
void exchange_refused(struct exchange *exchange, const char *path, const char *body, int status, const char *code,
                      const char *pointer);

/* A problem's member as a string, "" where it has none. */
const char *exchange_member(const struct exchange *exchange, const char *name);

/* The numbers of a result in order, however nested; null is −∞. Returns how many; at most `most` are stored. */
size_t exchange_numbers(const struct exchange *exchange, const char *name, double *numbers, size_t most);

/* The numbers of a result are these, to `tolerance`. */
void exchange_near(const struct exchange *exchange, const char *name, size_t count, const double *numbers,
                   double tolerance);

/* Two requests must be answered by the same bytes, with 200. */
void exchange_same(const char *path, const char *body, const char *other_path, const char *other_body);

/* The text of an answer to a request that must be answered with 200; the caller frees it. */
char *exchange_text(const char *path, const char *body);
