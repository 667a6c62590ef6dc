/* A strided window on an array someone else owns. One type covers [L,E], [B,L,E] and [B,H,L,D], split heads (head
 * stride = head size), grouped heads, broadcast axes (stride 0) and merging (heads write into their own columns), so
 * heads are never copied. Columns are always contiguous: the row stride is BLAS's leading dimension. */
#pragma once

#include <stddef.h>

struct view {
    void *data;                                   /* of the job's dtype; NULL: absent */
    size_t batch, heads, rows, cols;              /* lengths of the four axes */
    size_t batch_stride, head_stride, row_stride; /* in elements; 0 repeats the axis */
};

/* Index in elements of (batch, head, row, column 0). */
static inline size_t view_offset(const struct view *view, size_t batch, size_t head, size_t row) {
    return batch * view->batch_stride + head * view->head_stride + row * view->row_stride;
}

/* The same for a view in which an axis of length 1 stands for every index. */
static inline size_t view_broadcast_offset(const struct view *view, size_t batch, size_t head, size_t row) {
    return view_offset(view, view->batch == 1 ? 0 : batch, view->heads == 1 ? 0 : head, view->rows == 1 ? 0 : row);
}
