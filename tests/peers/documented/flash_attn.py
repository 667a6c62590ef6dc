"""What flash_attn_func is documented to compute (its docstring, flash-attn 2.8), in NumPy and float64: for a page's
calls where there is no GPU. Layout (batch, seqlen, heads, headdim)."""

import numpy as np


def flash_attn_func(q, k, v, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0,
                    alibi_slopes=None, deterministic=False, return_attn_probs=False):
    if dropout_p or deterministic:
        raise NotImplementedError("dropout_p and deterministic")
    q, k, v = (x.transpose(0, 2, 1, 3) for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if softmax_scale is None else softmax_scale)
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    # Causal mask, window and slopes are aligned to the bottom right corner.
    distance = np.arange(q.shape[2])[:, np.newaxis] + k.shape[2] - q.shape[2] - np.arange(k.shape[2])
    if alibi_slopes is not None:
        scores = scores - np.asarray(alibi_slopes)[..., :, np.newaxis, np.newaxis] * np.abs(distance)
    left, right = window_size
    right = 0 if causal else right
    seen = np.ones(distance.shape, dtype=bool)
    if left >= 0:
        seen &= distance <= left
    if right >= 0:
        seen &= distance >= -right
    exponentials = np.where(seen, np.exp(scores), 0.0)
    sums = exponentials.sum(axis=-1, keepdims=True)
    weights = exponentials / np.where(sums == 0, 1.0, sums)
    output = (weights @ v).transpose(0, 2, 1, 3)
    return (output, np.log(sums[..., 0]), weights) if return_attn_probs else output
