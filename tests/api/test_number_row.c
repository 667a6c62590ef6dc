/* api/number_row.c, api/number_level.c and api/number_batch*.c: rows are written and read as the library does it number
 * by number, and no byte outside the text is touched. */
#include "api/number.h"
#include "api/number_level.h"

#include "tests/core/random.h"
#include "tests/number_library.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A text of `size` bytes and its NUL, between two pages that nobody may touch: at the end of what is between them, or
 * at its beginning. */
static char *fenced(const char *text, size_t size, bool at_end) {
    static char *pages;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (pages == NULL) {
        pages = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(pages, MAP_FAILED);
        cr_assert_eq(mprotect(pages, page, PROT_NONE), 0);
        cr_assert_eq(mprotect(pages + 3 * page, page, PROT_NONE), 0);
    }
    cr_assert_leq(size + 1, 2 * page);
    char *place = at_end ? pages + 3 * page - size - 1 : pages + page;
    memcpy(place, text, size);
    place[size] = '\0';
    return place;
}

/* Reads the row between two fences, as both types, and compares with the library number by number. `count` is how many
 * numbers are there, `size` where the last of them ends. */
static void is_read(const char *row, size_t count, size_t size) {
    float singles[64];
    double doubles[64];
    for (int at_end = 0; at_end < 2; at_end++) {
        char *text = fenced(row, strlen(row), at_end != 0);
        struct number_span all = {text, text + strlen(row)};
        const char *single_end = text, *double_end = text, *place = text;
        cr_assert_eq(number_row_read_f32(&single_end, all, singles, 64), count, "%s", row);
        cr_assert_eq(number_row_read_f64(&double_end, all, doubles, 64), count, "%s", row);
        cr_assert_eq(single_end, text + size, "%s", row);
        cr_assert_eq(double_end, text + size, "%s", row);
        for (size_t i = 0; i < count; i++) {
            float single = number_library_read_f32(place, text + size), plain_single;
            double number = number_library_read_f64(place, text + size), plain_number;
            const char *end = number_read_f32(place, &plain_single);
            cr_assert_eq(number_read_f64(place, &plain_number), end);
            cr_assert_eq(memcmp(&single, &singles[i], sizeof single), 0, "%s: %a, not %a", place, (double)singles[i],
                         (double)single);
            cr_assert_eq(memcmp(&number, &doubles[i], sizeof number), 0, "%s: %a, not %a", place, doubles[i], number);
            cr_assert_eq(memcmp(&single, &plain_single, sizeof single), 0, "%s", place);
            cr_assert_eq(memcmp(&number, &plain_number, sizeof number), 0, "%s", place);
            if (i + 1 < count)
                place = end[1] == ' ' ? end + 2 : end + 1;
        }
    }
}

