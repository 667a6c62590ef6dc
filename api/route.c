/* The resources of the native API as rows of one table: see route.h. */
#include "api/route.h"

#include "api/value.h"

#include <string.h>

static const struct route route_table[] = {
    {.path = "/v1/attention/self",
     .method = "POST",
     .kind = ROUTE_ATTENTION,
     .about = "A sequence attends to itself.",
     .needs = ROUTE_NEEDS_INPUTS,
     .refused = {"query", "key", "value", "context", "query_tokens", "key_tokens"},
     .instead = "/v1/attention/cross"},
    {.path = "/v1/attention/masked",
     .method = "POST",
     .kind = ROUTE_ATTENTION,
     .about = "The same with some keys hidden: \"mask\" is \"causal\" unless given.",
     .causal = true},
    {.path = "/v1/attention/cross",
     .method = "POST",
     .kind = ROUTE_ATTENTION,
     .about = "One sequence attends to another.",
     .needs = ROUTE_NEEDS_CROSS,
     .refused = {"inputs"},
     .instead = "/v1/attention/self"},
    {.path = "/v1/attention/multi-head",
     .method = "POST",
     .kind = ROUTE_ATTENTION,
     .about = "Several heads side by side.",
     .needs_num_heads = true},
    {.path = "/v1/attention", .method = "POST", .kind = ROUTE_ATTENTION, .about = "Any combination of all members."},
    {.path = "/v1/attention/merge",
     .method = "POST",
     .kind = ROUTE_MERGE,
     .about = "Joins results over disjoint ranges of keys."},
    {.path = "/v1/attention", .method = "GET", .kind = ROUTE_CATALOGUE, .about = "Routes and members as JSON."},
    {.path = "/", .method = "GET", .kind = ROUTE_FRONT_PAGE, .about = "What this is, with curl lines."},
    {.path = "/problems/",
     .method = "GET",
     .kind = ROUTE_PROBLEM_PAGE,
     .is_prefix = true,
     .about = "Explains the code of a problem."},
};

enum { ROUTE_COUNT = sizeof route_table / sizeof *route_table };

const struct route *route_at(size_t index) {
    return index < ROUTE_COUNT ? &route_table[index] : NULL;
}

static bool route_matches(const struct route *route, const char *path) {
    if (route->is_prefix)
        return strncmp(path, route->path, strlen(route->path)) == 0 ||
               (strncmp(path, route->path, strlen(route->path) - 1) == 0 && path[strlen(route->path) - 1] == '\0');
    return strcmp(path, route->path) == 0;
}

const struct route *route_find(const char *method, const char *path, const char **allow) {
    bool gets = false, posts = false;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct route *route = &route_table[i];
        if (!route_matches(route, path))
            continue;
        if (strcmp(wanted, route->method) == 0)
            return route;
        *(strcmp(route->method, "GET") == 0 ? &gets : &posts) = true;
    }
    *allow = gets && posts ? "GET, HEAD, POST, OPTIONS" : gets ? "GET, HEAD, OPTIONS" : posts ? "POST, OPTIONS" : NULL;
    return NULL;
}

static const char *route_path_at(size_t index) {
    return index < ROUTE_COUNT ? route_table[index].path : NULL;
}

const char *route_nearest(const char *path) {
    return value_nearest(path, route_path_at);
}
