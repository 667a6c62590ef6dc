/* A canary: two threads write one variable without a lock. It has a main() of its own, because Criterion does not
 * start under ThreadSanitizer. */
#include <pthread.h>
#include <stddef.h>

static int counter;

static void *race_count(void *unused) {
    for (int i = 0; i < 100000; i++) {
        counter++;
    }
    return unused;
}

int main(void) {
    pthread_t other;
    if (pthread_create(&other, NULL, race_count, NULL) != 0) {
        return 2;
    }
    race_count(NULL);
    pthread_join(other, NULL);
    return 0;
}
