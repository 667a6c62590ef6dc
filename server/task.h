/* One large answer in the making, and the ring in which tasks take turns. */
#pragma once

#include "api/service.h"
#include "server/run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum task_stage {
    TASK_PARSE, /* the body is to be read and checked */
    TASK_RUN,   /* the job's parts are being run */
    TASK_DONE,  /* the workers have let go of it */
};

/* All but the first block of members is guarded by the ring's mutex. */
struct task {
    /* Set by the owner before task_submit(), then the workers' until the stage is TASK_DONE. */
    const struct service *service;
    struct request *request;
    const struct route *route;
    struct arena *arena;
    struct reply *reply;
    void *connection; /* for the hooks */

    enum task_stage stage;
    struct task *next, *previous;
    size_t references; /* the owner, and the workers while they have it */
    bool queued;       /* the workers have it */
    bool placed;       /* it takes one of the places */
    bool busy;         /* parsed, collected or ended by a worker just now; parts are counted in `run` */
    bool waiting;      /* the connection is suspended until there is something to send */
    bool streams;      /* its text is sent as it is made */
    bool begun;        /* its answer has begun to be sent */
    bool cancelled;    /* nobody wants the answer any more */
    bool refused;      /* the server shuts down: the answer is a 503 */
    atomic_bool ends;  /* cancelled or refused, for the step that is under way: see arena_is_cancelled() */
    struct run run;
    size_t offset; /* streamed: bytes taken of the block that goes out next; the reader's alone */
    char *text;    /* held: the text so far */
    size_t size, capacity;
    double begin_ms;
};

struct task_hooks {
    void (*suspend)(void *connection);
    void (*resume)(void *connection);
    void (*release)(struct task *task); /* the last reference is gone; called without the mutex */
};

struct task_ring {
    struct task_hooks hooks;
    size_t limit;  /* most places taken when one more is admitted */
    size_t blocks; /* of a job that is run: how far it may be ahead of its client */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* there may be a step to take, or none is left */
    struct task *turn;      /* whose turn it is; NULL: no task */
    size_t count;           /* tasks in hand, admitted ones included */
    size_t places;          /* of these, tasks with work to do: a stream that waits for its reader takes no place */
    bool closed;            /* no more are admitted */
};

void task_ring_init(struct task_ring *ring, const struct task_hooks *hooks, size_t limit, size_t blocks);
void task_ring_done(struct task_ring *ring);

/* For the owner of a task, without the mutex. */

/* A task that only its owner knows. */
void task_init(struct task *task);

/* Reserves a place for one task, to be used by task_submit(). False: the ring is full. */
bool task_admit(struct task_ring *ring);

/* Suspends the connection and hands the task over. With reply->job set, the body is checked already. The connection is
 * resumed when the task is done, or when the first text of a streamed answer is there. */
void task_submit(struct task_ring *ring, struct task *task);

/* How a task stands when its connection has been resumed. */
enum task_state {
    TASK_STATE_WAIT,   /* it has been suspended again */
    TASK_STATE_REPLY,  /* the reply is whole */
    TASK_STATE_STREAM, /* the reply is to be taken with task_read(), and from now on counts as begun */
    TASK_STATE_GONE,   /* it was cancelled */
};
enum task_state task_state(struct task_ring *ring, struct task *task);

/* Takes text of a streamed answer: bytes > 0, or 0 where the connection has been suspended until there is more. */
enum { TASK_READ_END = -1, TASK_READ_FAILED = -2 };
ptrdiff_t task_read(struct task_ring *ring, struct task *task, char *text, size_t size);

/* Whether the task's connection is suspended. */
bool task_is_waiting(struct task_ring *ring, const struct task *task);

/* Nobody wants the answer any more: the task is dropped at its next part. */
void task_cancel(struct task_ring *ring, struct task *task);

/* The owner lets go for good; what is under way is cancelled. The release hook may be called before this returns. */
void task_leave(struct task_ring *ring, struct task *task);

/* The time to drain is over: tasks that have not begun to answer answer 503, the others are
 * cancelled, and no more are admitted. */
void task_refuse_all(struct task_ring *ring);

/* Whether task_admit() would fail now. */
bool task_is_full(struct task_ring *ring);

/* Tasks in hand. */
size_t task_count(struct task_ring *ring);

/* For the workers, with the mutex held. */

/* Resumes the connection if it waits. */
void task_wake(struct task_ring *ring, struct task *task);

/* Ends the task if it is at an end and no thread is in it; gives up the mutex for a while to write a problem. */
void task_settle(struct task_ring *ring, struct task *task);

/* The workers let go: the reply is as whole as it will be. */
void task_finish(struct task_ring *ring, struct task *task);
