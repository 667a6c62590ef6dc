/* One row of partial results joined: a kernel, see core/merge.h. Columns are summed a block at a time, so that their
 * sums in double need no memory of their own. */
#include "core/merge.h"
#include "core/steps.h"

enum { MERGE_ROW_COLS = 64 };

/* The parts' shares of a row, which sum to 1, and its lse; false where no part has a key. */
static bool merge_row_weights(const struct merge *merge, size_t row, double *weights, double *lse) {
    double most = -(double)INFINITY, sum = 0;
    for (size_t part = 0; part < merge->count; part++) {
        double partial = (double)((const real *)merge->parts[part].lse)[row];
        most = partial > most ? partial : most;
    }
    *lse = most;
    if (most == -(double)INFINITY)
        return false;
    for (size_t part = 0; part < merge->count; part++) {
        weights[part] = exp((double)((const real *)merge->parts[part].lse)[row] - most);
        sum += weights[part];
    }
    for (size_t part = 0; part < merge->count; part++)
        weights[part] /= sum;
    *lse = most + log(sum);
    return true;
}

/* sums[i] += weight · x[i] */
static void merge_row_add(const real *x, double weight, size_t count, double *sums) {
    for (size_t i = 0; i < count; i++)
        sums[i] += weight * (double)x[i];
}

bool REAL(merge_row)(const struct merge *merge, size_t row, double *weights, void *output, void *lse) {
    double joined;
    bool has_keys = merge_row_weights(merge, row, weights, &joined);
    bool finite = !has_keys || fabs(joined) <= (double)REAL_MAX;
    if (lse)
        *(real *)lse = (real)joined;
    for (size_t begin = 0; output && begin < merge->cols; begin += MERGE_ROW_COLS) {
        size_t count = merge->cols - begin < MERGE_ROW_COLS ? merge->cols - begin : MERGE_ROW_COLS;
        double sums[MERGE_ROW_COLS] = {0};
        for (size_t part = 0; has_keys && part < merge->count; part++)
            if (weights[part] > 0)
                merge_row_add((const real *)merge->parts[part].output + row * merge->cols + begin, weights[part], count,
                              sums);
        real *to = (real *)output + begin;
        for (size_t i = 0; i < count; i++)
            to[i] = (real)sums[i];
        finite = finite && REAL(row_finite)(to, count);
    }
    return finite;
}
