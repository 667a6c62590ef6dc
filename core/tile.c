/* The matrix product of one tile, in registers: the innermost loop of attention.
 *
 * As in Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008, section 4: for each step of
 * the depth, TILE_COLS numbers of b are loaded and each of TILE_ROWS numbers of a is multiplied onto them. It runs at
 * the processor's peak while a and b are in its inner caches, which is for the caller to arrange. OpenBLAS does the
 * same, but copies both matrices anew in every call; at attention's shapes (a depth of one head, or as many columns)
 * the copying is a good part of the work. The vectors are GCC's and clang's generic ones, so that this is plain C. */
#include "core/tile.h"

#include "core/steps.h"

/* What is left of a tile at the edge of c. */
static void tile_edge(const struct tile *tile, const lanes sums[TILE_ROWS][TILE_VECTORS], size_t cols, real *c) {
    for (size_t i = 0; i < tile->rows; i++, c += tile->c_stride)
        for (size_t j = 0; j < cols; j++) {
            real product = tile->scale * sums[i][j / LANES_COUNT][j % LANES_COUNT];
            c[j] = tile->factors ? product + tile->factors[i] * c[j] : product;
        }
}

/* One tile: `cols` ≤ TILE_COLS columns of b, which are at c in the result. */
static inline void tile_one(const struct tile *tile, const real *b, size_t cols, real *c) {
    const real *a = tile->a, *factors = tile->factors;
    size_t a_stride = tile->a_stride, b_stride = tile->b_stride, c_stride = tile->c_stride;
    lanes sums[TILE_ROWS][TILE_VECTORS] = {0};
    for (size_t k = 0; k < tile->depth; k++, b += b_stride)
        LANES_UNROLL
    for (size_t i = 0; i < TILE_ROWS; i++)
        LANES_UNROLL
    for (size_t v = 0; v < TILE_VECTORS; v++)
        sums[i][v] += a[i * a_stride + k] * ((const lanes *)b)[v];
    if (tile->rows < TILE_ROWS || cols < TILE_COLS) {
        lanes copy[TILE_ROWS][TILE_VECTORS]; /* so that the sums themselves need no memory */
        LANES_UNROLL
        for (size_t i = 0; i < TILE_ROWS; i++)
            LANES_UNROLL
        for (size_t v = 0; v < TILE_VECTORS; v++)
            copy[i][v] = sums[i][v];
        tile_edge(tile, copy, cols, c);
        return;
    }
    LANES_UNROLL
    for (size_t i = 0; i < TILE_ROWS; i++) {
        lanes *row = (lanes *)(c + i * c_stride);
        LANES_UNROLL
        for (size_t v = 0; v < TILE_VECTORS; v++) {
            sums[i][v] *= tile->scale;
            if (factors)
                sums[i][v] += factors[i] * row[v];
            row[v] = sums[i][v];
        }
    }
}

void REAL(tile_product)(const struct tile *tile) {
    const real *b = tile->b;
    for (size_t col = 0; col < tile->cols; col += TILE_COLS, b += tile->b_next)
        tile_one(tile, b, tile->cols - col < TILE_COLS ? tile->cols - col : TILE_COLS, tile->c + col);
}
