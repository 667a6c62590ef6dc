/* Cuts a checked request into phases and parts. */
#include "api/answer_head.h"
#include "api/job_parts.h"

/* Sizes of a part, measured: large enough that handing it out costs nothing, small enough that its rows stay in cache
 * and a few blocks of text in a few MiB. */
enum {
    JOB_CUT_NUMBERS = 1 << 14,        /* numbers written by one part as text */
    JOB_CUT_B64_NUMBERS = 1 << 15,    /* and as base64, which is shorter and sooner done */
    JOB_CUT_SILENT_NUMBERS = 1 << 18, /* weights computed by one part that writes nothing */
    JOB_CUT_ROWS_LEAST = 12,          /* of a silent part: a matrix product needs some rows to be fast */
    JOB_CUT_ROWS_MOST = 192,
    JOB_CUT_ATTEND_ROWS = 384, /* of attention for the output alone, at most */
    JOB_CUT_HEAD = 1 << 16,    /* bytes of the head in one part */
};

/* A job is small where it takes about half a millisecond: then handing it to a worker would cost as much. Measured on
 * one core, with what Server-Timing says of 64×8 to 64×64: a number is written in 10 to 18 ns, a multiplication with
 * its share of small matrices done in 0.02 to 0.1 ns, and a score masked and made a weight in about 1 ns; and with
 * core/assembly.c alone: a number is copied in 0.1 to 0.2 ns, an angle's cosine and sine made in 15 ns, a pair turned
 * by them in 0.7 ns. */
static const double job_cut_small_ns = 5e5;
static const double job_cut_number_ns = 15, job_cut_multiply_ns = 0.05, job_cut_score_ns = 1, job_cut_draw_ns = 5;
static const double job_cut_copy_ns = 0.2, job_cut_angle_ns = 15, job_cut_turn_ns = 0.7;
static const double job_cut_join_ns = 1, job_cut_join_row_ns = 40; /* a partial result: its numbers, its exponential */

static size_t job_cut_rows(size_t numbers, size_t cols, size_t least, size_t most) {
    size_t rows = numbers / cols;
    rows = rows < least ? least : rows > most ? most : rows;
    return rows / ENCODE_ROWS_MULTIPLE * ENCODE_ROWS_MULTIPLE;
}

/* Adds a phase. */
static struct job_phase *job_cut_add(struct job *job, enum job_phase_kind kind, size_t rows, size_t span,
                                     size_t rows_per_part, size_t barrier) {
    struct job_phase *phase = &job->phases[job->phase_count++];
    *phase = (struct job_phase){.kind = kind,
                                .rows = rows,
                                .rows_per_part = rows_per_part < span ? rows_per_part : span,
                                .span = span,
                                .first_part = job->part_count,
                                .barrier = barrier};
    phase->part_count = rows / span * ((span + phase->rows_per_part - 1) / phase->rows_per_part);
    job->part_count += phase->part_count;
    return phase;
}

static void job_cut_raise(size_t *most, size_t size) {
    *most = size > *most ? size : *most;
}

/* Whether a result is as wide as the scores, and computed as it is written. */
static bool job_cut_attends(enum result result) {
    return result == RESULT_SCORES || result == RESULT_CAPPED || result == RESULT_MASKED || result == RESULT_WEIGHTS;
}

/* Whether a result is written from what attention has left in the plan's arrays. */
static bool job_cut_needs_attention(enum result result) {
    return result == RESULT_LSE || result == RESULT_HEADS || result == RESULT_OUTPUT;
}

/* One tensor of the answer: its rows computed and written. */
static struct job_phase *job_cut_tensor(struct job *job, const struct plan_tensor *tensor, size_t barrier) {
    struct encode encode = plan_encode(&job->plan, tensor);
    const struct plan_result *shape = &tensor->shape;
    size_t numbers = encode.b64 ? JOB_CUT_B64_NUMBERS : JOB_CUT_NUMBERS;
    size_t rows = job_cut_rows(numbers, shape->cols, ENCODE_ROWS_MULTIPLE, numbers);
    struct job_phase *phase = job_cut_add(job, JOB_RESULT, shape->rows, shape->rows, rows, barrier);
    phase->result = tensor->result;
    phase->tensor = tensor;
    phase->encode = encode;
    job_cut_raise(&job->text_max,
                  encode_size(&encode, phase->rows_per_part * (encode.rows / shape->rows)) + 2 * ANSWER_HEAD_NAME_MAX);
    return phase;
}