Test(number_row, ends_with_the_last_number) {
    static const struct {
        const char *row;
        size_t count;
        const char *read;
    } rows[] = {
        {"1", 1, "1"},
        {"1,2,3", 3, "1,2,3"},
        {"1, -2, 3.5", 3, "1, -2, 3.5"},
        {"0.25,-0,1e3]", 3, "0.25,-0,1e3"},
        {"1,  2", 1, "1"},
        {"1 ,2", 1, "1"},
        {"1,\n2", 1, "1"},
        {"1,]", 1, "1"},
        {"1,null", 1, "1"},
        {"1,[2]", 1, "1"},
        {"1,+2", 1, "1"},
        {"1,.5", 1, "1"},
        {"1,-", 1, "1"},
        {"1,2.", 1, "1"},
        {"1,2.e5", 1, "1"},
        {"1,2e", 1, "1"},
        {"1,2e+", 1, "1"},
        {"1,-.5", 1, "1"},
        {"1,/5", 1, "1"},
        {"1,01", 2, "1,0"},
        {"1,-012", 2, "1,-0"},
        {"1,1.5.5", 2, "1,1.5"},
        {"1,1-1", 2, "1,1"},
        {"1,1e5e5", 2, "1,1e5"},
        {"1,0x10", 2, "1,0"},
        {"", 0, ""},
        {"-", 0, ""},
        {"]", 0, ""},
        {",1", 0, ""},
        {"+1", 0, ""},
        {" 1", 0, ""},
        {"true", 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        is_read(rows[i].row, rows[i].count, strlen(rows[i].read));
        char among[512]; /* the same with much around it, where the fast way is taken */
        int before = snprintf(among, sizeof among, "1,2.5,-3.25,4.125,0.0625,12345,-6,7, ");
        snprintf(among + before, sizeof among - (size_t)before, "%s,\"%060d\"", rows[i].row, 0);
        size_t read = strlen(rows[i].read);
        size_t size = read > 0 ? (size_t)before + read : (size_t)before - 2;
        is_read(among, 8 + rows[i].count, size);
    }
}

Test(number_row, stops_at_what_is_not_finite_in_its_type) {
    const char row[] = "0.5,1e39,1.0,1e400,0.25,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19";
    float singles[32];
    double doubles[32];
    struct number_span all = {row, row + sizeof row - 1};
    const char *place = row;
    cr_assert_eq(number_row_read_f32(&place, all, singles, 32), 1);
    cr_assert_eq(place, row + 3);
    place = row;
    cr_assert_eq(number_row_read_f64(&place, all, doubles, 32), 3);
    cr_assert_eq(doubles[1], 1e39);
    place = row;
    cr_assert_eq(number_row_read_f64(&place, all, doubles, 2), 2); /* no more than asked for */
    cr_assert_eq(place, row + 8);
}

Test(number_row, hard_texts_are_rounded_correctly) {
    static const char *const texts[] = {"8388608.5",
                                        "8388609.5",
                                        "16777217",
                                        "16777217.0",
                                        "16777219",
                                        "9007199254740993",
                                        "9007199254740993.0",
                                        "9007199254740992.99999999",
                                        "0.1000000014901161193847656250000000001",
                                        "1.00000005960464477539062500000",
                                        "1.0000000596046447753906250000001",
                                        "1.0000000596046447753906249999999",
                                        "1.000000059604644775390625",
                                        "0.000000000000000123456789012345678",
                                        "0.00000000000000012345678e5",
                                        "0.0000000000000000000000000012345e20",
                                        "1234567890123456789",
                                        "12345678901234567890",
                                        "99999999999999999999",
                                        "999.9999999999999999",
                                        "99.9999999999999999",
                                        "9.9999999999999999",
                                        "0.99999999999999999999999",
                                        "0.9999999701976776123046875",
                                        "0.99999997019767761230468750001",
                                        "1038.3933896530467E+8",
                                        "12345678.12345678901",
                                        "3.4028235677973366e38",
                                        "3.4028235677973365e38",
                                        "7.0064923216240853546186479164495e-46",
                                        "7.0064923216240853546186479164496e-46",
                                        "1.1754943508222875e-38",
                                        "1.1754942807573643e-38",
                                        "1.17549428075736429173e-38",
                                        "1.17549428075736430e-38",
                                        "2.2250738585072011e-308",
                                        "2.2250738585072014e-308",
                                        "4.9406564584124654e-324",
                                        "2.4703282292062327e-324",
                                        "2.4703282292062328e-324",
                                        "1.7976931348623157e308",
                                        "6929495644600919.5",
                                        "3.7455744005952583e15",
                                        "1.0e22",
                                        "1e23",
                                        "8.5e22",
                                        "0e400",
                                        "-0e-400",
                                        "-0.0",
                                        "0.000",
                                        "0.00000000000000000000000000000000000000",
                                        "1e-400",
                                        "123456789e-20",
                                        "0.5e+000000001",
                                        "5e-0000000001"};
    char row[2048];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t padding = 0; padding < 2; padding++) {
            if (!isfinite(number_library_read_f32(texts[i], texts[i] + strlen(texts[i]))))
                continue;
            snprintf(row, sizeof row, "0.5, 0.25, 0.125,-%s,%s,%s%s", texts[i] + (*texts[i] == '-'), texts[i], texts[i],
                     padding != 0 ? ",null,null,null,null,null,null,null,null,null,null,null" : "");
            const char *end = strstr(row, ",null");
            is_read(row, 6, end == NULL ? strlen(row) : (size_t)(end - row));
        }
}

