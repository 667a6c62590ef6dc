/* A checked request, cut into parts: see job.h. */
#include "api/answer_head.h"
#include "api/job_parts.h"

#include <assert.h>
#include <string.h>
#include <time.h>

static double job_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* A number is too large for a dtype. */
static bool job_overflow(const char *what, enum dtype dtype, struct error *error) {
    static const char *const wider[] = {[DTYPE_FLOAT64] = "",
                                        [DTYPE_FLOAT32] = "\"dtype\": \"float64\", ",
                                        [DTYPE_FLOAT16] = "\"dtype\": \"float32\" or \"bfloat16\", ",
                                        [DTYPE_BFLOAT16] = "\"dtype\": \"float64\", "};
    error_set(error, ERROR_OVERFLOW, NULL, "The %s overflow%s %s: use %sa smaller \"scale\", or smaller numbers.", what,
              what[strlen(what) - 1] == 's' ? "" : "s", dtype_name(dtype), wider[dtype]);
    return error_expected(error, "finite results");
}

/* Writes rows of a tensor: its name before the first, and what closes the answer after the last. */
static bool job_write(const struct job *job, const struct job_phase *phase, size_t first, size_t count,
                      const void *rows, struct job_block *block, struct error *error) {
    const struct plan *plan = &job->plan;
    size_t index = (size_t)(phase->tensor - plan->tensors);
    char *text = block->text;
    if (first == 0)
        text = answer_head_name(plan, index, text);
    size_t lines = phase->encode.rows / phase->rows; /* a row that is computed at once may be several axes' numbers */
    if (!encode_rows(&phase->encode, first * lines, count * lines, rows, encode_cols(&phase->encode), &text))
        return job_overflow(call_result_name(phase->result), phase->encode.written, error);
    if (index + 1 == plan->tensor_count && first + count == phase->rows)
        text = answer_head_name(plan, index + 1, text);
    block->size = (size_t)(text - block->text);
    return true;
}

/* A part that computes rows, and writes them if they are a result's. */
static bool job_compute(const struct job *job, const struct job_phase *phase, size_t first, size_t count,
                        struct job_block *block, struct error *error) {
    const void *rows = NULL;
    double begin = job_now_ms();
    bool finite = phase->compute(job, phase, first, count, block->scratch, &rows);
    double computed = job_now_ms();
    block->compute_ms += computed - begin;
    if (!finite)
        return job_overflow(call_result_name(phase->result), job->plan.dtype, error);
    if (phase->kind == JOB_SILENT)
        return true;
    bool written = job_write(job, phase, first, count, rows, block, error);
    block->encode_ms += job_now_ms() - computed;
    return written;
}

struct job *job_new(const struct limits *limits, const struct route *route, const struct call *call,
                    struct arena *arena, struct error *error) {
    struct job *job = arena_alloc(arena, 1, sizeof *job, error);
    if (job == NULL)
        return NULL;
    *job = (struct job){.call = *call};
    if (!plan_make(limits, route, &job->call, arena, &job->plan, error))
        return NULL;
    struct text head;
    text_init(&head, arena, error);
    answer_head(&job->plan, &head);
    if (!text_ok(&head))
        return NULL;
    job->head = head.data;
    job_cut(job, head.size);
    return job;
}

static const struct job_phase *job_phase_of(const struct job *job, size_t part) {
    const struct job_phase *phase = job->phases;
    while (part >= phase->first_part + phase->part_count)
        phase++;
    return phase;
}

bool job_run(struct job *job, size_t part, struct job_block *block, struct error *error) {
    assert(part < job->part_count);
    const struct job_phase *phase = job_phase_of(job, part);
    size_t parts_per_span = (phase->span + phase->rows_per_part - 1) / phase->rows_per_part;
    size_t end = (part - phase->first_part) / parts_per_span * phase->span + phase->span;
    size_t first = end - phase->span + (part - phase->first_part) % parts_per_span * phase->rows_per_part;
    size_t count = end - first < phase->rows_per_part ? end - first : phase->rows_per_part;
    block->size = 0;
    if (phase->kind != JOB_HEAD)
        return job_compute(job, phase, first, count, block, error);
    memcpy(block->text, job->head + first, count); /* its rows are bytes */
    block->size = count;
    return true;
}

size_t job_part_count(const struct job *job) {
    return job->part_count;
}

size_t job_barrier(const struct job *job, size_t part) {
    const struct job_phase *phase = job_phase_of(job, part);
    return phase->in_order ? part : phase->barrier;
}

bool job_is_small(const struct job *job) {
    return job->is_small;
}

bool job_is_streamable(const struct job *job) {
    return job->plan.is_bounded;
}

size_t job_text_max(const struct job *job) {
    return job->text_max;
}

size_t job_block_size(const struct job *job) {
    return job->text_max + job->scratch_size;
}

bool job_block_init(const struct job *job, struct job_block *block, struct arena *arena, struct error *error) {
    *block = (struct job_block){0};
    block->text = arena_alloc(arena, job->text_max, 1, error);
    return block->text != NULL && job_block_scratch(job, block, arena, error);
}

bool job_block_scratch(const struct job *job, struct job_block *block, struct arena *arena, struct error *error) {
    block->scratch = arena_alloc(arena, job->scratch_size, 1, error);
    return block->scratch != NULL;
}
