/* Whole answers made at the start, for moments in which no exchange is there to make one: too many connections, a
 * sender that is too slow, no memory. */
#pragma once

#include "core/error.h"
#include "server/cors.h"

#include <stdbool.h>
#include <stddef.h>

enum { REFUSAL_MAX = 2048 };

struct refusal {
    int status;
    int retry_after_s;      /* 0 = none */
    const char *type;       /* Content-Type */
    size_t head_size, size; /* of the text; the head comes first */
    char text[REFUSAL_MAX];
};

/* Makes the answer for an error: a head that closes the connection, and a problem. */
bool refusal_init(struct refusal *refusal, const struct error *problem, const struct cors *cors, struct error *error);

/* Writes it as far as the socket takes it at once, which for an answer of this size is all. */
void refusal_send(const struct refusal *refusal, int fd);
