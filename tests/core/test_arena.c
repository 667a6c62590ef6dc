/* core/arena.c: what an allocation promises, and how it fails. */
#include "core/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

Test(arena, takes_no_memory_until_the_first_allocation) {
    struct arena arena;
    arena_init(&arena, 0);
    cr_assert_eq(arena.used, 0);
    cr_assert_null(arena.chunks);
    arena_done(&arena);
}

Test(arena, every_allocation_is_aligned_and_its_own) {
    enum { COUNT = 2000 };
    static unsigned char *taken[COUNT];
    static size_t sizes[COUNT];
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    srand(7);
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = (size_t)rand() % (i % 50 == 0 ? 300000 : 700);
        taken[i] = arena_alloc(&arena, sizes[i], 1, &error);
        cr_assert_not_null(taken[i]);
        cr_assert_eq((uintptr_t)taken[i] % (sizes[i] < ARENA_ALIGNMENT ? 16 : ARENA_ALIGNMENT), 0);
        memset(taken[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            cr_assert_eq(taken[i][j], i % 251, "byte %zu of allocation %zu was overwritten", j, i);
    arena_done(&arena);
    cr_assert_eq(arena.used, 0);
}

Test(arena, nothing_is_a_valid_pointer) {
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    cr_assert_not_null(arena_alloc(&arena, 0, 8, &error));
    cr_assert_not_null(arena_alloc(&arena, 8, 0, &error));
    cr_assert_not_null(arena_grow(&arena, NULL, 0, 0, &error));
    arena_done(&arena);
}

Test(arena, growing_keeps_the_bytes_at_every_size) {
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    size_t size = 0;
    unsigned char *data = NULL;
    for (size_t next = 1; next < 40u << 20; next = next * 3 / 2 + 1) {
        data = arena_grow(&arena, data, size, next, &error);
        cr_assert_not_null(data);
        cr_assert_eq((uintptr_t)data % (next < ARENA_ALIGNMENT ? 16 : ARENA_ALIGNMENT), 0);
        for (size_t i = size; i < next; i++)
            data[i] = (unsigned char)(i * 31 >> 3);
        size = next;
        cr_assert_not_null(arena_alloc(&arena, 100, 1, &error), "small ones go on beside it");
    }
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(data[i], (unsigned char)(i * 31 >> 3));
    arena_done(&arena);
}

Test(arena, growing_a_large_allocation_takes_only_the_difference) {
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    void *data = arena_grow(&arena, NULL, 0, 1u << 20, &error);
    cr_assert_not_null(arena_grow(&arena, data, 1u << 20, 8u << 20, &error));
    cr_assert_lt(arena.used, (8u << 20) + 4096);
    arena_done(&arena);
}

Test(arena, a_count_times_size_that_overflows_is_refused) {
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    cr_assert_null(arena_alloc(&arena, SIZE_MAX / 2, 3, &error));
    cr_assert_eq(error.code, ERROR_MEMORY_LIMIT);
    error = (struct error){0};
    cr_assert_null(arena_alloc(&arena, SIZE_MAX - 8, 1, &error));
    cr_assert_eq(error.code, ERROR_MEMORY_LIMIT);
    arena_done(&arena);
}

Test(arena, the_limit_holds_and_is_told_apart_from_no_memory) {
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 1u << 20);
    size_t taken = 0;
    while (arena_alloc(&arena, 10000, 1, &error))
        taken += 10000;
    cr_assert_eq(error.code, ERROR_MEMORY_LIMIT);
    cr_assert_not_null(strstr(error.detail, "1048576"));
    cr_assert_leq(arena.used, 1u << 20);
    cr_assert_gt(taken, 900000, "the limit's last part can be used too");
    error = (struct error){0};
    cr_assert_null(arena_alloc(&arena, 2u << 20, 1, &error));
    cr_assert_eq(error.code, ERROR_MEMORY_LIMIT);
    arena_done(&arena);
    cr_assert_eq(arena.limit, 1u << 20);
}

Test(arena, growing_over_the_limit_leaves_the_old_bytes) {
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 1u << 20);
    unsigned char *data = arena_alloc(&arena, 500000, 1, &error);
    memset(data, 42, 500000);
    cr_assert_null(arena_grow(&arena, data, 500000, 5000000, &error));
    cr_assert_eq(error.code, ERROR_MEMORY_LIMIT);
    for (size_t i = 0; i < 500000; i++)
        cr_assert_eq(data[i], 42);
    arena_done(&arena);
}

/* A few allocations of each sort; false at the first that fails. */
static bool arena_story(struct arena *arena, struct error *error) {
    char *text = arena_text(arena, "query", 5, error);
    char *format = text ? arena_format(arena, error, "%s/%d", text, 7) : NULL;
    void *large = format ? arena_alloc(arena, 100000, 8, error) : NULL;
    void *grown = large ? arena_grow(arena, large, 800000, 1600000, error) : NULL;
    return grown && strcmp(text, "query") == 0 && strcmp(format, "query/7") == 0;
}

