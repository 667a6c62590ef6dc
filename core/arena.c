/* The arena: memory that is taken bit by bit and given back at once.
 *
 * Small allocations are cut from chunks that double in size. Large ones get a chunk of their own, straight from malloc:
 * pages never touched cost nothing, and arena_grow can hand the chunk to realloc, which moves large blocks by changing
 * page tables instead of copying. Under AddressSanitizer what is not handed out is poisoned, so that an overrun inside
 * a chunk is reported like any other. */
#include "core/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#endif

#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
enum { ARENA_GAP = 16 }; /* between two allocations, so that an overrun meets poison */
#else
#define ASAN_POISON_MEMORY_REGION(data, size) ((void)(data), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(data, size) ((void)(data), (void)(size))
enum { ARENA_GAP = 0 };
#endif

enum {
    ARENA_LARGE = 64 * 1024,       /* above: a chunk of its own */
    ARENA_FIRST = 16 * 1024,       /* bytes of the first chunk */
    ARENA_CHUNK_MAX = 1024 * 1024, /* chunks stop doubling here */
    ARENA_SMALL_ALIGNMENT = 16,
};

/* Stands at an aligned place near the start of its block, the data follow at once. */
struct arena_chunk {
    struct arena_chunk *next; /* older */
    void *block;              /* what malloc returned */
    size_t size;              /* bytes of the block */
    size_t capacity;          /* bytes of data */
    size_t filled;            /* bytes of data handed out */
};

