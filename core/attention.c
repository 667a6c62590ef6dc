/* Attention: what holds for a whole computation. Checks come first and are complete; the work on one block of rows is
 * the kernel in core/attend.c. */
#include "core/attention.h"

#include "core/kernels.h"

#include <assert.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* One array by itself: no empty axis, and nothing that BLAS, which counts in int, cannot address. */
static bool attention_check_view(const struct view *view, const char *pointer, struct error *error) {
    const char *name = pointer + 1;
    assert(view->data && (view->rows == 1 || view->row_stride >= view->cols));
    if (view->batch == 0 || view->heads == 0 || view->rows == 0 || view->cols == 0) {
        error_set(error, ERROR_EMPTY_AXIS, pointer,
                  "%s is empty: its axes [batch,heads,rows,features] are [%zu,%zu,%zu,%zu] and each must be 1 or more.",
                  name, view->batch, view->heads, view->rows, view->cols);
        return error_received(error, "[%zu,%zu,%zu,%zu]", view->batch, view->heads, view->rows, view->cols);
    }
    if (view->rows > INT_MAX || view->cols > INT_MAX || view->row_stride > INT_MAX)
        return error_set(error, ERROR_TOO_MANY_ELEMENTS, pointer,
                         "%s has %zu rows that are %zu elements apart, but at most %d can be addressed: split it into "
                         "several requests.",
                         name, view->rows, view->row_stride, INT_MAX);
    return true;
}

/* Two lengths that must be the same; `name` disagrees with `other`. */
static bool attention_check_equal(const char *pointer, size_t length, const char *other, size_t want, const char *what,
                                  struct error *error) {
    if (length == want)
        return true;
    error_set(error, ERROR_SHAPE_MISMATCH, pointer, "%s has %zu %s but %s has %zu: they must be the same.", pointer + 1,
              length, what, other, want);
    error_expected(error, "%zu %s", want, what);
    return error_received(error, "%zu", length);
}

/* The numbers of key/value heads that would fit `heads`. */
static void attention_divisors(size_t heads, char *text, size_t size) {
    size_t used = 0, shown = 0;
    for (size_t divisor = 1; divisor <= heads && shown < 12 && used < size; divisor++)
        if (heads % divisor == 0)
            used += (size_t)snprintf(text + used, size - used, "%s%zu", shown++ > 0 ? ", " : "", divisor);
}

static bool attention_check_groups(const struct attention *attention, struct error *error) {
    size_t heads = attention->query.heads, groups = attention->key.heads;
    if (heads % groups == 0)
        return true;
    char fitting[128];
    attention_divisors(heads, fitting, sizeof fitting);
    error_set(error, ERROR_SHAPE_MISMATCH, "/num_kv_heads",
              "%zu query heads cannot share %zu key/value heads evenly: the number of key/value heads must divide %zu "
              "(one of %s).",
              heads, groups, heads, fitting);
    error_expected(error, "one of %s", fitting);
    return error_received(error, "%zu", groups);
}

static bool attention_check_shapes(const struct attention *attention, struct error *error) {
    const struct view *query = &attention->query, *key = &attention->key, *value = &attention->value;
    const struct view *heads = &attention->heads;
    if (!attention_check_view(query, "/query", error) || !attention_check_view(key, "/key", error) ||
        !attention_check_view(value, "/value", error) ||
        !attention_check_equal("/key", key->batch, "query", query->batch, "batch items", error) ||
        !attention_check_equal("/value", value->batch, "query", query->batch, "batch items", error) ||
        !attention_check_equal("/value", value->heads, "key", key->heads, "heads", error) ||
        !attention_check_groups(attention, error) ||
        !attention_check_equal("/key", key->cols, "query", query->cols, "features per head", error) ||
        !attention_check_equal("/value", value->rows, "key", key->rows, "rows", error))
        return false;
    if (!heads->data)
        return true;
    assert(heads->batch == query->batch && heads->heads == query->heads && heads->rows == query->rows &&
           heads->cols == value->cols);
    return attention_check_view(heads, "/heads", error);
}

