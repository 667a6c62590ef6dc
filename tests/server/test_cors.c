/* CORS: who may, compared byte by byte. */
#include "server/cors.h"

#include <criterion/criterion.h>
#include <string.h>

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

Test(cors, any_port_of_this_machine_is_one_word) {
    struct cors cors = {"http://localhost:*,https://a"};
    static const char *const may[] = {"http://localhost:5500", "http://localhost", "https://a"};
    static const char *const others[] = {"http://localhost:",       "http://localhost:5500x", "http://localhost.evil",
                                         "http://localhost:1.evil", "https://localhost:5500", "http://127.0.0.1:5500",
                                         "http://localhost:*",      "http://localhos",        "http://localhost:1:2"};
    for (size_t i = 0; i < sizeof may / sizeof may[0]; i++)
        cr_expect_str_eq(cors_allow_origin(&cors, may[i]), may[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_expect_null(cors_allow_origin(&cors, others[i]), "%s may", others[i]);
}

Test(cors, a_page_of_the_server_itself_is_not_refused) {
    struct cors cors = {"http://a"};
    cr_assert_not(cors_refuses(&cors, NULL, "h"));
    cr_assert_not(cors_refuses(&cors, "http://a", "h"));
    cr_assert_not(cors_refuses(&cors, "http://h:1", "H:1"));
    cr_assert(cors_refuses(&cors, "http://h:2", "h:1"));
    cr_assert(cors_refuses(&cors, "null", "h:1"));
    cr_assert(cors_refuses(&cors, "http://b", NULL));
}

Test(cors, what_browsers_send_is_taken_as_an_origin) {
    static const char *const good[] = {"",
                                       "*",
                                       "null",
                                       "http://localhost:5500",
                                       "https://example.org, http://a:81",
                                       "http://[::1]:5500",
                                       "http://localhost:*",
                                       "http://127.0.0.1:*,null",
                                       "chrome-extension://abcdefgh",
                                       "https://a:80",
                                       "https://xn--bcher-kva.example"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char why[256] = "";
        cr_expect(cors_check(good[i], why, sizeof why), "'%s': %s", good[i], why);
    }
}

Test(cors, what_never_matches_is_refused_with_what_would) {
    static const char *const rows[][2] = {
        {"https://a/", "'https://a'"},
        {"https://a/b/c", "'https://a'"},
        {"localhost:5500", "'http://localhost:5500'"},
        {"foo", "'http://foo'"},
        {"HTTP://LocalHost:5500", "'http://localhost:5500'"},
        {"http://localhost:80", "'http://localhost'"},
        {"https://a:443/", "'https://a'"},
        {"http://a:", "'http://a'"},
        {"https://*.example.org", "http://localhost:*"},
        {"http://a:*", "http://127.0.0.1:*"},
        {"https://localhost:*", "http://localhost:*"},
        {"*,http://a", "alone"},
        {"http://a,*", "alone"},
        {" ", "no origin"},
        {",", "no origin"},
        {"http://a\r\nX: y", "scheme://host"},
        {"http://b\xc3\xbc"
         "cher.example",
         "scheme://host"},
        {"http://a@b", "scheme://host"},
        {"http://a?b", "scheme://host"},
        {"http://a:99999", "scheme://host"},
        {"http://a:080", "scheme://host"},
        {"http://[::1", "scheme://host"},
        {"://a", "scheme://host"},
        {"http://", "scheme://host"},
        {"http://good,https://bad/", "'https://bad'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char why[256] = "";
        cr_expect_not(cors_check(rows[i][0], why, sizeof why), "'%s' was taken", rows[i][0]);
        cr_expect_not_null(strstr(why, rows[i][1]), "'%s': %s", rows[i][0], why);
        for (const char *at = why; *at != '\0'; at++)
            cr_expect(*at >= ' ' && *at < 0x7f, "'%s' has an unprintable byte", why);
    }
}

Test(cors, a_refused_preflight_names_the_origin_and_the_setting) {
    struct cors cors = {""};
    struct error error = {0};
    cr_assert_not(cors_refuse(&cors, "http://127.0.0.1:5500", &error));
    cr_assert_eq(error.code, ERROR_ORIGIN_REFUSED);
    cr_assert_not_null(strstr(error.detail, "--cors-origin http://127.0.0.1:5500"), "%s", error.detail);
}
