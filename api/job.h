/* A checked request, cut into parts.
 *
 * A job is a list of phases (project; attend; one per result in the answer's order), each a number of parts: row
 * blocks that compute their rows and write these rows' text. Part p writes text block p; the blocks in order, nothing
 * between them, are the answer. Every part computes the same bits on whichever thread and in whatever company.
 *
 * The one who runs parts (service_collect() or server/workers.c) owns the order:
 *   - part p may start once all parts below job_barrier(job, p) are done;
 *   - a block is used by one part at a time;
 *   - the first failed part ends the job: its error is the reply, nothing else of the job is used. */
#pragma once

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

struct job;
struct limits;
struct route;
struct call;

/* Plans the call and cuts it into parts; NULL with the error that refuses it. */
struct job *job_new(const struct limits *limits, const struct route *route, const struct call *call,
                    struct arena *arena, struct error *error);

/* Working space of a part and the text it made. */
struct job_block {
    char *text;
    size_t size; /* bytes of text made by the last part */
    void *scratch;
    double compute_ms, encode_ms; /* time the parts run in this block took, added up */
};

/* How the job wants to be run. */
bool job_is_small(const struct job *job);      /* cheap enough to run whole on the thread that read it */
bool job_is_streamable(const struct job *job); /* no part can fail: text may be sent before all is computed; a job
                                                  that is not must be collected before its first byte is sent */

size_t job_part_count(const struct job *job);
size_t job_barrier(const struct job *job, size_t part);

/* Space for one part at a time: a few MiB whatever the job's size, or what one row takes where that is more, since rows
 * are not split. */
bool job_block_init(const struct job *job, struct job_block *block, struct arena *arena, struct error *error);
size_t job_block_size(const struct job *job);

/* The scratch alone, for who has a place for the text: job_text_max() bytes do for any part. */
bool job_block_scratch(const struct job *job, struct job_block *block, struct arena *arena, struct error *error);
size_t job_text_max(const struct job *job);

/* Runs one part. False: a result overflows (never for a streamable job); the error tells. */
bool job_run(struct job *job, size_t part, struct job_block *block, struct error *error);
