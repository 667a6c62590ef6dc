/* core/fully_masked.c: rows without an allowed key, few looks where rows, heads or items are alike, and an end when
 * asked for one. */
#include "core/fully_masked.h"

#include "tests/core/fixture.h"

#include <criterion/criterion.h>
#include <math.h>

static size_t find(struct fixture *fixture, size_t *indices, size_t limit, size_t *first) {
    struct fully_masked found = {.indices = indices, .limit = limit};
    cr_assert(fully_masked_find(&fixture->attention, NULL, &found));
    *first = found.first_unpadded;
    return found.count;
}

Test(fully_masked, finds_each_row_without_keys_in_order) {
    struct fixture fixture;
    fixture_shaped(&fixture); /* B 2, H 6, L 3, S 5 */
    size_t lengths[] = {5, 0}, indices[100], first;
    fixture_part(&fixture, MASK_LENGTHS)->lengths = lengths;
    cr_assert_eq(find(&fixture, indices, 100, &first), 18);
    for (size_t i = 0; i < 18; i++)
        cr_assert_eq(indices[i], 18 + i);
    cr_assert_eq(first, 18);
    fixture_done(&fixture);
}

Test(fully_masked, looks_at_each_head_where_heads_differ) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    struct view attend = fixture_view(&fixture, 1, 6, 3, 5, NULL);
    for (size_t head = 0; head < 6; head++)
        for (size_t row = 0; row < 3; row++)
            fixture_set(&fixture, &attend, 0, head, row, 4, head == 4 && row == 1 ? 0 : 1);
    fixture_part(&fixture, MASK_ATTEND)->values = attend;
    size_t indices[100], first;
    cr_assert_eq(find(&fixture, indices, 100, &first), 2);
    cr_assert_eq(indices[0], 4 * 3 + 1);
    cr_assert_eq(indices[1], 18 + 4 * 3 + 1);
    cr_assert_eq(first, 13);
    fixture_done(&fixture);
}

Test(fully_masked, stores_no_more_than_the_limit_and_counts_all) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    fixture_part(&fixture, MASK_BLOCK)->values = fixture_view(&fixture, 1, 1, 1, 5, (double[]){1, 1, 1, 1, 1});
    size_t indices[5] = {9, 9, 9, 9, 9}, first;
    cr_assert_eq(find(&fixture, indices, 4, &first), 36);
    cr_assert_eq(indices[3], 3);
    cr_assert_eq(indices[4], 9);
    fixture_done(&fixture);
}

Test(fully_masked, query_padding_explains_its_rows) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    fixture_part(&fixture, MASK_QUERY_PADDING)->values = fixture_view(&fixture, 1, 1, 3, 1, (double[]){1, 0, 0});
    size_t indices[100], first;
    cr_assert_eq(find(&fixture, indices, 100, &first), 12);
    cr_assert_eq(first, SIZE_MAX);
    fixture_part(&fixture, MASK_ATTEND)->values =
        fixture_view(&fixture, 1, 1, 3, 5, (double[]){1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    cr_assert_eq(find(&fixture, indices, 100, &first), 24);
    cr_assert_eq(first, 1);
    fixture_done(&fixture);
}

Test(fully_masked, sees_a_key_at_the_end_of_a_long_row) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT64);
    fixture_plain(&fixture, 2, 3000, 1, 1, NULL, NULL, NULL);
    struct view attend = fixture_view(&fixture, 1, 1, 2, 3000, NULL);
    fixture_set(&fixture, &attend, 0, 0, 1, 2999, 1);
    fixture_part(&fixture, MASK_ATTEND)->values = attend;
    size_t indices[100], first;
    cr_assert_eq(find(&fixture, indices, 100, &first), 1);
    cr_assert_eq(indices[0], 0);
    fixture_done(&fixture);
}

Test(fully_masked, rows_alike_are_looked_at_once) {
    enum { ROWS = 300000 };
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT32);
    fixture_plain(&fixture, ROWS, ROWS, 1, 1, NULL, NULL, NULL);
    struct view block = fixture_view(&fixture, 1, 1, 1, ROWS, NULL);
    for (size_t j = 0; j + 1 < ROWS; j++)
        fixture_set(&fixture, &block, 0, 0, 0, j, 1);
    fixture_part(&fixture, MASK_BLOCK)->values = block;
    size_t indices[100], first;
    cr_assert_eq(find(&fixture, indices, 100, &first), 0); /* 10^11 looks, if each row looked for itself */
    cr_assert_leq(fully_masked_looks(&fixture.attention), 2 * ROWS);
    fixture_part(&fixture, MASK_CAUSAL);
    cr_assert_eq(find(&fixture, indices, 100, &first), ROWS - 1);
    cr_assert_eq(indices[99], 99);
    fixture_done(&fixture);
}

Test(fully_masked, heads_and_items_alike_have_the_same_rows) {
    struct fixture fixture;
    fixture_shaped(&fixture);
    fixture_part(&fixture, MASK_ATTEND)->values =
        fixture_view(&fixture, 1, 1, 3, 5, (double[]){1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    size_t indices[100], first;
    cr_assert_eq(find(&fixture, indices, 100, &first), 12);
    for (size_t i = 0; i < 12; i++)
        cr_assert_eq(indices[i], 3 * i + 1);
    fixture_done(&fixture);
}

Test(fully_masked, ends_when_it_is_cancelled) {
    struct fixture fixture;
    fixture_init(&fixture, DTYPE_FLOAT32);
    fixture_plain(&fixture, 2000, 2000, 1, 1, NULL, NULL, NULL);
    fixture_part(&fixture, MASK_ATTEND)->values = fixture_view(&fixture, 1, 1, 2000, 2000, NULL);
    atomic_bool cancelled = true;
    size_t indices[100];
    struct fully_masked found = {.indices = indices, .limit = 100};
    cr_assert_gt(fully_masked_looks(&fixture.attention), 1e6);
    cr_assert_not(fully_masked_find(&fixture.attention, &cancelled, &found));
    cr_assert_lt(found.count, 2000);
    atomic_store(&cancelled, false);
    cr_assert(fully_masked_find(&fixture.attention, &cancelled, &found));
    cr_assert_eq(found.count, 2000);
    fixture_done(&fixture);
}
