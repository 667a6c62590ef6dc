/* The size of a tile: its sums take the processor's vector registers but for a few, which hold two vectors of columns
 * and a number of a row. Every number read is then used many times. */
#pragma once

#include "core/lanes.h"

enum {
    TILE_VECTORS = 2,
    TILE_COLS = TILE_VECTORS * LANES_COUNT,
    TILE_ROWS = LANES_REGISTERS == 32 ? 12 : 6,
    TILE_ROWS_MOST = 12
};
