// libstdc++'s number codec behind extern "C": see number_codec.h. The only C++ of the product.
#include "api/number_codec.h"

#include <charconv>
#include <cstdlib>
#include <system_error>

template <typename Real, Real (*Fallback)(const char *, char **)> static Real read(const char *text, const char *end) {
    Real value = 0;
    std::from_chars_result result = std::from_chars(text, end, value);
    // Out of range is said of overflow and underflow alike; strtod tells the two apart (the locale stays "C").
    if (result.ec == std::errc::result_out_of_range)
        return Fallback(text, nullptr);
    return value;
}

float number_codec_read_f32(const char *text, const char *end) {
    return read<float, std::strtof>(text, end);
}

double number_codec_read_f64(const char *text, const char *end) {
    return read<double, std::strtod>(text, end);
}

char *number_codec_digits_f32(float value, char *text) {
    return std::to_chars(text, text + NUMBER_CODEC_DIGITS, value, std::chars_format::scientific).ptr;
}

char *number_codec_digits_f64(double value, char *text) {
    return std::to_chars(text, text + NUMBER_CODEC_DIGITS, value, std::chars_format::scientific).ptr;
}

char *number_codec_fixed(double value, int decimals, char *text, size_t size) {
    std::to_chars_result result = std::to_chars(text, text + size, value, std::chars_format::fixed, decimals);
    return result.ec == std::errc() ? result.ptr : nullptr;
}
