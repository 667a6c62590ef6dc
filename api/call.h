/* What a request asks for, decoded but not yet checked as a whole: the members of the contract's section 3 as values.
 * Everything lives in the exchange's arena; nothing of jansson is left. */
#pragma once

#include "core/attention.h"
#include "core/dtype.h"
#include "core/mask.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Axes of a tensor; the usual ones, and those that attention_axes takes. */
enum { TENSOR_RANK_USUAL = 4, TENSOR_RANK_MAX = 8 };

/* A tensor as it arrived, in the call's dtype, row-major. */
struct tensor {
    void *data; /* NULL: absent */
    size_t rank;
    size_t shape[TENSOR_RANK_MAX];
    size_t count;
};

/* Labels of positions: one list for all, or one for each item of a batch. Shorter lists end in the pad token, which
 * call_label() gives: they are not filled, as a few bytes can ask for any number of labels so. */
struct labels {
    bool given;
    bool per_item;              /* lists of lists */
    size_t lists, length;       /* the longest list's */
    const size_t *list_lengths; /* as they arrived */
    const char *const **names;  /* [lists][list_lengths] */
    const char *pad;
};

struct call_projection {
    struct tensor weight, bias; /* weight absent: identity */
    const char *weight_pointer, *bias_pointer;
    bool is_packed; /* a third of a state_dict's in_proj_weight */
    double bound;   /* 0: the numbers are given; else they are still to be drawn, and none is larger */
};

/* What the axes of a mask part's values mean. */
enum call_mask_form {
    CALL_MASK_RULE,    /* no values */
    CALL_MASK_SCORES,  /* [L,S] or [B|1,H|1,L|1,S] */
    CALL_MASK_KEYS,    /* [S] or [B,S] */
    CALL_MASK_QUERIES, /* [L] or [B,L] */
    CALL_MASK_ITEMS,   /* [B] */
};

struct call_mask_part {
    enum mask_kind kind;
    enum call_mask_form form;
    const char *pointer;
    struct tensor values;  /* as it arrived; lengths are float64 whatever the dtype */
    ptrdiff_t left, right; /* window */
};

/* Rotary positions as asked for. */
struct call_rotary {
    bool given, interleaved;
    double base;
    size_t dim;              /* 0: all features of a head */
    struct tensor positions; /* as it arrived, in float64 whatever the dtype */
};

/* A partial result that /v1/attention/merge joins with others. */
struct call_part {
    struct tensor output, lse; /* the lse of one query is a tensor of no axes */
};

/* The results by their names in `return`, in the answer's order. */
enum result {
    RESULT_QUERY,
    RESULT_KEY,
    RESULT_VALUE,
    RESULT_SCORES,
    RESULT_CAPPED,
    RESULT_MASKED,
    RESULT_WEIGHTS,
    RESULT_LSE,
    RESULT_HEADS,
    RESULT_PRESENT_KEY,
    RESULT_PRESENT_VALUE,
    RESULT_PROJECTIONS,
    RESULT_OUTPUT,
    RESULT_COUNT
};

enum call_align { CALL_ALIGN_AUTO, CALL_ALIGN_TOP_LEFT, CALL_ALIGN_BOTTOM_RIGHT };

enum call_fully_masked { CALL_FULLY_MASKED_ZERO, CALL_FULLY_MASKED_UNIFORM, CALL_FULLY_MASKED_ERROR };

enum call_layout { CALL_LAYOUT_IN_OUT, CALL_LAYOUT_OUT_IN };

struct call {
    enum dtype dtype;   /* computed in, and read as: float32 or float64 */
    enum dtype written; /* answered in: the same, or float16 or bfloat16, computed in float32 */

    struct tensor inputs, query, key, value, context;
    struct labels tokens, query_tokens, key_tokens;
    const char *pad_token;

    size_t num_heads, num_kv_heads; /* 0: not given */

    size_t axes_count; /* of attention_axes; 0: not given */
    ptrdiff_t axes[TENSOR_RANK_MAX];
    bool axes_in_array; /* or one number */

    struct call_projection projection_query, projection_key, projection_value, projection_output;
    enum call_layout layout;
    bool has_projections, has_state_dict;
    struct tensor bias_key, bias_value; /* a state_dict's bias_k and bias_v, [1,1,E] */

    bool has_init, init_bias, init_output;
    size_t init_features; /* 0: as many as the query has */
    uint64_t seed;

    bool has_scale;
    double scale;
    double softcap; /* 0: off */
    bool alibi;
    struct tensor slopes; /* of alibi; absent: the paper's */
    struct tensor sinks;

    bool has_mask;
    enum call_align align;
    size_t mask_count;
    struct call_mask_part mask[MASK_PARTS_MAX];

    enum attention_normalize normalize;
    struct call_rotary rotary;
    struct tensor past_key, past_value;
    bool add_zero_attn;
    enum call_fully_masked fully_masked;
    bool average_heads;

    struct call_projection gate; /* weight absent: none */

    bool add_norm;
    double epsilon;
    struct tensor norm_weight, norm_bias;

    size_t part_count; /* of merge */
    struct call_part *parts;

    bool returns[RESULT_COUNT];
    int decimals; /* −1: shortest */
    bool b64;
};

const char *call_result_name(enum result result);

/* The label at index < length of a list. */
const char *call_label(const struct labels *labels, size_t list, size_t index);
