/* The process: see process.h. Signals are blocked in all threads and taken by one that waits for them (server/early.c
 * keeps OpenBLAS from starting threads before that), so no code runs in a handler; a blocked signal also reaches
 * process 1 of a container, whose default action would be to ignore it. */
#include "server/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Blocks of this size come from memory that is kept, up to so many bytes at each heap's end: given back after every
 * request and faulted in anew for the next, its pages took a fifth of a 512×64 request's time. Larger ones, the tensors
 * of large requests, still go back to the system at once. */
enum { PROCESS_KEPT_BLOCK_BYTES = 4 << 20, PROCESS_KEPT_BYTES = 8 << 20 };

/* Address space: the libraries, and of each thread that computes the stack, the heap's reserve and OpenBLAS's buffer.
 * With half of it products were waited for under load. */
enum { PROCESS_ROOM_MIB = 512, PROCESS_THREAD_ROOM_MIB = 160 };

static sigset_t process_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

void process_open_streams(void) {
    /* open() takes the lowest number that is free. Should it fail, nothing worse happens than without it. */
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = open("/dev/null", O_RDWR);
    if (fd >= 0)
        close(fd);
}

void process_prepare(void) {
    static const int ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    sigset_t set = process_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);

    mallopt(M_MMAP_THRESHOLD, PROCESS_KEPT_BLOCK_BYTES);
    mallopt(M_TRIM_THRESHOLD, PROCESS_KEPT_BYTES);

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    umask(077);
}

size_t process_descriptors(void) {
    struct rlimit limit = {1024, 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return raised.rlim_cur;
    return limit.rlim_cur;
}

bool process_has_room(uint64_t threads, struct error *error) {
    struct rlimit space = {RLIM_INFINITY, RLIM_INFINITY}, data = space;
    getrlimit(RLIMIT_AS, &space);
    getrlimit(RLIMIT_DATA, &data);
    const struct {
        rlim_t bytes;
        const char *name, *shell;
    } limits[] = {{space.rlim_cur, "address space", "ulimit -v"}, {data.rlim_cur, "data", "ulimit -d"}};
    uint64_t needed = PROCESS_ROOM_MIB + threads * PROCESS_THREAD_ROOM_MIB;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].bytes != RLIM_INFINITY && limits[i].bytes >> 20 < needed)
            return error_set(error, ERROR_INTERNAL, NULL,
                             "The limit on %s is %" PRIu64 " MiB, too little for %" PRIu64
                             " threads: OpenBLAS would wait for memory for ever. Raise %s to %" PRIu64
                             " or more, lower --threads and --io-threads, or limit memory by a cgroup instead.",
                             limits[i].name, (uint64_t)limits[i].bytes >> 20, threads, limits[i].shell, needed << 10);
    }
    return true;
}

int process_wait(double timeout_ms) {
    sigset_t set = process_signals();
    int number = 0;
    if (timeout_ms < 0)
        return sigwait(&set, &number) == 0 ? number : 0;
    struct timespec span = {.tv_sec = (time_t)(timeout_ms / 1000)};
    span.tv_nsec = (long)((timeout_ms - (double)span.tv_sec * 1000) * 1e6);
    number = sigtimedwait(&set, NULL, &span);
    return number > 0 ? number : 0;
}
