/* One arena per exchange: every allocation of a request lives here and is freed by one arena_done().
 *
 * Allocations fail in four ways, told apart by the error's code: over the arena's own limit (ERROR_MEMORY_LIMIT, the
 * caller asked for too much), over the budget that it shares with others (ERROR_SERVER_FULL), no memory from the system
 * (ERROR_NO_MEMORY), or the request was cancelled (ERROR_CANCELLED). `count × size` is checked for overflow here and
 * nowhere else. Not thread-safe: an exchange is in one thread's hands while it allocates; only the budget is shared. */
#pragma once

#include "core/error.h"

#include <stdatomic.h>
#include <stddef.h>

struct arena_chunk;

/* What all arenas of a process may take together. The last eighth is for arenas of up to ARENA_BUDGET_SMALL bytes, so
 * that small requests find memory when large ones have taken all that is theirs. */
struct arena_budget {
    atomic_size_t used;
    atomic_size_t most; /* the highest `used` since somebody set it back */
    size_t limit;       /* bytes; 0 = no limit */
};

enum { ARENA_BUDGET_SMALL = 1 << 20, ARENA_BUDGET_LEAST = 16 << 20 };

struct arena {
    struct arena_chunk *chunks;   /* newest first */
    size_t used;                  /* bytes taken from the system */
    size_t limit;                 /* bytes it may take; 0 = no limit */
    struct arena_budget *budget;  /* NULL: none */
    const atomic_bool *cancelled; /* once set, allocations fail; NULL: never */
    char *spare;                  /* memory that is always there, for the text that says that there is none; or NULL */
    size_t spare_size;
    size_t allocations; /* calls so far, for failure injection */
    size_t fail_at;     /* tests: the allocation with this number (from 1) fails; 0 = never */
    bool fail_on;       /* tests: and so do all that follow it */
};

/* Of allocations of at least so many bytes; smaller ones are aligned for any C type. */
enum { ARENA_ALIGNMENT = 64 };

/* What an arena of any size may still take of the budget. */
size_t arena_budget_left(const struct arena_budget *budget);

/* Whether the request was cancelled: loops that may take longer than some milliseconds without allocating ask. */
bool arena_is_cancelled(const struct arena *arena);

/* An empty arena; takes no memory until the first allocation. */
void arena_init(struct arena *arena, size_t limit);

/* Frees everything allocated from it. The arena is then as new, with the same limit, budget, flag and spare memory. */
void arena_done(struct arena *arena);

/* `count` objects of `size` bytes, not cleared. NULL and an error on failure; count or size 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t count, size_t size, struct error *error);

/* A larger copy of an earlier allocation of `old_size` bytes (NULL with 0 is a first allocation). Large allocations
 * are moved by the system without copying where it can. On failure the old one stays valid. */
void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size, struct error *error);

/* Gives an earlier allocation of `size` bytes back at once where it is large, which has memory of its own. */
void arena_drop(struct arena *arena, void *data, size_t size);

/* The bytes [text, text + size) and a closing NUL. */
char *arena_text(struct arena *arena, const char *text, size_t size, struct error *error);

/* printf into the arena. */
char *arena_format(struct arena *arena, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
