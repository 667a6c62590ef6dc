/* The members of a request as rows of tables, one for attention and one for merge, in the contract's order: name,
 * decoder, and what the catalogue says of them. A new member is a row here, a decoder, a test and a heading in
 * docs/API.md. */
#pragma once

#include "api/route.h"
#include "api/value.h"

struct member {
    const char *name;
    bool (*decode)(const struct decoder *decoder, const json_t *json, const char *pointer);
    const char *type;      /* for people: "tensor", "true or false" … */
    const char *meaning;   /* one sentence */
    const char *otherwise; /* the default, NULL: none */
};

enum { MEMBER_MAX = 64 }; /* rows of a list, at most */

/* The members of some routes. */
struct member_list {
    const struct member *rows;
    size_t count;
    const char *(*name_at)(size_t index); /* NULL past the last */
    const char *example;                  /* a body */
};

extern const struct member_list member_attention, member_merge;

const struct member_list *member_list_of(const struct route *route);

/* The row of a name, or NULL. */
const struct member *member_find(const struct member_list *list, const char *name);
