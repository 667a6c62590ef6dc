/* Names of requests. */
#include "server/identifier.h"

#include <criterion/criterion.h>
#include <string.h>

Test(identifier, a_decent_name_is_kept) {
    char text[IDENTIFIER_MAX + 1], longest[IDENTIFIER_MAX + 2];
    identifier_take("a-Z_0.9", text);
    cr_assert_str_eq(text, "a-Z_0.9");
    memset(longest, 'x', sizeof longest);
    longest[IDENTIFIER_MAX] = '\0';
    identifier_take(longest, text);
    cr_assert_str_eq(text, longest);
}

Test(identifier, any_other_is_replaced) {
    static const char *const others[] = {
        NULL, "", "a b", "a\nb", "é", "<script>", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    struct identifiers identifiers;
    identifier_init(&identifiers);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char text[IDENTIFIER_MAX + 1];
        identifier_make(&identifiers, text);
        identifier_take(others[i], text);
        cr_assert_eq(strlen(text), 16);
        cr_assert_eq(strspn(text, "0123456789abcdef"), 16);
    }
}

Test(identifier, no_two_are_alike) {
    struct identifiers identifiers;
    char before[IDENTIFIER_MAX + 1] = "", text[IDENTIFIER_MAX + 1];
    identifier_init(&identifiers);
    for (size_t i = 0; i < 1000; i++) {
        identifier_make(&identifiers, text);
        cr_assert_str_neq(text, before);
        memcpy(before, text, sizeof before);
    }
}