static void job_cut_attention_tensor(struct job *job, const struct plan_tensor *tensor, size_t barrier) {
    struct job_phase *phase = job_cut_tensor(job, tensor, barrier);
    enum result result = tensor->result;
    phase->compute = job_attend_result;
    if (result == RESULT_OUTPUT)
        job->output_rows_max = phase->rows_per_part;
    else if (result != RESULT_LSE) /* which is written from where it lies */
        job_cut_raise(&job->numbers_max, phase->rows_per_part * tensor->shape.cols);
    if (job_cut_attends(result))
        job_cut_raise(&job->attend_rows_max, phase->rows_per_part);
}

/* What is drawn comes first, one part after the other: each number follows from the one before. */
static void job_cut_draws(struct job *job) {
    const struct plan *plan = &job->plan;
    for (size_t i = 0; i < plan->draw_count; i++) {
        size_t count = plan->draws[i].count;
        struct job_phase *phase = job_cut_add(job, JOB_SILENT, count, count, JOB_CUT_SILENT_NUMBERS, 0);
        phase->compute = job_inputs_draw;
        phase->draw = &plan->draws[i];
        phase->in_order = true;
    }
}

static void job_cut_projections(struct job *job) {
    size_t drawn = job->part_count;
    const struct plan_map *maps[] = {&job->plan.query, &job->plan.key, &job->plan.value};
    for (size_t i = 0; i < 3; i++)
        if (maps[i]->y != NULL) {
            size_t rows = job_cut_rows(JOB_CUT_SILENT_NUMBERS, maps[i]->out, JOB_CUT_ROWS_LEAST, JOB_CUT_ROWS_MOST);
            struct job_phase *phase = job_cut_add(job, JOB_SILENT, maps[i]->rows, maps[i]->rows, rows, drawn);
            phase->compute = job_inputs_project;
            phase->map = maps[i];
        }
}

/* The sides that are put together: a row in all its heads, which share the angles it is turned by. */
static void job_cut_assemblies(struct job *job) {
    size_t projected = job->part_count, real = dtype_size(job->plan.dtype);
    for (size_t i = 0; i < 3; i++) {
        const struct assembly *assembly = &job->plan.assemblies[i];
        const struct view *all = &assembly->all;
        if (all->data == NULL)
            continue;
        size_t rows =
            job_cut_rows(JOB_CUT_SILENT_NUMBERS, all->heads * all->cols, ENCODE_ROWS_MULTIPLE, JOB_CUT_SILENT_NUMBERS);
        size_t most = all->batch * all->rows;
        struct job_phase *phase = job_cut_add(job, JOB_SILENT, most, most, rows, projected);
        phase->compute = job_inputs_assemble;
        phase->assembly = assembly;
        job_cut_raise(&job->numbers_max, (assembly_scratch_size(assembly) + real - 1) / real);
    }
}

/* Attention for the output alone. A part transposes all the keys of its heads, so it is large and ends with its head,
 * or takes whole heads where these are short. */
static void job_cut_attend(struct job *job, size_t barrier) {
    const struct plan *plan = &job->plan;
    size_t all = plan->batch * plan->heads * plan->queries, span = all, rows;
    bool whole = attention_needs_rows(&plan->attention, ATTENTION_OUTPUT);
    if (whole) {
        rows = job_cut_rows(JOB_CUT_SILENT_NUMBERS, plan->keys, JOB_CUT_ROWS_LEAST, JOB_CUT_ROWS_MOST);
    } else if (plan->queries > JOB_CUT_ATTEND_ROWS) {
        size_t parts = (plan->queries + JOB_CUT_ATTEND_ROWS - 1) / JOB_CUT_ATTEND_ROWS;
        span = plan->queries;
        rows = (span + parts * JOB_CUT_ROWS_LEAST - 1) / (parts * JOB_CUT_ROWS_LEAST) * JOB_CUT_ROWS_LEAST;
    } else {
        rows = JOB_CUT_ATTEND_ROWS / plan->queries * plan->queries;
    }
    struct job_phase *phase = job_cut_add(job, JOB_SILENT, all, span, rows, barrier);
    phase->compute = job_attend_heads;
    phase->result = RESULT_WEIGHTS;
    job_cut_raise(&job->attend_rows_max, phase->rows_per_part);
    job_cut_raise(&job->numbers_max, whole ? phase->rows_per_part * plan->keys : 0);
}

