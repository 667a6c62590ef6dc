/* The header guard: each row is a head that two readers could take differently, and the code that refuses it. */
#include "server/guard.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct head_case {
    const char *what, *version, *method;
    struct guard_field fields[4];
    enum error_code code;
};

static const struct head_case cases[] = {
    {"a plain request", "HTTP/1.1", "GET", {{"Host", "a:80"}}, ERROR_NONE},
    {"a body with a length", "HTTP/1.1", "POST", {{"Host", "a"}, {"Content-Length", "4"}}, ERROR_NONE},
    {"a body in chunks", "HTTP/1.1", "POST", {{"Host", "a"}, {"Transfer-Encoding", "Chunked"}}, ERROR_NONE},
    {"HTTP/1.0 without a host", "HTTP/1.0", "GET", {{0}}, ERROR_NONE},
    {"an empty host", "HTTP/1.1", "GET", {{"Host", ""}}, ERROR_NONE},
    {"an IPv6 host", "HTTP/1.1", "GET", {{"Host", "[::1]:8080"}}, ERROR_NONE},
    {"expecting to go on", "HTTP/1.1", "POST", {{"Host", "a"}, {"Expect", "100-Continue"}}, ERROR_NONE},
    {"another version", "HTTP/1.2", "GET", {{"Host", "a"}}, ERROR_BAD_REQUEST},
    {"no version", "", "GET", {{"Host", "a"}}, ERROR_BAD_REQUEST},
    {"an unknown method", "HTTP/1.1", "FETCH", {{"Host", "a"}}, ERROR_METHOD_UNKNOWN},
    {"a method in small letters", "HTTP/1.1", "get", {{"Host", "a"}}, ERROR_METHOD_UNKNOWN},
    {"a method that is no token", "HTTP/1.1", "G(T", {{"Host", "a"}}, ERROR_BAD_REQUEST},
    {"no host", "HTTP/1.1", "GET", {{"A", "b"}}, ERROR_BAD_REQUEST},
    {"two hosts", "HTTP/1.1", "GET", {{"Host", "a"}, {"host", "a"}}, ERROR_BAD_REQUEST},
    {"two hosts in HTTP/1.0", "HTTP/1.0", "GET", {{"Host", "a"}, {"host", "a"}}, ERROR_BAD_REQUEST},
    {"a host with a blank", "HTTP/1.1", "GET", {{"Host", "a b"}}, ERROR_BAD_REQUEST},
    {"a host with a path", "HTTP/1.1", "GET", {{"Host", "a/b"}}, ERROR_BAD_REQUEST},
    {"a host with a wordy port", "HTTP/1.1", "GET", {{"Host", "a:http"}}, ERROR_BAD_REQUEST},
    {"a host with half a bracket", "HTTP/1.1", "GET", {{"Host", "[::1"}}, ERROR_BAD_REQUEST},
    {"a name with a blank", "HTTP/1.1", "GET", {{"Host", "a"}, {"A ", "b"}}, ERROR_BAD_REQUEST},
    {"an empty name", "HTTP/1.1", "GET", {{"Host", "a"}, {"", "b"}}, ERROR_BAD_REQUEST},
    {"a value with a return", "HTTP/1.1", "GET", {{"Host", "a"}, {"A", "b\rc"}}, ERROR_BAD_REQUEST},
    {"a value with DEL", "HTTP/1.1", "GET", {{"Host", "a"}, {"A", "b\x7f"}}, ERROR_BAD_REQUEST},
    {"a value with a tab", "HTTP/1.1", "GET", {{"Host", "a"}, {"A", "b\tc"}}, ERROR_NONE},
    {"two lengths",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Content-Length", "4"}, {"content-length", "4"}},
     ERROR_BAD_REQUEST},
    {"a length and chunks",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Content-Length", "4"}, {"Transfer-Encoding", "chunked"}},
     ERROR_BAD_REQUEST},
    {"a signed length", "HTTP/1.1", "POST", {{"Host", "a"}, {"Content-Length", "+4"}}, ERROR_BAD_REQUEST},
    {"a length in hexadecimal", "HTTP/1.1", "POST", {{"Host", "a"}, {"Content-Length", "0x4"}}, ERROR_BAD_REQUEST},
    {"a list of lengths", "HTTP/1.1", "POST", {{"Host", "a"}, {"Content-Length", "4, 4"}}, ERROR_BAD_REQUEST},
    {"an empty length", "HTTP/1.1", "POST", {{"Host", "a"}, {"Content-Length", ""}}, ERROR_BAD_REQUEST},
    {"a length of 2^63",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Content-Length", "9223372036854775808"}},
     ERROR_BODY_TOO_LARGE},
    {"a length of 2^64",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Content-Length", "18446744073709551616"}},
     ERROR_BODY_TOO_LARGE},
    {"a folded length", "HTTP/1.1", "POST", {{"Host", "a"}, {"Content-Length44", ""}}, ERROR_BAD_REQUEST},
    {"a folded coding", "HTTP/1.1", "POST", {{"Host", "a"}, {"Transfer-Encodingchunked", ""}}, ERROR_BAD_REQUEST},
    {"two codings",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "x"}},
     ERROR_UNSUPPORTED_ENCODING},
    {"another coding",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Transfer-Encoding", "xchunked"}},
     ERROR_UNSUPPORTED_ENCODING},
    {"a list of codings",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Transfer-Encoding", "gzip, chunked"}},
     ERROR_UNSUPPORTED_ENCODING},
    {"chunks in HTTP/1.0", "HTTP/1.0", "POST", {{"Transfer-Encoding", "chunked"}}, ERROR_BAD_REQUEST},
    {"another expectation", "HTTP/1.1", "POST", {{"Host", "a"}, {"Expect", "x"}}, ERROR_EXPECTATION_FAILED},
    {"a packed body", "HTTP/1.1", "POST", {{"Host", "a"}, {"Content-Encoding", "gzip"}}, ERROR_UNSUPPORTED_MEDIA_TYPE},
    {"expecting twice to go on",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Expect", "100-continue"}, {"Expect", "100-continue"}},
     ERROR_NONE},
    {"another expectation behind a good one",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Expect", "100-continue"}, {"Expect", "x"}},
     ERROR_EXPECTATION_FAILED},
    {"a packed body behind one packed in no way",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Content-Encoding", "identity"}, {"Content-Encoding", "gzip"}},
     ERROR_UNSUPPORTED_MEDIA_TYPE},
    {"two types",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Content-Type", "application/json"}, {"content-type", "text/plain"}},
     ERROR_BAD_REQUEST},
    {"two origins",
     "HTTP/1.1",
     "POST",
     {{"Host", "a"}, {"Origin", "http://a"}, {"Origin", "http://b"}},
     ERROR_BAD_REQUEST},
    {"two preflights",
     "HTTP/1.1",
     "OPTIONS",
     {{"Host", "a"}, {"Access-Control-Request-Method", "POST"}, {"Access-Control-Request-Method", "GET"}},
     ERROR_BAD_REQUEST},
    {"two lists", "HTTP/1.1", "GET", {{"Host", "a"}, {"Accept", "text/plain"}, {"Accept", "a/b"}}, ERROR_NONE},
    {"a body packed in no way", "HTTP/1.1", "POST", {{"Host", "a"}, {"Content-Encoding", "identity"}}, ERROR_NONE},
};

