/* 16-bit numbers: api/half.c and number_write_half() on all of them, against conversions and a search for the shortest
 * text that are written out naively; and answers in them, which are the float32 answers rounded. */
#include "api/half.h"

#include "api/base64.h"
#include "api/number.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char any[] = "/v1/attention";
static const enum dtype halves[] = {DTYPE_FLOAT16, DTYPE_BFLOAT16};

/* The bits of infinity: all magnitudes below are finite. */
static unsigned infinity_of(enum dtype dtype) {
    return dtype == DTYPE_FLOAT16 ? 0x7c00 : 0x7f80;
}

/* A magnitude by its definition; that of infinity's bits is what would follow the largest number. */
static long double magnitude(enum dtype dtype, unsigned bits) {
    int fraction_bits = dtype == DTYPE_FLOAT16 ? 10 : 7, bias = dtype == DTYPE_FLOAT16 ? 15 : 127;
    int exponent = (int)(bits >> fraction_bits);
    long double fraction = bits & ((1U << fraction_bits) - 1), one = 1U << fraction_bits;
    return exponent == 0 ? ldexpl(fraction, 1 - bias - fraction_bits)
                         : ldexpl(fraction + one, exponent - bias - fraction_bits);
}

Test(half, every_value_is_its_bits) {
    for (size_t i = 0; i < 2; i++) {
        unsigned infinity = infinity_of(halves[i]);
        for (unsigned bits = 0; bits < 0x10000; bits++) {
            unsigned size = bits & 0x7fff;
            float value = half_value(halves[i], (uint16_t)bits);
            if (size > infinity) {
                cr_assert(isnan(value));
                cr_assert_gt(half_bits(halves[i], value) & 0x7fff, infinity);
                continue;
            }
            long double wanted = size == infinity ? (long double)INFINITY : magnitude(halves[i], size);
            cr_assert_eq(fabsl((long double)value), wanted, "%s %04x is %a", dtype_name(halves[i]), bits,
                         (double)value);
            cr_assert_eq(signbit(value) != 0, bits >= 0x8000);
            cr_assert_eq(half_bits(halves[i], value), bits);
        }
    }
}

/* Rounding is monotone, so the numbers around each midpoint of two neighbours show all of it. */
Test(half, rounds_to_nearest_and_ties_to_even) {
    for (size_t i = 0; i < 2; i++)
        for (unsigned bits = 0; bits < infinity_of(halves[i]); bits++) {
            long double exact = (magnitude(halves[i], bits) + magnitude(halves[i], bits + 1)) / 2;
            float middle = (float)exact;
            cr_assert_eq((long double)middle, exact);
            for (unsigned sign = 0; sign < 2; sign++) {
                float s = sign ? -1.0F : 1.0F;
                unsigned high = sign << 15;
                cr_assert_eq(half_bits(halves[i], s * middle), high | (bits + (bits & 1)), "%a", (double)middle);
                cr_assert_eq(half_bits(halves[i], s * nextafterf(middle, 0)), high | bits, "%a", (double)middle);
                cr_assert_eq(half_bits(halves[i], s * nextafterf(middle, INFINITY)), high | (bits + 1), "%a",
                             (double)middle);
            }
        }
}

/* Whether a decimal is read as the magnitude `bits`. */
static bool reads_back(enum dtype dtype, unsigned bits, const char *text) {
    long double value = strtold(text, NULL), here = magnitude(dtype, bits);
    long double low = bits == 0 ? 0 : (magnitude(dtype, bits - 1) + here) / 2;
    long double high = (here + magnitude(dtype, bits + 1)) / 2;
    return (low < value && value < high) || (bits % 2 == 0 && (value == low || value == high));
}

/* The fewest digits of a decimal that reads back, and how near the nearest of these comes: of each length the decimal
 * nearest to the number and its two neighbours are tried. */
