/* Base64 by vectors: three bytes are put into a lane of 32 bits, shifted apart into four times six bits, and these are
 * moved to their characters by sums, all lanes at once; and back. The idea is Mula and Lemire's, "Faster Base64
 * Encoding and Decoding Using AVX2 Instructions" (2018); the instructions are left to the compiler (GCC's vector
 * extensions). */
#include "api/base64_batch.h"

#include <stdint.h>
#include <string.h>

#if defined __x86_64__

/* What is compiled for is what base64_batch_usable() asks for, and no more: a hypervisor may hide single features. */
#define BASE64_BATCH_TARGET __attribute__((target("avx2")))

enum { BASE64_BATCH_BYTES = 24, BASE64_BATCH_TEXT = 32 };

typedef uint8_t base64_batch_bytes __attribute__((vector_size(BASE64_BATCH_TEXT)));
typedef int8_t base64_batch_signed __attribute__((vector_size(BASE64_BATCH_TEXT)));
typedef uint32_t base64_batch_lanes __attribute__((vector_size(BASE64_BATCH_TEXT)));

bool base64_batch_usable(void) {
    return __builtin_cpu_supports("avx2") != 0;
}

/* All bits set in the bytes from least to most; bytes of 128 and more are in no range. */
BASE64_BATCH_TARGET static inline base64_batch_bytes base64_batch_range(base64_batch_bytes bytes, int8_t least,
                                                                        int8_t most) {
    return (base64_batch_bytes)(((base64_batch_signed)bytes >= least) & ((base64_batch_signed)bytes <= most));
}

BASE64_BATCH_TARGET size_t base64_batch_encode(const unsigned char *bytes, size_t size, char *text) {
    size_t done = 0;
    for (; size - done >= BASE64_BATCH_TEXT; done += BASE64_BATCH_BYTES, text += BASE64_BATCH_TEXT) {
        base64_batch_bytes in;
        memcpy(&in, bytes + done, sizeof in);
        base64_batch_lanes threes =
            (base64_batch_lanes)__builtin_shufflevector(in, in, 2, 1, 0, 0, 5, 4, 3, 3, 8, 7, 6, 6, 11, 10, 9, 9, 14,
                                                        13, 12, 12, 17, 16, 15, 15, 20, 19, 18, 18, 23, 22, 21, 21);
        base64_batch_bytes six = (base64_batch_bytes)((threes >> 18 & 0x3f) | (threes >> 4 & 0x3f00) |
                                                      (threes << 10 & 0x3f0000) | (threes << 24 & 0x3f000000));
        six += 'A' + (base64_batch_range(six, 26, 63) & ('a' - 'Z' - 1)) -
               (base64_batch_range(six, 52, 63) & ('z' + 1 - '0')) -
               (base64_batch_range(six, 62, 63) & ('9' + 1 - '+')) +
               (base64_batch_range(six, 63, 63) & ('/' - '+' - 1));
        memcpy(text, &six, sizeof six);
    }
    return done;
}

BASE64_BATCH_TARGET size_t base64_batch_decode(const char *text, size_t size, unsigned char *bytes) {
    size_t done = 0;
    /* A batch writes 32 bytes, of which the last eight are written again: twelve more characters make room for them. */
    for (; size - done >= BASE64_BATCH_TEXT + 12; done += BASE64_BATCH_TEXT, bytes += BASE64_BATCH_BYTES) {
        base64_batch_bytes in;
        memcpy(&in, text + done, sizeof in);
        base64_batch_bytes upper = base64_batch_range(in, 'A', 'Z'), lower = base64_batch_range(in, 'a', 'z');
        base64_batch_bytes digit = base64_batch_range(in, '0', '9');
        base64_batch_bytes plus = base64_batch_range(in, '+', '+'), slash = base64_batch_range(in, '/', '/');
        uint64_t known[4];
        base64_batch_bytes all = upper | lower | digit | plus | slash;
        memcpy(known, &all, sizeof known);
        if ((known[0] & known[1] & known[2] & known[3]) != UINT64_MAX)
            break;
        in += (upper & (uint8_t)(0 - 'A')) | (lower & (uint8_t)(26 - 'a')) | (digit & (52 - '0')) |
              (plus & (62 - '+')) | (slash & (63 - '/'));
        base64_batch_lanes six = (base64_batch_lanes)in;
        base64_batch_lanes threes = (six & 0x3f) << 18 | (six & 0x3f00) << 4 | (six & 0x3f0000) >> 10 | six >> 24;
        base64_batch_bytes out = (base64_batch_bytes)threes;
        out = __builtin_shufflevector(out, out, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 18, 17, 16, 22, 21, 20, 26, 25,
                                      24, 30, 29, 28, 3, 3, 3, 3, 3, 3, 3, 3);
        memcpy(bytes, &out, sizeof out);
    }
    return done;
}

#else

bool base64_batch_usable(void) {
    return false;
}

size_t base64_batch_encode(const unsigned char *bytes, size_t size, char *text) {
    (void)bytes, (void)size, (void)text;
    return 0;
}

size_t base64_batch_decode(const char *text, size_t size, unsigned char *bytes) {
    (void)text, (void)size, (void)bytes;
    return 0;
}

#endif
