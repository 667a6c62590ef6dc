/* api/number_read.c, number_write.c and number_fixed.c one number at a time: the grammar, and that writing is shortest
 * and reads back to the same bits. Rows are tested in test_number_row.c. */
#include "api/number.h"

#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a number ends; reading it as float32 or float64 must agree. */
static const char *end_of(const char *text) {
    float single;
    double number;
    const char *end = number_read_f64(text, &number);
    cr_assert_eq(number_read_f32(text, &single), end, "%s", text);
    return end;
}

Test(number, the_grammar_is_rfc_8259s) {
    static const char *const whole[] = {"0",   "-0",      "1",    "12",        "1.5",   "-1.5",
                                        "0.0", "0.10",    "1e5",  "1E5",       "1e+5",  "1e-5",
                                        "0e0", "-0.0e-0", "1e05", "123456789", "9e999", "1.0E+2"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        const char *text = whole[i], *end = text + strlen(text);
        cr_assert_eq(end_of(text), end, "%s", text);
    }
    static const char *const none[] = {"",    "-",  "+1",  ".5",       "1.",        "-.5", "1.e5", "1e", "1e+",
                                       "1e-", "e5", "NaN", "Infinity", "-Infinity", "--1", "- 1",  " 1", "1.5e"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_assert_null(end_of(none[i]), "%s", none[i]);
}

Test(number, ends_before_what_is_no_part_of_it) {
    static const char *const rows[][2] = {{"01", "0"},  {"1,", "1"},   {"-0]", "-0"},    {"1.5.2", "1.5"},
                                          {"1 2", "1"}, {"0x10", "0"}, {"1e5e5", "1e5"}, {"12\n", "12"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(end_of(rows[i][0]), rows[i][0] + strlen(rows[i][1]), "%s", rows[i][0]);
}

/* The digits of a text without its sign, point, exponent and the zeros at both ends. */
static size_t digits_of(const char *text, char digits[400]) {
    size_t count = 0;
    for (; *text != '\0' && *text != 'e' && *text != 'E'; text++)
        if (*text >= '0' && *text <= '9' && (count > 0 || *text != '0'))
            digits[count++] = *text;
    while (count > 0 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return count;
}

/* The decimal with `count` digits next to `value` towards zero, and its neighbour away from zero: the only two of that
 * length that could read back to the value. */
static void neighbours(double value, size_t count, char down[64], char up[64]) {
    char exact[64], mantissa[24];
    snprintf(exact, sizeof exact, "%.45e", fabs(value)); /* so many digits that cutting off is no rounding */
    int exponent = atoi(strchr(exact, 'e') + 1);
    mantissa[0] = exact[0];
    memcpy(mantissa + 1, exact + 2, count - 1);
    mantissa[count] = '\0';
    snprintf(down, 64, "%se%d", mantissa, exponent - (int)count + 1);
    unsigned long long above = strtoull(mantissa, NULL, 10) + 1;
    snprintf(up, 64, "%llue%d", above, exponent - (int)count + 1);
}

static bool reads_back(const char *text, double value, bool is_float) {
    return is_float ? strtof(text, NULL) == fabsf((float)value) : strtod(text, NULL) == fabs(value);
}

/* Writes a value, reads it back, and looks for a shorter text that does as well. */
static void is_shortest(double value, bool is_float) {
    char text[64];
    char *end = is_float ? number_write_f32((float)value, text) : number_write_f64(value, text);
    size_t most = is_float ? NUMBER_MAX_F32 : NUMBER_MAX_F64;
    cr_assert_lt((size_t)(end - text), most, "%.17g", value); /* and a comma */
    *end = '\0';
    cr_assert_eq(end_of(text), end, "%s", text);
    double back = is_float ? (double)strtof(text, NULL) : strtod(text, NULL);
    cr_assert_eq(memcmp(&back, &value, sizeof back), 0, "%.17g is written %s", value, text);
    float single;
    number_read_f32(text, &single);
    number_read_f64(text, &back);
    back = is_float ? (double)single : back;
    cr_assert_eq(memcmp(&back, &value, sizeof back), 0, "%.17g is read as %.17g", value, back);

    char digits[400], rounded[64], down[64], up[64];
    size_t count = digits_of(text, digits);
    if (count == 0)
        return;
    size_t enough = 1; /* digits of the shortest %e that reads back */
    do
        snprintf(rounded, sizeof rounded, "%.*e", (int)enough - 1, fabs(value));
    while (!reads_back(rounded, value, is_float) && enough++ < 17);
    cr_assert_leq(count, enough, "%s is written %s", rounded, text);
    if (count == 1)
        return;
    neighbours(value, count - 1, down, up);
    cr_assert(!reads_back(down, value, is_float) && !reads_back(up, value, is_float), "%s: %s or %s is shorter", text,
              down, up);
}

static void is_shortest_f32(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value))
        is_shortest((double)value, true);
}

static void is_shortest_f64(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value))
        is_shortest(value, false);
}