static struct guard_head head_of(const struct head_case *row) {
    struct guard_head head = {.version = row->version, .method = row->method};
    while (head.field_count < 4 && row->fields[head.field_count].name != NULL) {
        head.fields[head.field_count] = row->fields[head.field_count];
        head.field_count++;
    }
    return head;
}

Test(guard, each_doubtful_head_is_refused_and_each_plain_one_taken) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guard_head head = head_of(&cases[i]);
        struct guard_framing framing;
        struct error error = {0};
        bool taken = guard_check(&head, &framing, &error);
        cr_expect_eq(taken, cases[i].code == ERROR_NONE, "%s", cases[i].what);
        cr_expect_eq(error.code, cases[i].code, "%s: %s", cases[i].what, error.detail);
    }
}

Test(guard, the_framing_is_what_the_fields_say) {
    struct guard_head head = {.version = "HTTP/1.1", .method = "POST", .field_count = 2};
    struct guard_framing framing;
    struct error error = {0};
    head.fields[0] = (struct guard_field){"Host", "a"};
    head.fields[1] = (struct guard_field){"Content-Length", "9223372036854775807"};
    cr_assert(guard_check(&head, &framing, &error), "%s", error.detail);
    cr_assert(framing.has_length);
    cr_assert_eq(framing.length, INT64_MAX);
    cr_assert_not(framing.chunked);
}

