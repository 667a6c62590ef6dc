/* A canary: a read past the end of an allocation inside a Criterion test. */
#include <criterion/criterion.h>
#include <stdlib.h>

Test(canary, overruns) {
    volatile size_t past = 8;
    /* The pointer is volatile too: a compiler that knows the size has UBSan speak before ASan. */
    char *volatile bytes = calloc(past, 1);
    volatile char read = bytes[past];
    (void)read;
    free(bytes);
}