enum {
    ARENA_HEADER = (sizeof(struct arena_chunk) + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT,
    ARENA_OVERHEAD = ARENA_HEADER + ARENA_ALIGNMENT, /* header, and what aligning it may cost */
};

static size_t arena_round(size_t size, size_t alignment) {
    return (size + alignment - 1) / alignment * alignment;
}

static char *arena_data(struct arena_chunk *chunk) {
    return (char *)chunk + ARENA_HEADER;
}

static struct arena_chunk *arena_header(void *block) {
    uintptr_t place = (uintptr_t)block;
    size_t shift = (ARENA_ALIGNMENT - place % ARENA_ALIGNMENT) % ARENA_ALIGNMENT;
    return (struct arena_chunk *)((char *)block + shift);
}

/* Everything behind what is handed out. */
static void arena_poison(struct arena_chunk *chunk) {
    char *begin = arena_data(chunk) + chunk->filled, *end = (char *)chunk->block + chunk->size;
    ASAN_POISON_MEMORY_REGION(begin, (size_t)(end - begin));
}

void arena_init(struct arena *arena, size_t limit) {
    *arena = (struct arena){.limit = limit};
}

size_t arena_budget_left(const struct arena_budget *budget) {
    size_t limit = budget->limit - budget->limit / 8, used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    return budget->limit == 0 ? SIZE_MAX : used < limit ? limit - used : 0;
}

/* Takes `size` bytes for an arena that has `used` already. */
static bool arena_budget_take(struct arena_budget *budget, size_t used, size_t size) {
    if (budget == NULL)
        return true;
    size_t now = atomic_fetch_add_explicit(&budget->used, size, memory_order_relaxed) + size;
    bool is_small = used + size <= ARENA_BUDGET_SMALL;
    if (budget->limit != 0 && now > (is_small ? budget->limit : budget->limit - budget->limit / 8)) {
        atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
        return false;
    }
    if (now > atomic_load_explicit(&budget->most, memory_order_relaxed)) /* near enough where two threads meet */
        atomic_store_explicit(&budget->most, now, memory_order_relaxed);
    return true;
}

static void arena_budget_give(struct arena_budget *budget, size_t size) {
    if (budget != NULL)
        atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
}

bool arena_is_cancelled(const struct arena *arena) {
    return arena->cancelled != NULL && atomic_load_explicit(arena->cancelled, memory_order_relaxed);
}

void arena_done(struct arena *arena) {
    if (!arena)
        return;
    for (struct arena_chunk *chunk = arena->chunks; chunk;) {
        struct arena_chunk *next = chunk->next;
        free(chunk->block);
        chunk = next;
    }
    arena_budget_give(arena->budget, arena->used);
    *arena = (struct arena){.limit = arena->limit,
                            .budget = arena->budget,
                            .cancelled = arena->cancelled,
                            .spare = arena->spare,
                            .spare_size = arena->spare_size};
}

static bool arena_over(const struct arena *arena, struct error *error) {
    return error_set(
        error, ERROR_MEMORY_LIMIT, NULL,
        "The request needs more memory than its limit of %zu bytes: send smaller tensors, a smaller batch, "
        "or ask for fewer results in \"return\".",
        arena->limit);
}

static bool arena_exhausted(struct error *error) {
    return error_set(error, ERROR_NO_MEMORY, NULL, "The server has no memory left for this request: try again later.");
}

/* Other requests have the memory. */
static bool arena_busy(const struct arena *arena, struct error *error) {
    return error_set(error, ERROR_SERVER_FULL, NULL,
                     "The %zu bytes of memory that all requests share are taken: send it again later.",
                     arena->budget->limit);
}

/* Counts one call, and fails it where the request is cancelled or a test asked for that. */
static bool arena_counts(struct arena *arena, struct error *error) {
    if (arena_is_cancelled(arena))
        return error_set(error, ERROR_CANCELLED, NULL, "The request was cancelled.");
    arena->allocations++;
    if (arena->fail_at != 0 &&
        (arena->allocations == arena->fail_at || (arena->fail_on && arena->allocations > arena->fail_at)))
        return arena_exhausted(error);
    return true;
}

static bool arena_fits(const struct arena *arena, size_t more) {
    return arena->limit == 0 || (arena->used <= arena->limit && more <= arena->limit - arena->used);
}

/* A new newest chunk with room for `capacity` bytes. */
static struct arena_chunk *arena_chunk_new(struct arena *arena, size_t capacity, struct error *error) {
    size_t size;
    if (__builtin_add_overflow(capacity, ARENA_OVERHEAD, &size) || !arena_fits(arena, size)) {
        arena_over(arena, error);
        return NULL;
    }
    if (!arena_budget_take(arena->budget, arena->used, size)) {
        arena_busy(arena, error);
        return NULL;
    }
    void *block = malloc(size);
    if (!block) {
        arena_budget_give(arena->budget, size);
        arena_exhausted(error);
        return NULL;
    }
    struct arena_chunk *chunk = arena_header(block);
    *chunk = (struct arena_chunk){.next = arena->chunks, .block = block, .size = size, .capacity = capacity};
    arena->chunks = chunk;
    arena->used += size;
    arena_poison(chunk);
    return chunk;
}

/* A chunk for small allocations: twice the last one, or only what is needed where the limit leaves no more. */
static struct arena_chunk *arena_chunk_next(struct arena *arena, size_t need, struct error *error) {
    size_t capacity = ARENA_FIRST;
    while (capacity < ARENA_CHUNK_MAX && (capacity < need || capacity < arena->used))
        capacity *= 2;
    return arena_chunk_new(arena, arena_fits(arena, capacity + ARENA_OVERHEAD) ? capacity : need, error);
}

static void *arena_take(struct arena_chunk *chunk, size_t size, size_t stride) {
    char *data = arena_data(chunk) + chunk->filled;
    chunk->filled += stride;
    ASAN_UNPOISON_MEMORY_REGION(data, size);
    return data;
}

/* `size` bytes; the call is counted already. */
static void *arena_place(struct arena *arena, size_t size, struct error *error) {
    if (size > ARENA_LARGE) {
        /* It goes behind the newest chunk, so that the newest one's free space stays in use. */
        struct arena_chunk *newest = arena->chunks;
        struct arena_chunk *chunk = arena_chunk_new(arena, size, error);
        if (!chunk)
            return NULL;
        if (newest) {
            arena->chunks = newest;
            chunk->next = newest->next;
            newest->next = chunk;
        }
        return arena_take(chunk, size, size);
    }
    /* Lists have millions of small ones, which a whole line of cache each would cost many times their size. */
    size_t alignment = size < ARENA_ALIGNMENT ? ARENA_SMALL_ALIGNMENT : ARENA_ALIGNMENT;
    size_t stride = arena_round(size + ARENA_GAP, ARENA_SMALL_ALIGNMENT);
    struct arena_chunk *chunk = arena->chunks;
    size_t shift = chunk ? arena_round(chunk->filled, alignment) - chunk->filled : 0;
    if (!chunk || chunk->capacity - chunk->filled < shift + stride) {
        chunk = arena_chunk_next(arena, stride, error);
        shift = 0;
    }
    if (!chunk)
        return NULL;
    chunk->filled += shift;
    return arena_take(chunk, size, stride);
}

void *arena_alloc(struct arena *arena, size_t count, size_t size, struct error *error) {
    size_t bytes;
    if (!arena_counts(arena, error))
        return NULL;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        arena_over(arena, error);
        return NULL;
    }
    return arena_place(arena, bytes > 0 ? bytes : 1, error);
}

