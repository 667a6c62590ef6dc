/* api/value.c, value_tensor.c and value_b64.c: one value, in every form it may be written. */
#include "api/decode.h"
#include "api/value.h"

#include "tests/api/body.h"
#include "tests/api/exchange.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char any[] = "/v1/attention", self[] = "/v1/attention/self";

Test(value, a_pointer_escapes_tilde_and_slash) {
    cr_assert_str_eq(value_child("", "a").text, "/a");
    cr_assert_str_eq(value_child("/a", "b/c~d").text, "/a/b~1c~0d");
    cr_assert_str_eq(value_child("/a", "").text, "/a/");
    cr_assert_str_eq(value_element("/a", 12).text, "/a/12");
}

Test(value, a_pointer_too_long_is_cut) {
    char name[600];
    memset(name, '/', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct value_pointer once = value_child("", name), twice = value_child(once.text, name);
    cr_assert_lt(strlen(once.text), sizeof once.text);
    cr_assert_lt(strlen(twice.text), sizeof twice.text);
    cr_assert_lt(strlen(value_element(twice.text, SIZE_MAX).text), sizeof twice.text);
}

static const char *fruit_at(size_t index) {
    static const char *const fruits[] = {"apple", "pear", "orange"};
    return index < 3 ? fruits[index] : NULL;
}

Test(value, the_nearest_name_is_a_misspelling_away) {
    cr_assert_str_eq(value_nearest("aple", fruit_at), "apple");
    cr_assert_str_eq(value_nearest("paer", fruit_at), "pear");
    cr_assert_str_eq(value_nearest("oranges", fruit_at), "orange");
    cr_assert_null(value_nearest("banana", fruit_at));
    cr_assert_null(value_nearest("a_name_longer_than_any_that_there_is_by_far_and_more", fruit_at));
    cr_assert_null(value_nearest("", fruit_at));
}

Test(value, the_three_forms_of_a_tensor_are_one) {
    static const char nested[] = "{\"inputs\":[[1,0.5],[-2,0.25]]}";
    exchange_same(self, nested, self, "{\"inputs\":{\"shape\":[2,2],\"data\":[1,0.5,-2,0.25]}}");
    exchange_same(self, nested, self, "{\"inputs\":{\"shape\":[2,2],\"data\":[[1,0.5],[-2,0.25]]}}");
    exchange_same(self, nested, self, "{\"inputs\":{\"data\":[1,0.5,-2,0.25],\"shape\":[2,2.0]}}");
    double numbers[] = {1, 0.5, -2, 0.25};
    size_t shape[] = {2, 2};
    for (int is_double = 0; is_double < 2; is_double++) {
        struct body body;
        body_init(&body);
        body_add(&body, "{\"inputs\":");
        body_b64(&body, numbers, 2, shape, is_double);
        body_add(&body, "}");
        exchange_same(self, nested, self, body_text(&body));
        body_done(&body);
    }
    /* 1, 0.5, -2, 0.25 as float16 are 3c00 3800 c000 3400; as bfloat16 3f80 3f00 c000 3e80. */
    exchange_same(self, nested, self, "{\"inputs\":{\"shape\":[2,2],\"dtype\":\"float16\",\"b64\":\"ADwAOADAADQ=\"}}");
    exchange_same(self, nested, self, "{\"inputs\":{\"shape\":[2,2],\"dtype\":\"bfloat16\",\"b64\":\"gD8APwDAgD4=\"}}");
}

/* One number of 16 bits as a [1,1] tensor, answered as output of float64. */
static double half_read(const char *dtype, unsigned bits, struct exchange *exchange) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char body[200];
    unsigned low = bits & 255, high = bits >> 8;
    snprintf(body, sizeof body,
             "{\"dtype\":\"float64\",\"scale\":0,\"return\":[\"output\"],\"inputs\":{\"shape\":[1,1],\"dtype\":\"%s\","
             "\"b64\":\"%c%c%c=\"}}",
             dtype, alphabet[low >> 2], alphabet[(low & 3) << 4 | high >> 4], alphabet[(high & 15) << 2]);
    exchange_post(exchange, self, body);
    if (exchange->reply.status != 200) {
        cr_assert_str_eq(exchange_member(exchange, "code"), "not_finite");
        return NAN;
    }
    double number;
    exchange_numbers(exchange, "output", &number, 1);
    return number;
}

