/* Hosts: which a request may name. */
#include "server/host.h"

#include <criterion/criterion.h>
#include <string.h>

static bool admits(bool loopback, const char *allowed, const char *host) {
    struct hosts hosts = {allowed, loopback};
    struct error error = {0};
    bool taken = host_admit(&hosts, host, &error);
    cr_expect_eq(error.code, taken ? ERROR_NONE : ERROR_MISDIRECTED);
    return taken;
}

static const char *const own[] = {"localhost", "LocalHost:8080", "localhost.:1", "127.0.0.1",          "127.1.2.3:80",
                                  "[::1]",     "[::1]:8080",     "[0:0::1]:1",   "[::ffff:127.0.0.1]", ""};
static const char *const foreign[] = {"rebind.evil.example:8080",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "evil.localhost",
                                      "127.1",
                                      "0x7f000001",
                                      "2130706433",
                                      "xlocalhost",
                                      "[::2]",
                                      "10.0.0.7:8080",
                                      "0.0.0.0",
                                      "[::ffff:10.0.0.1]",
                                      "[localhost]x",
                                      "localhost@evil"};

Test(host, a_listener_of_this_machine_takes_its_own_names_only) {
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        cr_expect(admits(true, "", own[i]), "%s", own[i]);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        cr_expect_not(admits(true, "", foreign[i]), "%s", foreign[i]);
    cr_expect(admits(true, "", NULL), "HTTP/1.0 needs no Host");
}

Test(host, others_are_taken_where_they_are_listed_or_all_are) {
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        cr_expect(admits(true, "*", foreign[i]) && admits(false, "", foreign[i]), "%s", foreign[i]);
    cr_assert(admits(true, "a.example, b.example", "B.Example:443"));
    cr_assert(admits(true, "10.0.0.7,[fd00::1]", "[fd00::1]:1"));
    cr_assert_not(admits(true, "a.example", "a.example.evil"));
    cr_assert_not(admits(true, "a.example", "x.a.example"));
    cr_assert(admits(true, "a.example", "localhost"));
}

Test(host, a_list_on_an_open_listener_leaves_addresses_to_probes) {
    cr_assert(admits(false, "a.example", "10.0.0.7:8080"));
    cr_assert(admits(false, "a.example", "[fd00::1]:8080"));
    cr_assert_not(admits(false, "a.example", "evil.example"));
}

Test(host, the_refusal_says_what_to_do) {
    struct hosts hosts = {"", true};
    struct error error = {0};
    cr_assert_not(host_admit(&hosts, "evil.example:80", &error));
    cr_assert_not_null(strstr(error.detail, "evil.example:80"), "%s", error.detail);
    cr_assert_not_null(strstr(error.detail, "--allowed-hosts"), "%s", error.detail);
}

Test(host, a_setting_holds_hosts_and_nothing_else) {
    static const char *const good[] = {"", "*", "a.example", "a.example,b", "10.0.0.1, [::1]", "a_b"};
    static const char *const wrong[] = {" ",   "http://a", "a:80", "a/b", "*.a",
                                        "*,a", "::1",      "[::1", "[x]", "b\xc3\xbc"};
    char why[256];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_expect(host_check(good[i], why, sizeof why), "'%s': %s", good[i], why);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect_not(host_check(wrong[i], why, sizeof why), "'%s' was taken", wrong[i]);
}

Test(host, brackets_are_not_for_the_resolver) {
    char text[HOST_MAX];
    cr_assert_str_eq(host_to_resolve("[::1]", text), "::1");
    cr_assert_str_eq(host_to_resolve("::1", text), "::1");
    cr_assert_str_eq(host_to_resolve("localhost", text), "localhost");
}
