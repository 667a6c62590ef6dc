/* Numbers as text: the readers against strtof and strtod, and what the writers wrote read back. The first byte says
 * whether the others are a text or the bits of numbers. */
#include "tests/fuzz/fuzz.h"

#include "api/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_MOST = 64 };

static void one_is_read(const char *text) {
    float single = 0;
    double number = 0;
    const char *end = fuzz_number_end(text);
    fuzz_require(number_read_f32(text, &single) == end, "%s", text);
    fuzz_require(number_read_f64(text, &number) == end, "%s", text);
    if (end == NULL)
        return;
    float due_single = fuzz_float(text, end);
    double due = fuzz_double(text, end);
    fuzz_require(memcmp(&single, &due_single, sizeof single) == 0, "%a, not %a: %s", (double)single, (double)due_single,
                 text);
    fuzz_require(memcmp(&number, &due, sizeof number) == 0, "%a, not %a: %s", number, due, text);
}

/* Reads a row as the C library does it; returns how many numbers there are, *row_end is the end of the last. */
static size_t row_due(const char *text, bool is_double, double *values, const char **row_end) {
    size_t count = 0;
    *row_end = text;
    while (count < NUMBERS_MOST) {
        const char *end = fuzz_number_end(text);
        if (end == NULL)
            break;
        values[count] = is_double ? fuzz_double(text, end) : (double)fuzz_float(text, end);
        if (!isfinite(values[count]))
            break;
        count++;
        *row_end = end;
        if (*end != ',')
            break;
        text = end[1] == ' ' ? end + 2 : end + 1;
    }
    return count;
}

static void row_is_read(const char *text, size_t size) {
    struct number_span all = {text, text + size};
    float singles[NUMBERS_MOST];
    double numbers[NUMBERS_MOST], due[NUMBERS_MOST];
    const char *due_end, *end = text;
    size_t count = row_due(text, false, due, &due_end);
    fuzz_require(number_row_read_f32(&end, all, singles, NUMBERS_MOST) == count && end == due_end, "%s", text);
    for (size_t i = 0; i < count; i++) {
        float single = (float)due[i];
        fuzz_require(memcmp(&single, &singles[i], sizeof single) == 0, "%zu of %s", i, text);
    }
    end = text;
    count = row_due(text, true, due, &due_end);
    fuzz_require(number_row_read_f64(&end, all, numbers, NUMBERS_MOST) == count && end == due_end, "%s", text);
    fuzz_require(memcmp(due, numbers, count * sizeof *due) == 0, "%s", text);
}

static void doubles_are_written(const double *numbers, size_t count, int decimals) {
    char *text = malloc(count * NUMBER_MAX_FIXED + NUMBER_SPILL), *end = text;
    char wanted[NUMBER_MAX_FIXED + 1], *place = text;
    size_t written = number_write_row_f64(numbers, count, &end);
    for (size_t i = 0; i < written; i++) {
        const char *stop = fuzz_number_end(place);
        fuzz_require(stop != NULL && *stop == ',' && stop - place < NUMBER_MAX_F64, "%a: %.40s", numbers[i], place);
        double back = fuzz_double(place, stop);
        fuzz_require(memcmp(&back, &numbers[i], sizeof back) == 0, "%a is written %.40s", numbers[i], place);
        place += stop - place + 1;
    }
    fuzz_require(place == end, "%zu numbers", written);
    fuzz_require(written == count || !isfinite(numbers[written]), "%zu of %zu", written, count);

    place = end = text;
    fuzz_require(number_fixed_row_f64(numbers, count, decimals, &end) == written, "%zu of %zu", written, count);
    for (size_t i = 0; i < written; i++) {
        int size = snprintf(wanted, sizeof wanted, "%.*f,", decimals, numbers[i]);
        fuzz_require(memcmp(place, wanted, (size_t)size) == 0, "%a is written %.40s, not %s", numbers[i], place,
                     wanted);
        place += size;
    }
    fuzz_require(place == end, "%zu numbers", written);
    free(text);
}

static void floats_are_written(const float *numbers, size_t count, int decimals) {
    char *text = malloc(count * NUMBER_MAX_FIXED + NUMBER_SPILL), *end = text, *place = text;
    char *each = malloc(count * NUMBER_MAX_FIXED + NUMBER_SPILL), *each_end = each;
    size_t written = number_write_row_f32(numbers, count, &end);
    fuzz_require(number_write_each_f32(numbers, count, &each_end) == written, "%zu", written);
    fuzz_require(end - text == each_end - each && memcmp(text, each, (size_t)(end - text)) == 0, "%s", "rows differ");
    for (size_t i = 0; i < written; i++) {
        const char *stop = fuzz_number_end(place);
        fuzz_require(stop != NULL && *stop == ',' && stop - place < NUMBER_MAX_F32, "%.40s", place);
        float back = fuzz_float(place, stop);
        fuzz_require(memcmp(&back, &numbers[i], sizeof back) == 0, "%a is written %.40s", (double)numbers[i], place);
        place += stop - place + 1;
    }
    fuzz_require(place == end && (written == count || !isfinite(numbers[written])), "%zu of %zu", written, count);

    place = end = text;
    fuzz_require(number_fixed_row_f32(numbers, count, decimals, &end) == written, "%zu of %zu", written, count);
    for (size_t i = 0; i < written; i++) {
        char wanted[NUMBER_MAX_FIXED + 1];
        int size = snprintf(wanted, sizeof wanted, "%.*f,", decimals, (double)numbers[i]);
        fuzz_require(memcmp(place, wanted, (size_t)size) == 0, "%.40s, not %s", place, wanted);
        place += size;
    }
    fuzz_require(place == end, "%zu numbers", written);
    free(text);
    free(each);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (*data < 0x80) {
        char *text = fuzz_copy(data + 1, size - 1);
        size_t length = strlen(text);
        one_is_read(text);
        if (length + 1 == size) /* a row's text has no NUL before its end */
            row_is_read(text, length);
        free(text);
        return 0;
    }
    int decimals = *data % 18;
    double *numbers = (double *)(void *)fuzz_copy(data + 1, size - 1);
    doubles_are_written(numbers, (size - 1) / sizeof *numbers, decimals);
    floats_are_written((const float *)(const void *)numbers, (size - 1) / sizeof(float), decimals);
    free(numbers);
    return 0;
}
