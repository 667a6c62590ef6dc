/* What the fuzz targets share. Each is one file with LLVMFuzzerTestOneInput, which compares what attnd makes of the
 * bytes with what another reader makes of them, or checks what must hold whatever they are. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with a message where the condition does not hold; libFuzzer then keeps the input. */
#define fuzz_require(condition, ...)                                                                                   \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                                                    \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A block of just these bytes and a NUL, so that AddressSanitizer sees a byte read too many; the caller frees it. */
char *fuzz_copy(const void *data, size_t size);

/* The end of the JSON number at `text` by the grammar of RFC 8259, or NULL; "01" is the number 0. */
const char *fuzz_number_end(const char *text);

/* The number in [text, end) as the C library reads it. */
float fuzz_float(const char *text, const char *end);
double fuzz_double(const char *text, const char *end);
