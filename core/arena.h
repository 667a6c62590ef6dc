/* One arena per exchange: every allocation of a request lives here and is freed by one arena_done().
 *
 * Allocations fail in two ways, told apart by the error's code: over the arena's own limit (ERROR_MEMORY_LIMIT, the
 * caller asked for too much) or no memory from the system (ERROR_NO_MEMORY). `count × size` is checked for overflow
 * here and nowhere else. Not thread-safe: an exchange is in one thread's hands while it allocates. */
#pragma once

#include "core/error.h"

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* bytes taken from the system */
    size_t limit;               /* bytes it may take; 0 = no limit */
    size_t allocations;         /* calls so far, for failure injection */
    size_t fail_at;             /* tests: the allocation with this number (from 1) fails; 0 = never */
    bool fail_on;               /* tests: and so do all that follow it */
};

enum { ARENA_ALIGNMENT = 64 };

/* An empty arena; takes no memory until the first allocation. */
void arena_init(struct arena *arena, size_t limit);

/* Frees everything allocated from it. The arena is then as after arena_init with the same limit. */
void arena_done(struct arena *arena);

/* `count` objects of `size` bytes, aligned to ARENA_ALIGNMENT, not cleared. NULL and an error on failure; count or
 * size 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t count, size_t size, struct error *error);

/* A larger copy of an earlier allocation of `old_size` bytes (NULL with 0 is a first allocation). Large allocations
 * are moved by the system without copying where it can. On failure the old one stays valid. */
void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size, struct error *error);

/* The bytes [text, text + size) and a closing NUL. */
char *arena_text(struct arena *arena, const char *text, size_t size, struct error *error);

/* printf into the arena. */
char *arena_format(struct arena *arena, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
