/* api/job.c and job_cut.c: the promises of job.h. Parts run in any order the barriers allow, each in a block of its
 * own, make the text that they make one after the other; jobs that may be streamed never fail; and a job cut in many
 * parts holds the numbers of a plain loop. */
#include "api/job.h"

#include "api/decode.h"
#include "tests/api/body.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char any[] = "/v1/attention";

/* Plans a body's job, or fails the test. */
static struct job *job_of(const char *body, struct arena *arena) {
    struct error error = {0};
    struct call call = {0};
    const char *allow;
    const struct route *route = route_find("POST", any, &allow);
    service_init();
    bool decoded = decode_call(&limits_default, route, body, strlen(body), arena, &call, &error);
    struct job *job = decoded ? job_new(&limits_default, route, &call, arena, &error) : NULL;
    json_set_alloc_funcs(malloc, free);
    cr_assert_not_null(job, "%.300s: %s", body, error.detail);
    return job;
}

/* Runs all parts in a random order that keeps to the barriers, each in a block of its own that held garbage before; the
 * blocks' text in order, or NULL where a part failed. */
static char *run_shuffled(const char *body, uint64_t seed) {
    struct random random = {seed};
    struct arena arena;
    arena_init(&arena, 0);
    struct job *job = job_of(body, &arena);
    size_t count = job_part_count(job), done = 0, size = 0;
    bool *finished = calloc(count, sizeof *finished), failed = false;
    char **texts = calloc(count, sizeof *texts);
    size_t *sizes = calloc(count, sizeof *sizes);
    while (done < count && !failed) {
        size_t first_open = 0;
        while (finished[first_open])
            first_open++;
        size_t part = random_size(&random, first_open, count - 1);
        while (finished[part] || job_barrier(job, part) > first_open)
            part = random_size(&random, first_open, count - 1);

        struct arena own;
        struct job_block block;
        struct error error = {0};
        arena_init(&own, 0);
        cr_assert(job_block_init(job, &block, &own, &error));
        memset(block.text, 0xff, job_text_max(job));
        failed = !job_run(job, part, &block, &error);
        if (failed)
            cr_assert_eq(error.code, ERROR_OVERFLOW, "%s", error.detail);
        else
            cr_assert_leq(block.size, job_text_max(job));
        texts[part] = calloc(block.size + 1, 1);
        memcpy(texts[part], block.text, block.size);
        size += sizes[part] = block.size;
        finished[part] = true;
        done++;
        arena_done(&own);
    }
    cr_assert(!failed || !job_is_streamable(job), "seed %llu: a streamable job failed: %.300s",
              (unsigned long long)seed, body);
    char *text = calloc(size + 1, 1), *place = text;
    for (size_t part = 0; part < count; part++) {
        memcpy(place, texts[part] != NULL ? texts[part] : "", sizes[part]);
        place += sizes[part];
        free(texts[part]);
    }
    free(texts);
    free(sizes);
    free(finished);
    arena_done(&arena);
    if (!failed)
        return text;
    free(text);
    return NULL;
}

/* A request over random tensors: `more` is put at its end. */
static void random_request(struct body *body, struct random *random, size_t batch, size_t queries, size_t keys,
                           size_t features, const char *more) {
    double *query = body_random(random, batch * queries * features),
           *key = body_random(random, batch * keys * features);
    body_add(body, "{\"query\":");
    body_b64(body, query, 3, (size_t[]){batch, queries, features}, false);
    body_add(body, ",\"context\":");
    body_b64(body, key, 3, (size_t[]){batch, keys, features}, false);
    body_add(body, "%s}", more);
    free(query);
    free(key);
}

