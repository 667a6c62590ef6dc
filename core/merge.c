/* Joins partial attention, row by row: chooses the kernel of core/merge_row.c by dtype. */
#include "core/merge.h"

#include "core/kernels.h"

#include <assert.h>
#include <math.h>

bool merge_rows(const struct merge *merge, size_t first, size_t count, double *weights, void *output, void *lse) {
    const struct kernels *kernels = kernels_of(merge->dtype);
    size_t real = dtype_size(merge->dtype);
    assert(merge->count > 0 && first + count <= merge->rows);
    for (size_t row = 0; row < count; row++) {
        void *row_output = output ? (char *)output + row * merge->cols * real : NULL;
        void *row_lse = lse ? (char *)lse + row * real : NULL;
        if (!kernels->merge_row(merge, first + row, weights, row_output, row_lse))
            return false;
    }
    return true;
}

double merge_bound(const struct merge *merge) {
    const struct kernels *kernels = kernels_of(merge->dtype);
    double output = 0, lse = 0;
    for (size_t part = 0; part < merge->count; part++) {
        output = fmax(output, kernels->row_magnitude(merge->parts[part].output, merge->rows * merge->cols, false));
        lse = fmax(lse, kernels->row_magnitude(merge->parts[part].lse, merge->rows, true));
    }
    return fmax(output, lse + log((double)merge->count));
}
