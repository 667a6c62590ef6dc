/* The resources of the native API as rows of one table. Attention's routes are one computation: they differ in which
 * members they require or refuse and in one default. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum route_kind {
    ROUTE_FRONT_PAGE,   /* GET /: what this is, with curl lines */
    ROUTE_CATALOGUE,    /* GET /v1/attention: routes and members as JSON */
    ROUTE_PROBLEM_PAGE, /* GET /problems/<code> */
    ROUTE_ATTENTION,    /* POST: decoded, planned, computed */
    ROUTE_MERGE,        /* POST: the same, of partial results */
};

/* What a route requires of the query and keys. */
enum route_needs {
    ROUTE_NEEDS_ANY,    /* inputs, or a query and keys */
    ROUTE_NEEDS_INPUTS, /* inputs, or tokens and embeddings */
    ROUTE_NEEDS_CROSS,  /* query and context, or key and value */
};

enum { ROUTE_REFUSED_MAX = 8 };

struct route {
    const char *path;
    const char *method; /* "GET" serves HEAD too */
    enum route_kind kind;
    bool is_prefix;    /* any path below it */
    const char *about; /* one sentence for the catalogue */
    enum route_needs needs;
    bool needs_num_heads;
    bool causal;                            /* mask: "causal" where no mask is given */
    const char *refused[ROUTE_REFUSED_MAX]; /* members that contradict the route … */
    const char *instead;                    /* … and the route to use with them */
};

/* The row at an index, NULL past the last. */
const struct route *route_at(size_t index);

/* The row of a method and a path, or NULL; *allow is then the methods of that path ("GET, HEAD"), NULL where no route
 * has the path. */
const struct route *route_find(const char *method, const char *path, const char **allow);

/* The path nearest to `path`, or NULL. */
const char *route_nearest(const char *path);
