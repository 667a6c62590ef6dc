/* api/encode.c: rows as text, in pieces of any size, within the size that was promised. */
#include "api/encode.h"

#include "api/base64.h"
#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct encode encode_of(enum dtype dtype, size_t rank, const size_t *shape) {
    struct encode encode = {.dtype = dtype, .written = dtype, .decimals = -1, .rank = rank, .rows = 1};
    for (size_t axis = 0; axis < rank; axis++) {
        encode.shape[axis] = shape[axis];
        encode.rows *= axis + 1 < rank ? shape[axis] : 1;
    }
    return encode;
}

/* The whole text, written in pieces of `step` rows, each in a block of just the promised size. NULL: a number is not
 * finite. */
static char *written(const struct encode *encode, const void *rows, size_t stride, size_t step) {
    char *text = malloc(encode_size(encode, encode->rows) + (encode->rows / step + 1) * 300);
    size_t size = 0;
    for (size_t first = 0; first < encode->rows; first += step) {
        size_t count = encode->rows - first < step ? encode->rows - first : step;
        size_t most = encode_size(encode, count);
        char *piece = malloc(most), *end = piece;
        bool finite = encode_rows(encode, first, count, (const char *)rows + first * stride * dtype_size(encode->dtype),
                                  stride, &end);
        if (finite) {
            cr_assert_leq((size_t)(end - piece), most);
            memcpy(text + size, piece, (size_t)(end - piece));
            size += (size_t)(end - piece);
        }
        free(piece);
        if (!finite) {
            free(text);
            return NULL;
        }
    }
    text[size] = '\0';
    return text;
}

static void is_written(const struct encode *encode, const void *rows, size_t stride, const char *wanted) {
    char *text = written(encode, rows, stride, encode->rows);
    cr_assert_not_null(text);
    cr_assert_str_eq(text, wanted);
    free(text);
}

Test(encode, nests_as_the_shape_says) {
    const float numbers[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct encode vector = encode_of(DTYPE_FLOAT32, 1, (size_t[]){3});
    is_written(&vector, numbers, 3, "[1,2,3]");
    struct encode bare = encode_of(DTYPE_FLOAT32, 0, NULL);
    is_written(&bare, numbers, 1, "1");
    bare.null_minus_inf = true;
    is_written(&bare, (const float[]){-INFINITY}, 1, "null");
    bare.b64 = true;
    is_written(&bare, numbers, 1, "{\"shape\":[],\"dtype\":\"float32\",\"b64\":\"AACAPw==\"}");
    struct encode matrix = encode_of(DTYPE_FLOAT32, 2, (size_t[]){2, 3});
    is_written(&matrix, numbers, 3, "[[1,2,3],[4,5,6]]");
    is_written(&matrix, numbers, 4, "[[1,2,3],[5,6,7]]");
    struct encode cube = encode_of(DTYPE_FLOAT32, 3, (size_t[]){2, 2, 2});
    is_written(&cube, numbers, 2, "[[[1,2],[3,4]],[[5,6],[7,8]]]");
    struct encode four = encode_of(DTYPE_FLOAT32, 4, (size_t[]){2, 1, 2, 1});
    is_written(&four, numbers, 1, "[[[[1],[2]]],[[[3],[4]]]]");
    four = encode_of(DTYPE_FLOAT32, 4, (size_t[]){1, 2, 1, 1});
    is_written(&four, numbers, 1, "[[[[1]],[[2]]]]");
}

Test(encode, decimals_and_null) {
    const double numbers[] = {0.5, -INFINITY, 2.0 / 3};
    struct encode encode = encode_of(DTYPE_FLOAT64, 1, (size_t[]){3});
    encode.null_minus_inf = true;
    is_written(&encode, numbers, 3, "[0.5,null,0.6666666666666666]");
    encode.decimals = 2;
    is_written(&encode, numbers, 3, "[0.50,null,0.67]");
    encode.decimals = 0;
    is_written(&encode, numbers, 3, "[0,null,1]");
    encode.b64 = true;
    is_written(&encode, numbers, 3,
               "{\"shape\":[3],\"dtype\":\"float64\",\"b64\":\"AAAAAAAA4D8AAAAAAADw/1VVVVVVVeU/\"}");
}

Test(encode, what_is_not_finite_is_told) {
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++)
        for (size_t place = 0; place < 6; place++)
            for (int b64 = 0; b64 < 2; b64++) {
                double numbers[6] = {1, 2, 3, 4, 5, 6};
                numbers[place] = bad[i];
                struct encode encode = encode_of(DTYPE_FLOAT64, 2, (size_t[]){2, 3});
                encode.b64 = b64;
                cr_assert_null(written(&encode, numbers, 3, 2));
                encode.null_minus_inf = true;
                char *text = written(&encode, numbers, 3, 2);
                cr_assert_eq(text != NULL, i == 2);
                free(text);
            }
}

