/* Preloaded into the program by test_allocations.py: counts allocations, and fails the one with a number, or it and all
 * later ones, as the test says in a file that both have mapped. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* As test_allocations.py lays it out. */
struct orders {
    atomic_llong calls; /* since the test set it to 0 */
    atomic_llong at;    /* the call that fails; 0: none */
    atomic_llong for_good;
    atomic_llong failed; /* calls that did */
};

static struct orders *orders;

/* What glibc's own are called beneath their public names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

__attribute__((constructor)) static void orders_map(void) {
    const char *name = getenv("FAIL_ALLOC_FILE");
    int file = name != NULL ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        _exit(125);
    void *memory = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED)
        _exit(125);
    orders = memory;
}

static bool fails(void) {
    if (orders == NULL)
        return false;
    long long call = atomic_fetch_add(&orders->calls, 1) + 1, at = atomic_load(&orders->at);
    if (at == 0 || call < at || (call > at && !atomic_load(&orders->for_good)))
        return false;
    atomic_fetch_add(&orders->failed, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return fails() ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    void *place = memalign(alignment, size);
    if (place == NULL)
        return ENOMEM;
    *memory = place;
    return 0;
}
