/* What a job is made of: private to job.c, which runs parts, and job_cut.c, which cuts them. */
#pragma once

#include "api/encode.h"
#include "api/job.h"
#include "api/plan.h"

enum job_phase_kind {
    JOB_HEAD,    /* the answer's text before its results */
    JOB_DRAW,    /* numbers of a weight or bias, in the generator's order */
    JOB_PROJECT, /* rows of query, key or value through their map */
    JOB_ATTEND,  /* rows of attention, for the output alone */
    JOB_RESULT,  /* rows of a result, computed and written */
};

struct job_phase {
    enum job_phase_kind kind;
    const struct plan_tensor *tensor; /* JOB_RESULT */
    struct encode encode;             /* JOB_RESULT */
    const struct plan_map *map;       /* JOB_PROJECT */
    const struct plan_draw *draw;     /* JOB_DRAW */
    size_t rows, rows_per_part;
    size_t span; /* rows after which a part ends, however few it has; divides `rows` */
    size_t first_part, part_count;
    size_t barrier; /* parts below it must be done before one of these starts */
    bool in_order;  /* and so must all of these that come before it */
};

enum { JOB_PHASES_MAX = 1 + PLAN_LEARNED_TENSORS + 3 + 1 + RESULT_COUNT + PLAN_LEARNED_TENSORS };

struct job {
    struct plan plan;
    struct call call; /* the plan's */
    const char *head;
    size_t phase_count, part_count;
    struct job_phase phases[JOB_PHASES_MAX];
    size_t numbers_max;     /* of the rows of one part, before they are written */
    size_t output_rows_max; /* of one part of the output */
    size_t attend_rows_max; /* that one part gives to attention at once */
    size_t text_max;        /* bytes */
    bool is_small;
};

/* What a part's scratch is laid out as; each piece starts on an ARENA_ALIGNMENT boundary. */
struct job_scratch {
    char *rows;   /* [numbers_max]: rows of scores, masked scores or weights; or a result's rows, gathered */
    char *sum;    /* the same again where heads are averaged */
    char *gated;  /* [output_rows_max, H·Dv] where there is a gate: merged heads */
    char *output; /* [output_rows_max, output_size] */
    char *attend; /* attention's own */
};

/* job_output.c: rows [first, first + count) of the output, the merged heads through gate, output map and norm. False:
 * a number is not finite. */
bool job_output(const struct job *job, size_t first, size_t count, const struct job_scratch *scratch,
                const void **rows);

/* job_cut.c: fills in everything after `head` for a job whose plan stands. */
void job_cut(struct job *job, size_t head_size);
