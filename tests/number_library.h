/* The oracle of the number codec: libstdc++'s <charconv>, laid out as the codec lays numbers out. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

enum { NUMBER_LIBRARY_MAX = 40 };

/* The value nearest to the number that [text, end) begins with, ties to even; ±infinity where it overflows. */
float number_library_read_f32(const char *text, const char *end);
double number_library_read_f64(const char *text, const char *end);

/* The shortest text that reads back to the same bits, as ECMAScript lays it out; returns its end. */
char *number_library_write_f32(float value, char *text);
char *number_library_write_f64(double value, char *text);

#ifdef __cplusplus
}
#endif
