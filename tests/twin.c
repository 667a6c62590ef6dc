/* The naive twin: see twin.h. */
#include "tests/twin.h"

#include <math.h>

static double twin_element(enum dtype dtype, const void *data, size_t place) {
    return dtype == DTYPE_FLOAT32 ? (double)((const float *)data)[place] : ((const double *)data)[place];
}

double twin_number(enum dtype dtype, const struct view *view, size_t batch, size_t head, size_t row, size_t col) {
    size_t b = view->batch == 1 ? 0 : batch;
    size_t h = view->heads == 1 ? 0 : head;
    size_t r = view->rows == 1 ? 0 : row;
    size_t c = view->cols == 1 ? 0 : col;
    return twin_element(dtype, view->data, b * view->batch_stride + h * view->head_stride + r * view->row_stride + c);
}

/* Which key stands on the diagonal of query 0. */
static long twin_offset(const struct attention *attention, size_t batch) {
    if (attention->mask.align == MASK_ALIGN_FIXED)
        return attention->mask.offset;
    long keys = (long)(attention->key.rows - attention->mask.extra), queries = (long)attention->query.rows;
    for (size_t i = 0; i < attention->mask.count; i++)
        if (attention->mask.parts[i].kind == MASK_LENGTHS && (long)attention->mask.parts[i].lengths[batch] < keys)
            keys = (long)attention->mask.parts[i].lengths[batch];
    return keys - queries;
}

/* Whether a key is one of those beyond the mask, which only query padding hides. */
static bool twin_is_extra(const struct attention *attention, size_t key) {
    return key >= attention->key.rows - attention->mask.extra;
}

bool twin_allows(const struct attention *attention, size_t batch, size_t head, size_t row, size_t key) {
    long i = (long)row, j = (long)key, diagonal = i + twin_offset(attention, batch);
    for (size_t p = 0; p < attention->mask.count; p++) {
        const struct mask_part *part = &attention->mask.parts[p];
        if (twin_is_extra(attention, key) && part->kind != MASK_QUERY_PADDING)
            continue;
        double value = part->values.data ? twin_number(attention->dtype, &part->values, batch, head, row, key) : 0;
        bool allows = true;
        switch (part->kind) {
        case MASK_CAUSAL:
            allows = j <= diagonal;
            break;
        case MASK_WINDOW:
            allows = (part->left < 0 || j >= diagonal - part->left) && (part->right < 0 || j <= diagonal + part->right);
            break;
        case MASK_LENGTHS:
            allows = key < part->lengths[batch];
            break;
        case MASK_ATTEND:
            allows = value != 0;
            break;
        case MASK_BLOCK:
        case MASK_QUERY_PADDING:
            allows = value == 0;
            break;
        case MASK_BIAS:
            allows = value != -INFINITY;
            break;
        case MASK_MULTIPLY:
        case MASK_ALIBI:
            break;
        }
        if (!allows)
            return false;
    }
    return true;
}

static double twin_score(const struct attention *attention, size_t batch, size_t head, size_t query, size_t key) {
    size_t shared = attention->query.heads / attention->key.heads;
    double product = 0;
    for (size_t d = 0; d < attention->query.cols; d++)
        product += twin_number(attention->dtype, &attention->query, batch, head, query, d) *
                   twin_number(attention->dtype, &attention->key, batch, head / shared, key, d);
    return product * attention->scale;
}

static double twin_capped(const struct attention *attention, size_t batch, size_t head, size_t query, size_t key) {
    double score = twin_score(attention, batch, head, query, key);
    return attention->softcap > 0 ? attention->softcap * tanh(score / attention->softcap) : score;
}

/* The score after the mask: multiplied, then biased, −∞ where disallowed. */
static double twin_masked(const struct attention *attention, size_t batch, size_t head, size_t query, size_t key) {
    const struct mask *mask = &attention->mask;
    double score = twin_capped(attention, batch, head, query, key);
    if (!twin_allows(attention, batch, head, query, key))
        return -INFINITY;
    if (twin_is_extra(attention, key))
        return score;
    for (size_t p = 0; p < mask->count; p++)
        if (mask->parts[p].kind == MASK_MULTIPLY)
            score *= twin_number(attention->dtype, &mask->parts[p].values, batch, head, query, key);
    for (size_t p = 0; p < mask->count; p++)
        if (mask->parts[p].kind == MASK_BIAS)
            score += twin_number(attention->dtype, &mask->parts[p].values, batch, head, query, key);
        else if (mask->parts[p].kind == MASK_ALIBI)
            score -=
                mask->parts[p].slopes[head] * fabs((double)((long)query + twin_offset(attention, batch) - (long)key));
    return score;
}

