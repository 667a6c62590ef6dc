/* The order of a job's parts, without threads. */
#include "server/run.h"

#include "api/service.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;
static struct run run;

static void begin(const char *body, size_t slot_count) {
    struct error error = {0};
    struct service service = {{0}, "0"};
    struct request request = {.method = "POST", .path = "/v1/job"};
    const struct route *route;
    const char *allow;
    struct reply reply = {0};
    arena_init(&arena, 0);
    request.body = arena_text(&arena, body, strlen(body), &error);
    request.body_size = strlen(body);
    cr_assert(service_route(&request, &route, &allow, &error));
    service_answer(&service, &request, route, &arena, &reply);
    cr_assert_not_null(reply.job);
    cr_assert(run_init(&run, reply.job, slot_count, &arena, &error));
}

static void finish(size_t part, enum error_code code) {
    struct error error = {0};
    if (code != ERROR_NONE)
        error_set(&error, code, NULL, "part %zu", part);
    run_finish(&run, part, &error);
}

static size_t start(void) {
    struct job_block *block;
    return run_start(&run, &block);
}

Test(run, no_more_parts_are_under_way_than_there_are_blocks) {
    begin("stream 10 1 0", 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(start(), i);
    cr_assert_not(run_is_startable(&run));
    finish(0, ERROR_NONE);
    cr_assert_not(run_is_startable(&run), "its text is not taken yet");
    run_release(&run);
    cr_assert(run_is_startable(&run));
    arena_done(&arena);
}

Test(run, texts_go_out_in_order_whatever_the_order_they_are_made_in) {
    begin("stream 3 1 0", 3);
    for (size_t i = 0; i < 3; i++)
        start();
    finish(2, ERROR_NONE);
    finish(1, ERROR_NONE);
    cr_assert_null(run_ready(&run));
    finish(0, ERROR_NONE);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(run_ready(&run), &run.blocks[i]);
        run_release(&run);
    }
    cr_assert(run_is_done(&run));
    cr_assert(run_is_taken(&run));
    arena_done(&arena);
}

Test(run, large_blocks_are_few) {
    begin("stream 6 40000000 0", 5);
    cr_assert_eq(run.slot_count, 2);
    arena_done(&arena);
    begin("stream 6 20000000 0", 5);
    cr_assert_eq(run.slot_count, 3);
    arena_done(&arena);
    begin("stream 1 400000000 0", 5);
    cr_assert_eq(run.slot_count, 1);
    arena_done(&arena);
}

Test(run, a_barrier_holds_until_all_below_it_are_done) {
    begin("stream 6 1 0 -1 2", 6);
    start();
    start();
    cr_assert_not(run_is_startable(&run));
    finish(1, ERROR_NONE);
    cr_assert_not(run_is_startable(&run));
    finish(0, ERROR_NONE);
    cr_assert(run_is_startable(&run));
    arena_done(&arena);
}

Test(run, the_lowest_failure_counts_and_nothing_starts_after_one) {
    begin("hold 10 1 0", 4);
    for (size_t i = 0; i < 3; i++)
        start();
    finish(2, ERROR_OVERFLOW);
    cr_assert_not(run_is_startable(&run));
    finish(1, ERROR_NOT_FINITE);
    finish(0, ERROR_NONE);
    cr_assert_eq(run.error.code, ERROR_NOT_FINITE);
    cr_assert_eq(run.running, 0);
    arena_done(&arena);
}

Test(run, any_order_of_ends_and_takings_comes_to_the_end) {
    srand(1);
    for (int round = 0; round < 200; round++) {
        begin("stream 40 1 0 -1 7", 1 + (size_t)(rand() % 9));
        size_t under_way[40], count = 0, taken = 0, steps = 0;
        while (!run_is_taken(&run)) {
            cr_assert_lt(steps++, 100000);
            int choice = rand() % 3;
            if (choice == 0 && run_is_startable(&run)) {
                under_way[count++] = start();
            } else if (choice == 1 && count > 0) {
                size_t i = (size_t)rand() % count;
                finish(under_way[i], ERROR_NONE);
                under_way[i] = under_way[--count];
            } else if (choice == 2 && run_ready(&run) != NULL) {
                run_release(&run);
                taken++;
            }
        }
        cr_assert_eq(taken, 40);
        arena_done(&arena);
    }
}
