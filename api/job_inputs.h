/* What attention reads, row by row: projected, put together, and shown as results. */
#pragma once

#include "api/job_parts.h"

/* Rows of query, key or value through their map, and put together. */
bool job_inputs_project(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *scratch,
                        const void **rows);
bool job_inputs_assemble(const struct job *job, const struct job_phase *phase, size_t first, size_t count,
                         char *scratch, const void **rows);

/* The view that one of the results query, key, value, present_key and present_value shows. */
struct view job_inputs_view(const struct plan *plan, enum result result);

/* Whether none of the value rows [first, first + count) of a result's batch · heads · rows has overflowed. */
bool job_inputs_finite(const struct plan *plan, enum result result, size_t first, size_t count);