static const char *const variants[] = {
    "",
    ",\"return\":[\"output\"]",
    ",\"dtype\":\"float16\",\"return\":[\"masked\",\"lse\",\"output\"],\"mask\":\"causal\"",
    ",\"dtype\":\"bfloat16\",\"encoding\":\"b64\",\"return\":[\"scores\",\"lse\",\"output\"]",
    ",\"return\":[\"weights\"],\"encoding\":\"b64\"",
    ",\"num_heads\":2,\"average_heads\":true",
    ",\"num_heads\":2,\"average_heads\":true,\"return\":[\"heads\",\"output\"],\"encoding\":\"b64\"",
    ",\"num_heads\":4,\"return\":[\"query\",\"key\",\"value\",\"scores\",\"masked\",\"weights\",\"heads\",\"output\"],"
    "\"mask\":{\"causal\":true,\"window\":[40,2]}",
    ",\"num_heads\":4,\"return\":[\"query\",\"key\",\"value\",\"scores\",\"masked\",\"weights\",\"heads\",\"output\"],"
    "\"encoding\":\"b64\",\"dtype\":\"float64\",\"mask\":{\"causal\":true,\"align\":\"bottom_right\"}",
    ",\"add_norm\":true,\"decimals\":5,\"fully_masked\":\"uniform\",\"mask\":{\"window\":[2,1]}",
    ",\"normalize\":\"none\",\"return\":[\"weights\",\"output\"],\"mask\":\"causal\"",
    ",\"rotary\":{\"base\":10},\"add_zero_attn\":true,\"return\":[\"output\"]",
    ",\"num_heads\":2,\"rotary\":{\"interleaved\":true},\"add_zero_attn\":true,\"mask\":\"causal\",\"return\":["
    "\"query\","
    "\"key\",\"value\",\"weights\",\"present_key\",\"present_value\",\"output\"],\"projections\":{\"key\":{\"weight\":["
    "[0,1,0,1],"
    "[1,0,0,2],[0,0,0,1],[0,0,1,0]]},\"value\":{\"weight\":[[1,2],[3,4],[5,6],[7,8]]}}",
    ",\"num_heads\":2,\"projections\":{\"query\":{\"weight\":[[1,0,0,0,2,0],[0,1,0,0,0,1],[0,0,1,0,0,0],[0,0,0,1,0,0]]}"
    ","
    "\"key\":{\"weight\":[[0,1,0,0,0,0],[1,0,0,0,1,0],[0,0,0,1,0,0],[0,0,1,0,0,1]],\"bias\":[1,2,3,4,5,6]},\"value\":{"
    "\"weight\":"
    "[[1,2],[3,4],[5,6],[7,8]]},\"output\":{\"weight\":[[1,0,1,1,1],[0,1,1,1,0]],\"bias\":[0.1,0.2,0.3,0.4,0.5]}},"
    "\"return\":[\"query\",\"key\",\"value\",\"output\"]",
    ",\"num_heads\":3,\"projections\":{\"init\":\"torch.nn.Linear\",\"features\":600,\"bias\":true,\"output\":true},"
    "\"return\":[\"query\",\"projections\",\"output\"]",
    ",\"gate\":{\"weight\":[[1,0,2,1],[0,1,0,0],[0,3,1,0],[1,0,0,-1]],\"bias\":[1,-2,0,-9]},\"add_norm\":true,"
    "\"projections\":{\"output\":{\"weight\":[[1,0,1,1],[0,1,1,1],[2,2,1,0],[1,1,0,1]]}},"
    "\"return\":[\"projections\",\"output\"],\"encoding\":\"b64\"",
    ",\"gate\":{\"weight\":[[1,0,2,1],[0,1,0,0],[0,3,1,0],[1,0,0,-1]]},\"return\":[\"output\"]"};

enum { VARIANT_COUNT = sizeof variants / sizeof *variants };

/* Each variant in a small shape, a shape whose rows have odd widths, and one that is cut into many parts. */
static void shuffled_is_collected(size_t batch, size_t queries, size_t keys, bool many) {
    for (size_t i = 0; i < VARIANT_COUNT; i++) {
        struct random random = {i + 1};
        struct body body;
        struct arena arena;
        body_init(&body);
        random_request(&body, &random, batch, queries, keys, 4, variants[i]);
        char *collected = exchange_text(any, body_text(&body));
        arena_init(&arena, 0);
        struct job *job = job_of(body_text(&body), &arena);
        cr_assert(!many || job_part_count(job) > 2, "variant %zu has %zu parts", i, job_part_count(job));
        arena_done(&arena);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            char *shuffled = run_shuffled(body_text(&body), seed);
            cr_assert_not_null(shuffled);
            cr_assert(strcmp(shuffled, collected) == 0, "variant %zu, seed %llu", i, (unsigned long long)seed);
            free(shuffled);
        }
        free(collected);
        body_done(&body);
    }
}

Test(job, parts_in_any_order_make_the_same_text_small) {
    shuffled_is_collected(1, 1, 1, false);
    shuffled_is_collected(2, 5, 7, false);
}

Test(job, parts_in_any_order_make_the_same_text_large) {
    shuffled_is_collected(2, 301, 211, true);
}

Test(job, parts_in_any_order_make_the_same_text_in_odd_widths) {
    shuffled_is_collected(1, 11003, 5, true);
}

Test(job, a_barrier_never_waits_for_its_own_part_or_a_later_one) {
    for (size_t i = 0; i < VARIANT_COUNT; i++) {
        struct random random = {9};
        struct body body;
        struct arena arena;
        body_init(&body);
        arena_init(&arena, 0);
        random_request(&body, &random, 2, 150, 300, 4, variants[i]);
        struct job *job = job_of(body_text(&body), &arena);
        size_t before = 0;
        for (size_t part = 0; part < job_part_count(job); part++) {
            cr_assert_leq(job_barrier(job, part), part);
            cr_assert_geq(job_barrier(job, part), before); /* so that parts in order never wait for nothing */
            before = job_barrier(job, part);
        }
        arena_done(&arena);
        body_done(&body);
    }
}

