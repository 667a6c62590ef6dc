/* api/plan_bound.c: a job that may be streamed never fails, whatever the dtype, results, options and magnitudes; and
 * usual requests may be streamed. */
#include "api/decode.h"
#include "api/job.h"
#include "api/service.h"
#include "tests/api/body.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS = 20000, HEADS = 2, HEAD_SIZE = 2, FEATURES = HEADS * HEAD_SIZE };

static const char *const dtypes[] = {"float32", "float64", "float16", "bfloat16"};
static const double largest[] = {38.5, 308.2, 4.8, 38.5};   /* powers of ten of what is written … */
static const double computed[] = {38.5, 308.2, 38.5, 38.5}; /* … and of what is computed in */

/* What is drawn for one request. */
struct draw {
    struct random random;
    struct body body;
    size_t dtype;
};

/* One of: a usual number; up to the largest that is written, or its root; up to the largest that is computed. */
static double draw_power(struct draw *draw) {
    double top = largest[draw->dtype];
    const double tops[] = {1, top / 2 + 0.3, top + 0.3, computed[draw->dtype] / 2, computed[draw->dtype] - 0.3};
    double most = tops[random_size(&draw->random, 0, 4)];
    return most - 2 * fabs(random_number(&draw->random, 9)) / 9;
}

static double draw_number(struct draw *draw, double power) {
    double number = random_number(&draw->random, 9) / 9 * pow(10, power);
    double most = pow(10, computed[draw->dtype]);
    return fmax(fmin(number, most), -most);
}