/* The chunk of one large allocation. */
static struct arena_chunk *arena_chunk_of(void *data) {
    return (struct arena_chunk *)((char *)data - ARENA_HEADER);
}

/* The pointer that points to a chunk. */
static struct arena_chunk **arena_link(struct arena *arena, const struct arena_chunk *chunk) {
    struct arena_chunk **link = &arena->chunks;
    while (*link != chunk)
        link = &(*link)->next;
    return link;
}

void arena_drop(struct arena *arena, void *data, size_t size) {
    if (!data || size <= ARENA_LARGE)
        return;
    struct arena_chunk *chunk = arena_chunk_of(data);
    *arena_link(arena, chunk) = chunk->next;
    arena->used -= chunk->size;
    arena_budget_give(arena->budget, chunk->size);
    free(chunk->block);
}

/* Lets the system enlarge the chunk that holds one large allocation. */
static void *arena_enlarge(struct arena *arena, struct arena_chunk *chunk, size_t new_size, struct error *error) {
    size_t size;
    if (__builtin_add_overflow(new_size, ARENA_OVERHEAD, &size) || !arena_fits(arena, size - chunk->size)) {
        arena_over(arena, error);
        return NULL;
    }
    size_t shift = (size_t)((char *)chunk - (char *)chunk->block), old_size = chunk->size, old_data = chunk->capacity;
    if (!arena_budget_take(arena->budget, arena->used, size - old_size)) {
        arena_busy(arena, error);
        return NULL;
    }
    struct arena_chunk **link = arena_link(arena, chunk);
    char *block = realloc(chunk->block, size);
    if (!block) {
        arena_budget_give(arena->budget, size - old_size);
        arena_exhausted(error);
        return NULL;
    }
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    struct arena_chunk *moved = arena_header(block);
    if ((char *)moved != block + shift)
        memmove(moved, block + shift, ARENA_HEADER + old_data);
    moved->block = block;
    moved->size = size;
    moved->capacity = moved->filled = new_size;
    arena_poison(moved);
    *link = moved;
    arena->used += size - old_size;
    return arena_data(moved);
}

void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size, struct error *error) {
    if (!arena_counts(arena, error))
        return NULL;
    if (old && new_size <= old_size)
        return old;
    if (old && old_size > ARENA_LARGE) {
        struct arena_chunk *chunk = arena_chunk_of(old);
        assert(chunk->capacity >= old_size);
        return new_size <= chunk->capacity ? old : arena_enlarge(arena, chunk, new_size, error);
    }
    void *grown = arena_place(arena, new_size > 0 ? new_size : 1, error);
    if (grown && old)
        memcpy(grown, old, old_size);
    return grown;
}

char *arena_text(struct arena *arena, const char *text, size_t size, struct error *error) {
    size_t closed;
    if (__builtin_add_overflow(size, 1, &closed)) {
        arena_over(arena, error);
        return NULL;
    }
    char *copy = arena_alloc(arena, closed, 1, error);
    if (!copy)
        return NULL;
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *arena_format(struct arena *arena, struct error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);

    char *text = arena_alloc(arena, (size_t)length + 1, 1, error);
    if (!text)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}
