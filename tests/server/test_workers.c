/* Workers, tasks and the reader's side, with a connection that is only a flag. */
#include "server/workers.h"

#include "tests/server/service_double.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the HTTP library would be: suspended or not, and somebody who waits for the change. */
struct client {
    struct task task; /* the first member, as in an exchange */
    struct arena arena;
    struct request request;
    struct reply reply;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool suspended;
};

static struct task_ring ring;
static struct workers workers;
static struct service service;
static atomic_int released;

static void client_suspend(void *connection) {
    struct client *client = connection;
    pthread_mutex_lock(&client->mutex);
    cr_assert_not(client->suspended);
    client->suspended = true;
    pthread_mutex_unlock(&client->mutex);
}

static void client_resume(void *connection) {
    struct client *client = connection;
    pthread_mutex_lock(&client->mutex);
    cr_assert(client->suspended);
    client->suspended = false;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

static void client_release(struct task *task) {
    struct client *client = (struct client *)task;
    arena_done(&client->arena);
    free(client);
    atomic_fetch_add(&released, 1);
}

static void start_workers(size_t limit) {
    static const struct task_hooks hooks = {client_suspend, client_resume, client_release};
    task_ring_init(&ring, &hooks, limit, 5);
    cr_assert(workers_start(&workers, &ring, 2));
}

static void stop_workers(int expected) {
    while (task_count(&ring) > 0)
        usleep(1000);
    workers_stop(&workers);
    task_ring_done(&ring);
    cr_assert_eq(atomic_load(&released), expected);
}

static struct client *client_new(const char *body) {
    struct client *client = calloc(1, sizeof *client);
    struct error error = {0};
    const char *allow;
    pthread_mutex_init(&client->mutex, NULL);
    pthread_cond_init(&client->changed, NULL);
    arena_init(&client->arena, 64 << 20);
    client->request = (struct request){.method = "POST", .path = "/v1/job"};
    client->request.body = arena_text(&client->arena, body, strlen(body), &error);
    client->request.body_size = strlen(body);
    task_init(&client->task);
    client->task.service = &service;
    client->task.request = &client->request;
    client->task.arena = &client->arena;
    client->task.reply = &client->reply;
    client->task.connection = client;
    cr_assert(service_route(&client->request, &client->task.route, &allow, &error));
    return client;
}

static void client_wait(struct client *client) {
    pthread_mutex_lock(&client->mutex);
    while (client->suspended)
        pthread_cond_wait(&client->changed, &client->mutex);
    pthread_mutex_unlock(&client->mutex);
}

static struct client *client_submit(const char *body) {
    struct client *client = client_new(body);
    cr_assert(task_admit(&ring));
    task_submit(&ring, &client->task);
    return client;
}

static enum task_state client_state(struct client *client) {
    enum task_state state;
    do {
        client_wait(client);
        state = task_state(&ring, &client->task);
    } while (state == TASK_STATE_WAIT);
    return state;
}

/* Reads a streamed answer to its end; returns its size, or the negative end. */
static ptrdiff_t client_read(struct client *client, size_t part_size) {
    static _Thread_local char text[1000];
    ptrdiff_t count, sum = 0;
    while ((count = task_read(&ring, &client->task, text, sizeof text)) >= 0) {
        if (count == 0)
            client_wait(client);
        for (ptrdiff_t i = 0; i < count; i++, sum++)
            cr_assert_eq(text[i], 'a' + (int)((size_t)sum / part_size % 26));
    }
    return count == TASK_READ_END ? sum : count;
}

Test(workers, a_streamed_answer_comes_whole_and_in_order, .timeout = 30) {
    start_workers(4);
    struct client *client = client_submit("stream 200 777 0 -1 20");
    cr_assert_eq(client_state(client), TASK_STATE_STREAM);
    cr_assert_eq(client_read(client, 777), 200 * 777);
    task_leave(&ring, &client->task);
    stop_workers(1);
}

Test(workers, a_held_answer_is_whole_when_the_connection_is_resumed, .timeout = 30) {
    start_workers(4);
    struct client *client = client_submit("hold 300 1000 0");
    cr_assert_eq(client_state(client), TASK_STATE_REPLY);
    cr_assert_eq(client->reply.status, 200);
    cr_assert_eq(client->reply.size, 300000);
    for (size_t i = 0; i < client->reply.size; i++)
        cr_assert_eq(client->reply.body[i], 'a' + (int)(i / 1000 % 26));
    task_leave(&ring, &client->task);
    stop_workers(1);
}

Test(workers, a_failed_part_makes_it_a_problem, .timeout = 30) {
    start_workers(4);
    struct client *client = client_submit("hold 300 1000 0 150");
    cr_assert_eq(client_state(client), TASK_STATE_REPLY);
    cr_assert_eq(client->reply.status, 422);
    cr_assert_not_null(strstr(client->reply.body, "Part 150"));
    task_leave(&ring, &client->task);
    stop_workers(1);
}

Test(workers, a_large_body_is_checked_by_a_worker_and_may_come_to_nothing, .timeout = 30) {
    start_workers(4);
    struct client *echo = client_submit("echo"), *small = client_submit("small 3 5 0");
    cr_assert_eq(client_state(echo), TASK_STATE_REPLY);
    cr_assert_eq(client_state(small), TASK_STATE_REPLY);
    cr_assert_eq(small->reply.size, 15);
    task_leave(&ring, &echo->task);
    task_leave(&ring, &small->task);
    stop_workers(2);
}

Test(workers, an_answer_too_large_for_its_memory_is_refused, .timeout = 30) {
    start_workers(4);
    struct client *client = client_submit("hold 100 1000000 0");
    cr_assert_eq(client_state(client), TASK_STATE_REPLY);
    cr_assert_eq(client->reply.status, 413);
    task_leave(&ring, &client->task);
    stop_workers(1);
}

Test(workers, no_more_tasks_are_taken_than_the_limit, .timeout = 30) {
    start_workers(2);
    struct client *first = client_submit("hold 5 1 1000"), *second = client_submit("hold 5 1 1000");
    cr_assert_not(task_admit(&ring));
    client_state(first);
    cr_assert(task_admit(&ring));
    cr_assert_eq(client_state(second), TASK_STATE_REPLY);
    struct client *third = client_new("hold 5 1 0");
    task_submit(&ring, &third->task);
    client_state(third);
    task_leave(&ring, &first->task);
    task_leave(&ring, &second->task);
    task_leave(&ring, &third->task);
    stop_workers(3);
}

Test(workers, a_reader_that_stops_costs_its_blocks_and_no_worker, .timeout = 30) {
    start_workers(4);
    struct client *slow = client_submit("stream 1000 100 0");
    cr_assert_eq(client_state(slow), TASK_STATE_STREAM);
    usleep(50000);
    cr_assert_eq(atomic_load(&service_double_parts), 5, "as many parts as there are blocks");

    struct client *other = client_submit("hold 50 10 0");
    cr_assert_eq(client_state(other), TASK_STATE_REPLY);
    cr_assert_eq(client_read(slow, 100), 100000);
    task_leave(&ring, &other->task);
    task_leave(&ring, &slow->task);
    stop_workers(2);
}

Test(workers, tasks_take_turns, .timeout = 30) {
    start_workers(4);
    struct client *large = client_submit("hold 2000 10 1000");
    usleep(5000);
    struct client *little = client_submit("hold 10 10 1000");
    cr_assert_eq(client_state(little), TASK_STATE_REPLY);
    cr_assert_lt(atomic_load(&service_double_parts), 200, "the large one was not waited for");
    task_cancel(&ring, &large->task);
    cr_assert_eq(client_state(large), TASK_STATE_GONE);
    task_leave(&ring, &little->task);
    task_leave(&ring, &large->task);
    stop_workers(2);
}

Test(workers, an_answer_nobody_wants_is_dropped_at_the_next_part, .timeout = 30) {
    start_workers(4);
    struct client *client = client_submit("stream 100000 10 1000");
    cr_assert_eq(client_state(client), TASK_STATE_STREAM);
    task_cancel(&ring, &client->task);
    cr_assert_eq(client_read(client, 10), TASK_READ_FAILED);
    task_leave(&ring, &client->task);
    stop_workers(1);
    cr_assert_lt(atomic_load(&service_double_parts), 20);
}

Test(workers, leaving_in_the_middle_of_anything_frees_everything_once, .timeout = 60) {
    static const char *const bodies[] = {"stream 100 100 100", "hold 100 100 100", "hold 9 9 0 3", "echo",
                                         "stream 9 100 0 4",   "small 2 2 0"};
    srand(2);
    start_workers(64);
    for (int round = 0; round < 500; round++) {
        struct client *client = client_submit(bodies[(size_t)rand() % 6]);
        switch (rand() % 4) {
        case 0:
            usleep((useconds_t)(rand() % 2000));
            break;
        case 1:
            if (client_state(client) == TASK_STATE_STREAM)
                client_read(client, 100);
            break;
        case 2:
            client_state(client);
            break;
        default:
            task_cancel(&ring, &client->task);
            client_wait(client);
            break;
        }
        /* The library lets go of a connection only once it is resumed. */
        task_cancel(&ring, &client->task);
        client_wait(client);
        task_leave(&ring, &client->task);
    }
    stop_workers(500);
}

Test(workers, at_the_end_of_a_drain_what_has_not_begun_is_refused, .timeout = 30) {
    start_workers(4);
    struct client *held = client_submit("hold 10000 10 1000"), *streamed = client_submit("stream 10000 10 1000");
    cr_assert_eq(client_state(streamed), TASK_STATE_STREAM);
    task_refuse_all(&ring);
    cr_assert_eq(client_state(held), TASK_STATE_REPLY);
    cr_assert_eq(held->reply.status, 503);
    cr_assert_eq(client_read(streamed, 10), TASK_READ_FAILED);
    cr_assert_not(task_admit(&ring), "nothing is taken after it");
    task_leave(&ring, &held->task);
    task_leave(&ring, &streamed->task);
    stop_workers(2);
}
