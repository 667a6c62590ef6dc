/* The threads that make large answers. */
#pragma once

#include "server/task.h"

struct workers {
    struct task_ring *ring;
    size_t count;
    pthread_t *threads;
    size_t warm;   /* threads that have mapped their BLAS work buffer; guarded by the ring's mutex */
    bool stopping; /* guarded by the ring's mutex */
};

/* Starts the threads and waits until each is ready to compute. */
bool workers_start(struct workers *workers, struct task_ring *ring, size_t count);

/* Ends the threads. No task may be left. */
void workers_stop(struct workers *workers);
