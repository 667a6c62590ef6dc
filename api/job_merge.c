/* Where the rows of a merge come from: core/merge.h, by the row of the result. */
#include "api/job_parts.h"

static size_t job_merge_weights_size(const struct job *job) {
    size_t size = job->plan.merge.count * sizeof(double);
    return (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

size_t job_merge_scratch_size(const struct job *job) {
    return job_merge_weights_size(job) + job->numbers_max * dtype_size(job->plan.dtype);
}

/* A row of lse has a number for each of several rows of output. */
bool job_merge_result(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *scratch,
                      const void **rows) {
    const struct merge *merge = &job->plan.merge;
    double *weights = (double *)(void *)scratch;
    void *numbers = scratch + job_merge_weights_size(job);
    *rows = numbers;
    if (phase->result == RESULT_OUTPUT)
        return merge_rows(merge, first, count, weights, numbers, NULL);
    size_t cols = job->plan.results[RESULT_LSE].cols;
    return merge_rows(merge, first * cols, count * cols, weights, NULL, numbers);
}
