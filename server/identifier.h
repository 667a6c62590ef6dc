/* Names of requests: what a client gave, or one of ours, so that an answer and its log line can be matched. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { IDENTIFIER_MAX = 64 };

struct identifiers {
    uint64_t seed;
    atomic_uint_fast64_t next;
};

void identifier_init(struct identifiers *identifiers);

/* A new name of 16 hexadecimal digits. */
void identifier_make(struct identifiers *identifiers, char text[IDENTIFIER_MAX + 1]);

/* Takes the client's name instead, if it is 1 to 64 of [A-Za-z0-9._-]; anything else, or NULL, leaves `text`. */
void identifier_take(const char *given, char text[IDENTIFIER_MAX + 1]);
