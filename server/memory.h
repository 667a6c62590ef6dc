/* How much memory there is, and giving back what is not needed. */
#pragma once

#include <stddef.h>

/* Bytes that this process may use: the least of the machine's memory, the limits of its control group and of those
 * around it (cgroup versions 1 and 2: what a container's --memory sets), and RLIMIT_AS and RLIMIT_DATA. */
size_t memory_available(void);

/* The same from other places, for tests: what /proc/self/cgroup and the root of /sys/fs/cgroup are. */
size_t memory_group_limit(const char *membership, const char *root);

/* Gives memory that the heap keeps back to the system. */
void memory_trim(void);
