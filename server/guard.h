/* The head of a request, checked before anything else looks at it. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUARD_FIELDS_MAX = 100, GUARD_PATH_MAX = 1024 };

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

/* Refuses heads that two readers could understand differently, and fills `framing`. */
bool guard_check(const struct guard_head *head, struct guard_framing *framing, struct error *error);

/* Writes the decoded path of a target into `path` (GUARD_PATH_MAX bytes): without scheme, authority and query. "*" is
 * left as it is. False: the target is not well formed. */
bool guard_path(const char *target, char *path, struct error *error);
