/* A run keeps a job's order: parts start in order, may end in any, and their texts go out in order.
 *
 * It is a sliding window over the parts: released ≤ done ≤ next ≤ released + slot_count. A reader that does not take
 * texts stops the window, so a slow client costs blocks but no worker. No locks here: whoever owns the run has one. */
#include "server/run.h"

#include <assert.h>

bool run_init(struct run *run, struct job *job, size_t slot_count, struct arena *arena, struct error *error) {
    size_t part_count = job_part_count(job);
    if (slot_count > part_count)
        slot_count = part_count;
    while (slot_count > 2 && job_block_size(job) > RUN_RING_BYTES / slot_count)
        slot_count--;

    *run = (struct run){.job = job, .part_count = part_count, .slot_count = slot_count};
    run->blocks = arena_alloc(arena, slot_count, sizeof *run->blocks, error);
    if (run->blocks == NULL)
        return false;
    run->slots = arena_alloc(arena, slot_count, sizeof *run->slots, error);
    if (run->slots == NULL)
        return false;
    for (size_t i = 0; i < slot_count; i++) {
        run->slots[i] = RUN_EMPTY;
        run->blocks[i] = (struct job_block){0};
        if (!job_block_init(job, &run->blocks[i], arena, error))
            return false;
    }
    return true;
}

bool run_is_startable(const struct run *run) {
    return !run->failed && run->next < run->part_count && run->next < run->released + run->slot_count &&
           job_barrier(run->job, run->next) <= run->done;
}

size_t run_start(struct run *run, struct job_block **block) {
    assert(run_is_startable(run));
    size_t part = run->next++, slot = part % run->slot_count;
    assert(run->slots[slot] == RUN_EMPTY);
    run->slots[slot] = RUN_RUNNING;
    run->running++;
    *block = &run->blocks[slot];
    return part;
}

void run_finish(struct run *run, size_t part, const struct error *error) {
    assert(run->slots[part % run->slot_count] == RUN_RUNNING);
    run->running--;
    if (error->code != ERROR_NONE) {
        if (!run->failed || part < run->failed_part) {
            run->failed_part = part;
            run->error = *error;
        }
        run->failed = true;
        return;
    }
    run->slots[part % run->slot_count] = RUN_READY;
    while (run->done < run->next && run->slots[run->done % run->slot_count] == RUN_READY)
        run->done++;
}

void run_fail(struct run *run, const struct error *error) {
    if (!run->failed)
        run->error = *error;
    run->failed = true;
}

struct job_block *run_ready(const struct run *run) {
    return run->released < run->done ? &run->blocks[run->released % run->slot_count] : NULL;
}

void run_release(struct run *run) {
    assert(run->released < run->done);
    run->slots[run->released % run->slot_count] = RUN_EMPTY;
    run->released++;
}

bool run_is_done(const struct run *run) {
    return run->done == run->part_count;
}

bool run_is_taken(const struct run *run) {
    return run->released == run->part_count;
}

void run_times(const struct run *run, double *compute_ms, double *encode_ms) {
    *compute_ms = 0;
    *encode_ms = 0;
    for (size_t i = 0; i < run->slot_count; i++) {
        *compute_ms += run->blocks[i].compute_ms;
        *encode_ms += run->blocks[i].encode_ms;
    }
}