Test(value, every_float16_is_read_exactly) {
    struct exchange exchange;
    exchange_init(&exchange);
    for (unsigned bits = 0; bits<1 << 16; bits += TESTS_MANY> 1000000 ? 1 : 37) {
        unsigned exponent = bits >> 10 & 31, fraction = bits & 1023;
        double right = exponent == 0 ? fraction * 0x1p-24 : (1024 + fraction) * ldexp(1, (int)exponent - 25);
        double read = half_read("float16", bits, &exchange);
        if (exponent == 31)
            cr_assert(isnan(read), "%04x", bits);
        else
            cr_assert_eq(read, bits >> 15 ? -right : right, "%04x is read as %g", bits, read);
    }
    exchange_done(&exchange);
}

Test(value, every_bfloat16_is_the_upper_half_of_a_float) {
    struct exchange exchange;
    exchange_init(&exchange);
    for (unsigned bits = 0; bits<1 << 16; bits += TESTS_MANY> 1000000 ? 1 : 37) {
        unsigned word = bits << 16;
        float right;
        memcpy(&right, &word, sizeof right);
        double read = half_read("bfloat16", bits, &exchange);
        if (isfinite(right))
            cr_assert_eq(read, (double)right, "%04x is read as %g", bits, read);
        else
            cr_assert(isnan(read), "%04x", bits);
    }
    exchange_done(&exchange);
}

struct refusal {
    const char *body, *code, *pointer;
};

static void are_refused(const char *path, const struct refusal *refusals, size_t count) {
    struct exchange exchange;
    exchange_init(&exchange);
    for (size_t i = 0; i < count; i++)
        exchange_refused(&exchange, path, refusals[i].body, 422, refusals[i].code, refusals[i].pointer);
    exchange_done(&exchange);
}

#define ARE_REFUSED(path, rows) are_refused(path, rows, sizeof(rows) / sizeof *(rows))

Test(value, a_tensor_object_that_is_none_says_why) {
    static const struct refusal rows[] = {
        {"{\"inputs\":{}}", "missing_member", "/inputs"},
        {"{\"inputs\":{\"shape\":[1]}}", "missing_member", "/inputs"},
        {"{\"inputs\":{\"data\":[1]}}", "missing_member", "/inputs/shape"},
        {"{\"inputs\":{\"shape\":[1,1],\"data\":[1],\"b64\":\"AAAAAA==\"}}", "conflicting_members", "/inputs"},
        {"{\"inputs\":{\"shape\":[1,1],\"b64\":\"AAAAAA==\"}}", "missing_member", "/inputs/dtype"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"int8\",\"b64\":\"AAAAAA==\"}}", "out_of_range", "/inputs/dtype"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":4,\"b64\":\"AAAAAA==\"}}", "wrong_type", "/inputs/dtype"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":5}}", "wrong_type", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":[5]}}", "wrong_type", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AAAAAA=\"}}", "invalid_base64", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AAAA!A==\"}}", "invalid_base64", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AAAAAB==\"}}", "invalid_base64", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AAAAAA AA\"}}", "invalid_base64", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"\"}}", "shape_mismatch", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,2],\"dtype\":\"float32\",\"b64\":\"AAAAAA==\"}}", "shape_mismatch", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float64\",\"b64\":\"AAAAAA==\"}}", "shape_mismatch", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AADAfw==\"}}", "not_finite", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float32\",\"b64\":\"AACA/w==\"}}", "not_finite", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[1,1],\"dtype\":\"float64\",\"b64\":\"nHUAiDzkN34=\"}}", "not_finite", "/inputs/b64"},
        {"{\"inputs\":{\"shape\":[2,2],\"data\":[1,2,3]}}", "shape_mismatch", "/inputs/data"},
        {"{\"inputs\":{\"shape\":[2,2],\"data\":[[1,2,3,4]]}}", "shape_mismatch", "/inputs/data"},
        {"{\"inputs\":{\"shape\":[2,1],\"data\":[[1,2]]}}", "shape_mismatch", "/inputs/data"},
        {"{\"inputs\":{\"shape\":[2,2],\"data\":[1,2,3,\"4\"]}}", "wrong_type", "/inputs/data/3"},
        {"{\"inputs\":{\"shape\":[2,2],\"data\":[[1,2],[3]]}}", "ragged_array", "/inputs/data/1"},
        {"{\"inputs\":{\"shape\":[2,2],\"data\":5}}", "wrong_type", "/inputs/data"},
        {"{\"inputs\":{\"shape\":[2,2],\"data\":\"x\"}}", "wrong_type", "/inputs/data"},
        {"{\"inputs\":{\"shape\":[0,2],\"data\":[1]}}", "empty_axis", "/inputs/shape/0"},
        {"{\"inputs\":{\"shape\":[1,1.5],\"data\":[1]}}", "out_of_range", "/inputs/shape/1"},
        {"{\"inputs\":{\"shape\":[1,-1],\"data\":[1]}}", "out_of_range", "/inputs/shape/1"},
        {"{\"inputs\":{\"shape\":[1,1,1,1,1],\"data\":[1]}}", "wrong_rank", "/inputs"},
        {"{\"inputs\":{\"shape\":[[1,1]],\"data\":[1]}}", "wrong_type", "/inputs/shape"},
        {"{\"inputs\":{\"shape\":[],\"data\":[1]}}", "wrong_type", "/inputs/shape"},
        {"{\"inputs\":{\"shape\":2,\"data\":[1]}}", "wrong_type", "/inputs/shape"},
        {"{\"inputs\":{\"shape\":[true],\"data\":[1]}}", "wrong_type", "/inputs/shape"},
        {"{\"inputs\":{\"shape\":[1,null],\"data\":[1]}}", "wrong_type", "/inputs/shape"},
        {"{\"inputs\":{\"shape\":\"2\",\"data\":[1]}}", "wrong_type", "/inputs/shape"},
        {"{\"inputs\":{\"shape\":[1,1],\"data\":[1],\"order\":\"C\"}}", "unknown_member", "/inputs/order"}};
    ARE_REFUSED(self, rows);
}

