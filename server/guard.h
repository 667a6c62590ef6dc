/* The head of a request, checked before anything else looks at it. */
#pragma once

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUARD_FIELDS_MAX = 100, GUARD_PATH_MAX = 1024, GUARD_HOST_MAX = 264 };

struct guard_field {
    const char *name, *value;
};

/* What the HTTP library read, as it read it. */
struct guard_head {
    const char *version; /* "HTTP/1.1" */
    const char *method;
    const char *target; /* the raw request target, query string included */
    size_t field_count; /* may be more than GUARD_FIELDS_MAX: the rest was not stored */
    struct guard_field fields[GUARD_FIELDS_MAX];
};

/* How the body is framed. */
struct guard_framing {
    bool has_length, chunked;
    uint64_t length;
};

/* The value of a field, or NULL; names are compared without case. The first one where several are given. */
const char *guard_field(const struct guard_head *head, const char *name);

/* The values of all fields of a name as one list ("a, b"), or NULL where there is none, or no memory. */
char *guard_list(const struct guard_head *head, const char *name, struct arena *arena, struct error *error);

/* Refuses heads that two readers could understand differently, and fills `framing`. */
bool guard_check(const struct guard_head *head, struct guard_framing *framing, struct error *error);

/* Splits a target: the decoded path without query into `path` (GUARD_PATH_MAX bytes; "*" is left as it is), and the
 * authority, "" in all but the absolute form, into `host` (GUARD_HOST_MAX bytes). False: it is not well formed. */
bool guard_target(const char *target, char *host, char *path, struct error *error);
