// The number codec against the libraries, in one process on one thread: nanoseconds per number, by alternating rounds.
//
//     bench_codec [rounds]
//
// A round times each contestant once on the same row of numbers; printed are medians, and the median of the ratios of
// ours to each other one's time in the same round, which a noisy machine disturbs least. What a contestant does not do
// (check JSON's grammar, lay numbers out as ECMAScript does, write commas) it is not made to do.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#if __has_include(<fast_float/fast_float.h>)
#include <fast_float/fast_float.h>
#define BENCH_FAST_FLOAT 1
#endif
#if __has_include(<simdjson.h>)
#include <simdjson.h>
#define BENCH_SIMDJSON 1
#endif
#if __has_include(<yyjson.h>)
#include <yyjson.h>
#define BENCH_YYJSON 1
#endif

extern "C" {
#include "api/base64.h"
#include "api/encode.h"
#include "api/number.h"
#include "api/scan.h"
}

namespace {

constexpr std::size_t count = 32768, row_count = 512;
int rounds = 61;

struct Contestant {
    std::string name;
    std::function<void()> run;
};

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

// The first contestant is ours. `per` is what one run is divided by.
void compare(const std::string &title, double per, const std::vector<Contestant> &contestants, double bytes = 0) {
    std::vector<std::vector<double>> times(contestants.size()), ratios(contestants.size());
    for (int round = 0; round < rounds; round++)
        for (std::size_t i = 0; i < contestants.size(); i++) {
            auto begin = std::chrono::steady_clock::now();
            contestants[i].run();
            std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
            times[i].push_back(time.count() / per);
            ratios[i].push_back(times[0].back() / times[i].back());
        }
    std::printf("%-34s", title.c_str());
    for (std::size_t i = 0; i < contestants.size(); i++) {
        std::printf("  %s %.1f", contestants[i].name.c_str(), median(times[i]));
        if (i > 0)
            std::printf(" (%.2f)", median(ratios[i]));
        else if (bytes > 0)
            std::printf(" = %.2f GB/s", bytes / per / median(times[i]));
    }
    std::printf("\n");
}

std::vector<double> gauss() {
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    std::vector<double> values(count);
    for (double &value : values)
        value = normal(random);
    return values;
}

std::vector<double> weights(double spread) {
    std::vector<double> values = gauss();
    for (std::size_t row = 0; row < count; row += row_count) {
        double sum = 0;
        for (std::size_t i = row; i < row + row_count; i++)
            sum += values[i] = std::exp(spread * values[i]);
        for (std::size_t i = row; i < row + row_count; i++)
            values[i] /= sum;
    }
    return values;
}

template <typename Real> std::vector<Real> as(const std::vector<double> &values) {
    return std::vector<Real>(values.begin(), values.end());
}

size_t write_row(const float *values, size_t size, char **text) {
    return number_write_row_f32(values, size, text);
}
size_t write_row(const double *values, size_t size, char **text) {
    return number_write_row_f64(values, size, text);
}
size_t read_row(const char **text, number_span all, float *values, size_t size) {
    return number_row_read_f32(text, all, values, size);
}
size_t read_row(const char **text, number_span all, double *values, size_t size) {
    return number_row_read_f64(text, all, values, size);
}

std::vector<char> text(count * 40);

template <typename Real> void write(const std::string &title, const std::vector<Real> &values) {
    auto library = [&values](auto... format) {
        char *end = text.data();
        for (Real value : values) {
            end = std::to_chars(end, end + 32, value, format...).ptr;
            *end++ = ',';
        }
    };
    compare(title, count,
            {{"ours",
              [&values] {
                  char *end = text.data();
                  for (std::size_t i = 0; i < count; i += row_count)
                      write_row(values.data() + i, row_count, &end);
              }},
             {"to_chars", [&] { library(); }},
             {"to_chars scientific", [&] { library(std::chars_format::scientific); }}});
}

void write_fixed(const std::string &title, const std::vector<float> &values, int decimals) {
    compare(title, count,
            {{"ours",
              [&values, decimals] {
                  char *end = text.data();
                  for (std::size_t i = 0; i < count; i += row_count)
                      number_fixed_row_f32(values.data() + i, row_count, decimals, &end);
              }},
             {"to_chars fixed",
              [&values, decimals] {
                  char *end = text.data();
                  for (float value : values) {
                      end = std::to_chars(end, end + 39, value, std::chars_format::fixed, decimals).ptr;
                      *end++ = ',';
                  }
              }},
             {"our shortest", [&values] {
                  char *end = text.data();
                  for (std::size_t i = 0; i < count; i += row_count)
                      number_write_row_f32(values.data() + i, row_count, &end);
              }}});
}

template <typename Real> void read(const std::string &title, const std::string &numbers) {
    static std::vector<Real> out(count + 1);
    const char *begin = numbers.data(), *end = begin + numbers.size() - 1;
    std::vector<Contestant> contestants = {
        {"ours",
         [=] {
             const char *place = begin;
             for (std::size_t i = 0; i < count; place++)
                 i += read_row(&place, number_span{begin, end}, out.data() + i, std::min(row_count, count - i));
         }},
        {"from_chars", [=] {
             const char *place = begin;
             for (std::size_t i = 0; i < count; i++)
                 place = std::from_chars(place, end, out[i]).ptr + 1;
         }}};
#if defined BENCH_FAST_FLOAT
    contestants.push_back({"fast_float", [=] {
                               const char *place = begin;
                               for (std::size_t i = 0; i < count; i++)
                                   place = fast_float::from_chars(place, end, out[i]).ptr + 1;
                           }});
#endif
    std::string array = "[" + numbers.substr(0, numbers.size() - 1) + "]";
#if defined BENCH_SIMDJSON
    static simdjson::ondemand::parser parser;
    simdjson::padded_string padded(array);
    contestants.push_back({"simdjson", [&padded] {
                               simdjson::ondemand::document document = parser.iterate(padded);
                               std::size_t i = 0;
                               for (double value : document.get_array())
                                   out[i++] = static_cast<Real>(value);
                           }});
#endif
#if defined BENCH_YYJSON
    contestants.push_back({"yyjson", [&array] {
                               yyjson_doc *document = yyjson_read(array.data(), array.size(), 0);
                               std::size_t i, size;
                               yyjson_val *value;
                               yyjson_arr_foreach(yyjson_doc_get_root(document), i, size, value) out[i] =
                                   static_cast<Real>(yyjson_get_num(value));
                               yyjson_doc_free(document);
                           }});
#endif
    compare(title, count, contestants, static_cast<double>(numbers.size()));
}

template <typename Real> std::string shortest(const std::vector<Real> &values) {
    std::string numbers(values.size() * 40, '\0');
    char *end = numbers.data();
    write_row(values.data(), values.size(), &end);
    numbers.resize(static_cast<std::size_t>(end - numbers.data()));
    return numbers;
}

std::string fixed(const std::vector<double> &values, int decimals) {
    std::string numbers;
    for (double value : values) {
        char buffer[64];
        numbers.append(buffer,
                       static_cast<std::size_t>(std::snprintf(buffer, sizeof buffer, "%.*f,", decimals, value)));
    }
    return numbers;
}

// A whole body's way in and a whole result's way out, each number between brackets and commas.
void whole(std::size_t rows, std::size_t cols) {
    std::vector<float> values = as<float>(gauss());
    std::string body = "{\"inputs\":[";
    for (std::size_t row = 0; row < rows; row++) {
        std::string numbers(cols * 20 + 64, '\0');
        char *end = numbers.data();
        number_write_row_f32(values.data() + row * 61 % (count - cols), cols, &end);
        numbers.resize(static_cast<std::size_t>(end - numbers.data()) - 1);
        body += (row > 0 ? ",[" : "[") + numbers + "]";
    }
    body += "]}";
    std::string title = std::to_string(rows) + "x" + std::to_string(cols);
    double per = static_cast<double>(rows * cols);
    compare("scan a body of " + title, per,
            {{"ours",
              [&body] {
                  struct arena arena;
                  struct scan scan;
                  struct error error = {};
                  arena_init(&arena, 0);
                  if (!scan_body(body.data(), body.size(), DTYPE_FLOAT32, &limits_default, &arena, &scan, &error))
                      std::abort();
                  arena_done(&arena);
              }}},
            static_cast<double>(body.size()));
    struct encode encode = {};
    encode.dtype = encode.written = DTYPE_FLOAT32;
    encode.decimals = -1;
    encode.rank = 2;
    encode.shape[0] = encode.rows = rows;
    encode.shape[1] = cols;
    const std::size_t block = 32;
    std::vector<char> out(encode_size(&encode, block));
    double size = static_cast<double>(body.size());
    compare("encode a result of " + title, per,
            {{"ours",
              [&] {
                  for (std::size_t row = 0; row < rows; row += block) {
                      char *end = out.data();
                      if (!encode_rows(&encode, row, block, values.data(), cols / 4, &end))
                          std::abort();
                  }
              }}},
            size);
}

void base64() {
    static std::vector<unsigned char> data(1 << 20);
    static std::vector<char> encoded(base64_encoded_size(data.size()));
    for (std::size_t i = 0; i < data.size(); i++)
        data[i] = static_cast<unsigned char>(i * 2654435761u >> 24);
    double size = static_cast<double>(data.size());
    auto copy = [] { std::memcpy(encoded.data(), data.data(), data.size()); };
    compare("base64 out, ns per 1000 bytes", size / 1000,
            {{"ours", [] { base64_encode(data.data(), data.size(), encoded.data()); }}, {"memcpy", copy}}, size);
    base64_encode(data.data(), data.size(), encoded.data());
    compare("base64 in, ns per 1000 bytes", size / 1000,
            {{"ours", [] { base64_decode(encoded.data(), encoded.size(), data.data()); }}}, size);
}

} // namespace

