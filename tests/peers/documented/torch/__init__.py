"""As much of torch as the pages' calls of scaled_dot_product_attention and flash_attn_func need, on NumPy's arrays: tensor()
in float64, whatever type and device it is asked for, and torch.nn.functional."""

import numpy as np

float16 = float32 = None


def tensor(numbers, dtype=None, device=None):
    array = np.array(numbers)
    return array if array.dtype == bool else array.astype(np.float64)