Test(guard, one_field_more_than_the_limit_is_refused) {
    struct guard_head head = {.version = "HTTP/1.1", .method = "GET", .field_count = GUARD_FIELDS_MAX};
    struct guard_framing framing;
    struct error error = {0};
    for (size_t i = 0; i < GUARD_FIELDS_MAX; i++)
        head.fields[i] = i == 0 ? (struct guard_field){"Host", "a"} : (struct guard_field){"A", "b"};
    cr_assert(guard_check(&head, &framing, &error), "%s", error.detail);
    head.field_count++;
    cr_assert_not(guard_check(&head, &framing, &error));
    cr_assert_eq(error.code, ERROR_HEADER_TOO_LARGE);
}

Test(guard, a_path_is_decoded_and_bare) {
    static const char *const rows[][2] = {
        {"/v1/attention", "/v1/attention"}, {"/a?b=%00", "/a"}, {"/%61%2Fb", "/a/b"}, {"*", "*"},
        {"http://h:1/a?b", "/a"},           {"https://h", "/"}, {"HTTP://h?x", "/"},  {"/\xc3\xa9", "/\xc3\xa9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[GUARD_PATH_MAX], host[GUARD_HOST_MAX];
        struct error error = {0};
        cr_expect(guard_target(rows[i][0], host, path, &error), "%s: %s", rows[i][0], error.detail);
        cr_expect_str_eq(path, rows[i][1]);
    }
}

Test(guard, a_target_that_is_no_path_is_refused) {
    static const char *const rows[] = {"",     "a",           "/a b",        "/a\x01",       "/%00",       "/%1f",
                                       "/%7f", "/%",          "/%4",         "/%zz",         "/a#b",       "h:80",
                                       "**",   "http://a@b/", "http://a b/", "http://[::1/", "http://a:b/"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[GUARD_PATH_MAX], host[GUARD_HOST_MAX];
        struct error error = {0};
        cr_expect_not(guard_target(rows[i], host, path, &error), "'%s' was taken", rows[i]);
        cr_expect_eq(error.code, ERROR_BAD_REQUEST, "'%s'", rows[i]);
    }
}

Test(guard, the_longest_path_fits_and_one_byte_more_does_not) {
    char target[GUARD_PATH_MAX + 1], path[GUARD_PATH_MAX], host[GUARD_HOST_MAX];
    struct error error = {0};
    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[GUARD_PATH_MAX - 1] = '\0';
    cr_assert(guard_target(target, host, path, &error));
    target[GUARD_PATH_MAX - 1] = 'a';
    target[GUARD_PATH_MAX] = '\0';
    cr_assert_not(guard_target(target, host, path, &error));
    cr_assert_eq(error.code, ERROR_NOT_FOUND);
}

Test(guard, an_absolute_target_names_its_host) {
    static const char *const rows[][2] = {
        {"/a", ""},        {"*", ""},       {"http://h:1/a?b", "h:1"}, {"HTTPS://[::1]", "[::1]"},
        {"/http://x", ""}, {"http:///", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[GUARD_PATH_MAX], host[GUARD_HOST_MAX];
        struct error error = {0};
        cr_expect(guard_target(rows[i][0], host, path, &error), "%s: %s", rows[i][0], error.detail);
        cr_expect_str_eq(host, rows[i][1]);
    }
}

Test(guard, several_fields_of_a_name_are_one_list) {
    struct guard_head head = {.field_count = 4};
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    head.fields[0] = (struct guard_field){"Accept", "text/plain"};
    head.fields[1] = (struct guard_field){"Host", "a"};
    head.fields[2] = (struct guard_field){"ACCEPT", ""};
    head.fields[3] = (struct guard_field){"accept", "application/json"};
    cr_assert_str_eq(guard_list(&head, "accept", &arena, &error), "text/plain, , application/json");
    cr_assert_str_eq(guard_list(&head, "host", &arena, &error), "a");
    cr_assert_null(guard_list(&head, "origin", &arena, &error));
    arena_done(&arena);
}
