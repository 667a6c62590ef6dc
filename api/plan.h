/* From a call to a computation: every shape checked, every buffer allocated, every result's shape known. What is
 * refused is refused here; after it a job can only overflow. */
#pragma once

#include "api/call.h"
#include "api/encode.h"
#include "api/limits.h"
#include "api/route.h"
#include "core/arena.h"
#include "core/assembly.h"
#include "core/attention.h"
#include "core/merge.h"
#include "core/projection.h"
#include "core/rows.h"
#include "core/torch_linear.h"

/* The learned maps: query, key, value, output. */
enum { PLAN_LEARNED = 4, PLAN_LEARNED_TENSORS = 2 * PLAN_LEARNED };

enum { PLAN_FULLY_MASKED_MAX = 100 };

/* A learned map before attention: [rows,in] → y [rows,out]. */
struct plan_map {
    struct projection projection;
    const void *x;
    size_t rows, in, out;
    void *y; /* NULL: no such map */
};

/* A result as the answer shows it. */
struct plan_result {
    size_t rank; /* 0: a bare number */
    size_t shape[ENCODE_RANK_MAX];
    size_t rows; /* that it is computed by */
    size_t cols; /* numbers of such a row */
};

/* A tensor of the answer. */
struct plan_tensor {
    enum result result;
    const char *map, *name; /* "weights", or, in a map of the result "projections", "weight" */
    struct plan_result shape;
    const struct tensor *from; /* of "projections": its numbers, rows and columns swapped where `transposed` */
    bool transposed;
};

/* Numbers that are drawn before anything is computed: a weight or a bias. */
struct plan_draw {
    void *numbers;
    size_t count;
    double bound;
};

/* attention_axes: which axes of query and keys are one in the computation, and their lengths. */
struct plan_axes {
    size_t attended, others; /* how many axes are attended over (0: attention_axes is not given), and how many not */
    size_t batch[TENSOR_RANK_MAX];                          /* [others]: the axes that make batch items */
    size_t queries[TENSOR_RANK_MAX], keys[TENSOR_RANK_MAX]; /* [attended], as attention_axes names them */
    size_t output[TENSOR_RANK_MAX];                         /* [others + attended], as the query has them */
    const size_t *output_rows; /* the row of merged heads for each row of output; NULL: they are in the same order */
};

struct plan {
    const struct call *call;
    enum dtype dtype;

    /* The axes. `is_vector`: the query has rank 1; `is_batched`: rank 3 or 4; `has_heads`: results show the H axis. */
    bool is_vector, is_batched, has_heads, is_split;
    size_t batch, heads, kv_heads, queries, keys, head_size, value_size, output_size;

    /* The keys: cached, new, and beyond the mask (bias_k, add_zero_attn), which stand in this order. The contract's S
     * is what a mask covers, the first two. */
    size_t past, fresh, extra, masked_keys;

    const struct call_projection *learned[PLAN_LEARNED]; /* given or drawn; a weight without data: the identity */
    struct torch_linear *generator;
    size_t draw_count;
    struct plan_draw draws[PLAN_LEARNED_TENSORS]; /* in the generator's order */

    struct plan_axes axes;
    struct plan_map query, key, value; /* maps, where there are any */
    struct assembly assemblies[3];     /* of query, key and value, where attention reads more than the new features */
    struct attention attention;
    unsigned char *poisoned; /* [B,G,keys], where there is a map of the values */
    void *merged;            /* attention.heads' array: [B,L,H·Dv], split [B,H,L,Dv] */

    bool has_gate, has_output_map, has_norm;
    struct projection gate;       /* [E] → [H·Dv], of the query side before its map */
    const void *gate_input;       /* [B·L, E] */
    struct projection output_map; /* [H·Dv] → [output_size] */
    struct rows_norm norm;
    const void *norm_input; /* [B·L, output_size] */

    struct merge merge; /* count 0: this is attention */

    bool is_bounded; /* no result can overflow */
    size_t fully_masked_count;
    size_t fully_masked[PLAN_FULLY_MASKED_MAX];
    struct plan_result results[RESULT_COUNT];
    size_t tensor_count;
    struct plan_tensor tensors[RESULT_COUNT + PLAN_LEARNED_TENSORS]; /* what is returned, in order */
};

/* How often each query is multiplied with each key: once for each of scores, capped and masked that is returned, and
 * once for weights and outputs. */
size_t plan_passes(const struct plan *plan);

/* Multiplications of attention, without projections. */
double plan_products(const struct plan *plan);

bool plan_make(const struct limits *limits, const struct route *route, const struct call *call, struct arena *arena,
               struct plan *plan, struct error *error);

/* How a tensor of the answer is written. */
struct encode plan_encode(const struct plan *plan, const struct plan_tensor *tensor);

/* One tensor's place in the computation. */
struct plan_side {
    const struct tensor *tensor; /* at most 4 axes: with attention_axes [batch items, positions, features] */
    const void *given;           /* its rows as they arrived */
    const char *pointer;         /* of the member it came from */
    size_t batch, heads, rows, cols;
};

/* plan_sides.c: which tensors are query, key and value, and whether their ranks, batches and lengths agree. */
bool plan_sides(const struct route *route, const struct call *call, struct arena *arena, struct plan *plan,
                struct plan_side sides[3], struct error *error);

/* plan_axes.c: brings the tensors to the axes that attention has; without attention_axes they have them. */
bool plan_axes(const struct call *call, struct arena *arena, struct plan *plan, struct plan_side sides[3],
               struct error *error);

/* plan_init.c: fills `learned`, and orders what of it must be drawn. */
bool plan_init(const struct limits *limits, const struct call *call, const struct plan_side sides[3],
               struct arena *arena, struct plan *plan, struct error *error);

/* plan_maps.c: heads and projections: fills the maps, the views of `attention`, the gate, the output map and the
 * norm. */
bool plan_maps(const struct call *call, const struct plan_side sides[3], struct arena *arena, struct plan *plan,
               struct error *error);

/* plan_assemble.c, before the mask is fitted: how many keys there are, and whether cache and extra keys fit the heads.
 */
bool plan_assemble_keys(const struct call *call, const struct plan_side sides[3], struct plan *plan,
                        struct error *error);

/* After it: what is put together before attention reads it, and by which angles it is turned. */
bool plan_assemble(const struct call *call, struct arena *arena, struct plan *plan, struct error *error);

/* plan_tensors.c: fills `tensors`, whose shapes are those of `results` and of the learned maps. */
bool plan_tensors(struct plan *plan, struct error *error);

/* plan_mask.c: fits the call's mask parts and padding to the shapes. */
bool plan_mask(const struct call *call, struct arena *arena, struct plan *plan, struct error *error);

/* plan_merge.c: whether the parts of a merge agree, and its results. */
bool plan_merge(const struct limits *limits, const struct call *call, struct arena *arena, struct plan *plan,
                struct error *error);

/* plan_scores.c: how scores are made and normalized: scale, softcap, alibi, sinks; and the array of lse. */
bool plan_scores(const struct call *call, struct arena *arena, struct plan *plan, struct error *error);

/* plan_bound.c: whether no number of the answer, nor any on the way to it, can overflow, whatever rounding does: then
 * it may be sent while it is computed. */
bool plan_bound_holds(const struct call *call, const struct plan_side sides[3], const struct plan *plan);

/* plan_results.c: the shape of every result, with all else of the plan known. */
void plan_results(struct plan *plan);
