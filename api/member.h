/* The members of a request as rows of one table, in the contract's order: name, decoder, and what the catalogue says
 * of them. A new member is a row here, a decoder, a test and a heading in docs/API.md. */
#pragma once

#include "api/value.h"

struct member {
    const char *name;
    /* NULL: known, not supported yet. */
    bool (*decode)(const struct decoder *decoder, const json_t *json, const char *pointer);
    const char *type;      /* for people: "tensor", "true or false" … */
    const char *meaning;   /* one sentence */
    const char *otherwise; /* the default, NULL: none */
};

enum { MEMBER_MAX = 64 }; /* rows, at most */

/* The row at an index, NULL past the last. */
const struct member *member_at(size_t index);

/* The row of a name, or NULL. */
const struct member *member_find(const char *name);

/* The known name nearest to a name, or NULL. */
const char *member_nearest(const char *name);
