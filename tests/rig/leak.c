/* A canary: a Criterion test that leaks. Criterion itself calls it passing; the guard must not. */
#include <criterion/criterion.h>
#include <stdlib.h>

static void *volatile kept;

Test(canary, leaks) {
    kept = malloc(24);
    cr_assert_not_null(kept);
    kept = NULL;
}
