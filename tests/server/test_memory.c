/* How much memory a control group leaves, from files as the kernel shows them. */
#include "server/memory.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME = 512 };

/* Where the tests run. */
static char root[] = "memory-XXXXXX";

static void setup(void) {
    cr_assert_not_null(mkdtemp(root));
}

static void teardown(void) {
    char command[NAME];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    cr_assert_eq(system(command), 0);
}

/* A file below the root, with the folders above it. */
static void put(const char *path, const char *text) {
    char name[NAME];
    snprintf(name, sizeof name, "%s/%s", root, path);
    for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(name, 0700);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
}

static size_t limit(const char *membership) {
    char name[NAME];
    put("cgroup", membership);
    snprintf(name, sizeof name, "%s/cgroup", root);
    return memory_group_limit(name, root);
}

TestSuite(memory, .init = setup, .fini = teardown);

Test(memory, version_2_takes_the_least_of_the_group_and_those_around_it) {
    put("memory.max", "max\n");
    put("a/memory.max", "300000000\n");
    put("a/b/memory.max", "max\n");
    cr_assert_eq(limit("0::/a/b\n"), 300000000);
    put("a/b/memory.max", "100000000\n");
    cr_assert_eq(limit("0::/a/b\n"), 100000000);
    cr_assert_eq(limit("0::/\n"), SIZE_MAX);
}

Test(memory, version_1_has_a_hierarchy_of_its_own) {
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/docker/memory.limit_in_bytes", "268435456\n");
    cr_assert_eq(limit("8:pids:/x\n4:hugetlb,memory:/docker\n1:cpu:/docker\n0::/\n"), 268435456);
    cr_assert_eq(limit("8:memoryless:/docker\n"), SIZE_MAX);
}

Test(memory, a_container_sees_its_own_group_as_the_root) {
    put("memory.max", "67108864\n");
    cr_assert_eq(limit("0::/system.slice/docker-0123.scope\n"), 67108864);
}

Test(memory, what_cannot_be_read_limits_nothing) {
    cr_assert_eq(limit(""), SIZE_MAX);
    cr_assert_eq(limit("no line of a group\n"), SIZE_MAX);
    cr_assert_eq(memory_group_limit("/nonexistent", root), SIZE_MAX);
    cr_assert_gt(memory_available(), 1 << 20);
}
