/* Proof by numbers: random doubles are written as the library writes them and read back to their bits, random texts are
 * read as the library reads them, as float64 and as float32, and with decimals both types are written as printf writes
 * them; one by one and by the row.
 *
 *     number_random [count of each] [seed]
 *
 * Texts are written doubles, doubles with 17 digits, decimals of 1 to 30 digits with and without an exponent, and exact
 * midpoints between two neighbours of either type, as they are, cut off, and with a digit more. */
#include "api/number.h"
#include "tests/core/random.h"
#include "tests/number_library.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW = 512, TEXT_MAX = 900 };

static void proof_fail(const char *text, double value, double right) {
    fprintf(stderr, "%s: %a, not %a\n", text, value, right);
    exit(1);
}

/* Doubles of all exponents, of usual sizes, near powers of two, and subnormal ones. */
static double proof_double(struct random *random) {
    uint64_t bits = random_word(random);
    double value;
    switch (random_size(random, 0, 7)) {
    case 0:
    case 1:
        return random_number(random, 1);
    case 2:
        return random_number(random, 1) * random_number(random, 1) * random_number(random, 1e-3);
    case 3:
        bits &= 0xfff0000000000000;
        bits += random_word(random) % 5 - 2;
        break;
    case 4:
        bits &= 0x800fffffffffffff;
        bits >>= random_size(random, 0, 50);
        break;
    default:
        break;
    }
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : 0.5;
}

static void proof_write(struct random *random) {
    static char row[ROW * NUMBER_MAX_F64 + NUMBER_SPILL];
    double values[ROW], back[ROW];
    for (size_t i = 0; i < ROW; i++)
        values[i] = proof_double(random);
    char *row_end = row;
    if (number_write_row_f64(values, ROW, &row_end) != ROW)
        proof_fail("a row is cut short", 0, 0);
    *row_end = '\0';
    const char *read_end = row, *text = row;
    if (number_row_read_f64(&read_end, (struct number_span){row, row_end}, back, ROW) != ROW || read_end != row_end - 1)
        proof_fail("a row is not read to its end", 0, 0);
    for (size_t i = 0; i < ROW; i++) {
        char library[NUMBER_LIBRARY_MAX + 1], *end = number_library_write_f64(values[i], library);
        *end = '\0';
        size_t size = (size_t)(end - library);
        double plain;
        if (memcmp(text, library, size) != 0 || text[size] != ',')
            proof_fail(text, values[i], number_library_read_f64(library, end));
        if (memcmp(&back[i], &values[i], sizeof *back) != 0)
            proof_fail(library, back[i], values[i]);
        if (number_read_f64(text, &plain) != text + size || memcmp(&plain, &values[i], sizeof plain) != 0)
            proof_fail(library, plain, values[i]);
        text += size + 1;
    }
}

/* The middle between a number and the next one, exactly: both are sums of few powers of two. */
static size_t proof_middle(struct random *random, char *text) {
    long double middle;
    if (random_chance(random, 50)) {
        float value = (float)proof_double(random);
        if (!isfinite(value) || !isfinite(nextafterf(value, INFINITY)))
            value = 1;
        middle = ((long double)value + (long double)nextafterf(value, INFINITY)) / 2;
    } else {
        double value = proof_double(random);
        if (!isfinite(nextafter(value, INFINITY)))
            value = 1;
        middle = ((long double)value + (long double)nextafter(value, INFINITY)) / 2;
    }
    if (random_chance(random, 50)) /* cut off or not, and short enough for the fast way */
        return (size_t)snprintf(text, TEXT_MAX, "%.*Lf", (int)random_size(random, 12, 26), fmodl(middle, 16));
    snprintf(text, TEXT_MAX, "%.*Le", (int)random_size(random, 15, 780), middle);
    char *mark = strchr(text, 'e');
    char exponent[16];
    strcpy(exponent, mark);
    while (mark[-1] == '0' && mark[-2] != '.')
        mark--;
    if (random_chance(random, 30)) { /* a little more, or a little less */
        if (random_chance(random, 50))
            mark += sprintf(mark, "%0*d", (int)random_size(random, 1, 60), 1);
        else if (mark[-1] > '0')
            mark[-1]--;
    }
    strcpy(mark, exponent);
    return strlen(text);
}

/* What decimals are hard for: halfway between two of them, and just below a power of ten, where nines carry. */
static double proof_rounded(struct random *random) {
    double whole = (double)random_size(random, 0, random_chance(random, 50) ? 20 : 1 << 20);
    switch (random_size(random, 0, 3)) {
    case 0:
        return ldexp(whole * 2 + 1, -(int)random_size(random, 1, 20));
    case 1:
        return pow(10, (double)random_size(random, 0, 6)) - ldexp(whole, -(int)random_size(random, 20, 45));
    case 2:
        return whole / pow(10, (double)random_size(random, 1, 17));
    default:
        return proof_double(random);
    }
}

