/* What a request may ask for. Every limit is a setting; 0 means no limit where it says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limits {
    size_t body_bytes;     /* text of one body */
    size_t depth;          /* nesting of arrays and objects in a body */
    size_t values;         /* of a body, an array of numbers or strings being one */
    size_t elements;       /* numbers in one tensor */
    uint64_t work;         /* multiplications: attention's (plan_products()), and projections' */
    uint64_t answer_bytes; /* text of one answer, estimated before it is computed */
    size_t memory_bytes;   /* arena of one exchange */
    bool is_brief;         /* on a network thread: what would take more than about half a millisecond fails with
                              ERROR_DEFERRED and is done again by a worker */
};

/* The defaults of the contract. */
extern const struct limits limits_default;
