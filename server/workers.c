/* The workers: a few threads, each taking one step of the next task in turn that has one.
 *
 * A step is to read and check a body, to run one part of a job, or to append finished parts to a held answer. Taking
 * tasks in turn keeps a large one from starving the others, and since a job has only as many blocks as its ring, a
 * client that reads slowly takes no worker's time. */
#include "server/workers.h"

#include "core/blas.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { WORKERS_TEXT_FIRST = 1 << 16 };

/* Reads and checks the body if that is still to be done, and makes the ring of a large job. Without the mutex. True:
 * there are parts to run. */
static bool workers_answer(const struct task_ring *ring, struct task *task) {
    if (task->reply->job == NULL)
        service_answer(task->service, task->request, task->route, task->arena, task->reply);
    if (task->reply->job == NULL)
        return false;
    if (job_is_small(task->reply->job)) {
        service_collect(task->arena, task->reply);
        return false;
    }

    struct error error = {0};
    if (run_init(&task->run, task->reply->job, ring->blocks, task->arena, &error))
        return true;
    *task->reply = (struct reply){0};
    service_problem(&error, task->arena, task->reply);
    return false;
}

static void workers_parse(struct task_ring *ring, struct task *task) {
    task->busy = true;
    pthread_mutex_unlock(&ring->mutex);
    bool runs = workers_answer(ring, task);
    bool streams = runs && job_is_streamable(task->reply->job);
    pthread_mutex_lock(&ring->mutex);
    task->busy = false;

    if (!runs) {
        task_finish(ring, task);
        return;
    }
    task->streams = streams;
    task->stage = TASK_RUN;
    pthread_cond_broadcast(&ring->changed);
    task_settle(ring, task);
}

static void workers_part(struct task_ring *ring, struct task *task) {
    struct job_block *block;
    struct error error = {0};
    size_t part = run_start(&task->run, &block);

    pthread_mutex_unlock(&ring->mutex);
    block->size = 0;
    if (!job_run(task->run.job, part, block, &error))
        error_set(&error, ERROR_INTERNAL, NULL, "A part of the computation failed and did not say why.");
    pthread_mutex_lock(&ring->mutex);

    run_finish(&task->run, part, &error);
    if (task->streams && run_ready(&task->run) != NULL)
        task_wake(ring, task);
    pthread_cond_broadcast(&ring->changed);
    task_settle(ring, task);
}

/* Appends a block to a held answer. Without the mutex: the task is busy, and the block is ours until it is released. */
static bool workers_append(struct task *task, const struct job_block *block, struct error *error) {
    size_t needed, capacity = task->capacity > 0 ? task->capacity : WORKERS_TEXT_FIRST;
    if (__builtin_add_overflow(task->size, block->size, &needed))
        return error_set(error, ERROR_MEMORY_LIMIT, NULL, "The answer does not fit into memory.");
    while (capacity < needed)
        if (__builtin_mul_overflow(capacity, (size_t)2, &capacity))
            capacity = needed;
    if (capacity > task->capacity) {
        char *text = arena_grow(task->arena, task->text, task->capacity, capacity, error);
        if (text == NULL)
            return false;
        task->text = text;
        task->capacity = capacity;
    }
    if (block->size > 0)
        memcpy(task->text + task->size, block->text, block->size);
    task->size = needed;
    return true;
}

static void workers_collect(struct task_ring *ring, struct task *task) {
    struct error error = {0};
    const struct job_block *block;

    while (error.code == ERROR_NONE && (block = run_ready(&task->run)) != NULL) {
        task->busy = true;
        pthread_mutex_unlock(&ring->mutex);
        bool appended = workers_append(task, block, &error);
        pthread_mutex_lock(&ring->mutex);
        task->busy = false;
        if (appended)
            run_release(&task->run);
        pthread_cond_broadcast(&ring->changed);
    }
    if (error.code != ERROR_NONE)
        run_fail(&task->run, &error);
    task_settle(ring, task);
}

typedef void workers_step(struct task_ring *ring, struct task *task);

/* What a worker could do for a task now, or NULL. */
static workers_step *workers_step_of(const struct task *task) {
    if (task->cancelled || task->refused)
        return NULL;
    if (task->stage == TASK_PARSE)
        return task->busy ? NULL : workers_parse;
    if (task->stage == TASK_DONE)
        return NULL;
    if (!task->streams && !task->busy && !task->run.failed && run_ready(&task->run) != NULL)
        return workers_collect;
    return run_is_startable(&task->run) ? workers_part : NULL;
}

/* The next task in turn that has a step; the turn goes to the one behind it. */
static workers_step *workers_next(struct task_ring *ring, struct task **task) {
    struct task *first = ring->turn, *at = first;
    if (first == NULL)
        return NULL;
    do {
        workers_step *step = workers_step_of(at);
        if (step != NULL) {
            ring->turn = at->next;
            *task = at;
            return step;
        }
        at = at->next;
    } while (at != first);
    return NULL;
}

enum { WORKERS_NICENESS = 10 };

static void *workers_run(void *argument) {
    struct workers *workers = argument;
    struct task_ring *ring = workers->ring;
    /* Linux counts niceness by thread: where workers and network threads share a processor, a small request shall not
     * wait for a large one's part. Failing changes only that. */
    setpriority(PRIO_PROCESS, 0, WORKERS_NICENESS);
    blas_warm();

    pthread_mutex_lock(&ring->mutex);
    workers->warm++;
    pthread_cond_broadcast(&ring->changed);
    while (!workers->stopping) {
        struct task *task;
        workers_step *step = workers_next(ring, &task);
        if (step != NULL)
            step(ring, task);
        else
            pthread_cond_wait(&ring->changed, &ring->mutex);
    }
    pthread_mutex_unlock(&ring->mutex);
    return NULL;
}

bool workers_start(struct workers *workers, struct task_ring *ring, size_t count) {
    *workers = (struct workers){.ring = ring};
    workers->threads = calloc(count, sizeof *workers->threads);
    if (workers->threads == NULL)
        return false;
    while (workers->count < count && pthread_create(&workers->threads[workers->count], NULL, workers_run, workers) == 0)
        workers->count++;
    if (workers->count < count) {
        workers_stop(workers);
        return false;
    }

    pthread_mutex_lock(&ring->mutex);
    while (workers->warm < count)
        pthread_cond_wait(&ring->changed, &ring->mutex);
    pthread_mutex_unlock(&ring->mutex);
    return true;
}

void workers_stop(struct workers *workers) {
    pthread_mutex_lock(&workers->ring->mutex);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->ring->changed);
    pthread_mutex_unlock(&workers->ring->mutex);
    for (size_t i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    free(workers->threads);
    *workers = (struct workers){0};
}
