/* One side of attention put together: see assembly.h.
 *
 * Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021, section 3.4: two features that
 * are turned like a point in the plane, by an angle that grows with the position, make query · key depend on the
 * distance of the two positions alone. Angles, cosines and sines are computed in double, once for all heads of a row.
 */
#include "core/assembly.h"

#include "core/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

size_t assembly_scratch_size(const struct assembly *assembly) {
    return 2 * assembly->rotary.pairs * sizeof(double);
}

/* A row of one of the three sources. */
struct assembly_source {
    const struct view *view;
    size_t row;
};

static struct assembly_source assembly_source(const struct assembly *assembly, size_t row) {
    size_t past = assembly->past.rows, fresh = assembly->fresh.rows;
    if (row < past)
        return (struct assembly_source){&assembly->past, row};
    if (row < past + fresh)
        return (struct assembly_source){&assembly->fresh, row - past};
    return (struct assembly_source){&assembly->extra, row - past - fresh};
}

/* The cosines of a row's angles in turns[0, pairs), their sines behind them. */
static void assembly_turns(const struct assembly_rotary *rotary, size_t batch, size_t row, double *turns) {
    double position = rotary->positions[batch * rotary->batch_stride + row];
    for (size_t i = 0; i < rotary->pairs; i++) {
        double angle = position * rotary->frequencies[i];
        turns[i] = cos(angle);
        turns[rotary->pairs + i] = sin(angle);
    }
}

void assembly_run(enum dtype dtype, const struct assembly *assembly, size_t first, size_t count, void *scratch) {
    const struct view *all = &assembly->all;
    const struct assembly_rotary *rotary = &assembly->rotary;
    const struct kernels *kernels = kernels_of(dtype);
    size_t width = dtype_size(dtype);
    assert(all->data && all->rows == assembly->past.rows + assembly->fresh.rows + assembly->extra.rows &&
           2 * rotary->pairs <= all->cols);
    for (size_t flat = first; flat < first + count; flat++) {
        size_t batch = flat / all->rows, row = flat % all->rows;
        struct assembly_source from = assembly_source(assembly, row);
        bool turns = from.view == &assembly->fresh && rotary->pairs > 0;
        if (turns)
            assembly_turns(rotary, batch, from.row, scratch);
        for (size_t head = 0; head < all->heads; head++) {
            char *to = (char *)all->data + view_offset(all, batch, head, row) * width;
            memcpy(to, (const char *)from.view->data + view_offset(from.view, batch, head, from.row) * width,
                   all->cols * width);
            if (turns)
                kernels->row_rotate(scratch, rotary->pairs, rotary->interleaved, to);
        }
    }
}