/* 20 to 800 digits: a middle between two neighbours, and what is a little above and below it. */
Test(number_row, long_texts_are_rounded_correctly) {
    struct random random = {61};
    for (size_t round = 0; round < 2000; round++) {
        float value = (float)random_number(&random, random_chance(&random, 50) ? 1 : 1e-30);
        double middle = ((double)value + (double)nextafterf(value, 2)) / 2;
        char exact[900], row[2900];
        size_t size = (size_t)snprintf(exact, sizeof exact, "%.*f", (int)random_size(&random, 20, 400), middle);
        snprintf(row, sizeof row, "%s,%s%0*d,%.*s", exact, exact, (int)random_size(&random, 1, 400), 1,
                 (int)random_size(&random, 22, size), exact);
        is_read(row, 3, strlen(row));
    }
}

Test(number_row, numbers_are_read_wherever_they_stand) {
    struct random random = {62};
    for (size_t round = 0; round < TESTS_MANY / 200; round++) {
        char row[4096];
        size_t size = 0, count = random_size(&random, 1, 40), space = random_chance(&random, 30);
        for (size_t i = 0; i < count; i++) {
            double value = random_number(&random, random_chance(&random, 50) ? 1 : 1000);
            if (i > 0)
                size += (size_t)sprintf(row + size, "%s", space != 0 ? ", " : ",");
            if (random_chance(&random, 40))
                size += (size_t)(number_library_write_f32((float)value, row + size) - (row + size));
            else if (random_chance(&random, 30))
                size += (size_t)(number_library_write_f64(value, row + size) - (row + size));
            else
                size += (size_t)sprintf(row + size, "%.*f", (int)random_size(&random, 0, 24), value);
        }
        row[size] = '\0';
        is_read(row, count, size);
    }
}

/* number_write_row_f32() at a level, or for NUMBER_LEVELS itself; NULL if this processor is without it. */
static size_t (*row_writer(enum number_level level))(const float *, size_t, char **) {
    if (level == NUMBER_LEVELS)
        return number_write_row_f32;
    const struct number_level_rows *rows = number_level_at(level);
    return rows != NULL ? rows->write_f32 : NULL;
}

/* Writes a row in each of these ways and compares with the library; `room` bytes are exactly as many as are promised to
 * do. */
static void is_written_f32(const float *values, size_t count) {
    size_t room = count * NUMBER_MAX_F32 + NUMBER_SPILL;
    for (enum number_level level = NUMBER_LEVEL_BASE; level <= NUMBER_LEVELS; level++) {
        if (row_writer(level) == NULL)
            continue;
        char *text = malloc(room), *end = text, *place = text, library[NUMBER_LIBRARY_MAX];
        cr_assert_eq(row_writer(level)(values, count, &end), count);
        for (size_t i = 0; i < count; i++) {
            size_t size = (size_t)(number_library_write_f32(values[i], library) - library);
            cr_assert(memcmp(place, library, size) == 0 && place[size] == ',', "%a at level %d: %.*s",
                      (double)values[i], (int)level, (int)size, place);
            place += size + 1;
        }
        cr_assert_eq(place, end);
        free(text);
    }
}

