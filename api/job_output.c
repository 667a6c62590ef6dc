/* The last steps of a part of the output, after the heads are merged. */
#include "api/job_parts.h"

#include <string.h>

bool job_output(const struct job *job, size_t first, size_t count, const struct job_scratch *scratch,
                const void **rows) {
    const struct plan *plan = &job->plan;
    size_t real = dtype_size(plan->dtype), cols = plan->output_size;
    size_t width = plan->has_output_map ? projection_in(&plan->output_map) : cols;
    const char *merged = (const char *)plan->merged + first * width * real;
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
