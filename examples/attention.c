/* Attention from C, with libattn alone: self-attention of two rows, weights and outputs printed.
 *   cc attention.c $(pkg-config --cflags --libs libattn) -o attention && ./attention
 */
#include <core/arena.h>
#include <core/attention.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 2, COLUMNS = 2 };

static void print(const char *name, float numbers[ROWS][COLUMNS]) {
    printf("%s\n", name);
    for (size_t i = 0; i < ROWS; i++)
        printf("  %.6f %.6f\n", (double)numbers[i][0], (double)numbers[i][1]);
}

int main(void) {
    float inputs[ROWS][COLUMNS] = {{1, 0}, {0, 1}}, weights[ROWS][ROWS], outputs[ROWS][COLUMNS];

    /* One batch, one head, rows of two numbers; batch and head strides are not used where there is one of each. */
    struct view in = {.data = inputs, .batch = 1, .heads = 1, .rows = ROWS, .cols = COLUMNS, .row_stride = COLUMNS};
    struct view out = in;
    out.data = outputs;
    struct attention attention = {
        .dtype = DTYPE_FLOAT32, .query = in, .key = in, .value = in, .heads = out, .scale = 0.70710678118654752};
    struct error error = {0};
    if (!attention_check(&attention, &error)) {
        fprintf(stderr, "%s: %s\n", error.pointer, error.detail);
        return 1;
    }

    size_t alignment = ARENA_ALIGNMENT, size = attention_scratch_size(&attention, ROWS);
    void *scratch = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    struct attention_block block = {.count = ROWS, .rows = weights, .scratch = scratch};
    if (scratch == NULL || !attention_run(&attention, ATTENTION_WEIGHTS, &block))
        return 1;
    print("weights", weights);
    print("outputs", outputs);
    free(scratch);
    return 0;
}
