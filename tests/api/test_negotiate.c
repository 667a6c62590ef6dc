/* api/negotiate.c: which bodies are JSON, and what an Accept field takes. */
#include "api/negotiate.h"

#include <criterion/criterion.h>
#include <stddef.h>

Test(negotiate, these_types_are_json) {
    static const char *const types[] = {"application/json",
                                        "APPLICATION/JSON",
                                        "application/json; charset=utf-8",
                                        "application/json;charset=utf-8",
                                        " application/json ",
                                        "application/problem+json",
                                        "application/vnd.api+json; v=1",
                                        "application/ld+JSON"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        cr_assert(negotiate_is_json(types[i], false), "%s", types[i]);
        cr_assert(negotiate_is_json(types[i], true), "%s", types[i]);
    }
}

Test(negotiate, these_are_not) {
    static const char *const types[] = {"text/plain",
                                        "application/jsonp",
                                        "application/xml",
                                        "text/json",
                                        "application/+json",
                                        "multipart/form-data",
                                        "application/",
                                        "json",
                                        "application/octet-stream",
                                        "application/jso",
                                        "text/html+json",
                                        ";",
                                        ";text/plain",
                                        " ; charset=utf-8",
                                        ",",
                                        ",application/json",
                                        "application/json, text/plain",
                                        "application/json text/plain",
                                        "application/a,text/plain+json",
                                        "application/a/b+json",
                                        "\"application/json\""};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        cr_assert_not(negotiate_is_json(types[i], false), "%s", types[i]);
}

Test(negotiate, no_type_is_json_unless_a_page_sends_it) {
    static const char *const types[] = {NULL, "", " ", "\t "};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        cr_expect(negotiate_is_json(types[i], false), "%zu", i);
        cr_expect_not(negotiate_is_json(types[i], true), "%zu", i);
    }
}

Test(negotiate, curls_form_type_is_json_unless_a_page_sends_it) {
    cr_assert(negotiate_is_json("application/x-www-form-urlencoded", false));
    cr_assert_not(negotiate_is_json("application/x-www-form-urlencoded", true));
    cr_assert_not(negotiate_is_json("Application/X-WWW-Form-Urlencoded; charset=utf-8", true));
}

Test(negotiate, accept_takes_its_most_specific_range) {
    static const struct {
        const char *accept;
        bool takes;
    } rows[] = {{NULL, true},
                {"", true},
                {"*/*", true},
                {"application/json", true},
                {"application/*", true},
                {"Application/JSON", true},
                {"text/html", false},
                {"text/html, */*;q=0.1", true},
                {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true},
                {"application/json;q=0", false},
                {"application/json;q=0, */*", false},
                {"*/*, application/json;q=0", false},
                {"application/json;q=0.0", false},
                {"application/*;q=0, application/json", true},
                {"application/*;q=0, */*", false},
                {"*/*;q=0", false},
                {"application/json;q=0.001", true},
                {"application/json; charset=utf-8; q=0", false},
                {"application/jsonl", false},
                {"application/jso", false},
                {"text/*", false},
                {" application/json ", true},
                {",,application/json", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(negotiate_accepts(rows[i].accept, "application/json"), rows[i].takes, "%s", rows[i].accept);
}
