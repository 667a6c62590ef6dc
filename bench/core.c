/* Times attention by itself: core/, no HTTP and no JSON.
 *
 *     bench_core HEADS LENGTH SIZE [output|weights|causal] [float32|float64] [THREADS] [ROWS]
 *
 * One batch item of HEADS heads, LENGTH queries and keys and SIZE features, of random numbers. `weights` keeps all
 * weights, [HEADS, LENGTH, LENGTH]; `causal` is output with a causal mask. Threads take blocks of ROWS rows in turn.
 * For each line on standard input it computes the whole once and prints the milliseconds that took, so that another
 * program can be timed in turn with it (bench/core_peers.py). */
#include "core/arena.h"
#include "core/attention.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS_MAX = 64 };

struct work {
    struct attention attention;
    enum attention_stage stage;
    size_t rows, blocks_per_head, block_count;
    char *weights; /* all of them, or NULL */
    void *scratch[THREADS_MAX];
    atomic_size_t next;
    atomic_bool failed;
};

struct worker {
    struct work *work;
    size_t index;
};

static void *worker_run(void *argument) {
    const struct worker *worker = argument;
    struct work *work = worker->work;
    const struct attention *attention = &work->attention;
    size_t length = attention->query.rows, row_size = length * dtype_size(attention->dtype);
    for (size_t i = work->next++; i < work->block_count; i = work->next++) {
        struct attention_block block = {.head = i / work->blocks_per_head,
                                        .row = i % work->blocks_per_head * work->rows,
                                        .scratch = work->scratch[worker->index]};
        block.count = length - block.row < work->rows ? length - block.row : work->rows;
        if (work->weights)
            block.rows = work->weights + (block.head * length + block.row) * row_size;
        if (!attention_run(attention, work->stage, &block))
            work->failed = true;
    }
    return NULL;
}

static double clock_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Computes the whole once. */
static void work_run(struct work *work, size_t threads) {
    pthread_t ids[THREADS_MAX];
    struct worker workers[THREADS_MAX];
    work->next = 0;
    for (size_t i = 0; i < threads; i++) {
        workers[i] = (struct worker){work, i};
        if (i > 0 && pthread_create(&ids[i], NULL, worker_run, &workers[i]) != 0)
            abort();
    }
    worker_run(&workers[0]);
    for (size_t i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
}

/* Zeroed, so that its pages are there before the clock runs. */
static void *take(struct arena *arena, size_t count, size_t size) {
    struct error error = {0};
    void *taken = arena_alloc(arena, count, size, &error);
    if (!taken) {
        fprintf(stderr, "%s\n", error.detail);
        exit(1);
    }
    return memset(taken, 0, count * size);
}

static struct view random_view(struct arena *arena, enum dtype dtype, size_t heads, size_t rows, size_t cols) {
    size_t count = heads * rows * cols;
    void *data = take(arena, count, dtype_size(dtype));
    for (size_t i = 0; i < count; i++) {
        double number = 3.4 * ((double)random() / (double)RAND_MAX - 0.5); /* a variance of about 1 */
        if (dtype == DTYPE_FLOAT32)
            ((float *)data)[i] = (float)number;
        else
            ((double *)data)[i] = number;
    }
    return (struct view){data, 1, heads, rows, cols, heads * rows * cols, rows * cols, cols};
}

static size_t number(const char *text, size_t least, size_t most) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end != '\0' || value < least || value > most) {
        fprintf(stderr, "%s is not a number from %zu to %zu\n", text, least, most);
        exit(2);
    }
    return (size_t)value;
}

/* Rows of a block: as the service cuts them for the output alone; fewer where whole rows must stay in the cache. */
static size_t block_rows(size_t length, bool keep) {
    size_t most = keep ? 96 : 384, blocks = (length + most - 1) / most;
    return ((length + blocks - 1) / blocks + 11) / 12 * 12;
}

static void work_init(struct work *work, struct arena *arena, size_t heads, size_t length, size_t size,
                      size_t threads) {
    struct attention *attention = &work->attention;
    attention->query = random_view(arena, attention->dtype, heads, length, size);
    attention->key = random_view(arena, attention->dtype, heads, length, size);
    attention->value = random_view(arena, attention->dtype, heads, length, size);
    attention->heads = random_view(arena, attention->dtype, heads, length, size);
    attention->scale = 1 / sqrt((double)size);
    if (work->stage == ATTENTION_WEIGHTS)
        work->weights = take(arena, heads * length * length, dtype_size(attention->dtype));
    work->blocks_per_head = (length + work->rows - 1) / work->rows;
    work->block_count = heads * work->blocks_per_head;
    for (size_t i = 0; i < threads; i++)
        work->scratch[i] = take(arena, attention_scratch_size(attention, work->rows), 1);
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 8) {
        fprintf(stderr, "usage: %s HEADS LENGTH SIZE [output|weights|causal] [float32|float64] [THREADS] [ROWS]\n",
                argv[0]);
        return 2;
    }
    const char *what = argc > 4 ? argv[4] : "output", *type = argc > 5 ? argv[5] : "float32";
    size_t heads = number(argv[1], 1, 1 << 20), length = number(argv[2], 1, 1 << 20),
           size = number(argv[3], 1, 1 << 20);
    size_t threads = argc > 6 ? number(argv[6], 1, THREADS_MAX) : 1;
    bool keep = strcmp(what, "weights") == 0;
    struct arena arena;
    struct work work = {.stage = keep ? ATTENTION_WEIGHTS : ATTENTION_OUTPUT,
                        .rows = argc > 7 ? number(argv[7], 1, 1 << 20) : block_rows(length, keep)};
    arena_init(&arena, 0);
    work.attention.dtype = strcmp(type, "float64") == 0 ? DTYPE_FLOAT64 : DTYPE_FLOAT32;
    if (strcmp(what, "causal") == 0)
        work.attention.mask = (struct mask){.count = 1, .parts = {{.kind = MASK_CAUSAL}}};
    work_init(&work, &arena, heads, length, size, threads);

    char line[16];
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        double wall = clock_ms(CLOCK_MONOTONIC), busy = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
        work_run(&work, threads);
        printf("%.4f %.4f\n", clock_ms(CLOCK_MONOTONIC) - wall, clock_ms(CLOCK_PROCESS_CPUTIME_ID) - busy);
    }
    arena_done(&arena);
    return work.failed;
}
