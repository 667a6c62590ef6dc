/* core/error.c: the first error wins, and every code has its words. */
#include "core/error.h"

#include <criterion/criterion.h>
#include <string.h>

Test(error, the_first_one_wins) {
    struct error error = {0};
    cr_assert_not(error_set(&error, ERROR_WRONG_TYPE, "/query", "%d is not a tensor", 7));
    cr_assert_not(error_set(&error, ERROR_INTERNAL, NULL, "later"));
    cr_assert_eq(error.code, ERROR_WRONG_TYPE);
    cr_assert_str_eq(error.pointer, "/query");
    cr_assert_str_eq(error.detail, "7 is not a tensor");
    error_received(&error, "%d", 7);
    error_received(&error, "8");
    cr_assert_str_eq(error.received, "7");
}

Test(error, the_whole_body_and_nothing_are_told_apart) {
    struct error whole = {0}, none = {0};
    error_set(&whole, ERROR_WRONG_TYPE, "", "x");
    error_set(&none, ERROR_WRONG_TYPE, NULL, "x");
    cr_assert(whole.has_pointer);
    cr_assert_not(none.has_pointer);
}

Test(error, a_text_too_long_is_cut_inside_its_field) {
    struct error error = {0};
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    error_set(&error, ERROR_WRONG_TYPE, text, "%s", text);
    cr_assert_eq(strlen(error.detail), sizeof error.detail - 1);
    cr_assert_eq(strlen(error.pointer), sizeof error.pointer - 1);
}

Test(error, every_code_has_its_own_slug_and_a_title) {
    for (int code = 1; code < ERROR_CODE_COUNT; code++) {
        cr_assert_gt(strlen(error_slug((enum error_code)code)), 2);
        cr_assert_gt(strlen(error_title((enum error_code)code)), 2);
        for (int other = 1; other < code; other++)
            cr_assert_str_neq(error_slug((enum error_code)code), error_slug((enum error_code)other));
    }
}
