/* CORS: who may, compared byte by byte. */
#include "server/cors.h"

#include <criterion/criterion.h>

Test(cors, nobody_may_by_default) {
    struct cors cors = {""};
    cr_assert_null(cors_allow_origin(&cors, "http://a"));
    cr_assert_null(cors_allow_origin(&cors, NULL));
    cr_assert_not(cors_varies(&cors));
}

Test(cors, anybody_may_with_a_star) {
    struct cors cors = {"*"};
    cr_assert_str_eq(cors_allow_origin(&cors, "http://a"), "*");
    cr_assert_str_eq(cors_allow_origin(&cors, NULL), "*");
    cr_assert_not(cors_varies(&cors));
}

Test(cors, only_the_listed_may) {
    struct cors cors = {"http://a, https://b:8443,http://c"};
    cr_assert_str_eq(cors_allow_origin(&cors, "http://a"), "http://a");
    cr_assert_str_eq(cors_allow_origin(&cors, "https://b:8443"), "https://b:8443");
    cr_assert_str_eq(cors_allow_origin(&cors, "http://c"), "http://c");
    static const char *const others[] = {
        "https://a", "http://a:80", "http://a/", "http://A", "http://", "null", "", "*", "http://a, https://b:8443"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_assert_null(cors_allow_origin(&cors, others[i]), "%s may", others[i]);
    cr_assert(cors_varies(&cors));
}

Test(cors, asked_for_names_are_echoed_only_if_they_are_names) {
    char text[CORS_HEADERS_MAX];
    cors_allow_headers("content-type, x-a", text);
    cr_assert_str_eq(text, "content-type, x-a");
    static const char *const others[] = {NULL, "", "a\r\nb: c", "a;b", "a\"b"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cors_allow_headers(others[i], text);
        cr_assert_str_eq(text, "Content-Type, Accept, X-Request-Id");
    }
}
