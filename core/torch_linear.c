/* The numbers that a new torch.nn.Linear holds: see torch_linear.h.
 *
 * Sources: Matsumoto and Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform pseudo-random number
 * generator", 1998, with the initialisation of 2002; He et al., "Delving Deep into Rectifiers", 2015, for the bounds.
 * What torch adds is kept to the bit: of a seed only the low 32 bits count; bounds are worked out in double, in the
 * order of torch's Python, and then rounded to float32; a number takes the low 24 bits of one word and is
 * u·2⁻²⁴·(high − low) + low with one rounding, since torch's kernel is compiled with fused multiply-adds. fmaf() rounds
 * once on every processor. tests/golden/torch_linear.json holds what torch itself gave. */
#include "core/torch_linear.h"

#include <math.h>

enum { TORCH_LINEAR_SHIFT = 397 }; /* m of the paper */

void torch_linear_seed(struct torch_linear *generator, uint64_t seed) {
    uint32_t *words = generator->words;
    words[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < TORCH_LINEAR_WORDS; i++)
        words[i] = 1812433253U * (words[i - 1] ^ words[i - 1] >> 30) + i;
    generator->next = TORCH_LINEAR_WORDS;
}

/* The next 624 words: each from itself, its successor and the one m places on. */
static void torch_linear_turn(struct torch_linear *generator) {
    uint32_t *words = generator->words;
    for (size_t i = 0; i < TORCH_LINEAR_WORDS; i++) {
        size_t successor = i + 1 < TORCH_LINEAR_WORDS ? i + 1 : 0;
        size_t shifted = i + TORCH_LINEAR_SHIFT < TORCH_LINEAR_WORDS ? i + TORCH_LINEAR_SHIFT
                                                                     : i + TORCH_LINEAR_SHIFT - TORCH_LINEAR_WORDS;
        uint32_t joined = (words[i] & 0x80000000U) | (words[successor] & 0x7fffffffU);
        words[i] = words[shifted] ^ joined >> 1 ^ (joined & 1 ? 0x9908b0dfU : 0);
    }
    generator->next = 0;
}

static uint32_t torch_linear_word(struct torch_linear *generator) {
    if (generator->next == TORCH_LINEAR_WORDS)
        torch_linear_turn(generator);
    uint32_t word = generator->words[generator->next++];
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680U;
    word ^= word << 15 & 0xefc60000U;
    return word ^ word >> 18;
}

/* kaiming_uniform_(weight, a=sqrt(5)): gain √(2 / (1 + a²)), deviation gain / √in, bound √3 · deviation. In exact
 * numbers that is 1/√in, in double not always. */
double torch_linear_weight_bound(size_t in) {
    double slope = sqrt(5), gain = sqrt(2 / (1 + slope * slope));
    double deviation = gain / sqrt((double)in);
    return sqrt(3) * deviation;
}

double torch_linear_bias_bound(size_t in) {
    return 1 / sqrt((double)in);
}

void torch_linear_draw(struct torch_linear *generator, double bound, enum dtype dtype, size_t count, void *numbers) {
    float low = (float)-bound, high = (float)bound, width = high - low;
    for (size_t i = 0; i < count; i++) {
        float unit = (float)(torch_linear_word(generator) & 0xffffffU) * 0x1p-24F;
        float number = fmaf(unit, width, low);
        if (dtype == DTYPE_FLOAT32)
            ((float *)numbers)[i] = number;
        else
            ((double *)numbers)[i] = (double)number;
    }
}