Test(value, a_declared_shape_allocates_nothing_before_its_data) {
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_refused(&exchange, self, "{\"inputs\":{\"shape\":[16384,16384],\"data\":[1]}}", 422, "shape_mismatch",
                     "/inputs/data");
    cr_assert_lt(exchange.arena.used, 100000);
    exchange_refused(&exchange, self, "{\"inputs\":{\"shape\":[16384,16384],\"dtype\":\"float64\",\"b64\":\"AAAA\"}}",
                     422, "shape_mismatch", "/inputs/b64");
    cr_assert_lt(exchange.arena.used, 100000);
    static const char *const huge[] = {"[16385,16384]",           "[1e30,1]",
                                       "[4294967296,4294967296]", "[65536,65536,65536,65536]",
                                       "[18446744073709551616]",  "[9223372036854775807,2]"};
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"inputs\":{\"shape\":%s,\"data\":[1]}}", huge[i]);
        exchange_refused(&exchange, self, body, 413, "too_many_elements", "/inputs/shape");
    }
    exchange_done(&exchange);
}

Test(value, booleans_are_true_false_one_and_zero) {
    static const char plain[] = "{\"inputs\":[[1,0],[0,1]],\"mask\":[[true,false],[true,true]]}";
    exchange_same(self, plain, self, "{\"inputs\":[[1,0],[0,1]],\"mask\":[[1,0],[1,1]]}");
    exchange_same(self, plain, self, "{\"inputs\":[[1,0],[0,1]],\"mask\":[[true,0],[1.0,1e0]]}");
    exchange_same(self, plain, self, "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"attend\":[[true,false],[true,true]]}}");
    exchange_same(self, plain, self, "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"block\":[[false,true],[false,false]]}}");
    exchange_same(self, plain, self,
                  "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"shape\":[2,2],\"data\":[true,false,true,true]}}");
    exchange_same(
        self, plain, self,
        "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"shape\":[2,2],\"dtype\":\"float16\",\"b64\":\"ADwAAAA8ADw=\"}}");
    static const struct refusal rows[] = {
        {"{\"inputs\":[[1,0],[0,1]],\"mask\":[[1,2],[1,1]]}", "wrong_type", "/mask/0/1"},
        {"{\"inputs\":[[1,0],[0,1]],\"mask\":[[1,null],[1,1]]}", "wrong_type", "/mask/0/1"},
        {"{\"inputs\":[[1,0],[0,1]],\"mask\":{\"block\":[[1,0.5],[1,1]]}}", "wrong_type", "/mask/block/0/1"},
        {"{\"inputs\":[[1,0],[0,1]],\"mask\":{\"shape\":[2,2],\"dtype\":\"float16\",\"b64\":\"ADwAOADAADQ=\"}}",
         "wrong_type", "/mask/b64"},
        {"{\"inputs\":[[1,0],[0,1]],\"mask\":{\"multiply\":[[true,1],[1,1]]}}", "wrong_type", "/mask/multiply/0/0"},
        {"{\"inputs\":[[1,0],[0,1]],\"mask\":{\"multiply\":[[1,1],[null,1]]}}", "wrong_type", "/mask/multiply/1/0"},
        {"{\"inputs\":[[1,0],[0,1]],\"mask\":{\"bias\":[[1,1],[true,1]]}}", "wrong_type", "/mask/bias/1/0"}};
    ARE_REFUSED(self, rows);
}

