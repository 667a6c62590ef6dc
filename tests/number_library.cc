// The oracle of the number codec: see number_library.h. Plain on purpose.
#include "tests/number_library.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <system_error>

// Out of range is said of overflow and underflow alike; strtod() tells the two apart.
template <typename Real, Real (*Fallback)(const char *, char **)> static Real read(const char *text, const char *end) {
    Real value = 0;
    std::from_chars_result result = std::from_chars(text, end, value);
    return result.ec == std::errc::result_out_of_range ? Fallback(std::string(text, end).c_str(), nullptr) : value;
}

float number_library_read_f32(const char *text, const char *end) {
    return read<float, std::strtof>(text, end);
}

double number_library_read_f64(const char *text, const char *end) {
    return read<double, std::strtod>(text, end);
}

// ECMAScript's Number::toString from d.ddde±dd; -0 keeps its sign.
template <typename Real> static char *write(Real value, char *text) {
    char scientific[NUMBER_LIBRARY_MAX], digits[NUMBER_LIBRARY_MAX], *digits_end = digits;
    char *end = std::to_chars(scientific, scientific + sizeof scientific, value, std::chars_format::scientific).ptr;
    char *mark = std::find(scientific, end, 'e');
    for (char *c = scientific; c < mark; c++)
        if (*c >= '0' && *c <= '9')
            *digits_end++ = *c;
    int exponent = 0;
    std::from_chars(mark[1] == '+' ? mark + 2 : mark + 1, end, exponent);

    if (std::signbit(value))
        *text++ = '-';
    if (value == 0) {
        *text++ = '0';
    } else if (exponent > 20 || exponent < -6) {
        *text++ = digits[0];
        if (digits_end - digits > 1)
            *text++ = '.';
        text = std::copy(digits + 1, digits_end, text);
        *text++ = 'e';
        if (exponent > 0)
            *text++ = '+';
        text = std::to_chars(text, text + 5, exponent).ptr;
    } else if (exponent < 0) {
        text = std::copy_n("0.", 2, text);
        text = std::fill_n(text, -exponent - 1, '0');
        text = std::copy(digits, digits_end, text);
    } else if (exponent + 1 >= digits_end - digits) {
        text = std::copy(digits, digits_end, text);
        text = std::fill_n(text, exponent + 1 - (digits_end - digits), '0');
    } else {
        text = std::copy(digits, digits + exponent + 1, text);
        *text++ = '.';
        text = std::copy(digits + exponent + 1, digits_end, text);
    }
    return text;
}

char *number_library_write_f32(float value, char *text) {
    return write(value, text);
}

char *number_library_write_f64(double value, char *text) {
    return write(value, text);
}
