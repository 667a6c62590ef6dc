/* softcap: scores bounded by ±cap through cap · tanh(score / cap), as in Gemma 2 (Gemma Team, "Gemma 2", 2024, section
 * 2): a kernel.
 *
 * tanh(x) = −e / (2 + e) for x ≥ 0, with e = exp(−2x) − 1 to its last places: for small x nothing cancels, and for
 * large x nothing overflows. A score that is not finite must still be seen to be so, where tanh would make it 1. */
#include "core/exponential.h"
#include "core/steps.h"

/* Beyond it tanh is 1 in either type. */
#define SOFTCAP_STEEPEST ((real)-60)

static inline lanes softcap_of(lanes scores, lanes slope, lanes cap) {
    lanes_bits sign = (lanes_bits)lanes_all(-(real)0);
    lanes size = (lanes)((lanes_bits)scores & ~sign);
    lanes e = exponential_less_one(lanes_max(size * slope, lanes_all(SOFTCAP_STEEPEST)));
    lanes capped = cap * (-e / (2 + e)) + size * 0; /* ∞ · 0 is not a number */
    return (lanes)((lanes_bits)capped | ((lanes_bits)scores & sign));
}

void REAL(softcap_row)(real *scores, size_t count, double cap) {
    lanes slope = lanes_all((real)(-2 / cap)), caps = lanes_all((real)cap);
    size_t whole = count / LANES_COUNT * LANES_COUNT;
    for (size_t i = 0; i < whole; i += LANES_COUNT)
        *(lanes *)(scores + i) = softcap_of(*(const lanes *)(scores + i), slope, caps);
    if (whole < count) {
        lanes rest = lanes_load(scores + whole, count - whole, 0);
        lanes_store(softcap_of(rest, slope, caps), count - whole, scores + whole);
    }
}