Test(job, both_encodings_agree_to_the_bit) {
    static const size_t widths[] = {1, 2, 3, 5, 7, 37};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (int is_double = 0; is_double < 2; is_double++) {
            struct exchange json, b64;
            struct body plain, other;
            char more[80];
            size_t queries = 40000 / widths[i] / 3 + 1, count = queries * widths[i];
            exchange_init(&json);
            exchange_init(&b64);
            body_init(&plain);
            body_init(&other);
            for (int encoded = 0; encoded < 2; encoded++) {
                struct random random = {i + 1};
                snprintf(more, sizeof more, ",\"dtype\":\"%s\"%s", is_double ? "float64" : "float32",
                         encoded ? ",\"encoding\":\"b64\"" : "");
                random_request(encoded ? &other : &plain, &random, 1, queries, widths[i], 3, more);
            }
            exchange_ok(&json, any, body_text(&plain));
            exchange_ok(&b64, any, body_text(&other));
            double *numbers = calloc(count, sizeof *numbers);
            cr_assert_eq(exchange_numbers(&b64, "weights", numbers, count), count);
            double *written = calloc(count, sizeof *written);
            exchange_numbers(&json, "weights", written, count);
            for (size_t j = 0; j < count; j++)
                cr_assert(is_double ? written[j] == numbers[j] : (float)written[j] == (float)numbers[j]);
            free(written);
            free(numbers);
            exchange_done(&json);
            exchange_done(&b64);
            body_done(&plain);
            body_done(&other);
        }
}