Test(arena, each_allocation_can_fail_and_nothing_leaks) {
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        struct arena arena;
        struct error error = {0};
        arena_init(&arena, 0);
        arena.fail_at = n;
        bool done = arena_story(&arena, &error);
        arena_done(&arena);
        if (done)
            break;
        cr_assert_eq(error.code, ERROR_NO_MEMORY);
        failures++;
    }
    cr_assert_eq(failures, 4);
}

Test(arena, a_failure_can_be_made_to_last) {
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    arena.fail_at = 2;
    cr_assert_not_null(arena_alloc(&arena, 1, 1, &error));
    cr_assert_null(arena_alloc(&arena, 1, 1, &error));
    cr_assert_not_null(arena_alloc(&arena, 1, 1, &error));
    arena.fail_at = 4;
    arena.fail_on = true;
    cr_assert_null(arena_alloc(&arena, 1, 1, &error));
    cr_assert_null(arena_alloc(&arena, 1, 1, &error));
    arena_done(&arena);
}

Test(arena, small_allocations_do_not_take_a_line_of_cache_each) {
    enum { COUNT = 100000, SIZE = 24 };
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_not_null(arena_alloc(&arena, SIZE, 1, &error));
#ifndef __SANITIZE_ADDRESS__
    cr_assert_lt(arena.used, COUNT * 2 * SIZE);
#endif
    arena_done(&arena);
}

Test(arena, the_budget_is_shared) {
    struct arena_budget budget = {.limit = 64 << 20};
    struct arena one, other;
    struct error error = {0};
    arena_init(&one, 0);
    arena_init(&other, 0);
    one.budget = other.budget = &budget;
    cr_assert_eq(arena_budget_left(&budget), 56 << 20);

    void *large = arena_alloc(&one, 50 << 20, 1, &error);
    cr_assert_not_null(large);
    cr_assert_null(arena_alloc(&other, 10 << 20, 1, &error));
    cr_assert_eq(error.code, ERROR_SERVER_FULL);
    cr_assert_eq(other.used, 0);
    cr_assert_eq(atomic_load(&budget.used), one.used);

    error = (struct error){0};
    large = arena_grow(&one, large, 50 << 20, 51 << 20, &error);
    cr_assert_not_null(large);
    cr_assert_null(arena_grow(&one, large, 51 << 20, 60 << 20, &error));
    cr_assert_eq(error.code, ERROR_SERVER_FULL);
    memset(large, 1, 51 << 20); /* which is still there */

    error = (struct error){0};
    arena_drop(&one, large, 51 << 20);
    cr_assert_eq(atomic_load(&budget.used), 0);
    cr_assert_geq(atomic_load(&budget.most), 51 << 20);
    cr_assert_not_null(arena_alloc(&other, 10 << 20, 1, &error));
    arena_done(&other);
    arena_done(&one);
    cr_assert_eq(atomic_load(&budget.used), 0);
}

Test(arena, small_ones_find_memory_when_large_ones_have_taken_theirs) {
    struct arena_budget budget = {.limit = 64 << 20};
    struct arena large, small;
    struct error error = {0};
    arena_init(&large, 0);
    arena_init(&small, 0);
    large.budget = small.budget = &budget;
    while (arena_alloc(&large, 1 << 20, 1, &error) != NULL)
        ;
    cr_assert_eq(error.code, ERROR_SERVER_FULL);
    cr_assert_leq(atomic_load(&budget.used), 56 << 20);
    error = (struct error){0};
    cr_assert_not_null(arena_alloc(&small, 100000, 8, &error));
    cr_assert_null(arena_alloc(&small, 100000, 8, &error)); /* now it is a large one */
    arena_done(&small);
    arena_done(&large);
}

Test(arena, a_cancelled_request_gets_nothing_more) {
    atomic_bool cancelled = false;
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    arena.cancelled = &cancelled;
    cr_assert_not(arena_is_cancelled(&arena));
    void *data = arena_alloc(&arena, 8, 1, &error);
    cr_assert_not_null(data);
    atomic_store(&cancelled, true);
    cr_assert(arena_is_cancelled(&arena));
    cr_assert_null(arena_grow(&arena, data, 8, 16, &error));
    cr_assert_eq(error.code, ERROR_CANCELLED);
    arena_done(&arena);
    cr_assert_eq(arena.cancelled, &cancelled);
}

Test(arena, a_small_allocation_is_not_given_back_early) {
    struct arena arena;
    struct error error = {0};
    arena_init(&arena, 0);
    char *data = arena_alloc(&arena, 1000, 1, &error);
    size_t used = arena.used;
    arena_drop(&arena, data, 1000);
    arena_drop(&arena, NULL, 1 << 20);
    cr_assert_eq(arena.used, used);
    data[999] = 1;
    arena_done(&arena);
}
