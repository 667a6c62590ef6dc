/* Attention on arrays: weights = normalize(mask(query · keyᵀ · scale)), heads = weights · value.
 * Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.2; grouped heads: Ainslie et al., "GQA", 2023;
 * sinks: Xiao et al., "Efficient Streaming Language Models with Attention Sinks", 2023, in their learned form.
 *
 * Letters: B batch, H query heads, G key/value heads (H a multiple of G; query head h reads h div (H/G)), L queries,
 * S keys, D head size, Dv value size. The work is cut into row blocks; a block needs no other and allocates nothing. */
#pragma once

#include "core/dtype.h"
#include "core/error.h"
#include "core/mask.h"
#include "core/view.h"

enum attention_normalize {
    ATTENTION_SOFTMAX, /* exp(s − max) / Σ exp(s − max) over the allowed keys */
    ATTENTION_SUM,     /* s / Σ s over the allowed keys; a zero sum gives zero weights */
    ATTENTION_NONE,    /* the weights are the scores, 0 where disallowed */
};

/* What a row without an allowed key becomes. An error is the caller's to raise: fully_masked_find() tells. */
enum attention_empty_row {
    ATTENTION_EMPTY_ZERO,    /* weights and output 0 */
    ATTENTION_EMPTY_UNIFORM, /* 1/S over all S keys; softmax only */
};

struct attention {
    enum dtype dtype;  /* DTYPE_FLOAT32 or DTYPE_FLOAT64: of all arrays below */
    struct view query; /* [B,H,L,D] */
    struct view key;   /* [B,G,S,D] */
    struct view value; /* [B,G,S,Dv] */
    struct view heads; /* [B,H,L,Dv], written; data NULL: the outputs are not wanted */
    double scale;
    double softcap; /* c: scaled scores become c·tanh(score / c), before masks; 0: they stay */
    enum attention_normalize normalize;
    enum attention_empty_row empty_row;
    struct mask mask;
    const unsigned char *poisoned; /* [B,G,S] 1 = the value row overflowed and was zeroed, an error once it is
                                      weighed; NULL: none */
    const double *sinks;           /* [H]: exp(sink) joins the sum of the head's rows; softmax only; NULL: none */
    void *lse; /* [B,H,L] contiguous, written at the stages that write `heads`: the log of each row's sum of
                  exponentials, its sink included; −∞ with neither a sink nor an allowed key; softmax only; NULL: not
                  wanted */
};

/* How far a block is computed: the array `rows` of a block then holds … */
enum attention_stage {
    ATTENTION_SCORES,  /* query · keyᵀ · scale, masks not applied */
    ATTENTION_CAPPED,  /* after softcap, masks not applied */
    ATTENTION_MASKED,  /* after multiply and bias; −∞ where disallowed */
    ATTENTION_WEIGHTS, /* normalized; also writes `heads` and `lse` where wanted */
    ATTENTION_OUTPUT,  /* nothing: only `heads` and `lse` are written, of which one must be wanted */
};

/* Rows [row, row + count) of one head. */
struct attention_block {
    size_t batch, head, row, count;
    void *rows;    /* [count,S] of dtype, contiguous: written; NULL where attention_needs_rows() says so */
    void *scratch; /* attention_scratch_size() bytes, aligned to ARENA_ALIGNMENT */
};

/* Whether a block needs `rows` at this stage: not for the output alone, whose keys are taken a block at a time, unless
 * weights are scores divided by their sum, which must be known first. */
bool attention_needs_rows(const struct attention *attention, enum attention_stage stage);

/* Bytes of scratch for blocks of up to `count` rows. */
size_t attention_scratch_size(const struct attention *attention, size_t count);

/* Whether every shape in `attention` fits every other: views, masks, lengths ≤ S, G divides H, no axis 0. The error's
 * pointer names the array (/query, /key, /value, /mask/attend …). Everything below asserts it. */
bool attention_check(const struct attention *attention, struct error *error);

/* Computes one block. False: a number that matters (of an allowed key, or of a result) is not finite in the dtype; the
 * block's rows are then unusable. Touches only the block's arrays and its rows of `heads` and `lse`. */
bool attention_run(const struct attention *attention, enum attention_stage stage, const struct attention_block *block);

/* The largest |number| of query, key and value, or a bound of it. */
struct attention_magnitudes {
    double query, key, value;
};

/* The largest |number| that each stage can have, whatever rounding does; INFINITY where that number, or one on the way
 * to it, could overflow the dtype. */
struct attention_bounds {
    double scores, capped, masked; /* of the stages of these names; a masked −∞ counts as nothing */
    double weights, heads; /* with ATTENTION_SUM always INFINITY: a sum that cancels makes weights of any size */
    double lse;            /* of a row with an allowed key, or with a sink */
};

/* With inputs of these magnitudes, and this D, scale, softcap, mask and sinks. */
struct attention_bounds attention_bound(const struct attention *attention,
                                        const struct attention_magnitudes *magnitudes);
