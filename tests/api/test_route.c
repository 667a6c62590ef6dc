/* api/route.c: methods and paths. */
#include "api/route.h"

#include <criterion/criterion.h>
#include <string.h>

Test(route, every_row_is_found_by_its_method_and_path) {
    for (size_t i = 0; route_at(i) != NULL; i++) {
        const struct route *route = route_at(i);
        const char *allow = NULL;
        cr_assert_eq(route_find(route->method, route->path, &allow), route);
        cr_assert_gt(strlen(route->about), 0);
        cr_assert(route->refused[0] == NULL || route->instead != NULL);
    }
}

Test(route, head_is_get) {
    const char *allow = NULL;
    cr_assert_eq(route_find("HEAD", "/", &allow), route_find("GET", "/", &allow));
    cr_assert_not_null(route_find("HEAD", "/problems/ragged_array", &allow));
}

static void allows(const char *method, const char *path, const char *wanted) {
    const char *allow = NULL;
    cr_assert_null(route_find(method, path, &allow), "%s %s", method, path);
    if (wanted == NULL)
        cr_assert_null(allow, "%s", path);
    else
        cr_assert_str_eq(allow, wanted);
}

Test(route, another_method_is_told_which_there_are) {
    allows("GET", "/v1/attention/self", "POST, OPTIONS");
    allows("DELETE", "/v1/attention", "GET, HEAD, POST, OPTIONS");
    allows("POST", "/", "GET, HEAD, OPTIONS");
    allows("PUT", "/problems/x", "GET, HEAD, OPTIONS");
    allows("post", "/v1/attention/self", "POST, OPTIONS"); /* methods are case-sensitive */
}

Test(route, another_path_has_none) {
    allows("POST", "/v1/attention/self/", NULL);
    allows("POST", "/v1/attention/SELF", NULL);
    allows("GET", "", NULL);
    allows("GET", "/problem", NULL);
    allows("GET", "/problemsx", NULL);
    allows("GET", "//", NULL);
}

Test(route, a_misspelt_path_has_a_neighbour) {
    cr_assert_str_eq(route_nearest("/v1/atention/self"), "/v1/attention/self");
    cr_assert_str_eq(route_nearest("/v1/attention/multihead"), "/v1/attention/multi-head");
    cr_assert_null(route_nearest("/something/else/altogether"));
}
