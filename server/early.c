/* What is done before OpenBLAS is initialized, whose constructor starts a helper thread for each further processor that
 * the process may use. The program never needs one: a product is computed by the thread that asks for it. The helpers
 * would take signals, since process.c has not blocked any yet, and each takes memory, which OpenBLAS tries to get for
 * ever where a limit denies it. So the process may use one processor until main() begins.
 *
 * A function in .preinit_array runs when the libraries are in memory but none has been initialized, not even the
 * sanitizers': it makes system calls and nothing else. OPENBLAS_NUM_THREADS would say the same, but the C library
 * does not know its environment yet. */
#include "server/early.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EARLY_WORDS = 128 }; /* for 8192 processors */

static unsigned long early_processors[EARLY_WORDS]; /* a bit for each that the process may use */
static long early_size;                             /* bytes of them; <= 0: they are not known */

__attribute__((no_sanitize("address", "thread", "undefined"))) static void early_begin(void) {
    static unsigned long one[EARLY_WORDS];
    early_size = syscall(SYS_sched_getaffinity, 0, sizeof early_processors, early_processors);
    if (early_size <= 0)
        return;
    size_t word = 0, words = (size_t)early_size / sizeof one[0];
    while (word + 1 < words && early_processors[word] == 0)
        word++;
    one[word] = early_processors[word] & -early_processors[word];
    syscall(SYS_sched_setaffinity, 0, early_size, one);
}

__attribute__((section(".preinit_array"), used)) static void (*const early_hook)(void) = early_begin;

void early_done(void) {
    if (early_size > 0)
        syscall(SYS_sched_setaffinity, 0, early_size, early_processors);
}
