/* api/base64.c: RFC 4648, and every way a text can be wrong. */
#include "api/base64.h"

#include "tests/core/random.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Test(base64, has_the_vectors_of_rfc_4648) {
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const char *data = vectors[i][0], *wanted = vectors[i][1];
        char text[16] = "", back[16] = "";
        char *end = base64_encode(data, strlen(data), text);
        cr_assert_str_eq(text, wanted);
        cr_assert_eq(end - text, (ptrdiff_t)strlen(wanted));
        cr_assert_eq(base64_encoded_size(strlen(data)), strlen(wanted));
        cr_assert_eq(base64_decoded_size(wanted, strlen(wanted)), strlen(data));
        cr_assert_null(base64_decode(wanted, strlen(wanted), back));
        cr_assert_str_eq(back, data);
    }
}

Test(base64, random_bytes_come_back) {
    struct random random = {41};
    for (size_t round = 0; round < 20000; round++) {
        size_t size = random_size(&random, 0, 70);
        unsigned char *data = malloc(size + 1), *back = malloc(size + 1);
        char *text = malloc(base64_encoded_size(size) + 1);
        for (size_t i = 0; i < size; i++)
            data[i] = (unsigned char)random_word(&random);
        size_t text_size = (size_t)(base64_encode(data, size, text) - text);
        cr_assert_eq(text_size, base64_encoded_size(size));
        cr_assert_eq(base64_decoded_size(text, text_size), size);
        cr_assert_null(base64_decode(text, text_size, back));
        cr_assert_eq(memcmp(data, back, size), 0, "seed 41, round %zu", round);
        free(data);
        free(back);
        free(text);
    }
}

Test(base64, pieces_cut_at_three_bytes_make_the_whole) {
    struct random random = {42};
    unsigned char data[100];
    char whole[140], pieces[140];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)random_word(&random);
    char *end = base64_encode(data, sizeof data, whole);
    for (size_t cut = 0; cut <= sizeof data; cut += 3) {
        char *place = base64_encode(data, cut, pieces);
        place = base64_encode(data + cut, sizeof data - cut, place);
        cr_assert_eq(place - pieces, end - whole);
        cr_assert_eq(memcmp(whole, pieces, (size_t)(end - whole)), 0);
    }
}

Test(base64, every_foreign_character_is_found_at_every_place) {
    char data[16];
    for (size_t size = 4; size <= 12; size += 4)
        for (size_t place = 0; place < size; place++)
            for (int c = 0; c < 256; c++) {
                if (c != 0 && strchr(alphabet, c) != NULL)
                    continue;
                char text[12];
                memset(text, 'A', size);
                text[place] = (char)c;
                bool padding = c == '=' && place == size - 1; /* "AAA=" is proper */
                size_t decoded = base64_decoded_size(text, size);
                cr_assert_eq(decoded, size / 4 * 3 - padding);
                const char *wrong = base64_decode(text, size, data);
                if (padding)
                    cr_assert_null(wrong);
                else
                    cr_assert_eq(wrong, text + place, "character %d at %zu of %zu", c, place, size);
            }
}

Test(base64, every_character_of_the_alphabet_stands_for_its_six_bits) {
    for (size_t i = 0; i < 64; i++) {
        char text[] = "AAAA";
        unsigned char data[3];
        text[3] = alphabet[i];
        cr_assert_null(base64_decode(text, 4, data));
        cr_assert_eq(data[2], i);
        text[3] = 'A';
        text[0] = alphabet[i];
        cr_assert_null(base64_decode(text, 4, data));
        cr_assert_eq(data[0], i << 2);
    }
}

Test(base64, lengths_that_are_no_multiple_of_four_are_refused) {
    for (size_t size = 0; size < 20; size++)
        cr_assert_eq(base64_decoded_size("AAAAAAAAAAAAAAAAAAAA", size), size % 4 == 0 ? size / 4 * 3 : SIZE_MAX);
}

static void wrong_at(const char *text, size_t place) {
    char data[16];
    size_t size = strlen(text);
    cr_assert_neq(base64_decoded_size(text, size), SIZE_MAX);
    cr_assert_eq(base64_decode(text, size, data), text + place, "%s", text);
}

Test(base64, padding_stands_at_the_end_only) {
    wrong_at("AA==AAAA", 2);
    wrong_at("AAA=AAAA", 3);
    wrong_at("A===", 1);
    wrong_at("====", 0);
    wrong_at("=AAA", 0);
    wrong_at("A=AA", 1);
    wrong_at("AA=A", 2);
    wrong_at("AAAAA===", 5);
}

Test(base64, bits_that_nobody_reads_must_be_zero) {
    char data[3];
    for (size_t i = 0; i < 64; i++) {
        char two[] = "AA==", one[] = "AAA=";
        two[1] = one[2] = alphabet[i];
        cr_assert_eq(base64_decode(two, 4, data), i % 16 == 0 ? NULL : two + 1, "%s", two);
        cr_assert_eq(base64_decode(one, 4, data), i % 4 == 0 ? NULL : one + 2, "%s", one);
    }
}