/* Random bits, and the neighbourhood of what is special. */
enum { RANDOM_FLOATS = TESTS_MANY / 2, RANDOM_DOUBLES = TESTS_MANY / 10 };

Test(number, floats_are_written_shortest) {
    struct random random = {51};
    for (size_t i = 0; i < RANDOM_FLOATS; i++)
        is_shortest_f32((uint32_t)random_word(&random));
    for (uint32_t exponent = 0; exponent < 255; exponent++) /* powers of two, subnormals first, and their neighbours */
        for (uint32_t step = 0; step < 5; step++) {
            is_shortest_f32((exponent << 23) + step);
            is_shortest_f32((exponent << 23) - step);
        }
    for (uint32_t bits = 0; bits < 2000; bits++) /* the smallest subnormals */
        is_shortest_f32(bits | 0x80000000);
}

Test(number, doubles_are_written_shortest) {
    struct random random = {52};
    for (size_t i = 0; i < RANDOM_DOUBLES; i++)
        is_shortest_f64(random_word(&random));
    for (uint64_t exponent = 0; exponent < 2047; exponent += 3)
        for (uint64_t step = 0; step < 3; step++) {
            is_shortest_f64((exponent << 52) + step);
            is_shortest_f64((exponent << 52) - step);
        }
    for (uint64_t bits = 0; bits < 300; bits++)
        is_shortest_f64(bits);
}

Test(number, powers_of_ten_are_a_one_and_zeros) {
    for (int power = -323; power <= 308; power++) {
        char text[64], digits[400];
        snprintf(text, sizeof text, "1e%d", power);
        double value = strtod(text, NULL);
        is_shortest(value, false);
        *number_write_f64(value, text) = '\0';
        cr_assert_eq(digits_of(text, digits), 1, "%s", text);
        cr_assert_str_eq(digits, "1");
        if (power < -45 || power > 38)
            continue;
        snprintf(text, sizeof text, "1e%d", power);
        float single = strtof(text, NULL);
        is_shortest((double)single, true);
    }
}

Test(number, the_layout_is_ecmascripts) {
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0, "0"},
                {-0.0, "-0"},
                {1, "1"},
                {-1, "-1"},
                {100, "100"},
                {0.5, "0.5"},
                {0.1, "0.1"},
                {123.456, "123.456"},
                {1e20, "100000000000000000000"},
                {1e21, "1e+21"},
                {1.5e21, "1.5e+21"},
                {123456789012345680000.0, "123456789012345680000"},
                {1e-6, "0.000001"},
                {1.5e-6, "0.0000015"},
                {1e-7, "1e-7"},
                {1.25e-7, "1.25e-7"},
                {-1e-10, "-1e-10"},
                {DBL_MAX, "1.7976931348623157e+308"},
                {DBL_MIN, "2.2250738585072014e-308"},
                {5e-324, "5e-324"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        *number_write_f64(rows[i].value, text) = '\0';
        cr_assert_str_eq(text, rows[i].text);
    }
    char text[64];
    *number_write_f32(0.1f, text) = '\0';
    cr_assert_str_eq(text, "0.1");
    *number_write_f32(FLT_MAX, text) = '\0';
    cr_assert_str_eq(text, "3.4028235e+38");
    *number_write_f32(16777216.0f, text) = '\0';
    cr_assert_str_eq(text, "16777216");
}

