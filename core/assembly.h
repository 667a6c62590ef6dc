/* One side of attention put together from rows that lie apart: those of a cache, the new ones, turned by their
 * positions where that is asked for, and extra ones at the end. */
#pragma once

#include "core/dtype.h"
#include "core/view.h"

#include <stdbool.h>

/* Rotary positions: pair i of a new row's features is turned by the angle position · frequencies[i]. */
struct assembly_rotary {
    size_t pairs;              /* 0: no row is turned; features beyond 2 · pairs stay as they are */
    bool interleaved;          /* pair i is (2i, 2i + 1), else (i, i + pairs) */
    const double *frequencies; /* [pairs] */
    const double *positions;   /* of the new rows, batch items `batch_stride` apart */
    size_t batch_stride;       /* 0: the same for all items */
};

struct assembly {
    struct view past, fresh, extra; /* the rows in their order; rows 0: none of the kind */
    struct assembly_rotary rotary;  /* of the fresh rows */
    struct view all;                /* written; data NULL: there is nothing to put together */
};

/* Bytes of scratch for assembly_run(), aligned for doubles. */
size_t assembly_scratch_size(const struct assembly *assembly);

/* Writes rows [first, first + count) of batch · rows of `all`, each in every head. A number turned beyond the dtype
 * becomes infinite. */
void assembly_run(enum dtype dtype, const struct assembly *assembly, size_t first, size_t count, void *scratch);
