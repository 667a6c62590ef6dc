/* Tasks: large answers between the network threads, which own them, and the workers, which make them.
 *
 * One mutex guards the ring and all tasks in it: a worker's step takes about a millisecond, the mutex less than a
 * microsecond. Text is copied without it, by the one who owns the block. A task ends in task_settle(), once no thread
 * is in it: whole, failed (with the error of its lowest part, so that the same request fails in the same way), refused
 * or cancelled. It is freed when neither its owner nor the workers hold it any more, whoever comes last. */
#include "server/task.h"

#include "server/clock.h"

#include <assert.h>
#include <string.h>

void task_ring_init(struct task_ring *ring, const struct task_hooks *hooks, size_t limit, size_t blocks) {
    *ring = (struct task_ring){.hooks = *hooks, .limit = limit, .blocks = blocks};
    pthread_mutex_init(&ring->mutex, NULL);
    pthread_cond_init(&ring->changed, NULL);
}

void task_ring_done(struct task_ring *ring) {
    assert(ring->count == 0);
    pthread_cond_destroy(&ring->changed);
    pthread_mutex_destroy(&ring->mutex);
}

void task_init(struct task *task) {
    *task = (struct task){.references = 1, .stage = TASK_DONE};
    atomic_init(&task->ends, false);
}

static bool task_has_place(const struct task_ring *ring) {
    return !ring->closed && ring->places < ring->limit;
}

bool task_admit(struct task_ring *ring) {
    pthread_mutex_lock(&ring->mutex);
    bool admitted = task_has_place(ring);
    if (admitted) {
        ring->count++;
        ring->places++;
    }
    pthread_mutex_unlock(&ring->mutex);
    return admitted;
}

bool task_is_full(struct task_ring *ring) {
    pthread_mutex_lock(&ring->mutex);
    bool full = !task_has_place(ring);
    pthread_mutex_unlock(&ring->mutex);
    return full;
}

/* Takes or gives back the task's place, by whether there is work to do for it. A stream whose reader is slow has made
 * as many blocks as it may; once the reader goes on, it goes on too, whoever has been admitted meanwhile. */
static void task_place(struct task_ring *ring, struct task *task) {
    bool rests = task->stage == TASK_RUN && task->streams && task->run.running == 0 && !run_is_startable(&task->run);
    bool works = task->queued && !rests;
    if (works != task->placed)
        works ? ring->places++ : ring->places--;
    task->placed = works;
}

/* Last in turn, that is before the one whose turn it is. */
static void task_link(struct task_ring *ring, struct task *task) {
    if (ring->turn == NULL) {
        task->next = task->previous = task;
        ring->turn = task;
        return;
    }
    task->next = ring->turn;
    task->previous = ring->turn->previous;
    task->previous->next = task;
    task->next->previous = task;
}

static void task_unlink(struct task_ring *ring, struct task *task) {
    if (ring->turn == task)
        ring->turn = task->next == task ? NULL : task->next;
    task->previous->next = task->next;
    task->next->previous = task->previous;
    task->next = task->previous = NULL;
}

static void task_wait(struct task_ring *ring, struct task *task) {
    task->waiting = true;
    ring->hooks.suspend(task->connection);
}

void task_wake(struct task_ring *ring, struct task *task) {
    if (task->waiting) {
        task->waiting = false;
        ring->hooks.resume(task->connection);
    }
}