Test(job, small_is_what_takes_half_a_millisecond) {
    static const struct {
        size_t queries, keys;
        const char *more;
        bool is_small;
    } rows[] = {{1, 1, "", true},
                {60, 60, "", true},
                {300, 300, "", false},
                {300, 300, ",\"return\":[\"output\"]", true},
                {800, 800, ",\"return\":[\"output\"]", false},
                {3000, 3000, ",\"return\":[\"output\"]", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct random random = {2};
        struct body body;
        struct arena arena;
        body_init(&body);
        arena_init(&arena, 0);
        random_request(&body, &random, 1, rows[i].queries, rows[i].keys, 4, rows[i].more);
        cr_assert_eq(job_is_small(job_of(body_text(&body), &arena)), rows[i].is_small, "row %zu", i);
        arena_done(&arena);
        body_done(&body);
    }
}

/* One row of softmax attention from its definition. */
static void twin_row(const double *query, const double *keys, size_t count, size_t features, double *weights,
                     double *output) {
    double sum = 0, largest = -INFINITY;
    for (size_t j = 0; j < count; j++) {
        weights[j] = 0;
        for (size_t f = 0; f < features; f++)
            weights[j] += query[f] * keys[j * features + f];
        weights[j] /= sqrt((double)features);
        largest = weights[j] > largest ? weights[j] : largest;
    }
    for (size_t j = 0; j < count; j++)
        sum += weights[j] = exp(weights[j] - largest);
    memset(output, 0, features * sizeof *output);
    for (size_t j = 0; j < count; j++) {
        weights[j] /= sum;
        for (size_t f = 0; f < features; f++)
            output[f] += weights[j] * keys[j * features + f];
    }
}

Test(job, many_parts_hold_the_numbers_of_a_plain_loop) {
    enum { QUERIES = 333, KEYS = 257, FEATURES = 9 };
    for (int is_double = 0; is_double < 2; is_double++) {
        struct random random = {81};
        double *query = body_random(&random, QUERIES * FEATURES), *key = body_random(&random, KEYS * FEATURES);
        double *weights = calloc(QUERIES * KEYS, sizeof *weights), *output = calloc(QUERIES * FEATURES, sizeof *output);
        for (size_t i = 0; i < QUERIES; i++)
            twin_row(query + i * FEATURES, key, KEYS, FEATURES, weights + i * KEYS, output + i * FEATURES);
        struct body body;
        struct exchange exchange;
        body_init(&body);
        exchange_init(&exchange);
        body_add(&body, "{\"dtype\":\"%s\",\"query\":", is_double ? "float64" : "float32");
        body_tensor(&body, query, 2, (size_t[]){QUERIES, FEATURES});
        body_add(&body, ",\"context\":");
        body_tensor(&body, key, 2, (size_t[]){KEYS, FEATURES});
        body_add(&body, "}");
        exchange_ok(&exchange, any, body_text(&body));
        exchange_near(&exchange, "weights", QUERIES * KEYS, weights, is_double ? 1e-15 : 1e-7);
        exchange_near(&exchange, "output", QUERIES * FEATURES, output, is_double ? 1e-14 : 1e-6);
        free(query);
        free(key);
        free(weights);
        free(output);
        exchange_done(&exchange);
        body_done(&body);
    }
}

/* A tensor of a few numbers between 10^least and 10^most. */
static void random_magnitudes(struct body *body, struct random *random, size_t rank, int least, int most) {
    double numbers[6];
    int power = least + (int)random_size(random, 0, (size_t)(most - least));
    for (size_t i = 0; i < 6; i++)
        numbers[i] = random_number(random, 9) * pow(10, power);
    body_tensor(body, numbers, rank, (size_t[]){1, 1, 3, 2} + 4 - rank);
}

Test(job, streamable_jobs_never_fail_and_others_fail_by_overflow_only) {
    static const char *const ends[] = {"",
                                       ",\"normalize\":\"none\"",
                                       ",\"normalize\":\"sum\"",
                                       ",\"add_norm\":true",
                                       ",\"return\":[\"output\"]",
                                       ",\"return\":[\"scores\",\"masked\",\"query\"]",
                                       ",\"mask\":\"causal\"",
                                       ",\"rotary\":{}",
                                       ",\"rotary\":{},\"return\":[\"query\",\"key\"]",
                                       ",\"add_zero_attn\":true",
                                       ",\"fully_masked\":\"uniform\",\"mask\":{\"lengths\":[0]}"};
    size_t streamable = 0, failed = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        struct random random = {seed};
        struct body body;
        struct arena arena;
        bool is_double = random_chance(&random, 30);
        int most = is_double ? 306 : 36, least = random_chance(&random, 50) ? most - 8 : most / 2 - 4;
        body_init(&body);
        body_add(&body, "{\"dtype\":\"%s\",\"query\":", is_double ? "float64" : "float32");
        random_magnitudes(&body, &random, 2, random_chance(&random, 50) ? -3 : least, most);
        body_add(&body, ",\"key\":");
        random_magnitudes(&body, &random, 2, random_chance(&random, 50) ? -3 : least, most);
        body_add(&body, ",\"value\":");
        random_magnitudes(&body, &random, 2, least, most);
        if (random_chance(&random, 40)) {
            body_add(&body, ",\"projections\":{\"%s\":{\"weight\":[[1e%d,2],[3,-1e%d]]}}",
                     (const char *[]){"query", "key", "value", "output"}[random_size(&random, 0, 3)], most / 2,
                     most / 3);
        }
        if (random_chance(&random, 20))
            body_add(&body, ",\"scale\":1e-30");
        if (random_chance(&random, 20)) {
            body_add(&body, ",\"past_key\":");
            random_magnitudes(&body, &random, 4, random_chance(&random, 50) ? -3 : least, most);
            body_add(&body, ",\"past_value\":");
            random_magnitudes(&body, &random, 4, least, most);
        }
        body_add(&body, "%s}", ends[random_size(&random, 0, sizeof ends / sizeof *ends - 1)]);
        arena_init(&arena, 0);
        streamable += job_is_streamable(job_of(body_text(&body), &arena));
        arena_done(&arena);
        char *text = run_shuffled(body_text(&body), seed);
        failed += text == NULL;
        struct exchange exchange;
        exchange_init(&exchange);
        if (text != NULL) {
            exchange_ok(&exchange, any, body_text(&body));
            cr_assert_eq(memcmp(text, exchange.reply.body, exchange.reply.size), 0, "seed %llu",
                         (unsigned long long)seed);
        } else {
            exchange_refused(&exchange, any, body_text(&body), 422, "overflow", NULL);
        }
        exchange_done(&exchange);
        free(text);
        body_done(&body);
    }
    cr_assert_gt(streamable, 400);
    cr_assert_gt(failed, 400);
}

Test(job, a_block_takes_a_few_mebibytes_however_large_the_job) {
    static const size_t shapes[][3] = {{100000, 1000, 1}, {1000, 100000, 1}, {1, 200000, 1},
                                       {200000, 1, 1},    {2, 2, 60000},     {1000, 1000, 1000}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t end = 0; end < 4; end++) {
            static const char *const ends[] = {"", ",\"encoding\":\"b64\"", ",\"return\":[\"output\"]",
                                               ",\"decimals\":17"};
            struct random random = {5};
            struct body body;
            struct arena arena, own;
            struct job_block block;
            struct error error = {0};
            body_init(&body);
            arena_init(&arena, 0);
            arena_init(&own, 0);
            random_request(&body, &random, 1, shapes[i][0], shapes[i][1], shapes[i][2], ends[end]);
            struct job *job = job_of(body_text(&body), &arena);
            cr_assert(job_block_init(job, &block, &own, &error));
            cr_assert_lt(own.used, (size_t)16 << 20, "shape %zu%s: %zu bytes", i, ends[end], own.used);
            arena_done(&own);
            arena_done(&arena);
            body_done(&body);
        }
}
