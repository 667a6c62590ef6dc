/* core/torch_linear.c: the Mersenne Twister by its known words, torch's bits as torch printed them (with
 * tests/peers/torch_linear.py many more of them are compared through HTTP), and draws cut in pieces. */
#include "core/torch_linear.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* Within ½ a number is u·2⁻²⁴ − ½ exactly, u the word's low 24 bits. */
static uint32_t low_bits(double number) {
    return (uint32_t)ldexp(number + 0.5, 24);
}

/* The 10,000th word of mt19937 with its default seed 5489 is 4123659995 (ISO C++, [rand.predef]), the first 3499211612.
 */
Test(torch_linear, words_are_those_of_mt19937) {
    static struct torch_linear generator;
    static double numbers[10000];
    torch_linear_seed(&generator, 5489);
    torch_linear_draw(&generator, 0.5, DTYPE_FLOAT64, 10000, numbers);
    cr_assert_eq(low_bits(numbers[0]), 3499211612U & 0xffffff);
    cr_assert_eq(low_bits(numbers[9999]), 4123659995U & 0xffffff);
}

/* torch.manual_seed(123); torch.nn.Linear(3, 2), printed by float.hex(). */
Test(torch_linear, a_layer_of_seed_123_has_torchs_bits) {
    static const float weight[] = {-0x1.e228fp-3F, 0x1.3955dep-6F,  -0x1.25a0bap-2F,
                                   0x1.bde774p-3F, -0x1.f7bd9ap-2F, 0x1.b16164p-2F};
    static const float bias[] = {-0x1.adb67ap-2F, -0x1.d608bap-2F};
    struct torch_linear generator;
    float numbers[6];
    torch_linear_seed(&generator, 123);
    torch_linear_draw(&generator, torch_linear_weight_bound(3), DTYPE_FLOAT32, 6, numbers);
    cr_assert_eq(memcmp(numbers, weight, sizeof weight), 0);
    torch_linear_draw(&generator, torch_linear_bias_bound(3), DTYPE_FLOAT32, 2, numbers);
    cr_assert_eq(memcmp(numbers, bias, sizeof bias), 0);
}

Test(torch_linear, only_the_low_32_bits_of_a_seed_count) {
    static const uint64_t alike[][2] = {{5, (1ULL << 32) + 5}, {0xffffffff, UINT64_MAX}, {0, 1ULL << 63}};
    for (size_t i = 0; i < 3; i++) {
        struct torch_linear generators[2];
        torch_linear_seed(&generators[0], alike[i][0]);
        torch_linear_seed(&generators[1], alike[i][1]);
        cr_assert_eq(memcmp(generators[0].words, generators[1].words, sizeof generators[0].words), 0);
    }
}

Test(torch_linear, a_tensor_drawn_in_pieces_is_the_same) {
    struct torch_linear whole, pieces;
    float at_once[3000], by_and_by[3000];
    torch_linear_seed(&whole, 42);
    torch_linear_seed(&pieces, 42);
    torch_linear_draw(&whole, 0.1, DTYPE_FLOAT32, 3000, at_once);
    for (size_t first = 0, count = 1; first < 3000;
         first += count, count = first + 2 * count < 3000 ? count * 2 : 3000 - first)
        torch_linear_draw(&pieces, 0.1, DTYPE_FLOAT32, count, by_and_by + first);
    cr_assert_eq(memcmp(at_once, by_and_by, sizeof at_once), 0);
}

Test(torch_linear, numbers_stay_within_the_bound) {
    struct torch_linear generator;
    double numbers[5000];
    for (size_t in = 1; in <= 5000; in = in * 3 + 1) {
        double bound = torch_linear_weight_bound(in);
        cr_assert_float_eq(bound, 1 / sqrt((double)in), 1e-15);
        torch_linear_seed(&generator, in);
        torch_linear_draw(&generator, bound, DTYPE_FLOAT64, 5000, numbers);
        for (size_t i = 0; i < 5000; i++)
            cr_assert(fabs(numbers[i]) <= (double)(float)bound && numbers[i] < (double)(float)bound);
    }
}
