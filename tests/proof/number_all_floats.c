/* Proof: every one of the 2^32 float32 is written as the shortest text that reads back to its bits, the same text as
 * the library's, and read back by the row reader, the plain reader and the library. One by one and by the row, at
 * all levels of this processor.
 *
 *     number_all_floats [threads]        all; minutes
 *     number_all_floats [threads] [step] every step-th
 *
 * That no shorter text would do is not left to the library alone: the two decimals with one digit less on either side
 * of the value are read, and neither may give its bits. (A longer distance or fewer digits cannot, since such decimals
 * have one digit less too.) */
#include "api/number.h"
#include "api/number_level.h"
#include "tests/number_library.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW = 4096 };

struct proof {
    pthread_t thread;
    uint64_t first, last, step;
    uint64_t numbers;
};

static float proof_float(uint64_t bits) {
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static bool proof_same(float a, float b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

static void proof_fail(float value, const char *text, const char *why) {
    fprintf(stderr, "%a is written %s: %s\n", (double)value, text, why);
    exit(1);
}

/* The decimal does not read back. */
static void proof_is_other(float value, const char *digits, size_t count, int exponent) {
    char text[48];
    memcpy(text, digits, count);
    text[count++] = 'e';
    if (exponent < 0)
        text[count++] = '-';
    text[count++] = (char)('0' + abs(exponent) / 10);
    text[count++] = (char)('0' + abs(exponent) % 10);
    text[count] = '\0';
    if (proof_same(number_library_read_f32(text, text + count), fabsf(value)))
        proof_fail(value, text, "and that is shorter");
}

/* Neither neighbour with a digit less reads back. [text, end) is no zero. */
static void proof_shortest(float value, const char *text, const char *end) {
    char digits[32];
    size_t count = 0;
    int exponent = 0;
    bool behind = false;
    for (; text < end && *text != 'e'; text++) {
        if (*text == '.')
            behind = true;
        else if (*text != '-' && (count > 0 || *text != '0'))
            digits[count++] = *text;
        exponent -= behind && *text != '.';
    }
    if (text < end)
        exponent += atoi(text + 1);
    for (; count > 1 && digits[count - 1] == '0'; count--)
        exponent++;
    if (count <= 1)
        return;

    size_t shorter = count - 1, last = shorter - 1;
    proof_is_other(value, digits, shorter, exponent + 1);
    for (; last > 0 && digits[last] == '9'; last--)
        digits[last] = '0';
    if (digits[last]++ == '9') { /* 999 and one is 1000 */
        digits[0] = '1';
        exponent++;
    }
    proof_is_other(value, digits, shorter, exponent + 1);
}

/* Writes a row at the best level; all levels that this processor has write the same bytes. */
static char *proof_levels(const float *values, size_t count, char *row) {
    static _Thread_local char other[ROW * NUMBER_MAX_F32 + NUMBER_SPILL];
    char *row_end = row;
    if (number_write_row_f32(values, count, &row_end) != count)
        proof_fail(values[0], row, "the row is cut short");
    size_t size = (size_t)(row_end - row);
    for (enum number_level level = NUMBER_LEVEL_BASE; level < NUMBER_LEVELS; level++) {
        const struct number_level_rows *rows = number_level_at(level);
        char *other_end = other;
        if (rows == NULL || rows == number_level_best())
            continue;
        if (rows->write_f32(values, count, &other_end) != count)
            proof_fail(values[0], other, "the row is cut short");
        if ((size_t)(other_end - other) != size || memcmp(row, other, size) != 0)
            proof_fail(values[0], other, "levels write this row in different ways");
    }
    return row_end;
}

/* With decimals, where 64 bits decide and a little above, all levels write what number_fixed_each_f32() writes. */
static void proof_fixed(const float *values, size_t count) {
    enum { LENGTH = 32 };
    static _Thread_local char row[ROW * LENGTH + NUMBER_SPILL], other[ROW * LENGTH + NUMBER_SPILL];
    static _Thread_local float small[ROW];
    size_t few = 0;
    for (size_t i = 0; i < count; i++)
        if (fabsf(values[i]) < 0x1p30f)
            small[few++] = values[i];
    for (int decimals = 1; decimals <= 8 && few > 0; decimals++) {
        char *row_end = row;
        number_fixed_each_f32(small, few, decimals, &row_end);
        for (enum number_level level = NUMBER_LEVEL_BASE + 1; level < NUMBER_LEVELS; level++) {
            const struct number_level_rows *rows = number_level_at(level);
            char *other_end = other;
            if (rows == NULL)
                continue;
            if (rows->fixed_f32(small, few, decimals, &other_end) != few || other_end - other != row_end - row ||
                memcmp(row, other, (size_t)(row_end - row)) != 0)
                proof_fail(small[0], other, "levels write this row with decimals in different ways");
        }
    }
}

static void proof_row(const float *values, size_t count) {
    static _Thread_local char row[ROW * NUMBER_MAX_F32 + NUMBER_SPILL];
    static _Thread_local float back[ROW];
    char *row_end = proof_levels(values, count, row);
    proof_fixed(values, count);
    const char *read_end = row;
    struct number_span all = {row, row_end};
    *row_end = '\0';
    if (number_row_read_f32(&read_end, all, back, count) != count || read_end != row_end - 1)
        proof_fail(values[0], row, "the row is not read to its end");

    const char *text = row;
    for (size_t i = 0; i < count; i++) {
        char single[NUMBER_MAX_F32 + NUMBER_SPILL], library[NUMBER_LIBRARY_MAX + 1];
        char *library_end = number_library_write_f32(values[i], library);
        size_t size = (size_t)(library_end - library);
        *library_end = '\0';
        if (memcmp(text, library, size) != 0 || text[size] != ',')
            proof_fail(values[i], text, library);
        if ((size_t)(number_write_f32(values[i], single) - single) != size || memcmp(single, library, size) != 0)
            proof_fail(values[i], single, library);
        float plain;
        if (number_read_f32(text, &plain) != text + size || !proof_same(plain, values[i]))
            proof_fail(values[i], library, "and read as another number");
        if (!proof_same(back[i], values[i]))
            proof_fail(values[i], library, "and read as another number in a row");
        if (!proof_same(number_library_read_f32(library, library_end), values[i]))
            proof_fail(values[i], library, "and read as another number by the library");
        if (values[i] != 0)
            proof_shortest(values[i], library, library_end);
        text += size + 1;
    }
}

static void *proof_run(void *context) {
    struct proof *proof = context;
    static _Thread_local float values[ROW];
    size_t count = 0;
    for (uint64_t bits = proof->first; bits < proof->last; bits += proof->step) {
        float value = proof_float(bits);
        if (isfinite(value))
            values[count++] = value;
        if (count == ROW || (count > 0 && bits + proof->step >= proof->last)) {
            proof_row(values, count);
            proof->numbers += count;
            count = 0;
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    uint64_t threads = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, step = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const uint64_t all = UINT64_C(1) << 32;
    if (threads == 0 || threads > 256 || step == 0) {
        fprintf(stderr, "usage: %s [threads] [step]\n", argv[0]);
        return 2;
    }
    struct proof *proofs = calloc(threads, sizeof *proofs);
    uint64_t numbers = 0;
    for (uint64_t i = 0; i < threads; i++) {
        proofs[i] = (struct proof){.first = all / threads * i, .last = all / threads * (i + 1), .step = step};
        if (i + 1 == threads)
            proofs[i].last = all;
        if (pthread_create(&proofs[i].thread, NULL, proof_run, &proofs[i]) != 0)
            return 1;
    }
    for (uint64_t i = 0; i < threads; i++) {
        pthread_join(proofs[i].thread, NULL);
        numbers += proofs[i].numbers;
    }
    printf("%" PRIu64 " finite float32 of 2^32, every %" PRIu64
           ": written shortest, as the library does, and read back\n",
           numbers, step);
    free(proofs);
    return 0;
}