static void is_written_f64(const double *values, size_t count) {
    size_t room = count * NUMBER_MAX_F64 + NUMBER_SPILL;
    char *text = malloc(room), *end = text, *place = text, library[NUMBER_LIBRARY_MAX];
    cr_assert_eq(number_write_row_f64(values, count, &end), count);
    for (size_t i = 0; i < count; i++) {
        size_t size = (size_t)(number_library_write_f64(values[i], library) - library);
        cr_assert(memcmp(place, library, size) == 0 && place[size] == ',', "%a: %.*s", values[i], (int)size, place);
        place += size + 1;
    }
    cr_assert_eq(place, end);
    free(text);
}

Test(number_row, is_written_as_the_library_writes_numbers) {
    struct random random = {63};
    float singles[200];
    double doubles[200];
    for (size_t round = 0; round < TESTS_MANY / 400; round++) {
        size_t count = random_size(&random, 0, 200);
        unsigned kind = (unsigned)random_size(&random, 0, 3);
        for (size_t i = 0; i < count; i++) {
            uint64_t word = random_word(&random);
            uint32_t half = (uint32_t)word;
            memcpy(&singles[i], &half, sizeof half);
            memcpy(&doubles[i], &word, sizeof word);
            if (kind == 1 || !isfinite(singles[i]))
                singles[i] = (float)random_number(&random, 1);
            if (kind == 1 || !isfinite(doubles[i]))
                doubles[i] = random_number(&random, 1);
            if (kind == 2) {
                doubles[i] = ldexp(1, (int)random_size(&random, 0, 250) - 125);
                singles[i] = (float)doubles[i];
            }
            if (kind == 3) {
                singles[i] = (float)random_size(&random, 0, 100000000) / (float)(1u << random_size(&random, 0, 24));
                doubles[i] = (double)random_size(&random, 0, 100000000) / (double)(1u << random_size(&random, 0, 24));
            }
        }
        is_written_f32(singles, count);
        is_written_f64(doubles, count);
    }
}

Test(number_row, the_best_level_is_the_highest) {
    const struct number_level_rows *highest = NULL;
    for (enum number_level level = NUMBER_LEVEL_BASE; level < NUMBER_LEVELS; level++)
        if (number_level_at(level) != NULL)
            highest = number_level_at(level);
    cr_assert_eq(number_level_best(), highest);
    cr_assert_null(number_level_at(NUMBER_LEVELS));
}

Test(number_row, every_exponent_and_its_ends_are_written) {
    float values[6];
    for (uint32_t exponent = 0; exponent < 255; exponent++) {
        const uint32_t steps[] = {0, 1, 2, 0x3fffff, 0x7ffffe, 0x7fffff};
        for (size_t i = 0; i < 6; i++) {
            uint32_t bits = (exponent << 23) + steps[i];
            memcpy(&values[i], &bits, sizeof bits);
        }
        is_written_f32(values, 6);
    }
    for (int power = -45; power <= 38; power++) {
        float value = strtof((char[]){'1', 'e', power < 0 ? '-' : '+', (char)('0' + abs(power) / 10),
                                      (char)('0' + abs(power) % 10), '\0'},
                             NULL);
        is_written_f32((float[]){nextafterf(value, 0), value, nextafterf(value, INFINITY)}, 3);
    }
}

Test(number_row, writing_stops_at_what_is_not_finite) {
    const float singles[] = {1, 2.5f, -INFINITY, 4};
    const double doubles[] = {1, 2.5, NAN, 4};
    char text[4 * NUMBER_MAX_F64 + NUMBER_SPILL], *end = text;
    for (enum number_level level = NUMBER_LEVEL_BASE; level <= NUMBER_LEVELS; level++) {
        if (row_writer(level) == NULL)
            continue;
        end = text;
        memset(text, 0, sizeof text);
        cr_assert_eq(row_writer(level)(singles, 4, &end), 2);
        cr_assert_eq(memcmp(text, "1,2.5,", 6), 0);
        cr_assert_eq(end, text + 6);
    }
    end = text;
    cr_assert_eq(number_write_row_f64(doubles, 4, &end), 2);
    cr_assert_eq(end, text + 6);
    end = text;
    cr_assert_eq(number_fixed_row_f32(singles, 4, 1, &end), 2);
    cr_assert_eq(memcmp(text, "1.0,2.5,", 8), 0);
    end = text;
    cr_assert_eq(number_fixed_row_f64(doubles, 4, 0, &end), 2);
    cr_assert_eq(memcmp(text, "1,2,", 4), 0);
}