/* "name": a nested array of that shape. */
static void draw_tensor(struct draw *draw, const char *name, double power, size_t rank, const size_t *shape) {
    size_t count = 1;
    for (size_t i = 0; i < rank; i++)
        count *= shape[i];
    double *numbers = malloc(count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = draw_number(draw, power);
    body_add(&draw->body, "\"%s\":", name);
    body_tensor(&draw->body, numbers, rank, shape);
    free(numbers);
}

static void draw_returns(struct draw *draw) {
    static const char *const names[] = {"query", "key",   "value",  "scores",      "capped",        "masked",
                                        "lse",   "heads", "output", "present_key", "present_value", "weights"};
    body_add(&draw->body, ",\"return\":[");
    size_t count = random_size(&draw->random, 1, 3), first = random_size(&draw->random, 0, 11);
    for (size_t i = 0; i < count; i++)
        body_add(&draw->body, "%s\"%s\"", i > 0 ? "," : "", names[(first + 5 * i) % 12]);
    body_add(&draw->body, "]");
}

static void draw_projections(struct draw *draw) {
    static const char *const names[] = {"query", "key", "value", "output"};
    if (random_chance(&draw->random, 30)) {
        body_add(&draw->body, ",\"projections\":{\"init\":\"torch.nn.Linear\",\"bias\":true}");
        return;
    }
    body_add(&draw->body, ",\"projections\":{\"%s\":{", names[random_size(&draw->random, 0, 3)]);
    draw_tensor(draw, "weight", draw_power(draw), 2, (size_t[]){FEATURES, FEATURES});
    body_add(&draw->body, ",");
    draw_tensor(draw, "bias", draw_power(draw), 1, (size_t[]){FEATURES});
    body_add(&draw->body, "}}");
}

static void draw_mask(struct draw *draw, size_t queries, size_t keys) {
    body_add(&draw->body, ",\"mask\":{\"causal\":%s", random_chance(&draw->random, 30) ? "true" : "false");
    if (random_chance(&draw->random, 50)) {
        body_add(&draw->body, ",");
        draw_tensor(draw, "bias", draw_power(draw), 2, (size_t[]){queries, keys});
    }
    if (random_chance(&draw->random, 50)) {
        body_add(&draw->body, ",");
        draw_tensor(draw, "multiply", draw_power(draw), 2, (size_t[]){queries, keys});
    }
    if (random_chance(&draw->random, 20))
        body_add(&draw->body, ",\"lengths\":[%zu]", random_size(&draw->random, 0, keys));
    body_add(&draw->body, "}");
}

static void draw_options(struct draw *draw, size_t queries, size_t keys) {
    struct random *random = &draw->random;
    struct body *body = &draw->body;
    static const char *const normalizes[] = {"softmax", "none", "sum"};
    bool is_softmax = random_chance(random, 70);
    if (!is_softmax)
        body_add(body, ",\"normalize\":\"%s\"", normalizes[random_size(random, 1, 2)]);
    if (random_chance(random, 30))
        body_add(body, ",\"softcap\":%.9g", pow(10, fmin(29, fmax(-29, draw_power(draw)))));
    if (random_chance(random, 30))
        body_add(body, ",\"scale\":%.9g", draw_number(draw, draw_power(draw)));
    if (random_chance(random, 40))
        draw_mask(draw, queries, keys);
    if (random_chance(random, 30)) {
        body_add(body, ",");
        draw_tensor(draw, "alibi", draw_power(draw), 1, (size_t[]){HEADS});
    }
    if (is_softmax && random_chance(random, 40)) {
        body_add(body, ",");
        draw_tensor(draw, "sinks", draw_power(draw), 1, (size_t[]){HEADS});
    }
    if (random_chance(random, 20))
        body_add(body, ",\"rotary\":{}");
    if (random_chance(random, 30))
        draw_projections(draw);
    if (random_chance(random, 20))
        body_add(body, ",\"add_zero_attn\":true");
    if (random_chance(random, 20))
        body_add(body, ",\"add_norm\":true");
    if (random_chance(random, 20)) {
        body_add(body, ",\"gate\":{");
        draw_tensor(draw, "weight", draw_power(draw), 2, (size_t[]){FEATURES, FEATURES});
        body_add(body, "}");
    }
    if (random_chance(random, 15))
        body_add(body, ",\"average_heads\":true");
    if (random_chance(random, 30))
        body_add(body, ",\"decimals\":%zu", random_size(random, 0, 17));
    else if (random_chance(random, 30))
        body_add(body, ",\"encoding\":\"b64\"");
}

static void draw_attention(struct draw *draw) {
    size_t queries = random_size(&draw->random, 1, 4), keys = random_size(&draw->random, 1, 4);
    bool is_cached = random_chance(&draw->random, 20);
    size_t past = is_cached ? random_size(&draw->random, 1, 2) : 0;
    body_add(&draw->body, "{\"dtype\":\"%s\",\"num_heads\":%d,", dtypes[draw->dtype], HEADS);
    draw_tensor(draw, "query", draw_power(draw), 2, (size_t[]){queries, FEATURES});
    body_add(&draw->body, ",");
    draw_tensor(draw, "key", draw_power(draw), 2, (size_t[]){keys, FEATURES});
    body_add(&draw->body, ",");
    draw_tensor(draw, "value", draw_power(draw), 2, (size_t[]){keys, FEATURES});
    if (is_cached) {
        body_add(&draw->body, ",");
        draw_tensor(draw, "past_key", draw_power(draw), 4, (size_t[]){1, HEADS, past, HEAD_SIZE});
        body_add(&draw->body, ",");
        draw_tensor(draw, "past_value", draw_power(draw), 4, (size_t[]){1, HEADS, past, HEAD_SIZE});
    }
    draw_options(draw, queries, keys + past);
    draw_returns(draw);
    body_add(&draw->body, "}");
}

static void draw_merge(struct draw *draw) {
    size_t rows = random_size(&draw->random, 1, 3), count = random_size(&draw->random, 1, 3);
    body_add(&draw->body, "{\"dtype\":\"%s\",\"parts\":[", dtypes[draw->dtype]);
    for (size_t i = 0; i < count; i++) {
        body_add(&draw->body, "%s{", i > 0 ? "," : "");
        draw_tensor(draw, "output", draw_power(draw), 2, (size_t[]){rows, 3});
        body_add(&draw->body, ",");
        draw_tensor(draw, "lse", draw_power(draw), 1, (size_t[]){rows});
        body_add(&draw->body, "}");
    }
    body_add(&draw->body, "]}");
}

/* The job of a body, or NULL where it is refused. */
static struct job *job_of(const char *path, const char *body, struct arena *arena, struct error *error) {
    struct call call = {0};
    const char *allow;
    const struct route *route = route_find("POST", path, &allow);
    service_init();
    bool decoded = decode_call(&limits_default, route, body, strlen(body), arena, &call, error);
    struct job *job = decoded ? job_new(&limits_default, route, &call, arena, error) : NULL;
    json_set_alloc_funcs(malloc, free);
    return job;
}

/* Runs all parts in order. False: one fails, and says so. */
static bool job_holds(struct job *job, struct arena *arena) {
    struct job_block block;
    struct error error = {0};
    cr_assert(job_block_init(job, &block, arena, &error));
    for (size_t part = 0; part < job_part_count(job); part++)
        if (!job_run(job, part, &block, &error)) {
            cr_assert_eq(error.code, ERROR_OVERFLOW, "%s", error.detail);
            return false;
        }
    return true;
}

Test(bound, a_job_that_may_be_streamed_never_fails) {
    size_t streamable = 0, held = 0, failed = 0, refused = 0;
    for (uint64_t seed = 1; seed <= TRIALS; seed++) {
        struct draw draw = {.random = {seed}};
        struct arena arena;
        struct error error = {0};
        draw.dtype = random_size(&draw.random, 0, 3);
        bool is_merge = random_chance(&draw.random, 10);
        body_init(&draw.body);
        arena_init(&arena, 0);
        if (is_merge)
            draw_merge(&draw);
        else
            draw_attention(&draw);
        const char *text = body_text(&draw.body);
        struct job *job = job_of(is_merge ? "/v1/attention/merge" : "/v1/attention", text, &arena, &error);
        if (job == NULL) {
            refused++;
        } else {
            bool may_stream = job_is_streamable(job), holds = job_holds(job, &arena);
            cr_assert(holds || !may_stream, "seed %llu would be cut: %s", (unsigned long long)seed, text);
            streamable += may_stream;
            held += !may_stream && holds;
            failed += !holds;
        }
        arena_done(&arena);
        body_done(&draw.body);
    }
    cr_log_info("%zu streamable, %zu held, %zu failed, %zu refused", streamable, held, failed, refused);
    cr_assert_gt(streamable, TRIALS / 8);
    cr_assert_gt(failed, TRIALS / 8);
    cr_assert_lt(refused, TRIALS / 2);
}

Test(bound, usual_requests_are_streamed) {
    static const char *const ends[] = {"",
                                       ",\"return\":[\"scores\",\"capped\",\"masked\",\"weights\",\"lse\",\"heads\","
                                       "\"output\"],\"softcap\":30,\"sinks\":[1,2],\"num_heads\":2",
                                       ",\"mask\":\"causal\",\"alibi\":true",
                                       ",\"normalize\":\"none\"",
                                       ",\"projections\":{\"init\":\"torch.nn.Linear\"},\"return\":[\"projections\","
                                       "\"query\",\"key\",\"value\",\"output\"]",
                                       ",\"rotary\":{},\"add_zero_attn\":true,\"add_norm\":true"};
    for (size_t dtype = 0; dtype < 4; dtype++)
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
            struct random random = {dtype + 4 * i + 1};
            struct body body;
            struct arena arena;
            struct error error = {0};
            body_init(&body);
            arena_init(&arena, 0);
            double *numbers = body_random(&random, 64 * 8);
            body_add(&body, "{\"dtype\":\"%s\",\"inputs\":", dtypes[dtype]);
            body_tensor(&body, numbers, 2, (size_t[]){64, 8});
            body_add(&body, "%s}", ends[i]);
            struct job *job = job_of("/v1/attention", body_text(&body), &arena, &error);
            cr_assert_not_null(job, "%s: %s", ends[i], error.detail);
            cr_assert(job_is_streamable(job), "%s %s", dtypes[dtype], ends[i]);
            cr_assert(job_holds(job, &arena));
            free(numbers);
            arena_done(&arena);
            body_done(&body);
        }
}
