/* Memory of the process: see memory.h. Source: the kernel's cgroup-v2.rst ("memory.max") and cgroup-v1/memory.rst
 * ("memory.limit_in_bytes"). */
#include "server/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t memory_least(size_t one, size_t other) {
    return one < other ? one : other;
}

/* The number in a group's file, SIZE_MAX where it is "max" or there is no such file. */
static size_t memory_read(const char *root, const char *group, const char *file) {
    char name[PATH_MAX];
    uint64_t bytes;
    snprintf(name, sizeof name, "%s%s/%s", root, group, file);
    FILE *stream = fopen(name, "re");
    if (stream == NULL)
        return SIZE_MAX;
    bool read = fscanf(stream, "%" SCNu64, &bytes) == 1;
    fclose(stream);
    return read ? bytes : SIZE_MAX;
}

/* The least limit of a group and the groups around it. A container may see its own group as the root, whatever the path
 * says: groups that are not there limit nothing. */
static size_t memory_least_of_groups(const char *root, char *group, const char *file) {
    size_t least = SIZE_MAX;
    for (char *end = group + strlen(group); end != NULL; end = strrchr(group, '/')) {
        *end = '\0';
        least = memory_least(least, memory_read(root, group, file));
    }
    return least;
}

/* Whether "memory" is one of the controllers of a line's second field. */
static bool memory_is_controller(const char *controllers) {
    static const char name[] = "memory";
    size_t length = sizeof name - 1;
    for (const char *at = controllers; (at = strstr(at, name)) != NULL; at += length)
        if ((at == controllers || at[-1] == ',') && (at[length] == '\0' || at[length] == ','))
            return true;
    return false;
}

size_t memory_group_limit(const char *membership, const char *root) {
    size_t least = SIZE_MAX;
    char line[PATH_MAX], version_1[PATH_MAX];
    FILE *stream = fopen(membership, "re");
    if (stream == NULL)
        return SIZE_MAX;
    snprintf(version_1, sizeof version_1, "%s/memory", root);
    while (fgets(line, sizeof line, stream) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        /* hierarchy:controllers:group; version 2 has no controllers here. */
        char *rest = line;
        strsep(&rest, ":");
        const char *controllers = strsep(&rest, ":");
        if (controllers == NULL || rest == NULL)
            continue;
        if (controllers[0] == '\0')
            least = memory_least(least, memory_least_of_groups(root, rest, "memory.max"));
        else if (memory_is_controller(controllers))
            least = memory_least(least, memory_least_of_groups(version_1, rest, "memory.limit_in_bytes"));
    }
    fclose(stream);
    return least;
}

size_t memory_available(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
    size_t least = pages > 0 && page_size > 0 ? (size_t)pages * (size_t)page_size : SIZE_MAX;
    struct rlimit limit; /* RLIM_INFINITY is larger than all else */
    if (getrlimit(RLIMIT_AS, &limit) == 0)
        least = memory_least(least, limit.rlim_cur);
    if (getrlimit(RLIMIT_DATA, &limit) == 0)
        least = memory_least(least, limit.rlim_cur);
    return memory_least(least, memory_group_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
}

void memory_trim(void) {
    malloc_trim(0);
}
