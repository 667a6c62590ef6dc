/* A request and a reply as values: what the server read and what it shall send. No sockets here. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

struct job;

/* Strings are NUL-terminated and live as long as the exchange. */
struct request {
    const char *method;       /* "GET", "POST" … */
    const char *path;         /* without the query string */
    const char *content_type; /* NULL: no such field */
    const char *accept;       /* NULL: no such field */
    const char *origin;       /* NULL: no such field */
    const char *host;         /* what the request is for: "127.0.0.1:8080"; NULL: not said */
    char *body;               /* body_size bytes and a NUL after them; NULL: no body */
    size_t body_size;
};

struct reply {
    int status;           /* HTTP status */
    enum error_code code; /* of a problem, for the log; else ERROR_NONE */
    const char *type;     /* Content-Type */
    const char *allow;    /* Allow, or NULL */
    int retry_after_s;    /* Retry-After; 0 = none */
    const char *body;     /* lives in the exchange's arena or is static */
    size_t size;
    struct job *job; /* not NULL: nothing above but status is set yet; the text is the job's to make */
    double parse_ms, compute_ms, encode_ms; /* for Server-Timing; all 0: none */
};
