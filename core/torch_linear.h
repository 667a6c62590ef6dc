/* The numbers that a new torch.nn.Linear holds, bit for bit, from the seed that torch.manual_seed() was given. */
#pragma once

#include "core/dtype.h"

#include <stddef.h>
#include <stdint.h>

enum { TORCH_LINEAR_WORDS = 624 };

/* torch's generator on the CPU, the Mersenne Twister MT19937. */
struct torch_linear {
    uint32_t words[TORCH_LINEAR_WORDS];
    size_t next; /* the word to be drawn */
};

/* torch.manual_seed(seed). A negative seed is its two's complement, as torch takes it. */
void torch_linear_seed(struct torch_linear *generator, uint64_t seed);

/* The largest |number| that a layer of `in` features draws: for its weight, and for its bias, which comes after it. */
double torch_linear_weight_bound(size_t in);
double torch_linear_bias_bound(size_t in);

/* The next `count` numbers of tensor.uniform_(−bound, bound), as float32 or, the same values, as float64. However many
 * calls draw a tensor, its numbers are the same. */
void torch_linear_draw(struct torch_linear *generator, double bound, enum dtype dtype, size_t count, void *numbers);
