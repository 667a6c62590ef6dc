/* core/mask.c: the range of keys that the rules leave to a row, and masks that do not fit. */
#include "core/mask.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* The keys of each query of one item, as text: "0-1" are keys 0 and 1, "-" is none. */
static void ranges_are(const struct mask *mask, size_t queries, size_t keys, size_t batch, const char *expected) {
    struct mask_axes axes = {2, 1, queries, keys};
    char text[256] = "";
    for (size_t row = 0; row < queries; row++) {
        struct mask_range range = mask_keys(mask, DTYPE_FLOAT64, &axes, batch, row);
        size_t used = strlen(text);
        if (range.begin == range.end)
            snprintf(text + used, sizeof text - used, " -");
        else
            snprintf(text + used, sizeof text - used, " %zu-%zu", range.begin, range.end - 1);
    }
    cr_assert_str_eq(text + 1, expected);
}

Test(mask, no_part_leaves_every_key) {
    ranges_are(&(struct mask){0}, 2, 5, 0, "0-4 0-4");
}

Test(mask, causal_stands_on_the_top_left_diagonal) {
    struct mask mask = {1, {{.kind = MASK_CAUSAL}}, MASK_ALIGN_FIXED, 0, 0};
    ranges_are(&mask, 3, 3, 0, "0-0 0-1 0-2");
    ranges_are(&mask, 2, 4, 0, "0-0 0-1");
    ranges_are(&mask, 4, 2, 0, "0-0 0-1 0-1 0-1");
}

Test(mask, causal_stands_on_the_bottom_right_diagonal) {
    struct mask mask = {1, {{.kind = MASK_CAUSAL}}, MASK_ALIGN_BOTTOM_RIGHT, 0, 0};
    ranges_are(&mask, 2, 4, 0, "0-2 0-3");
    /* More queries than keys: the first ones stand before key 0. */
    ranges_are(&mask, 4, 2, 0, "- - 0-0 0-1");
}

Test(mask, with_lengths_each_item_has_its_own_diagonal) {
    size_t lengths[] = {4, 2};
    struct mask mask = {
        2, {{.kind = MASK_CAUSAL}, {.kind = MASK_LENGTHS, .lengths = lengths}}, MASK_ALIGN_BOTTOM_RIGHT, 0, 0};
    ranges_are(&mask, 3, 4, 0, "0-1 0-2 0-3");
    ranges_are(&mask, 3, 4, 1, "- 0-0 0-1");
}

Test(mask, a_length_of_zero_leaves_no_key) {
    size_t lengths[] = {0, 3};
    struct mask mask = {1, {{.kind = MASK_LENGTHS, .lengths = lengths}}, MASK_ALIGN_FIXED, 0, 0};
    ranges_are(&mask, 2, 3, 0, "- -");
    ranges_are(&mask, 2, 3, 1, "0-2 0-2");
}

Test(mask, a_window_reaches_both_ways) {
    struct mask mask = {1, {{.kind = MASK_WINDOW, .left = 1, .right = 1}}, MASK_ALIGN_FIXED, 0, 0};
    ranges_are(&mask, 4, 4, 0, "0-1 0-2 1-3 2-3");
    mask.parts[0].right = 0;
    ranges_are(&mask, 6, 4, 0, "0-0 0-1 1-2 2-3 3-3 -");
}

Test(mask, minus_one_opens_a_side_of_the_window) {
    struct mask mask = {1, {{.kind = MASK_WINDOW, .left = -1, .right = 0}}, MASK_ALIGN_FIXED, 0, 0};
    ranges_are(&mask, 3, 3, 0, "0-0 0-1 0-2");
    mask.parts[0].left = 0;
    mask.parts[0].right = -1;
    ranges_are(&mask, 3, 3, 0, "0-2 1-2 2-2");
}

Test(mask, a_window_wider_than_any_number_is_open) {
    struct mask mask = {
        1, {{.kind = MASK_WINDOW, .left = PTRDIFF_MAX, .right = PTRDIFF_MAX}}, MASK_ALIGN_BOTTOM_RIGHT, 0, 0};
    ranges_are(&mask, 3, 3, 0, "0-2 0-2 0-2");
    ranges_are(&mask, 4, 3, 0, "0-2 0-2 0-2 0-2");
}

Test(mask, padded_queries_have_no_key) {
    double padding[] = {0, 1, 0, 0, 0, 1};
    struct view values = {padding, 2, 1, 3, 1, 3, 0, 1};
    struct mask mask = {1, {{.kind = MASK_QUERY_PADDING, .values = values}}, MASK_ALIGN_FIXED, 0, 0};
    ranges_are(&mask, 3, 2, 0, "0-1 - 0-1");
    ranges_are(&mask, 3, 2, 1, "0-1 0-1 -");
    cr_assert(mask_pads_query(&mask, DTYPE_FLOAT64, 0, 1));
    cr_assert_not(mask_pads_query(&mask, DTYPE_FLOAT64, 0, 2));
}

