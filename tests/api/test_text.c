/* api/text.c: JSON strings of any bytes, growth, and failure that sticks. */
#include "api/text.h"

#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void is_written(const char *bytes, size_t size, const char *wanted) {
    struct arena arena;
    struct error error = {0};
    struct text text;
    arena_init(&arena, 0);
    text_init(&text, &arena, &error);
    text_json_string(&text, bytes, size);
    text_bytes(&text, "", 1);
    cr_assert_str_eq(text.data, wanted);
    arena_done(&arena);
}

Test(text, a_json_string_escapes_what_it_must) {
    is_written("", 0, "\"\"");
    is_written("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    is_written("\n\t\x01\x7f", 4, "\"\\u000a\\u0009\\u0001\\u007f\"");
    is_written("a\0b", 3, "\"a\\u0000b\"");
    is_written("한😀", 7, "\"한😀\"");
}

Test(text, what_is_no_utf8_becomes_the_replacement_character) {
    static const char mark[] = "\"\xef\xbf\xbd\"", two[] = "\"\xef\xbf\xbd\xef\xbf\xbd\"";
    is_written("\x80", 1, mark);
    is_written("\xff", 1, mark);
    is_written("\xc3", 1, mark);
    is_written("\xc0\x80", 2, two); /* overlong */
    is_written("\xe0\x80\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    is_written("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");                 /* a surrogate */
    is_written("\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* past U+10FFFF */
    is_written("\xed\x95", 2, two); /* cut within a character */
}

Test(text, every_json_string_is_json) {
    struct random random = {61};
    for (size_t round = 0; round < 20000; round++) {
        struct arena arena;
        struct error error = {0};
        struct text text;
        char bytes[12];
        size_t size = random_size(&random, 0, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)random_word(&random);
        arena_init(&arena, 0);
        text_init(&text, &arena, &error);
        text_json_string(&text, bytes, size);
        json_t *json = json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        cr_assert_not_null(json, "seed 61, round %zu: %.*s", round, (int)text.size, text.data);
        json_decref(json);
        arena_done(&arena);
    }
}

Test(text, grows_to_any_size_and_keeps_its_bytes) {
    struct arena arena;
    struct error error = {0};
    struct text text;
    arena_init(&arena, 0);
    text_init(&text, &arena, &error);
    for (size_t i = 0; i < 200000; i++)
        text_format(&text, "%zu,", i);
    cr_assert(text_ok(&text));
    const char *place = text.data;
    for (size_t i = 0; i < 200000; i++) {
        char *end;
        cr_assert_eq(strtoul(place, &end, 10), i);
        place = end + 1;
    }
    cr_assert_eq((size_t)(place - text.data), text.size);
    arena_done(&arena);
}

Test(text, failure_sticks) {
    struct arena arena;
    struct error error = {0};
    struct text text;
    arena_init(&arena, 0);
    text_init(&text, &arena, &error);
    text_string(&text, "before");
    arena.fail_at = arena.allocations + 1;
    cr_assert_null(text_reserve(&text, 1000));
    text_string(&text, "x");
    cr_assert_null(text_reserve(&text, 1));
    cr_assert_not(text_ok(&text));
    cr_assert_eq(error.code, ERROR_NO_MEMORY);
    cr_assert_eq(text.size, 6);
    arena_done(&arena);
}
