/* What a job is made of: private to job.c, which runs parts, job_cut.c, which cuts them, and the files that compute
 * their rows: job_inputs.c for what attention reads, job_attend.c for attention, job_merge.c for partial results that
 * are joined. */
#pragma once

#include "api/encode.h"
#include "api/job.h"
#include "api/plan.h"

enum job_phase_kind {
    JOB_HEAD,   /* the answer's text before its results */
    JOB_SILENT, /* rows that later phases need: of query, key or value, mapped or put together, or of attention */
    JOB_RESULT, /* rows of a result, computed and written */
};

struct job_phase {
    enum job_phase_kind kind;
    /* Where the rows come from: computes [first, first + count) of them; *rows is where those of a result then are, one
     * after the other. scratch: job->scratch_size bytes. False: a number overflows. JOB_HEAD: none. */
    bool (*compute)(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *scratch,
                    const void **rows);
    enum result result;               /* that is named when a number overflows */
    const struct plan_tensor *tensor; /* JOB_RESULT */
    struct encode encode;             /* JOB_RESULT */
    const struct plan_map *map;       /* of a projection */
    const struct assembly *assembly;  /* of a side that is put together */
    const struct plan_draw *draw;     /* of drawn numbers */
    size_t rows, rows_per_part;
    size_t span; /* rows after which a part ends, however few it has; divides `rows` */
    size_t first_part, part_count;
    size_t barrier; /* parts below it must be done before one of these starts */
    bool in_order;  /* and so must all of these that come before it */
};

enum { JOB_PHASES_MAX = 1 + PLAN_LEARNED_TENSORS + 3 + 3 + 1 + RESULT_COUNT + PLAN_LEARNED_TENSORS };

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
    size_t scratch_size;    /* bytes of one part's working space */
    bool is_small;
};

/* job_cut.c: fills in everything after `head` for a job whose plan stands. */
void job_cut(struct job *job, size_t head_size);

/* job_inputs.c: drawn numbers, rows of a projection, and of a side that is put together. */
bool job_inputs_draw(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *scratch,
                     const void **rows);
bool job_inputs_project(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *scratch,
                        const void **rows);
bool job_inputs_assemble(const struct job *job, const struct job_phase *phase, size_t first, size_t count,
                         char *scratch, const void **rows);
/* What a result shows of query, key and value as attention reads them; and whether such rows of it are finite. */
struct view job_inputs_view(const struct plan *plan, enum result result);
bool job_inputs_finite(const struct plan *plan, enum result result, size_t first, size_t count);

/* What a part of attention's scratch is laid out as; each piece starts on an ARENA_ALIGNMENT boundary. */
struct job_scratch {
    char *rows;   /* [numbers_max]: rows of scores, masked scores or weights; or a result's rows, gathered */
    char *sum;    /* the same again where heads are averaged */
    char *merged; /* [output_rows_max, H·Dv] where rows are in another order than the output's: merged heads */
    char *gated;  /* the same where there is a gate */
    char *output; /* [output_rows_max, output_size] */
    char *attend; /* attention's own */
};

/* job_output.c: numbers of a row of merged heads. */
size_t job_output_merged(const struct plan *plan);

/* Rows [first, first + count) of the output, the merged heads through gate, output map and norm. False:
 * a number is not finite. */
bool job_output(const struct job *job, size_t first, size_t count, const struct job_scratch *scratch,
                const void **rows);

/* job_attend.c: rows of attention for the output alone, of a result. */
bool job_attend_heads(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *base,
                      const void **rows);
bool job_attend_result(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *base,
                       const void **rows);
size_t job_attend_scratch_size(const struct job *job);

/* job_merge.c: rows of joined results. */
bool job_merge_result(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *scratch,
                      const void **rows);
size_t job_merge_scratch_size(const struct job *job);
