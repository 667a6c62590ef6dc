/* One job being run: which part may start next, which block it gets, and which text is next to go out. */
#pragma once

#include "api/job.h"
#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

enum run_slot { RUN_EMPTY, RUN_RUNNING, RUN_READY };

struct run {
    struct job *job;
    size_t part_count;
    size_t next;     /* the part that starts next */
    size_t done;     /* all parts below it are done */
    size_t released; /* all parts below it have their text taken */
    size_t running;  /* parts under way */
    size_t slot_count;
    struct job_block *blocks; /* [slot_count]; part p uses block p mod slot_count */
    enum run_slot *slots;     /* [slot_count] */
    bool failed;
    size_t failed_part; /* the lowest that failed: the same whatever the order they ended in */
    struct error error; /* its error */
};

/* Allocates a ring of `slot_count` blocks: nothing is allocated after that, and a job never holds more than these,
 * however large its answer. Fewer if the job has fewer parts; or, down to two, if they would take more than
 * RUN_RING_BYTES, as those of rows of millions of keys do. */
enum { RUN_RING_BYTES = 64 << 20 };
bool run_init(struct run *run, struct job *job, size_t slot_count, struct arena *arena, struct error *error);

/* Whether a part can start now: its barrier is passed, its block is free and no part has failed. */
bool run_is_startable(const struct run *run);

/* Starts the next part and gives its number and block; then run_finish() tells how it went. */
size_t run_start(struct run *run, struct job_block **block);
void run_finish(struct run *run, size_t part, const struct error *error);

/* Ends the run for a reason that lies outside of its parts. */
void run_fail(struct run *run, const struct error *error);

/* The block whose text goes out next, or NULL while it is not made. Release makes room for a later part. */
struct job_block *run_ready(const struct run *run);
void run_release(struct run *run);

bool run_is_done(const struct run *run);  /* every part has run */
bool run_is_taken(const struct run *run); /* and every text has been taken */

/* Computing and writing time of all parts so far. */
void run_times(const struct run *run, double *compute_ms, double *encode_ms);