Test(mask, parts_apply_together) {
    struct mask mask = {
        2, {{.kind = MASK_CAUSAL}, {.kind = MASK_WINDOW, .left = 1, .right = 5}}, MASK_ALIGN_FIXED, 0, 0};
    ranges_are(&mask, 4, 4, 0, "0-0 0-1 1-2 2-3");
}

/* Values of a shape, all zero, under a pointer; what mask_check says on them for B 2, H 4, L 3, S 5. */
static struct error refusal(enum mask_kind kind, const char *pointer, size_t batch, size_t heads, size_t rows,
                            size_t cols) {
    static double zeros[1024];
    struct mask_axes axes = {2, 4, 3, 5};
    struct view values = {zeros, batch, heads, rows, cols, heads * rows * cols, rows * cols, cols};
    struct mask mask = {1, {{.kind = kind, .pointer = pointer, .values = values}}, MASK_ALIGN_FIXED, 0, 0};
    struct error error = {0};
    cr_assert_eq(mask_check(&mask, &axes, &error), error.code == ERROR_NONE);
    return error;
}

Test(mask, every_broadcast_shape_fits) {
    for (size_t batch = 1; batch <= 2; batch++)
        for (size_t heads = 1; heads <= 4; heads += 3)
            for (size_t rows = 1; rows <= 3; rows += 2) {
                cr_assert_eq(refusal(MASK_ATTEND, "/mask/attend", batch, heads, rows, 5).code, ERROR_NONE);
                cr_assert_eq(refusal(MASK_BIAS, "/mask/bias", batch, heads, rows, 5).code, ERROR_NONE);
            }
}

Test(mask, a_shape_that_does_not_fit_is_refused_with_both_numbers) {
    struct error error = refusal(MASK_ATTEND, "/mask/attend", 1, 1, 3, 4);
    cr_assert_eq(error.code, ERROR_SHAPE_MISMATCH);
    cr_assert_str_eq(error.pointer, "/mask/attend");
    cr_assert_str_eq(error.detail, "mask.attend is made for 4 keys but there are 5: its axis for keys must have length "
                                   "5.");
    cr_assert_str_eq(error.expected, "[3,5], or [2,4,3,5] where each of the first three may be 1");
    cr_assert_str_eq(error.received, "[1,1,3,4]");

    error = refusal(MASK_BIAS, "/mask/bias", 2, 3, 3, 5);
    cr_assert_str_eq(error.detail, "mask.bias is made for 3 heads but there are 4: its axis for heads must have length "
                                   "4, or 1 to hold for all of them.");
    error = refusal(MASK_MULTIPLY, "/mask/multiply", 1, 1, 2, 5);
    cr_assert_not_null(strstr(error.detail, "2 queries but there are 3"));
    error = refusal(MASK_BLOCK, "/mask/padding", 3, 1, 1, 5);
    cr_assert_not_null(strstr(error.detail, "mask.padding is made for 3 batch items but there are 2"));
    error = refusal(MASK_QUERY_PADDING, "/mask/query_padding", 2, 1, 4, 1);
    cr_assert_not_null(strstr(error.detail, "4 queries but there are 3"));
    cr_assert_str_eq(error.expected, "[2,3], or [3]");
}

Test(mask, a_bare_mask_is_named_mask) {
    cr_assert_not_null(strstr(refusal(MASK_ATTEND, "/mask", 1, 1, 3, 4).detail, "mask is made for 4 keys"));
}

Test(mask, a_length_beyond_the_keys_is_refused_where_it_stands) {
    size_t lengths[] = {5, 9};
    struct mask_axes axes = {2, 1, 3, 5};
    struct mask mask = {
        1, {{.kind = MASK_LENGTHS, .pointer = "/mask/lengths", .lengths = lengths}}, MASK_ALIGN_FIXED, 0, 0};
    struct error error = {0};
    cr_assert_not(mask_check(&mask, &axes, &error));
    cr_assert_eq(error.code, ERROR_OUT_OF_RANGE);
    cr_assert_str_eq(error.pointer, "/mask/lengths/1");
    cr_assert_not_null(strstr(error.detail, "9 real keys but there are only 5"));
}

Test(mask, a_window_below_minus_one_is_refused) {
    struct mask_axes axes = {1, 1, 3, 5};
    struct mask mask = {
        1, {{.kind = MASK_WINDOW, .pointer = "/mask/window", .left = -2, .right = 0}}, MASK_ALIGN_FIXED, 0, 0};
    struct error error = {0};
    cr_assert_not(mask_check(&mask, &axes, &error));
    cr_assert_str_eq(error.pointer, "/mask/window");
    cr_assert_str_eq(error.received, "[-2,0]");
}
