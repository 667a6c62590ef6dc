/* The kernels are written once and compiled twice, as FFTW does: with REAL_BITS 32 and 64. `real` is the number type,
 * REAL(name) the compiled function's name (name_f32, name_f64), REAL_MATH(exp) the libm function (expf, exp). A file
 * that includes this header is in CMake's list CORE_KERNELS. */
#pragma once

#include <float.h>
#include <math.h>

#if REAL_BITS == 32
typedef float real;
#define REAL(name) name##_f32
#define REAL_MATH(name) name##f
#define REAL_MAX FLT_MAX
#elif REAL_BITS == 64
typedef double real;
#define REAL(name) name##_f64
#define REAL_MATH(name) name
#define REAL_MAX DBL_MAX
#else
#error "compile kernels with REAL_BITS 32 and 64"
#endif