static size_t shortest(enum dtype dtype, unsigned bits, long double *distance) {
    long double here = magnitude(dtype, bits);
    for (size_t digits = 1;; digits++) {
        char text[64];
        *distance = INFINITY;
        snprintf(text, sizeof text, "%.*Le", (int)digits - 1, here);
        int exponent = atoi(strchr(text, 'e') + 1) - ((int)digits - 1);
        long significand = 0;
        for (const char *c = text; *c != 'e'; c++)
            significand = *c == '.' ? significand : 10 * significand + (*c - '0');
        for (long near = significand - 1; near <= significand + 1; near++) {
            snprintf(text, sizeof text, "%lde%d", near, exponent);
            if (near > 0 && reads_back(dtype, bits, text))
                *distance = fminl(*distance, fabsl(strtold(text, NULL) - here));
        }
        if (*distance < INFINITY)
            return digits;
    }
}

static size_t digits_of(const char *text) {
    size_t count = 0, zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '.' || (*text == '0' && count == 0))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        count++;
    }
    return count - zeros;
}

Test(half, every_number_is_written_shortest_and_reads_back) {
    for (size_t i = 0; i < 2; i++)
        for (unsigned bits = 1; bits < infinity_of(halves[i]); bits++) {
            char text[NUMBER_MAX_F32 + NUMBER_SPILL], negative[NUMBER_MAX_F32 + NUMBER_SPILL];
            char again[NUMBER_MAX_F64 + NUMBER_SPILL];
            *number_write_half(halves[i], (uint16_t)bits, text) = '\0';
            *number_write_half(halves[i], (uint16_t)(bits | 0x8000), negative) = '\0';
            cr_assert_leq(strlen(negative) + 1, (size_t)NUMBER_MAX_F32);
            cr_assert(negative[0] == '-' && strcmp(negative + 1, text) == 0);
            cr_assert(reads_back(halves[i], bits, text), "%s %04x: %s", dtype_name(halves[i]), bits, text);
            long double nearest, here = magnitude(halves[i], bits);
            cr_assert_eq(digits_of(text), shortest(halves[i], bits, &nearest), "%s %04x: %s", dtype_name(halves[i]),
                         bits, text);
            cr_assert_leq(fabsl(strtold(text, NULL) - here), nearest + here * 1e-15L, "%s %04x: %s",
                          dtype_name(halves[i]), bits, text);    /* of two equally near ones either */
            *number_write_f64(strtod(text, NULL), again) = '\0'; /* so short a decimal is a double's own text */
            cr_assert_str_eq(text, again);
        }
    char zero[NUMBER_MAX_F32 + NUMBER_SPILL];
    *number_write_half(DTYPE_FLOAT16, 0x8000, zero) = '\0';
    cr_assert_str_eq(zero, "-0");
}

static void answers(const char *body, const char *wanted) {
    char *text = exchange_text(any, body);
    cr_assert_str_eq(text, wanted, "%s: %s", body, text);
    free(text);
}

Test(half, answers_are_rounded_once) {
    answers("{\"inputs\":[[1,0],[0,1]],\"dtype\":\"float16\"}",
            "{\"dtype\":\"float16\",\"shape\":{\"weights\":[2,2],\"output\":[2,2]},\"weights\":[[0.67,0.3303],"
            "[0.3303,0.67]],\"output\":[[0.67,0.3303],[0.3303,0.67]]}\n");
    answers("{\"inputs\":[[1,0],[0,1]],\"dtype\":\"bfloat16\",\"return\":[\"weights\"]}",
            "{\"dtype\":\"bfloat16\",\"shape\":{\"weights\":[2,2]},\"weights\":[[0.668,0.33],[0.33,0.668]]}\n");
    answers("{\"inputs\":[[1,0],[0,1]],\"dtype\":\"float16\",\"decimals\":12,\"return\":[\"weights\"]}",
            "{\"dtype\":\"float16\",\"shape\":{\"weights\":[2,2]},\"weights\":[[0.669921875000,0.330322265625],"
            "[0.330322265625,0.669921875000]]}\n");
    answers("{\"inputs\":[[1],[2]],\"dtype\":\"float16\",\"scale\":1,\"return\":[\"masked\"],\"mask\":\"causal\"}",
            "{\"dtype\":\"float16\",\"shape\":{\"masked\":[2,2]},\"masked\":[[1,null],[2,4]]}\n");
    answers("{\"inputs\":[[1],[2]],\"dtype\":\"float16\",\"scale\":1,\"return\":[\"masked\"],\"mask\":\"causal\","
            "\"encoding\":\"b64\"}",
            "{\"dtype\":\"float16\",\"shape\":{\"masked\":[2,2]},\"masked\":{\"shape\":[2,2],\"dtype\":\"float16\","
            "\"b64\":\"ADwA/ABAAEQ=\"}}\n");
    answers("{\"inputs\":[[1],[2]],\"dtype\":\"bfloat16\",\"scale\":1,\"return\":[\"scores\"],\"encoding\":\"b64\"}",
            "{\"dtype\":\"bfloat16\",\"shape\":{\"scores\":[2,2]},\"scores\":{\"shape\":[2,2],\"dtype\":\"bfloat16\","
            "\"b64\":\"gD8AQABAgEA=\"}}\n");
}

