/* The contract's default limits. */
#include "api/limits.h"

const struct limits limits_default = {
    .body_bytes = (size_t)64 << 20,
    .depth = 16,
    .values = (size_t)1 << 18,
    .elements = (size_t)1 << 28,
    .work = (uint64_t)1 << 40,
    .answer_bytes = (uint64_t)4 << 30,
    .memory_bytes = (size_t)2 << 30,
};