/* A random tensor of the worst numbers there are. */
static void *random_rows(struct random *random, enum dtype dtype, size_t count, bool at_most_one) {
    void *rows = malloc(count * dtype_size(dtype));
    for (size_t i = 0; i < count; i++) {
        double number = 0;
        do {
            uint64_t bits = random_word(random);
            float single;
            memcpy(dtype == DTYPE_FLOAT32 ? (void *)&single : &number, &bits, dtype_size(dtype));
            number = dtype == DTYPE_FLOAT32 ? (double)single : number;
        } while (!isfinite(number));
        if (random_chance(random, 10))
            number = dtype == DTYPE_FLOAT32 ? -(double)FLT_MAX : -DBL_MAX;
        if (at_most_one)
            number = random_chance(random, 20) ? 1 : fabs(random_number(random, 1));
        if (dtype == DTYPE_FLOAT32)
            ((float *)rows)[i] = (float)number;
        else
            ((double *)rows)[i] = number;
    }
    return rows;
}

Test(encode, pieces_make_the_whole_and_keep_to_their_size) {
    for (uint64_t seed = 1; seed <= 600; seed++) {
        struct random random = {seed};
        enum dtype dtype = random_chance(&random, 50) ? DTYPE_FLOAT32 : DTYPE_FLOAT64;
        size_t rank = random_size(&random, 1, 4), shape[4];
        for (size_t axis = 0; axis < rank; axis++)
            shape[axis] = random_size(&random, 1, 7);
        struct encode encode = encode_of(dtype, rank, shape);
        encode.at_most_one = random_chance(&random, 30);
        encode.b64 = random_chance(&random, 40);
        encode.decimals = encode.b64 || random_chance(&random, 50) ? -1 : (int)random_size(&random, 0, 17);
        size_t cols = shape[rank - 1];
        void *rows = random_rows(&random, dtype, encode.rows * cols, encode.at_most_one);
        char *whole = written(&encode, rows, cols, encode.rows);
        cr_assert_not_null(whole);
        json_t *json = json_loads(whole, JSON_DECODE_INT_AS_REAL, NULL);
        cr_assert_not_null(json, "seed %llu: %s", (unsigned long long)seed, whole);
        json_decref(json);
        for (size_t step = ENCODE_ROWS_MULTIPLE; step <= encode.rows; step += ENCODE_ROWS_MULTIPLE) {
            char *pieces = written(&encode, rows, cols, step);
            cr_assert_str_eq(pieces, whole, "seed %llu, %zu rows a piece", (unsigned long long)seed, step);
            free(pieces);
        }
        free(whole);
        free(rows);
    }
}

Test(encode, both_encodings_hold_the_same_bits) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random random = {seed};
        enum dtype dtype = seed % 2 == 0 ? DTYPE_FLOAT32 : DTYPE_FLOAT64;
        size_t shape[] = {random_size(&random, 1, 9), random_size(&random, 1, 9)}, count = shape[0] * shape[1];
        struct encode encode = encode_of(dtype, 2, shape);
        void *rows = random_rows(&random, dtype, count, false);
        char *text = written(&encode, rows, shape[1], shape[0]);
        encode.b64 = true;
        char *b64 = written(&encode, rows, shape[1], ENCODE_ROWS_MULTIPLE);
        char *begin = strstr(b64, "\"b64\":\"") + 7, *end = strchr(begin, '"');
        unsigned char *bytes = malloc(count * dtype_size(dtype));
        cr_assert_eq(base64_decoded_size(begin, (size_t)(end - begin)), count * dtype_size(dtype));
        cr_assert_null(base64_decode(begin, (size_t)(end - begin), bytes));
        cr_assert_eq(memcmp(bytes, rows, count * dtype_size(dtype)), 0, "seed %llu", (unsigned long long)seed);
        const char *place = text;
        for (size_t i = 0; i < count; i++) {
            char *number_end;
            place += strspn(place, "[],");
            double number = dtype == DTYPE_FLOAT32 ? (double)strtof(place, &number_end) : strtod(place, &number_end);
            place = number_end;
            double right = dtype == DTYPE_FLOAT32 ? (double)((float *)rows)[i] : ((double *)rows)[i];
            cr_assert_eq(memcmp(&number, &right, sizeof number), 0, "seed %llu", (unsigned long long)seed);
        }
        free(bytes);
        free(b64);
        free(text);
        free(rows);
    }
}
