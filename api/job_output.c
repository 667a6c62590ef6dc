/* The last steps of a part of the output, after the heads are merged. */
#include "api/job_parts.h"

#include <string.h>

size_t job_output_merged(const struct plan *plan) {
    return plan->has_output_map ? projection_in(&plan->output_map) : plan->output_size;
}

/* Merged heads of the output's rows [first, first + count). */
static const char *job_output_order(const struct plan *plan, size_t first, size_t count,
                                    const struct job_scratch *scratch) {
    const size_t *rows = plan->axes.output_rows;
    size_t row_size = job_output_merged(plan) * dtype_size(plan->dtype);
    if (rows == NULL)
        return (const char *)plan->merged + first * row_size;
    for (size_t i = 0; i < count; i++)
        memcpy(scratch->merged + i * row_size, (const char *)plan->merged + rows[first + i] * row_size, row_size);
    return scratch->merged;
}

bool job_output(const struct job *job, size_t first, size_t count, const struct job_scratch *scratch,
                const void **rows) {
    const struct plan *plan = &job->plan;
    size_t real = dtype_size(plan->dtype), cols = plan->output_size, width = job_output_merged(plan);
    const char *merged = job_output_order(plan, first, count, scratch);
    if (plan->has_gate) {
        size_t in = projection_in(&plan->gate);
        const char *x = (const char *)plan->gate_input + first * in * real;
        if (!projection_run(plan->dtype, &plan->gate, x, in, count, scratch->gated, width))
            return false;
        rows_gate(plan->dtype, merged, count * width, scratch->gated);
        merged = scratch->gated;
    }
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
