/* Where the rows of an attention job come from: attention's stages, views of arrays, and the output. */
#include "api/job_parts.h"

#include <string.h>

static size_t job_attend_round_up(size_t size) {
    return (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

static size_t job_attend_rows_size(const struct job *job) {
    return job_attend_round_up(job->numbers_max * dtype_size(job->plan.dtype));
}

static size_t job_attend_sum_size(const struct job *job) {
    return job->plan.call->average_heads ? job_attend_rows_size(job) : 0;
}

/* Of the merged heads of a part of the output, where `wanted`. */
static size_t job_attend_merged_size(const struct job *job, bool wanted) {
    size_t count = wanted ? job->output_rows_max * job_output_merged(&job->plan) : 0;
    return job_attend_round_up(count * dtype_size(job->plan.dtype));
}

static size_t job_attend_order_size(const struct job *job) {
    return job_attend_merged_size(job, job->plan.axes.output_rows != NULL);
}

static size_t job_attend_gated_size(const struct job *job) {
    return job_attend_merged_size(job, job->plan.has_gate);
}

static size_t job_attend_output_size(const struct job *job) {
    return job_attend_round_up(job->output_rows_max * job->plan.output_size * dtype_size(job->plan.dtype));
}

size_t job_attend_scratch_size(const struct job *job) {
    return job_attend_rows_size(job) + job_attend_sum_size(job) + job_attend_order_size(job) +
           job_attend_gated_size(job) + job_attend_output_size(job) +
           attention_scratch_size(&job->plan.attention, job->attend_rows_max);
}

static struct job_scratch job_attend_scratch(const struct job *job, char *base) {
    struct job_scratch scratch = {.rows = base};
    scratch.sum = scratch.rows + job_attend_rows_size(job);
    scratch.merged = scratch.sum + job_attend_sum_size(job);
    scratch.gated = scratch.merged + job_attend_order_size(job);
    scratch.output = scratch.gated + job_attend_gated_size(job);
    scratch.attend = scratch.output + job_attend_output_size(job);
    return scratch;
}

/* Rows [first, first + count) of B·H·L through one stage: a run of rows for each head they touch. */
static bool job_attend_stage(const struct job *job, enum attention_stage stage, size_t first, size_t count,
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

/* Rows [first, first + count) of a view's batch · heads · rows, one after the other in scratch->rows. */
static void job_attend_gather(const struct job *job, const struct view *view, size_t first, size_t count,
                              const struct job_scratch *scratch) {
    size_t real = dtype_size(job->plan.dtype), row_size = view->cols * real;
    for (size_t i = 0; i < count; i++) {
        size_t flat = first + i;
        size_t at =
            view_offset(view, flat / view->rows / view->heads, flat / view->rows % view->heads, flat % view->rows);
        memcpy(scratch->rows + i * row_size, (const char *)view->data + at * real, row_size);
    }
}

/* Rows [first, first + count) of a weight or bias as nn.Linear keeps it. */
static const void *job_attend_learned(const struct job *job, const struct plan_tensor *tensor, size_t first,
                                      size_t count, const struct job_scratch *scratch) {
    size_t real = dtype_size(job->plan.dtype), cols = tensor->shape.cols, stride = tensor->shape.rows;
    const char *from = tensor->from->data;
    if (!tensor->transposed)
        return from + first * cols * real;
    for (size_t col = 0; col < cols; col++)
        for (size_t row = 0; row < count; row++)
            memcpy(scratch->rows + (row * cols + col) * real, from + (col * stride + first + row) * real, real);
    return scratch->rows;
}

bool job_attend_heads(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *base,
                      const void **rows) {
    struct job_scratch scratch = job_attend_scratch(job, base);
    (void)phase, (void)rows; /* the rows are the heads' */
    return job_attend_stage(job, ATTENTION_OUTPUT, first, count, &scratch);
}

bool job_attend_result(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *base,
                       const void **rows) {
    const struct plan *plan = &job->plan;
    struct job_scratch scratch = job_attend_scratch(job, base);
    *rows = scratch.rows;
    switch (phase->result) {
    case RESULT_QUERY:
    case RESULT_KEY:
    case RESULT_VALUE:
    case RESULT_PRESENT_KEY:
    case RESULT_PRESENT_VALUE: {
        struct view view = job_inputs_view(plan, phase->result);
        job_attend_gather(job, &view, first, count, &scratch);
        return job_inputs_finite(plan, phase->result, first, count);
    }
    case RESULT_SCORES:
        return job_attend_stage(job, ATTENTION_SCORES, first, count, &scratch);
    case RESULT_CAPPED:
        return job_attend_stage(job, ATTENTION_CAPPED, first, count, &scratch);
    case RESULT_MASKED:
        return job_attend_stage(job, ATTENTION_MASKED, first, count, &scratch);
    case RESULT_WEIGHTS:
        if (!plan->call->average_heads)
            return job_attend_stage(job, ATTENTION_WEIGHTS, first, count, &scratch);
        *rows = scratch.sum;
        return job_attend_averaged(job, first, count, &scratch);
    case RESULT_LSE:
        *rows = (const char *)plan->attention.lse + first * encode_cols(&phase->encode) * dtype_size(plan->dtype);
        return true;
    case RESULT_HEADS:
        job_attend_gather(job, &plan->attention.heads, first, count, &scratch);
        return true;
    case RESULT_PROJECTIONS:
        *rows = job_attend_learned(job, phase->tensor, first, count, &scratch);
        return true;
    case RESULT_OUTPUT:
        return job_output(job, first, count, &scratch, rows);
    case RESULT_COUNT:
        break;
    }
    return false;
}