Test(number_row, decimals_are_printfs) {
    struct random random = {64};
    for (size_t round = 0; round < TESTS_MANY / 20; round++) {
        int decimals = (int)(round % 18);
        uint32_t bits = (uint32_t)random_word(&random);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (random_chance(&random, 60) || !isfinite(value))
            value = (float)random_number(&random, random_chance(&random, 70) ? 1 : 1e8);
        if (random_chance(&random, 20)) /* ties */
            value = (float)(random_size(&random, 0, 4000)) / (float)(1u << random_size(&random, 0, 12));
        char text[NUMBER_MAX_FIXED + NUMBER_SPILL], wanted[NUMBER_MAX_FIXED + 2], *end = text;
        cr_assert_eq(number_fixed_row_f32(&value, 1, decimals, &end), 1);
        int size = snprintf(wanted, sizeof wanted, "%.*f,", decimals, (double)value);
        cr_assert(end - text == size && memcmp(text, wanted, (size_t)size) == 0, "%a with %d decimals: %.*s",
                  (double)value, decimals, size, text);
    }
}

/* Ties, numbers a little beside them, nines that carry, and numbers of all sizes up to where they are whole. */
static float hard_for_decimals(struct random *random, int decimals) {
    float tie = (float)(random_size(random, 0, 4000)) / (float)(1u << random_size(random, 0, 12));
    float nines = (float)(pow(10, (double)random_size(random, 0, 6)) - pow(10, -decimals) / 2);
    float value = random_chance(random, 40) ? tie
                  : random_chance(random, 40)
                      ? nines
                      : (float)(random_number(random, 1) * pow(2, (double)random_size(random, 0, 80) - 52));
    uint32_t beside = (uint32_t)random_size(random, 0, 2), bits;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits & 0x7fffffff) > 2 ? bits + beside - 1 : beside; /* subnormal at the least */
    memcpy(&value, &bits, sizeof value);
    return random_chance(random, 30) ? -value : value;
}

Test(number_row, decimals_are_printfs_at_every_level) {
    struct random random = {65};
    for (size_t round = 0; round < TESTS_MANY / 2000; round++) {
        float values[150];
        int decimals = 1 + (int)(round % 8);
        size_t count = random_size(&random, 0, 150);
        for (size_t i = 0; i < count; i++)
            values[i] = hard_for_decimals(&random, decimals);
        if (count > 0 && random_chance(&random, 10))
            values[random_size(&random, 0, count - 1)] = random_chance(&random, 50) ? NAN : -INFINITY;
        char *wanted = malloc(count * NUMBER_MAX_FIXED + 1), *wanted_end = wanted;
        size_t finite = 0;
        for (; finite < count && isfinite(values[finite]); finite++)
            wanted_end += sprintf(wanted_end, "%.*f,", decimals, (double)values[finite]);
        for (enum number_level level = NUMBER_LEVEL_BASE; level < NUMBER_LEVELS; level++) {
            const struct number_level_rows *rows = number_level_at(level);
            if (rows == NULL)
                continue;
            size_t room = (size_t)(wanted_end - wanted) + NUMBER_SPILL;
            char *text = malloc(room), *end = text;
            cr_assert_eq(rows->fixed_f32(values, count, decimals, &end), finite);
            cr_assert(end - text == wanted_end - wanted && memcmp(text, wanted, (size_t)(end - text)) == 0,
                      "%d decimals at level %d: %.*s, not %s", decimals, (int)level, (int)(end - text), text, wanted);
            free(text);
        }
        free(wanted);
    }
}