/* A row with decimals in both types; an eighth as many as of the others, since printf is slow. */
static void proof_fixed(struct random *random) {
    enum { FEW = ROW / 8 };
    static char row[FEW * NUMBER_MAX_FIXED + NUMBER_SPILL];
    double doubles[FEW];
    float singles[FEW];
    int decimals = (int)random_size(random, 0, 17);
    for (size_t i = 0; i < FEW; i++) {
        doubles[i] = proof_rounded(random) * (random_chance(random, 30) ? -1 : 1);
        singles[i] = fabs(doubles[i]) <= FLT_MAX ? (float)doubles[i] : 0.5f;
    }
    for (size_t pass = 0; pass < 2; pass++) {
        char *row_end = row;
        size_t written = pass == 0 ? number_fixed_row_f64(doubles, FEW, decimals, &row_end)
                                   : number_fixed_row_f32(singles, FEW, decimals, &row_end);
        if (written != FEW)
            proof_fail("a row with decimals is cut short", 0, 0);
        const char *text = row;
        for (size_t i = 0; i < FEW; i++) {
            char library[NUMBER_MAX_FIXED + 1];
            double value = pass == 0 ? doubles[i] : (double)singles[i];
            size_t size = (size_t)snprintf(library, sizeof library, "%.*f,", decimals, value);
            if (memcmp(text, library, size) != 0)
                proof_fail(library, value, value);
            text += size;
        }
    }
}

static size_t proof_decimal(struct random *random, char *text) {
    size_t size = 0, whole = random_chance(random, 70) ? 1 : random_size(random, 1, 12);
    size_t places = random_size(random, 0, random_chance(random, 90) ? 19 : 30);
    if (random_chance(random, 50))
        text[size++] = '-';
    for (size_t i = 0; i < whole; i++)
        text[size++] = (char)('0' + random_size(random, i == 0 && whole > 1 ? 1 : 0, 9));
    if (places > 0)
        text[size++] = '.';
    size_t zeros = random_chance(random, 20) ? random_size(random, 0, places) : 0;
    for (size_t i = 0; i < places; i++)
        text[size++] = (char)('0' + (i < zeros ? 0 : random_size(random, 0, 9)));
    if (random_chance(random, 20))
        size += (size_t)sprintf(text + size, "%c%s%d", random_chance(random, 50) ? 'e' : 'E',
                                random_chance(random, 50)   ? "-"
                                : random_chance(random, 50) ? "+"
                                                            : "",
                                (int)random_size(random, 0, random_chance(random, 80) ? 40 : 340));
    return size;
}

static size_t proof_text(struct random *random, char *text) {
    switch (random_size(random, 0, 9)) {
    case 0:
        return proof_middle(random, text);
    case 1:
        return (size_t)sprintf(text, "%.17g", random_number(random, 1));
    case 2:
        return (size_t)sprintf(text, "%.*f", (int)random_size(random, 1, 25), random_number(random, 30));
    case 3:
        return (size_t)(number_library_write_f64(random_number(random, 3), text) - text);
    case 4:
        return (size_t)(number_library_write_f32((float)random_number(random, 3), text) - text);
    default:
        return proof_decimal(random, text);
    }
}

/* Reads a row of texts in both types; what overflows ends a row, so that there are shorter ones. */
static void proof_read(struct random *random) {
    static char row[ROW * TEXT_MAX];
    float singles[ROW];
    double doubles[ROW];
    size_t starts[ROW + 1], size = 0, count = random_size(random, 1, ROW), space = random_chance(random, 50);
    for (size_t i = 0; i < count; i++) {
        starts[i] = size;
        size += proof_text(random, row + size);
        row[size++] = ',';
        if (space != 0)
            row[size++] = ' ';
    }
    starts[count] = size;
    row[size] = '\0';
    struct number_span all = {row, row + size};
    for (size_t i = 0, f32_until = 0, f64_until = 0; i < count; i++) {
        const char *text = row + starts[i], *end = row + starts[i + 1] - 1 - space, *place = text;
        char copy[TEXT_MAX];
        snprintf(copy, sizeof copy, "%.*s", (int)(end - text), text);
        float single = number_library_read_f32(text, end), plain_single;
        double number = number_library_read_f64(text, end), plain_number;
        if (i >= f32_until)
            f32_until = i + number_row_read_f32(&place, all, singles + i, count - i);
        place = text;
        if (i >= f64_until)
            f64_until = i + number_row_read_f64(&place, all, doubles + i, count - i);
        if (number_read_f32(text, &plain_single) != end || memcmp(&plain_single, &single, sizeof single) != 0)
            proof_fail(copy, (double)plain_single, (double)single);
        if (number_read_f64(text, &plain_number) != end || memcmp(&plain_number, &number, sizeof number) != 0)
            proof_fail(copy, plain_number, number);
        if (isfinite(single) != (i < f32_until) || (i < f32_until && memcmp(&singles[i], &single, sizeof single) != 0))
            proof_fail(copy, (double)singles[i], (double)single);
        if (isfinite(number) != (i < f64_until) || (i < f64_until && memcmp(&doubles[i], &number, sizeof number) != 0))
            proof_fail(copy, doubles[i], number);
    }
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000,
             seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    struct random random = {seed};
    for (uint64_t i = 0; i < count; i += ROW) {
        proof_write(&random);
        proof_fixed(&random);
        proof_read(&random);
        proof_read(&random);
    }
    printf("%" PRIu64 " doubles written and read back, as many texts read as both types, and an eighth as many written "
           "with decimals, as the library does (seed %" PRIu64 ")\n",
           count, seed);
    return 0;
}
