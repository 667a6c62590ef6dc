/* Names of requests: see identifier.h. Ours count up from a random start and are scrambled by a bijection (the
 * finalizer of splitmix64, Steele et al. 2014), so that no two of one process are alike. */
#include "server/identifier.h"

#include "server/clock.h"

#include <string.h>
#include <sys/random.h>

void identifier_init(struct identifiers *identifiers) {
    if (getrandom(&identifiers->seed, sizeof identifiers->seed, GRND_NONBLOCK) != sizeof identifiers->seed)
        identifiers->seed = (uint64_t)(clock_now_ms() * 1e6);
    atomic_init(&identifiers->next, 0);
}

void identifier_take(const char *given, char text[IDENTIFIER_MAX + 1]) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = given != NULL ? strlen(given) : 0;
    if (length > 0 && length <= IDENTIFIER_MAX && given[strspn(given, allowed)] == '\0')
        memcpy(text, given, length + 1);
}

void identifier_make(struct identifiers *identifiers, char text[IDENTIFIER_MAX + 1]) {
    static const char hex[] = "0123456789abcdef";
    uint64_t x = identifiers->seed + atomic_fetch_add(&identifiers->next, 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    for (int i = 0; i < 16; i++)
        text[i] = hex[x >> (60 - 4 * i) & 15];
    text[16] = '\0';
}
