/* A checked request, cut into parts: see job.h. */
#include "api/answer_head.h"
#include "api/job_inputs.h"
#include "api/job_parts.h"

#include <assert.h>
#include <string.h>
#include <time.h>

/* What a part's scratch is laid out as; each piece starts on an ARENA_ALIGNMENT boundary. */
struct job_scratch {
    char *rows;   /* [numbers_max]: rows of scores, masked scores or weights; or a result's rows, gathered */
    char *sum;    /* the same again where heads are averaged */
    char *output; /* [output_rows_max, output_size] */
    char *attend; /* attention's own */
};

static size_t job_round_up(size_t size) {
    return (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

static size_t job_rows_size(const struct job *job) {
    return job_round_up(job->numbers_max * dtype_size(job->plan.dtype));
}

static size_t job_sum_size(const struct job *job) {
    return job->plan.call->average_heads ? job_rows_size(job) : 0;
}

static size_t job_output_size(const struct job *job) {
    return job_round_up(job->output_rows_max * job->plan.output_size * dtype_size(job->plan.dtype));
}

static size_t job_scratch_size(const struct job *job) {
    return job_rows_size(job) + job_sum_size(job) + job_output_size(job) +
           attention_scratch_size(&job->plan.attention, job->attend_rows_max);
}

static struct job_scratch job_scratch(const struct job *job, char *base) {
    struct job_scratch scratch = {.rows = base};
    scratch.sum = scratch.rows + job_rows_size(job);
    scratch.output = scratch.sum + job_sum_size(job);
    scratch.attend = scratch.output + job_output_size(job);
    return scratch;
}

static double job_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool job_overflow(const struct job *job, const char *what, struct error *error) {
    bool is_float32 = job->plan.dtype == DTYPE_FLOAT32;
    error_set(error, ERROR_OVERFLOW, NULL, "The %s overflow%s %s: use %sa smaller \"scale\", or smaller numbers.", what,
              what[strlen(what) - 1] == 's' ? "" : "s", is_float32 ? "float32" : "float64",
              is_float32 ? "\"dtype\": \"float64\", " : "");
    return error_expected(error, "finite results");
}

/* Rows [first, first + count) of B·H·L through one stage: a run of rows for each head they touch. */
static bool job_attend(const struct job *job, enum attention_stage stage, size_t first, size_t count,
                       const struct job_scratch *scratch) {
    const struct plan *plan = &job->plan;
    size_t row_size = attention_needs_rows(&plan->attention, stage) ? plan->keys * dtype_size(plan->dtype) : 0;
    for (size_t done = 0; done < count;) {
        size_t flat = first + done, row = flat % plan->queries;
        size_t run = plan->queries - row < count - done ? plan->queries - row : count - done;
        struct attention_block block = {.batch = flat / plan->queries / plan->heads,
                                        .head = flat / plan->queries % plan->heads,
                                        .row = row,
                                        .count = run,
                                        .rows = scratch->rows + done * row_size,
                                        .scratch = scratch->attend};
        if (!attention_run(&plan->attention, stage, &block))
            return false;
        done += run;
    }
    return true;
}

/* Rows [first, first + count) of B·L: weights averaged over the heads, in scratch->sum. */
static bool job_attend_averaged(const struct job *job, size_t first, size_t count, const struct job_scratch *scratch) {
    const struct plan *plan = &job->plan;
    size_t row_size = plan->keys * dtype_size(plan->dtype);
    memset(scratch->sum, 0, count * row_size);
    for (size_t done = 0; done < count;) {
        size_t flat = first + done, row = flat % plan->queries;
        size_t run = plan->queries - row < count - done ? plan->queries - row : count - done;
        for (size_t head = 0; head < plan->heads; head++) {
            struct attention_block block = {.batch = flat / plan->queries,
                                            .head = head,
                                            .row = row,
                                            .count = run,
                                            .rows = scratch->rows,
                                            .scratch = scratch->attend};
            if (!attention_run(&plan->attention, ATTENTION_WEIGHTS, &block))
                return false;
            rows_accumulate(plan->dtype, scratch->rows, 1 / (double)plan->heads, run * plan->keys,
                            scratch->sum + done * row_size);
        }
        done += run;
    }
    return true;
}

/* Rows [first, first + count) of the output: the merged heads through the output map and the norm. */
static bool job_output(const struct job *job, size_t first, size_t count, const struct job_scratch *scratch,
                       const void **rows) {
    const struct plan *plan = &job->plan;
    size_t real = dtype_size(plan->dtype), cols = plan->output_size;
    size_t width = plan->has_output_map ? projection_in(&plan->output_map) : cols;
    const char *merged = (const char *)plan->merged + first * width * real;
    *rows = merged;
    if (!plan->has_output_map && !plan->has_norm)
        return true;
    *rows = scratch->output;
    if (!plan->has_output_map)
        memcpy(scratch->output, merged, count * cols * real);
    else if (!projection_run(plan->dtype, &plan->output_map, merged, width, count, scratch->output, cols))
        return false;
    return !plan->has_norm ||
           rows_add_norm(plan->dtype, &plan->norm, (const char *)plan->norm_input + first * cols * real, cols, count,
                         cols, scratch->output, cols);
}

/* Rows [first, first + count) of a view's batch · heads · rows, one after the other in scratch->rows. */
static void job_gather(const struct job *job, const struct view *view, size_t first, size_t count,
                       const struct job_scratch *scratch) {
    size_t real = dtype_size(job->plan.dtype), row_size = view->cols * real;
    for (size_t i = 0; i < count; i++) {
        size_t flat = first + i;
        size_t at =
            view_offset(view, flat / view->rows / view->heads, flat / view->rows % view->heads, flat % view->rows);
        memcpy(scratch->rows + i * row_size, (const char *)view->data + at * real, row_size);
    }
}

/* Computes rows [first, first + count) of a result. */
static bool job_compute(const struct job *job, const struct job_phase *phase, size_t first, size_t count,
                        const struct job_scratch *scratch, const void **rows) {
    const struct plan *plan = &job->plan;
    *rows = scratch->rows;
    switch (phase->result) {
    case RESULT_QUERY:
    case RESULT_KEY:
    case RESULT_VALUE:
    case RESULT_PRESENT_KEY:
    case RESULT_PRESENT_VALUE: {
        struct view view = job_inputs_view(plan, phase->result);
        job_gather(job, &view, first, count, scratch);
        return job_inputs_finite(plan, phase->result, first, count);
    }
    case RESULT_SCORES:
        return job_attend(job, ATTENTION_SCORES, first, count, scratch);
    case RESULT_CAPPED:
        return job_attend(job, ATTENTION_CAPPED, first, count, scratch);
    case RESULT_MASKED:
        return job_attend(job, ATTENTION_MASKED, first, count, scratch);
    case RESULT_WEIGHTS:
        if (!plan->call->average_heads)
            return job_attend(job, ATTENTION_WEIGHTS, first, count, scratch);
        *rows = scratch->sum;
        return job_attend_averaged(job, first, count, scratch);
    case RESULT_LSE:
        *rows = (const char *)plan->attention.lse + first * encode_cols(&phase->encode) * dtype_size(plan->dtype);
        return true;
    case RESULT_HEADS:
        job_gather(job, &plan->attention.heads, first, count, scratch);
        return true;
    case RESULT_OUTPUT:
        return job_output(job, first, count, scratch, rows);
    case RESULT_COUNT:
        break;
    }
    return false;
}

/* A part of a result: its name before the first row, its rows, and what closes the answer after the last. */
static bool job_result(const struct job *job, const struct job_phase *phase, size_t first, size_t count,
                       struct job_block *block, struct error *error) {
    const char *name = call_result_name(phase->result);
    struct job_scratch scratch = job_scratch(job, block->scratch);
    const void *rows;
    double begin = job_now_ms();
    bool finite = job_compute(job, phase, first, count, &scratch, &rows);
    double computed = job_now_ms();
    block->compute_ms += computed - begin;
    if (!finite)
        return job_overflow(job, name, error);

    char *text = block->text;
    if (first == 0) {
        text = stpcpy(text, ",\"");
        text = stpcpy(text, name);
        text = stpcpy(text, "\":");
    }
    if (!encode_rows(&phase->encode, first, count, rows, encode_cols(&phase->encode), &text))
        return job_overflow(job, name, error);
    if (phase->is_last && first + count == phase->rows) {
        *text++ = '}';
        *text++ = '\n'; /* a terminal's next prompt starts on a line of its own */
    }
    block->size = (size_t)(text - block->text);
    block->encode_ms += job_now_ms() - computed;
    return true;
}

/* A silent part: rows of a map, of a side put together, or of attention whose weights nobody asked for. */
static bool job_silent(struct job *job, const struct job_phase *phase, size_t first, size_t count,
                       struct job_block *block, struct error *error) {
    double begin = job_now_ms();
    bool finite = true;
    struct job_scratch scratch = job_scratch(job, block->scratch);
    if (phase->kind == JOB_PROJECT)
        job_inputs_project(job, phase->map, first, count);
    else if (phase->kind == JOB_ASSEMBLE)
        assembly_run(job->plan.dtype, phase->assembly, first, count, scratch.rows);
    else
        finite = job_attend(job, ATTENTION_OUTPUT, first, count, &scratch);
    block->compute_ms += job_now_ms() - begin;
    return finite || job_overflow(job, "weights", error);
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
    switch (phase->kind) {
    case JOB_HEAD: /* its rows are bytes */
        memcpy(block->text, job->head + first, count);
        block->size = count;
        return true;
    case JOB_PROJECT:
    case JOB_ASSEMBLE:
    case JOB_ATTEND:
        return job_silent(job, phase, first, count, block, error);
    case JOB_RESULT:
        return job_result(job, phase, first, count, block, error);
    }
    return false;
}

size_t job_part_count(const struct job *job) {
    return job->part_count;
}

size_t job_barrier(const struct job *job, size_t part) {
    return job_phase_of(job, part)->barrier;
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

bool job_block_init(const struct job *job, struct job_block *block, struct arena *arena, struct error *error) {
    *block = (struct job_block){0};
    block->text = arena_alloc(arena, job->text_max, 1, error);
    return block->text != NULL && job_block_scratch(job, block, arena, error);
}

bool job_block_scratch(const struct job *job, struct job_block *block, struct arena *arena, struct error *error) {
    block->scratch = arena_alloc(arena, job_scratch_size(job), 1, error);
    return block->scratch != NULL;
}