int main(int argc, char **argv) {
    if (argc > 1)
        rounds = std::max(1, std::atoi(argv[1]));
    std::printf("ns per number, and in brackets ours as a part of the other's time\n");
    write("write float32, softmax weights", as<float>(weights(1)));
    write("write float32, peaked weights", as<float>(weights(5)));
    write("write float32, gauss", as<float>(gauss()));
    write("write float64, softmax weights", weights(1));
    write("write float64, gauss", gauss());
    write_fixed("write float32, 4 decimals, weights", as<float>(weights(1)), 4);
    write_fixed("write float32, 6 decimals, gauss", as<float>(gauss()), 6);
    write_fixed("write float32, 12 decimals, gauss", as<float>(gauss()), 12);
    read<float>("read float32, softmax weights", shortest(as<float>(weights(1))));
    read<float>("read float32, gauss", shortest(as<float>(gauss())));
    read<float>("read float32 of 17 digits", shortest(gauss()));
    read<float>("read float32 like 0.43", fixed(gauss(), 2));
    read<float>("read float32, 1 to 6 decimals", shortest(as<float>([] {
                    std::vector<double> values = gauss();
                    for (std::size_t i = 0; i < values.size(); i++) {
                        double scale = std::pow(10, static_cast<double>(1 + i * 7919 % 6));
                        values[i] = std::round(values[i] * scale) / scale;
                    }
                    return values;
                }())));
    read<double>("read float64 of 17 digits, gauss", shortest(gauss()));
    read<double>("read float64 of 17 digits, weights", shortest(weights(1)));
    read<double>("read float64 like 0.43", fixed(gauss(), 2));
    whole(512, 64);
    rounds = std::max(1, rounds / 4);
    whole(2048, 2048);
    base64();
    return 0;
}
