/* The exponential of core/exponential.h against the library's in a wider type: for every STRIDE-th float32 that is 0 or
 * less, −∞ included, and 10⁹/STRIDE random doubles, at each level that this processor can run. Prints the largest error
 * in units of the last place; fails where it is more than 1.5, where a result is not 0 that should be, or where one is
 * far from a number below the smallest normal one.
 *
 *     prove_exp [STRIDE]    1 is the whole proof and takes minutes */
#include "core/kernels.h"
#include "tests/core/random.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1 << 12 };

static const double ulps_allowed = 1.5;

/* Error of `is` in last places of the true exponential of x; infinite where it is plainly wrong. `least`: the smallest
 * normal number. */
static double ulps(double is, long double expected, double least, int digits) {
    if (expected < least) /* 0, or near it */
        return is >= 0 && is <= least ? 0 : INFINITY;
    return (double)(fabsl((long double)is - expected) / ldexpl(1, ilogbl(expected) + 1 - digits));
}

static double prove_f32(const struct kernels *kernels, uint64_t stride) {
    float x[BATCH], y[BATCH];
    double worst = 0;
    uint64_t bits = 0x80000000U, last = 0xff800000U; /* from −0 to −∞ */
    while (bits <= last) {
        size_t count = 0;
        for (; count < BATCH && bits <= last; count++, bits += stride) {
            uint32_t word = (uint32_t)bits;
            memcpy(&x[count], &word, sizeof word);
        }
        memcpy(y, x, sizeof y);
        kernels->normalize_exp(y, count, 0, 0);
        for (size_t i = 0; i < count; i++) {
            /* Doubles do: they hold 29 digits more. */
            double error = ulps((double)y[i], (long double)exp((double)x[i]), (double)FLT_MIN, FLT_MANT_DIG);
            if (x[i] < -88 && y[i] != 0)
                error = INFINITY;
            worst = fmax(worst, error);
        }
    }
    float infinite = -INFINITY;
    double sum = kernels->normalize_exp(&infinite, 1, 0, 0);
    return infinite == 0 && sum == 0 ? worst : INFINITY;
}

static double prove_f64(const struct kernels *kernels, uint64_t count) {
    struct random random = {7};
    double x[BATCH], y[BATCH], worst = 0;
    for (uint64_t done = 0; done < count; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++) /* small ones too: a power of two of each */
            x[i] = -fabs(random_number(&random, 750)) * ldexp(1, -(int)(random_word(&random) % 8));
        memcpy(y, x, sizeof y);
        kernels->normalize_exp(y, BATCH, 0, 0);
        for (size_t i = 0; i < BATCH; i++) {
            double error = ulps(y[i], expl((long double)x[i]), DBL_MIN, DBL_MANT_DIG);
            if (x[i] < -709.1 && y[i] != 0)
                error = INFINITY;
            worst = fmax(worst, error);
        }
    }
    double edges[] = {0, -0.0, -INFINITY, -DBL_MAX, -DBL_TRUE_MIN};
    kernels->normalize_exp(edges, 5, 0, 0);
    return edges[0] == 1 && edges[1] == 1 && edges[2] == 0 && edges[3] == 0 && edges[4] == 1 ? worst : INFINITY;
}

int main(int argc, char **argv) {
    uint64_t stride = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    bool good = stride > 0;
    for (enum kernels_level level = KERNELS_BASE; good && level < KERNELS_LEVELS; level++) {
        const struct kernels *single = kernels_at(DTYPE_FLOAT32, level), *wide = kernels_at(DTYPE_FLOAT64, level);
        if (!single)
            continue;
        double f32 = prove_f32(single, stride), f64 = prove_f64(wide, 1000000000 / stride);
        printf("level %d: exp of float32 within %.3f units in the last place, of float64 within %.3f\n", level, f32,
               f64);
        good = f32 <= ulps_allowed && f64 <= ulps_allowed;
    }
    return !good;
}