/* Reads a text as the library does. */
static void is_read_alike(const char *text) {
    float single = 0, single_right = strtof(text, NULL);
    double number = 0, number_right = strtod(text, NULL);
    number_read_f32(text, &single);
    number_read_f64(text, &number);
    cr_assert_eq(memcmp(&single, &single_right, sizeof single), 0, "%s is %a, not %a", text, (double)single,
                 (double)single_right);
    cr_assert_eq(memcmp(&number, &number_right, sizeof number), 0, "%s is %a, not %a", text, number, number_right);
}

Test(number, reading_is_rounded_correctly) {
    static const char *const hard[] = {"2.2250738585072011e-308",
                                       "0.500000000000000166533453693773481063544750213623046875",
                                       "9007199254740993",
                                       "9007199254740992.9999999999999999999999999999",
                                       "9007199254740993.0000000000000000000000000001",
                                       "16777217",
                                       "16777217.0000000000000000000001",
                                       "7.0064923216240853546186479164495e-46",
                                       "7.0064923216240853546186479164496e-46",
                                       "4.9406564584124654e-324",
                                       "2.4703282292062327e-324",
                                       "2.4703282292062328e-324",
                                       "3.4028235677973366e38",
                                       "3.4028235677973365e38",
                                       "1.7976931348623158e308",
                                       "1.7976931348623159e308",
                                       "1e400",
                                       "-1e400",
                                       "1e-400",
                                       "-1e-400",
                                       "-0",
                                       "-0.0e5",
                                       "0e999999",
                                       "1e99999999999999999999",
                                       "1e-99999999999999999999"};
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++)
        is_read_alike(hard[i]);
}

Test(number, reading_random_texts_gives_the_librarys_bits) {
    struct random random = {53};
    for (size_t round = 0; round < TESTS_MANY / 20; round++) {
        char text[80];
        size_t size = 0;
        if (random_chance(&random, 50))
            text[size++] = '-';
        size_t whole = random_size(&random, 1, 20), fraction = random_size(&random, 0, 25);
        for (size_t i = 0; i < whole; i++)
            text[size++] =
                (char)('0' + (i == 0 && whole > 1 ? random_size(&random, 1, 9) : random_size(&random, 0, 9)));
        if (fraction > 0)
            text[size++] = '.';
        for (size_t i = 0; i < fraction; i++)
            text[size++] = (char)('0' + random_size(&random, 0, 9));
        text[size] = '\0';
        if (random_chance(&random, 60))
            snprintf(text + size, sizeof text - size, "e%d", (int)random_size(&random, 0, 700) - 350);
        is_read_alike(text);
    }
}

Test(number, decimals_are_printfs) {
    struct random random = {54};
    static const double ties[] = {0.5,    1.5,        2.5, 0.125, 0.375,   -0.5,  -2.5,
                                  0.0625, 1e15 + 0.5, 0,   -0.0,  DBL_MAX, 5e-324};
    for (size_t round = 0; round < TESTS_MANY / 20; round++) {
        double value = 0;
        if (round < sizeof ties / sizeof *ties * 18) {
            value = ties[round / 18];
        } else if (random_chance(&random, 50)) {
            value = random_number(&random, random_chance(&random, 50) ? 1 : 1e6);
        } else {
            uint64_t bits = random_word(&random);
            memcpy(&value, &bits, sizeof value);
        }
        if (!isfinite(value))
            continue;
        int decimals = (int)(round % 18);
        char text[NUMBER_MAX_FIXED + NUMBER_SPILL], wanted[NUMBER_MAX_FIXED + 1];
        char *end = number_fixed_f64(value, decimals, text);
        cr_assert_lt(end - text, NUMBER_MAX_FIXED); /* and a comma */
        *end = '\0';
        snprintf(wanted, sizeof wanted, "%.*f", decimals, value);
        cr_assert_str_eq(text, wanted);
        cr_assert_eq(end_of(text), end, "%s", text);
    }
}
