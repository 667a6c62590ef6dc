/* What attention reads, row by row: query, key and value through their maps, put together with cached and extra rows,
 * and as results. */
#include "api/job_parts.h"

/* The flag of a value row: of new key `row`, where the cached ones come first. */
static unsigned char *job_inputs_flag(const struct plan *plan, size_t batch, size_t head, size_t row) {
    return &plan->poisoned[(batch * plan->kv_heads + head) * plan->keys + plan->past + row];
}

bool job_inputs_draw(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *scratch,
                     const void **rows) {
    const struct plan *plan = &job->plan;
    (void)scratch, (void)rows; /* the numbers are the weight's or the bias's */
    torch_linear_draw(plan->generator, phase->draw->bound, plan->dtype, count,
                      (char *)phase->draw->numbers + first * dtype_size(plan->dtype));
    return true;
}

/* A value row that overflows is zeroed and remembered, since a mask may leave it out. What overflows in query or key
 * shows in the scores, for the keys that count. */
bool job_inputs_project(const struct job *job, const struct job_phase *phase, size_t first, size_t count, char *scratch,
                        const void **rows) {
    const struct plan *plan = &job->plan;
    const struct plan_map *map = phase->map;
    size_t real = dtype_size(plan->dtype);
    char *y = (char *)map->y + first * map->out * real;
    const char *x = (const char *)map->x + first * map->in * real;
    bool finite = projection_run(plan->dtype, &map->projection, x, map->in, count, y, map->out);
    (void)scratch, (void)rows; /* the rows are the map's own */
    if (map != &plan->value)
        return true;
    size_t width = map->out / plan->kv_heads;
    for (size_t row = first; row < first + count; row++, y += map->out * real)
        for (size_t head = 0; head < plan->kv_heads; head++) {
            unsigned char *flag = job_inputs_flag(plan, row / plan->fresh, head, row % plan->fresh);
            *flag = 0;
            if (!finite)
                rows_poisoned(plan->dtype, y + head * width * real, map->out, 1, width, flag);
        }
    return true;
}

bool job_inputs_assemble(const struct job *job, const struct job_phase *phase, size_t first, size_t count,
                         char *scratch, const void **rows) {
    (void)rows; /* the rows are the side's */
    assembly_run(job->plan.dtype, phase->assembly, first, count, scratch);
    return true;
}

/* The keys that a result shows: the new ones, or with the cached ones before them. */
static struct mask_range job_inputs_keys(const struct plan *plan, enum result result) {
    bool is_present = result == RESULT_PRESENT_KEY || result == RESULT_PRESENT_VALUE;
    return (struct mask_range){is_present ? 0 : plan->past, plan->masked_keys};
}

struct view job_inputs_view(const struct plan *plan, enum result result) {
    if (result == RESULT_QUERY)
        return plan->attention.query;
    struct mask_range keys = job_inputs_keys(plan, result);
    bool is_key = result == RESULT_KEY || result == RESULT_PRESENT_KEY;
    struct view view = is_key ? plan->attention.key : plan->attention.value;
    view.data = (char *)view.data + keys.begin * view.row_stride * dtype_size(plan->dtype);
    view.rows = keys.end - keys.begin;
    return view;
}

bool job_inputs_finite(const struct plan *plan, enum result result, size_t first, size_t count) {
    bool is_value = result == RESULT_VALUE || result == RESULT_PRESENT_VALUE;
    if (!is_value || plan->poisoned == NULL)
        return true;
    struct mask_range keys = job_inputs_keys(plan, result);
    size_t rows = keys.end - keys.begin;
    for (size_t flat = first; flat < first + count; flat++)
        if (plan->poisoned[flat / rows * plan->keys + keys.begin + flat % rows])
            return false;
    return true;
}