Test(value, null_in_a_bias_disallows_as_minus_infinity_in_b64_does) {
    /* 0, −∞, 0, 0 as float32. */
    exchange_same(self, "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"bias\":[[0,null],[0,0]]}}", self,
                  "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"bias\":{\"shape\":[2,2],\"dtype\":\"float32\",\"b64\":"
                  "\"AAAAAAAAgP8AAAAAAAAAAA==\"}}}");
    struct exchange exchange;
    exchange_init(&exchange);
    exchange_ok(&exchange, self,
                "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"bias\":[[0,null],[0,0]]},\"return\":[\"weights\"]}");
    double weights[4];
    exchange_numbers(&exchange, "weights", weights, 4);
    cr_assert_eq(weights[0], 1);
    cr_assert_eq(weights[1], 0);
    exchange_refused(&exchange, self,
                     "{\"inputs\":[[1,0],[0,1]],\"mask\":{\"bias\":{\"shape\":[2,2],\"dtype\":\"float32\",\"b64\":"
                     "\"AAAAAAAAgH8AAAAAAAAAAA==\"}}}",
                     422, "not_finite", "/mask/bias/b64");
    exchange_done(&exchange);
}

Test(value, numbers_and_names_of_the_wrong_kind_are_refused) {
    static const struct refusal rows[] = {
        {"{\"inputs\":[[1]],\"scale\":\"1\"}", "wrong_type", "/scale"},
        {"{\"inputs\":[[1]],\"scale\":[1]}", "wrong_type", "/scale"},
        {"{\"inputs\":[[1]],\"scale\":true}", "wrong_type", "/scale"},
        {"{\"inputs\":[[1]],\"scale\":1e39}", "not_finite", "/scale"},
        {"{\"inputs\":[[1]],\"dtype\":\"float64\",\"scale\":1e309}", "not_finite", "/scale"},
        {"{\"inputs\":[[1]],\"num_heads\":0}", "out_of_range", "/num_heads"},
        {"{\"inputs\":[[1]],\"num_heads\":-1}", "out_of_range", "/num_heads"},
        {"{\"inputs\":[[1]],\"num_heads\":1.5}", "out_of_range", "/num_heads"},
        {"{\"inputs\":[[1]],\"num_heads\":1e300}", "out_of_range", "/num_heads"},
        {"{\"inputs\":[[1]],\"num_heads\":1e999}", "out_of_range", "/num_heads"},
        {"{\"inputs\":[[1]],\"num_heads\":\"2\"}", "wrong_type", "/num_heads"},
        {"{\"inputs\":[[1]],\"decimals\":18}", "out_of_range", "/decimals"},
        {"{\"inputs\":[[1]],\"decimals\":-1}", "out_of_range", "/decimals"},
        {"{\"inputs\":[[1]],\"average_heads\":1}", "wrong_type", "/average_heads"},
        {"{\"inputs\":[[1]],\"average_heads\":\"true\"}", "wrong_type", "/average_heads"},
        {"{\"inputs\":[[1]],\"normalize\":\"max\"}", "out_of_range", "/normalize"},
        {"{\"inputs\":[[1]],\"normalize\":1}", "wrong_type", "/normalize"},
        {"{\"inputs\":[[1]],\"dtype\":\"half\"}", "out_of_range", "/dtype"},
        {"{\"inputs\":[[1]],\"encoding\":\"base64\"}", "out_of_range", "/encoding"},
        {"{\"inputs\":[[1]],\"pad_token\":1,\"tokens\":[\"a\"]}", "wrong_type", "/pad_token"}};
    ARE_REFUSED(any, rows);
}

/* 16777217 is no float32. Wherever a whole number is meant it stays what it is, in each form and in a request of each
 * dtype. */
#define WHOLE_B64(shape) "{\"shape\":" shape ",\"dtype\":\"float64\",\"b64\":\"AAAAEAAAcEE=\"}"