/* The largest of a row's masked scores and its sink; −∞ without an allowed key. */
static double twin_most(const struct attention *attention, size_t head, const double *row) {
    double most = -INFINITY;
    for (size_t j = 0; j < attention->key.rows; j++)
        most = fmax(most, row[j]);
    return attention->sinks && most > -INFINITY ? fmax(most, attention->sinks[head]) : most;
}

/* The sum of exp(score − most), the sink's included. */
static double twin_sum(const struct attention *attention, size_t head, const double *row, double most) {
    double sum = attention->sinks ? exp(attention->sinks[head] - most) : 0;
    for (size_t j = 0; j < attention->key.rows; j++)
        sum += exp(row[j] - most);
    return sum;
}

/* Masked scores to weights, in place. */
static void twin_normalize(const struct attention *attention, size_t head, double *row) {
    size_t keys = attention->key.rows;
    double most = twin_most(attention, head, row), sum = 0;
    if (most == -INFINITY) {
        for (size_t j = 0; j < keys; j++)
            row[j] = attention->empty_row == ATTENTION_EMPTY_UNIFORM ? 1 / (double)keys : 0;
        return;
    }
    if (attention->normalize == ATTENTION_SOFTMAX)
        sum = twin_sum(attention, head, row, most);
    for (size_t j = 0; j < keys; j++) {
        if (attention->normalize == ATTENTION_SOFTMAX)
            row[j] = exp(row[j] - most);
        else if (row[j] == -INFINITY)
            row[j] = 0;
        if (attention->normalize == ATTENTION_SUM)
            sum += row[j];
    }
    if (attention->normalize == ATTENTION_NONE)
        return;
    for (size_t j = 0; j < keys; j++)
        row[j] = sum == 0 ? 0 : row[j] / sum;
}

double twin_row(const struct attention *attention, enum attention_stage stage, size_t batch, size_t head, size_t query,
                double *row, double *heads) {
    size_t keys = attention->key.rows, shared = attention->query.heads / attention->key.heads;
    for (size_t j = 0; j < keys; j++)
        row[j] = stage == ATTENTION_SCORES   ? twin_score(attention, batch, head, query, j)
                 : stage == ATTENTION_CAPPED ? twin_capped(attention, batch, head, query, j)
                                             : twin_masked(attention, batch, head, query, j);
    if (stage != ATTENTION_WEIGHTS)
        return NAN;
    double most = twin_most(attention, head, row);
    double sink = attention->sinks ? attention->sinks[head] : -INFINITY;
    double lse = most == -INFINITY ? sink : most + log(twin_sum(attention, head, row, most));
    twin_normalize(attention, head, row);
    if (!heads)
        return lse;
    for (size_t d = 0; d < attention->value.cols; d++) {
        heads[d] = 0;
        for (size_t j = 0; j < keys; j++)
            heads[d] += row[j] * twin_number(attention->dtype, &attention->value, batch, head / shared, j, d);
    }
    return lse;
}

void twin_projection(enum dtype dtype, const struct projection *projection, const void *x, size_t x_stride,
                     size_t count, double *y) {
    const struct view *weight = &projection->weight;
    size_t in = projection->transposed ? weight->cols : weight->rows;
    size_t out = projection->transposed ? weight->rows : weight->cols;
    for (size_t row = 0; row < count; row++)
        for (size_t o = 0; o < out; o++) {
            double sum = projection->bias ? twin_element(dtype, projection->bias, o) : 0;
            for (size_t i = 0; i < in; i++) {
                size_t place = projection->transposed ? o * weight->row_stride + i : i * weight->row_stride + o;
                sum += twin_element(dtype, x, row * x_stride + i) * twin_element(dtype, weight->data, place);
            }
            y[row * out + o] = sum;
        }
}

void twin_add_norm(enum dtype dtype, const struct rows_norm *norm, const void *x, const void *y, size_t cols,
                   double *result) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < cols; i++) {
        result[i] = twin_element(dtype, x, i) + twin_element(dtype, y, i);
        mean += result[i] / (double)cols;
    }
    for (size_t i = 0; i < cols; i++)
        variance += (result[i] - mean) * (result[i] - mean) / (double)cols;
    for (size_t i = 0; i < cols; i++) {
        double weight = norm->weight ? twin_element(dtype, norm->weight, i) : 1;
        double bias = norm->bias ? twin_element(dtype, norm->bias, i) : 0;
        result[i] = (result[i] - mean) / sqrt(variance + norm->epsilon) * weight + bias;
    }
}