void task_submit(struct task_ring *ring, struct task *task) {
    pthread_mutex_lock(&ring->mutex);
    task->stage = TASK_PARSE;
    task->queued = task->placed = true;
    task->references++;
    task->begin_ms = clock_now_ms();
    task_link(ring, task);
    task_wait(ring, task);
    pthread_cond_signal(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
}

void task_finish(struct task_ring *ring, struct task *task) {
    task_unlink(ring, task);
    ring->count--;
    task->queued = false;
    task_place(ring, task);
    task->stage = TASK_DONE;
    task->references--;
    if (task->references > 0) {
        task_wake(ring, task);
        return;
    }
    pthread_mutex_unlock(&ring->mutex);
    ring->hooks.release(task);
    pthread_mutex_lock(&ring->mutex);
}

static void task_problem(struct task_ring *ring, struct task *task, const struct error *error) {
    task->busy = true;
    task->streams = false;
    pthread_mutex_unlock(&ring->mutex);
    *task->reply = (struct reply){0};
    service_problem(error, task->arena, task->reply);
    pthread_mutex_lock(&ring->mutex);
    task->busy = false;
}

/* Fills in the reply of a held job whose text is whole. */
static void task_hold(struct task *task) {
    double compute_ms, encode_ms, elapsed_ms = clock_now_ms() - task->begin_ms;
    run_times(&task->run, &compute_ms, &encode_ms);
    double sum_ms = compute_ms + encode_ms;

    struct reply *reply = task->reply;
    reply->job = NULL;
    reply->status = 200;
    reply->type = reply->type != NULL ? reply->type : "application/json";
    reply->body = task->text;
    reply->size = task->size;
    /* The parts' times are those of several threads at once; a client wants to know what it has waited for. */
    reply->compute_ms = sum_ms > 0 ? elapsed_ms * compute_ms / sum_ms : elapsed_ms;
    reply->encode_ms = elapsed_ms - reply->compute_ms;
}

void task_settle(struct task_ring *ring, struct task *task) {
    bool running = task->stage == TASK_RUN && task->run.running > 0;
    task_place(ring, task);
    if (!task->queued || task->busy || running)
        return;

    bool failed = task->stage == TASK_RUN && task->run.failed;
    if (task->cancelled || (failed && task->begun)) {
        task_finish(ring, task);
    } else if (task->refused && !task->begun) {
        struct error error = {0};
        error_set(&error, ERROR_DRAINING, NULL, "The server is shutting down; send the request again.");
        task_problem(ring, task, &error);
        task_finish(ring, task);
    } else if (failed) {
        task_problem(ring, task, &task->run.error);
        task_finish(ring, task);
    } else if (task->stage == TASK_RUN && task->streams && run_is_done(&task->run)) {
        task_finish(ring, task);
    } else if (task->stage == TASK_RUN && !task->streams && run_is_taken(&task->run)) {
        task_hold(task);
        task_finish(ring, task);
    }
}

enum task_state task_state(struct task_ring *ring, struct task *task) {
    enum task_state state;
    pthread_mutex_lock(&ring->mutex);
    if (task->cancelled) {
        state = TASK_STATE_GONE;
    } else if (task->streams && run_ready(&task->run) != NULL) {
        task->begun = true;
        state = TASK_STATE_STREAM;
    } else if (task->stage == TASK_DONE) {
        state = TASK_STATE_REPLY;
    } else {
        task_wait(ring, task);
        state = TASK_STATE_WAIT;
    }
    pthread_mutex_unlock(&ring->mutex);
    return state;
}

/* The block that goes out next, past those that are used up. NULL: see `result`. The mutex is held. */
static const struct job_block *task_next_block(struct task_ring *ring, struct task *task, ptrdiff_t *result) {
    const struct job_block *block;
    while (!task->cancelled && (block = run_ready(&task->run)) != NULL) {
        if (task->offset < block->size)
            return block;
        task->offset = 0;
        run_release(&task->run);
        task_place(ring, task);
        pthread_cond_broadcast(&ring->changed);
    }
    if (task->cancelled) {
        *result = TASK_READ_FAILED;
    } else if (run_is_taken(&task->run)) {
        *result = TASK_READ_END;
    } else if (task->stage == TASK_DONE) {
        *result = TASK_READ_FAILED;
    } else {
        task_wait(ring, task);
        *result = 0;
    }
    return NULL;
}

ptrdiff_t task_read(struct task_ring *ring, struct task *task, char *text, size_t size) {
    ptrdiff_t result = 0;
    pthread_mutex_lock(&ring->mutex);
    const struct job_block *block = task_next_block(ring, task, &result);
    pthread_mutex_unlock(&ring->mutex);
    if (block == NULL)
        return result;

    size_t left = block->size - task->offset, count = left < size ? left : size;
    memcpy(text, block->text + task->offset, count);
    task->offset += count;
    return (ptrdiff_t)count;
}

bool task_is_waiting(struct task_ring *ring, const struct task *task) {
    pthread_mutex_lock(&ring->mutex);
    bool waiting = task->waiting;
    pthread_mutex_unlock(&ring->mutex);
    return waiting;
}

static void task_end(struct task_ring *ring, struct task *task) {
    task->cancelled = true;
    atomic_store(&task->ends, true);
    task_settle(ring, task);
}

void task_cancel(struct task_ring *ring, struct task *task) {
    pthread_mutex_lock(&ring->mutex);
    task_end(ring, task);
    pthread_mutex_unlock(&ring->mutex);
}

void task_leave(struct task_ring *ring, struct task *task) {
    pthread_mutex_lock(&ring->mutex);
    task_end(ring, task);
    bool last = --task->references == 0;
    pthread_mutex_unlock(&ring->mutex);
    if (last)
        ring->hooks.release(task);
}

/* A task in the ring that is not refused yet, or NULL. */
static struct task *task_unrefused(const struct task_ring *ring) {
    struct task *task = ring->turn;
    if (task == NULL)
        return NULL;
    while (task->refused) {
        task = task->next;
        if (task == ring->turn)
            return NULL;
    }
    return task;
}

void task_refuse_all(struct task_ring *ring) {
    struct task *task;
    pthread_mutex_lock(&ring->mutex);
    ring->closed = true;
    /* Settling may take a task out of the ring, free it and give up the mutex, so each search begins anew. */
    while ((task = task_unrefused(ring)) != NULL) {
        task->refused = true;
        task->cancelled |= task->begun;
        atomic_store(&task->ends, true);
        task_settle(ring, task);
    }
    pthread_mutex_unlock(&ring->mutex);
}

size_t task_count(struct task_ring *ring) {
    pthread_mutex_lock(&ring->mutex);
    size_t count = ring->count;
    pthread_mutex_unlock(&ring->mutex);
    return count;
}