/* A cap far from the ends of the dtype's range, so that neither score / cap nor its inverse leaves it. */
static bool attention_check_softcap(const struct attention *attention, struct error *error) {
    bool single = attention->dtype == DTYPE_FLOAT32;
    double most = single ? 1e30 : 1e300, least = 1 / most;
    if (attention->softcap == 0 || (attention->softcap >= least && attention->softcap <= most))
        return true;
    error_set(error, ERROR_OUT_OF_RANGE, "/softcap",
              "softcap is %.9g; it must be more than 0, and in %s between %g and %g: leave it out to have no cap.",
              attention->softcap, single ? "float32" : "float64", least, most);
    error_expected(error, "%g to %g", least, most);
    return error_received(error, "%.9g", attention->softcap);
}

/* What softmax alone has: sinks and the log of the sum. */
static bool attention_check_sinks(const struct attention *attention, struct error *error) {
    double most = attention->dtype == DTYPE_FLOAT32 ? (double)FLT_MAX : DBL_MAX;
    bool softmax = attention->normalize == ATTENTION_SOFTMAX;
    if (attention->sinks && !softmax)
        return error_set(error, ERROR_CONFLICT, "/sinks",
                         "sinks join the sum of a softmax: leave them out, or use \"normalize\":\"softmax\".");
    if (attention->lse && !softmax)
        return error_set(error, ERROR_CONFLICT, "/return",
                         "lse is the log of a softmax's sum: leave it out of return, or use "
                         "\"normalize\":\"softmax\".");
    for (size_t head = 0; attention->sinks && head < attention->query.heads; head++)
        if (!(fabs(attention->sinks[head]) <= most)) {
            char pointer[64];
            snprintf(pointer, sizeof pointer, "/sinks/%zu", head);
            return error_set(error, ERROR_NOT_FINITE, pointer, "The sink of head %zu is %g, which is not finite.", head,
                             attention->sinks[head]);
        }
    return true;
}

static bool attention_check_numbers(const struct attention *attention, struct error *error) {
    bool single = attention->dtype == DTYPE_FLOAT32;
    assert(single || attention->dtype == DTYPE_FLOAT64);
    if (!(fabs(attention->scale) <= (single ? (double)FLT_MAX : DBL_MAX))) {
        error_set(error, ERROR_NOT_FINITE, "/scale", "scale is %g, which is not a finite %s: use a smaller one%s.",
                  attention->scale, single ? "float32" : "float64", single ? " or \"dtype\":\"float64\"" : "");
        return error_received(error, "%g", attention->scale);
    }
    if (attention->empty_row == ATTENTION_EMPTY_UNIFORM && attention->normalize != ATTENTION_SOFTMAX) {
        error_set(
            error, ERROR_CONFLICT, "/fully_masked",
            "\"fully_masked\":\"uniform\" works with \"normalize\":\"softmax\" only: use \"zero\" or \"error\", or "
            "leave normalize out.");
        return error_expected(error, "\"zero\" or \"error\"");
    }
    return attention_check_softcap(attention, error) && attention_check_sinks(attention, error);
}

bool attention_check(const struct attention *attention, struct error *error) {
    struct mask_axes axes = attention_axes(attention);
    return attention_check_shapes(attention, error) && attention_check_numbers(attention, error) &&
           mask_check(&attention->mask, &axes, error);
}

bool attention_run(const struct attention *attention, enum attention_stage stage, const struct attention_block *block) {
    assert(block->batch < attention->query.batch && block->head < attention->query.heads && block->count > 0 &&
           block->row + block->count <= attention->query.rows);
    assert(block->rows || !attention_needs_rows(attention, stage));
    assert(stage != ATTENTION_OUTPUT || attention->heads.data || attention->lse);
    return kernels_of(attention->dtype)->attend_block(attention, stage, block);
}

bool attention_needs_rows(const struct attention *attention, enum attention_stage stage) {
    return stage != ATTENTION_OUTPUT || attention->normalize == ATTENTION_SUM;
}