/* The numbers of a b64 result, as bytes. */
static unsigned char *bytes_of(struct exchange *exchange, const char *name) {
    const char *b64 = json_string_value(json_object_get(json_object_get(exchange->json, name), "b64"));
    unsigned char *bytes = malloc(strlen(b64));
    cr_assert_null(base64_decode(b64, strlen(b64), bytes));
    return bytes;
}

Test(half, b64_is_the_float32_answer_rounded) {
    enum { ROWS = 5, COLS = 401, COUNT = ROWS * COLS };
    char body[COUNT * 8 + 200], *place = body;
    place += sprintf(body, "{\"query\":[[1]],\"key\":[[1],[2],[3],[4],[5]],\"return\":[\"value\"],\"encoding\":\"b64\","
                           "\"value\":[");
    for (size_t i = 0; i < COUNT; i++)
        place += sprintf(place, "%s%.4f%s", i % COLS == 0 ? (i == 0 ? "[" : ",[") : ",", sin((double)i) * 9,
                         i % COLS == COLS - 1 ? "]" : "");
    for (size_t i = 0; i < 2; i++) {
        struct exchange exchange;
        exchange_init(&exchange);
        strcpy(place, "]}");
        exchange_ok(&exchange, any, body);
        float *whole = (float *)(void *)bytes_of(&exchange, "value");
        sprintf(place, "],\"dtype\":\"%s\"}", dtype_name(halves[i]));
        exchange_ok(&exchange, any, body);
        uint16_t *rounded = (uint16_t *)(void *)bytes_of(&exchange, "value");
        for (size_t j = 0; j < COUNT; j++)
            cr_assert_eq(rounded[j], half_bits(halves[i], whole[j]), "%zu", j);
        free(whole);
        free(rounded);
        exchange_done(&exchange);
    }
}

Test(half, what_does_not_fit_names_a_dtype_that_does) {
    static const struct {
        const char *members, *named;
    } rows[] = {{"\"value\":[[65520]],\"dtype\":\"float16\"", "\"float32\" or \"bfloat16\""},
                {"\"value\":[[1],[-65520]],\"key\":[[1],[1]],\"return\":[\"value\"],\"dtype\":\"float16\"", "float16"},
                {"\"value\":[[70000]],\"dtype\":\"float16\",\"encoding\":\"b64\"", "\"bfloat16\""},
                {"\"value\":[[70000]],\"dtype\":\"float16\",\"decimals\":1", "\"bfloat16\""},
                {"\"value\":[[1]],\"scale\":1e6,\"return\":[\"scores\"],\"dtype\":\"float16\"", "float16"},
                {"\"value\":[[3.4e38]],\"dtype\":\"bfloat16\"", "\"float64\""}};
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[300];
        snprintf(body, sizeof body, "{\"query\":[[1]],%s%s}", strstr(rows[i].members, "key") ? "" : "\"key\":[[1]],",
                 rows[i].members);
        exchange_refused(&exchange, any, body, 422, "overflow", NULL);
        cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), rows[i].named), "%s", exchange.text);
    }
    answers("{\"query\":[[1]],\"key\":[[1]],\"value\":[[65519,-65504]],\"dtype\":\"float16\",\"return\":[\"output\"]}",
            "{\"dtype\":\"float16\",\"shape\":{\"output\":[1,2]},\"output\":[[65500,-65500]]}\n");
    exchange_done(&exchange);
}
