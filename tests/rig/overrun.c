/* A canary: a read past the end of an allocation inside a Criterion test. */
#include <criterion/criterion.h>
#include <stdlib.h>

Test(canary, overruns) {
    volatile size_t past = 8;
    volatile char *bytes = calloc(past, 1);
    volatile char read = bytes[past];
    (void)read;
    free((void *)bytes);
}