static const char *const whole_dtypes[] = {"float32", "float64", "float16", "bfloat16"};

/* The detail of a refusal names it. */
static void whole_is_told(const char *member, const char *code, const char *pointer) {
    for (size_t i = 0; i < 4; i++) {
        struct exchange exchange;
        char body[400];
        exchange_init(&exchange);
        snprintf(body, sizeof body, "{\"dtype\":\"%s\",%s}", whole_dtypes[i], member);
        exchange_refused(&exchange, any, body, 422, code, pointer);
        cr_assert_not_null(strstr(exchange_member(&exchange, "detail"), "16777217"), "%s: %s", body,
                           exchange_member(&exchange, "detail"));
        exchange_done(&exchange);
    }
}

Test(value, whole_numbers_are_not_rounded_to_float32) {
    whole_is_told("\"inputs\":{\"shape\":[16777217,1],\"data\":[1]}", "shape_mismatch", "/inputs/data");
    whole_is_told("\"inputs\":{\"shape\":[16777217,1],\"dtype\":\"float16\",\"b64\":\"\"}", "shape_mismatch",
                  "/inputs/b64");
    whole_is_told("\"inputs\":[[1]],\"mask\":{\"lengths\":[16777217]}", "out_of_range", "/mask/lengths/0");
    whole_is_told("\"inputs\":[[1]],\"mask\":{\"lengths\":{\"shape\":[1],\"data\":[16777217]}}", "out_of_range",
                  "/mask/lengths/0");
    whole_is_told("\"inputs\":[[1]],\"mask\":{\"lengths\":" WHOLE_B64("[1]") "}", "out_of_range", "/mask/lengths/0");
    whole_is_told("\"inputs\":[[1]],\"attention_axes\":[16777217]", "out_of_range", "/attention_axes/0");
    whole_is_told("\"inputs\":[[1]],\"num_heads\":16777217", "out_of_range", "/num_heads");
    whole_is_told("\"inputs\":[[1]],\"decimals\":16777217", "out_of_range", "/decimals");
}

Test(value, a_window_is_not_rounded_to_float32) {
    static const char *const windows[] = {"16777217", "[16777217,16777217]", "[1.6777217e7,16777217]"};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        char body[200];
        const char *allow;
        struct arena arena;
        struct error error = {0};
        struct call call = {0};
        snprintf(body, sizeof body, "{\"inputs\":[[1]],\"mask\":{\"window\":%s}}", windows[i]);
        arena_init(&arena, 0);
        service_init();
        cr_assert(
            decode_call(&limits_default, route_find("POST", any, &allow), body, strlen(body), &arena, &call, &error));
        json_set_alloc_funcs(malloc, free);
        cr_assert_eq(call.mask[0].left, 16777217, "%s: %td", windows[i], call.mask[0].left);
        cr_assert_eq(call.mask[0].right, 16777217, "%s: %td", windows[i], call.mask[0].right);
        arena_done(&arena);
    }
}

Test(value, positions_are_not_rounded_to_float32) {
    /* Two rows turned by 0 and by p have the score cos(p). */
    static const struct {
        const char *positions;
        double apart;
    } rows[] = {{"[0,16777217]", 16777217},
                {"[[0,16777217]]", 16777217},
                {"{\"shape\":[2],\"data\":[0,16777217]}", 16777217},
                {"{\"shape\":[2],\"dtype\":\"float64\",\"b64\":\"AAAAAAAAAAAAAAAQAABwQQ==\"}", 16777217},
                {"[1,9007199254740992]", 0x1p53 - 1},
                {"[0,0.1]", 0.1},
                {"[0.5,16777217.25]", 16777216.75}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct exchange exchange;
        char body[400];
        exchange_init(&exchange);
        for (size_t j = 0; j < 2; j++) {
            snprintf(body, sizeof body,
                     "{\"inputs\":[[1,0],[1,0]],\"scale\":1,\"return\":[\"scores\"],\"dtype\":\"%s\","
                     "\"rotary\":{\"positions\":%s}}",
                     whole_dtypes[j], rows[i].positions);
            exchange_ok(&exchange, any, body);
            double due[] = {1, cos(rows[i].apart), cos(rows[i].apart), 1};
            exchange_near(&exchange, "scores", 4, due, j == 0 ? 1e-6 : 1e-12);
        }
        exchange_done(&exchange);
    }
}
