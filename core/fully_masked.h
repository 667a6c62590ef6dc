/* Rows without an allowed key. */
#pragma once

#include "core/attention.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fully_masked {
    size_t count;
    size_t first_unpadded; /* the first such row that query padding does not explain, or SIZE_MAX */
    size_t *indices;       /* the first ones over [B,H,L] in row-major order: written, at most `limit` of them */
    size_t limit;
};

/* How many looks at a row or a key it takes at most to find them: some look takes a nanosecond. */
double fully_masked_looks(const struct attention *attention);

/* Finds them. False: `cancelled` (or NULL), which is asked every millisecond or so, was set meanwhile. */
bool fully_masked_find(const struct attention *attention, const atomic_bool *cancelled, struct fully_masked *found);