size_t attention_scratch_size(const struct attention *attention, size_t count) {
    return kernels_of(attention->dtype)->block_scratch_size(attention, count);
}

/* The largest |number| of a view. `masks`: −∞ counts as nothing. */
static double attention_magnitude(enum dtype dtype, const struct view *view, bool masks) {
    size_t batches = view->batch_stride > 0 ? view->batch : 1, heads = view->head_stride > 0 ? view->heads : 1;
    size_t rows = view->row_stride > 0 ? view->rows : 1;
    const struct kernels *kernels = kernels_of(dtype);
    double most = 0;
    for (size_t batch = 0; batch < batches; batch++)
        for (size_t head = 0; head < heads; head++)
            for (size_t row = 0; row < rows; row++) {
                size_t place = view_offset(view, batch, head, row);
                most = fmax(most, kernels->row_magnitude((const char *)view->data + place * dtype_size(dtype),
                                                         view->cols, masks));
            }
    return most;
}

/* The largest |bias| that alibi gives: no key is further from the diagonal than all queries, keys and the offset. */
static double attention_alibi_bound(const struct attention *attention, const struct mask_part *part) {
    const struct mask *mask = &attention->mask;
    double offset = mask->align == MASK_ALIGN_FIXED ? fabs((double)mask->offset) : 0, steepest = 0;
    for (size_t head = 0; head < attention->query.heads; head++)
        steepest = fmax(steepest, fabs(part->slopes[head]));
    return steepest * (offset + (double)attention->query.rows + (double)attention->key.rows);
}

/* The largest |score| at any step, given that of the plain scores: all multiply, then all add. ∞ if none is known. */
static double attention_masked_bound(const struct attention *attention, double bound, double limit) {
    const struct mask *mask = &attention->mask;
    for (size_t i = 0; i < mask->count; i++)
        if (mask->parts[i].kind == MASK_MULTIPLY) {
            bound *= attention_magnitude(attention->dtype, &mask->parts[i].values, false);
            if (!(bound < limit))
                return INFINITY;
        }
    for (size_t i = 0; i < mask->count; i++)
        if (mask->parts[i].kind == MASK_BIAS)
            bound += attention_magnitude(attention->dtype, &mask->parts[i].values, true);
        else if (mask->parts[i].kind == MASK_ALIBI)
            bound += attention_alibi_bound(attention, &mask->parts[i]);
    return bound;
}

/* The log of a row's sum: no less than its largest term, sink or score, and no more than that of as many such terms. */
static double attention_lse_bound(const struct attention *attention, double masked) {
    double most = masked;
    for (size_t head = 0; attention->sinks && head < attention->query.heads; head++)
        most = fmax(most, fabs(attention->sinks[head]));
    return most + log((double)attention->key.rows + 1);
}

struct attention_bounds attention_bound(const struct attention *attention,
                                        const struct attention_magnitudes *magnitudes) {
    const struct view *key = &attention->key;
    /* Far above any rounding of a bound. */
    double limit = (attention->dtype == DTYPE_FLOAT32 ? (double)FLT_MAX : DBL_MAX) / 4;
    struct attention_bounds bounds = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};

    double products = magnitudes->query * magnitudes->key * (double)key->cols;
    if (!(products < limit) || !(products * fabs(attention->scale) < limit))
        return bounds;
    bounds.scores = products * fabs(attention->scale);
    bounds.capped = attention->softcap > 0 ? fmin(bounds.scores, attention->softcap) : bounds.scores;
    double masked = attention_masked_bound(attention, bounds.capped, limit);
    if (!(masked < limit))
        return bounds;
    bounds.masked = masked;
    bounds.lse = attention_lse_bound(attention, masked);
    if (attention->normalize == ATTENTION_SUM)
        return bounds;
    /* The weights of a row sum to 1, but for normalize none, where each may be as large as a score. */
    bool plain = attention->normalize == ATTENTION_NONE;
    double heads = (plain ? masked * (double)key->rows : 1) * magnitudes->value;
    bounds.weights = plain ? masked : 1;
    bounds.heads = heads < limit ? heads : INFINITY;
    return bounds;
}
