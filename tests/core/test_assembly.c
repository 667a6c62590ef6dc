/* core/assembly.c: rows in their order from three places, and new ones turned by their positions, against the
 * definition in plain loops. */
#include "core/assembly.h"

#include "tests/core/fixture.h"
#include "tests/core/random.h"
#include "tests/twin.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { ROWS_MOST = 6, COLS_MOST = 9 };

/* Feature `col` of the assembled row, from the definition: [[cos, −sin], [sin, cos]] on its pair. */
static double defined(enum dtype dtype, const struct assembly *assembly, size_t batch, size_t head, size_t row,
                      size_t col) {
    const struct assembly_rotary *rotary = &assembly->rotary;
    size_t past = assembly->past.rows, fresh = assembly->fresh.rows, pairs = rotary->pairs;
    if (row < past)
        return twin_number(dtype, &assembly->past, batch, head, row, col);
    if (row >= past + fresh)
        return twin_number(dtype, &assembly->extra, 0, head, row - past - fresh, col);
    double plain = twin_number(dtype, &assembly->fresh, batch, head, row - past, col);
    if (col >= 2 * pairs)
        return plain;
    size_t pair = rotary->interleaved ? col / 2 : col % pairs;
    bool second = rotary->interleaved ? col % 2 == 1 : col >= pairs;
    size_t partner = rotary->interleaved ? (second ? col - 1 : col + 1) : (second ? col - pairs : col + pairs);
    double other = twin_number(dtype, &assembly->fresh, batch, head, row - past, partner);
    double angle = rotary->positions[batch * rotary->batch_stride + row - past] * rotary->frequencies[pair];
    return second ? plain * cos(angle) + other * sin(angle) : plain * cos(angle) - other * sin(angle);
}

/* A view of random numbers with gaps between rows, or of no rows. */
static struct view random_view(struct fixture *fixture, struct random *random, size_t batch, size_t heads, size_t rows,
                               size_t cols) {
    size_t stride = cols + random_size(random, 0, 3), count = batch * heads * rows * stride;
    double *numbers = fixture_take(fixture, count, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = random_number(random, 1);
    return (struct view){
        fixture_array(fixture, count, numbers), batch, heads, rows, cols, heads * rows * stride, rows * stride, stride};
}

static struct assembly random_assembly(struct fixture *fixture, struct random *random) {
    size_t batch = random_size(random, 1, 3), heads = random_size(random, 1, 3),
           cols = random_size(random, 1, COLS_MOST);
    struct assembly assembly = {
        .past = random_view(fixture, random, batch, heads, random_size(random, 0, ROWS_MOST), cols),
        .fresh = random_view(fixture, random, batch, heads, random_size(random, 1, ROWS_MOST), cols),
        .extra = random_view(fixture, random, 1, heads, random_size(random, 0, 2), cols),
    };
    assembly.extra.batch_stride = 0;
    size_t pairs = random_size(random, 0, cols / 2), rows = assembly.fresh.rows;
    bool by_item = random_chance(random, 50);
    double *frequencies = fixture_take(fixture, pairs, sizeof *frequencies);
    double *positions = fixture_take(fixture, batch * rows, sizeof *positions);
    for (size_t i = 0; i < pairs; i++)
        frequencies[i] = random_number(random, 2);
    for (size_t i = 0; i < batch * rows; i++)
        positions[i] = random_number(random, 1000);
    assembly.rotary =
        (struct assembly_rotary){pairs, random_chance(random, 50), frequencies, positions, by_item ? rows : 0};
    assembly.all = fixture_view(fixture, batch, heads, assembly.past.rows + rows + assembly.extra.rows, cols, NULL);
    return assembly;
}

Test(assembly, random_sides_agree_with_the_definition) {
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random random = {seed * 0x1000003};
        struct fixture fixture;
        fixture_init(&fixture, seed % 2 ? DTYPE_FLOAT32 : DTYPE_FLOAT64);
        enum dtype dtype = fixture.attention.dtype;
        struct assembly assembly = random_assembly(&fixture, &random);
        const struct view *all = &assembly.all;
        void *scratch = fixture_take(&fixture, 1, assembly_scratch_size(&assembly) + 1);
        size_t count = all->batch * all->rows, cut = random_size(&random, 0, count);
        assembly_run(dtype, &assembly, cut, count - cut, scratch); /* parts in any order */
        assembly_run(dtype, &assembly, 0, cut, scratch);
        for (size_t batch = 0; batch < all->batch; batch++)
            for (size_t head = 0; head < all->heads; head++)
                for (size_t row = 0; row < all->rows; row++)
                    for (size_t col = 0; col < all->cols; col++)
                        cr_assert_float_eq(twin_number(dtype, all, batch, head, row, col),
                                           defined(dtype, &assembly, batch, head, row, col),
                                           dtype == DTYPE_FLOAT32 ? 1e-7 : 1e-15, "seed %llu",
                                           (unsigned long long)seed);
        fixture_done(&fixture);
    }
}

/* A quarter turn takes (1, 2) to (−2, 1): features 0 and 2, and 1 and 3, of a row; interleaved 0 and 1, and 2 and 3. */
Test(assembly, a_quarter_turn_by_hand) {
    double frequencies[] = {1, 2}, positions[] = {asin(1)}, scratch[4];
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        double row[] = {1, 2, 3, 4, 5}, turned[5];
        struct assembly assembly = {.fresh = {row, 1, 1, 1, 5, 5, 5, 5},
                                    .rotary = {2, interleaved, frequencies, positions, 0},
                                    .all = {turned, 1, 1, 1, 5, 5, 5, 5}};
        const double apart[] = {-3, -2, 1, -4, 5}, beside[] = {-2, 1, -3, -4, 5};
        cr_assert_eq(assembly_scratch_size(&assembly), sizeof scratch);
        assembly_run(DTYPE_FLOAT64, &assembly, 0, 1, scratch);
        for (size_t i = 0; i < 5; i++)
            cr_assert_float_eq(turned[i], interleaved ? beside[i] : apart[i], 1e-15, "feature %zu", i);
    }
}

Test(assembly, what_is_turned_beyond_the_dtype_becomes_infinite) {
    float row[] = {FLT_MAX, -FLT_MAX}, turned[2];
    double frequencies[] = {1}, positions[] = {asin(1) / 2}, scratch[2];
    struct assembly assembly = {.fresh = {row, 1, 1, 1, 2, 2, 2, 2},
                                .rotary = {1, false, frequencies, positions, 0},
                                .all = {turned, 1, 1, 1, 2, 2, 2, 2}};
    assembly_run(DTYPE_FLOAT32, &assembly, 0, 1, scratch);
    cr_assert(isinf(turned[0]));
}
