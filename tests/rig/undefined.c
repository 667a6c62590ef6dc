/* A canary: signed overflow inside a Criterion test. */
#include <criterion/criterion.h>
#include <limits.h>

Test(canary, overflows) {
    volatile int largest = INT_MAX;
    volatile int sum = largest + 1;
    (void)sum;
}