static void job_cut_tensors(struct job *job) {
    const struct plan *plan = &job->plan;
    size_t projected = job->part_count, attended = projected;
    for (size_t i = 0; i < plan->tensor_count; i++) {
        enum result result = plan->tensors[i].result;
        bool is_left = job_cut_needs_attention(result);
        if (is_left && attended == projected) { /* no weights were asked for, which would have left it too */
            job_cut_attend(job, projected);
            attended = job->part_count;
        }
        job_cut_attention_tensor(job, &plan->tensors[i], is_left ? attended : projected);
        if (result == RESULT_WEIGHTS)
            attended = job->part_count;
    }
}

/* Joined partial results: each part of a phase weighs its rows anew, which costs next to nothing. */
static void job_cut_merge(struct job *job) {
    for (size_t i = 0; i < job->plan.tensor_count; i++) {
        struct job_phase *phase = job_cut_tensor(job, &job->plan.tensors[i], 0);
        phase->compute = job_merge_result;
        job_cut_raise(&job->numbers_max, phase->rows_per_part * phase->tensor->shape.cols);
    }
    job->scratch_size = job_merge_scratch_size(job);
}

static double job_cut_assembly_ns(const struct assembly *assembly) {
    const struct view *all = &assembly->all;
    double rows = (double)all->batch * (double)all->rows;
    double turned = (double)all->batch * (double)assembly->fresh.rows * (double)assembly->rotary.pairs;
    return rows * (double)all->heads * (double)all->cols * job_cut_copy_ns +
           turned * (job_cut_angle_ns + (double)all->heads * job_cut_turn_ns);
}

static bool job_cut_is_small(const struct job *job) {
    const struct plan *plan = &job->plan;
    double scores = (double)plan->batch * (double)plan->heads * (double)plan->queries * (double)plan->keys *
                    (double)plan_passes(plan);
    double cost = plan_products(plan) * job_cut_multiply_ns + scores * job_cut_score_ns;
    const struct merge *merge = &plan->merge;
    cost += (double)merge->count * (double)merge->rows * ((double)merge->cols * job_cut_join_ns + job_cut_join_row_ns);
    for (size_t i = 0; i < job->phase_count; i++) {
        const struct job_phase *phase = &job->phases[i];
        if (phase->kind == JOB_RESULT)
            cost += (double)phase->encode.rows * (double)encode_cols(&phase->encode) * job_cut_number_ns;
        if (phase->draw != NULL)
            cost += (double)phase->rows * job_cut_draw_ns;
        bool is_output = phase->kind == JOB_RESULT && phase->result == RESULT_OUTPUT;
        if (is_output && plan->has_gate)
            cost += (double)phase->rows * (double)projection_in(&plan->gate) * (double)projection_out(&plan->gate) *
                    job_cut_multiply_ns;
        if (is_output && plan->has_output_map)
            cost += (double)phase->rows * (double)projection_in(&plan->output_map) * (double)plan->output_size *
                    job_cut_multiply_ns;
        if (phase->assembly != NULL)
            cost += job_cut_assembly_ns(phase->assembly);
        if (phase->map != NULL)
            cost += (double)phase->rows * (double)phase->map->in * (double)phase->map->out * job_cut_multiply_ns;
    }
    return cost < job_cut_small_ns;
}

void job_cut(struct job *job, size_t head_size) {
    job->text_max = job_cut_add(job, JOB_HEAD, head_size, head_size, JOB_CUT_HEAD, 0)->rows_per_part;
    if (job->plan.merge.count > 0) {
        job_cut_merge(job);
    } else {
        job_cut_draws(job);
        job_cut_projections(job);
        job_cut_assemblies(job);
        job_cut_tensors(job);
        job->scratch_size = job_attend_scratch_size(job);
    }
    job->is_small = job_cut_is_small(job);
}
