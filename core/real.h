/* The kernels are written once and compiled for each number type and each level of processor, as FFTW does: with
 * REAL_BITS 32 and 64, and REAL_LEVEL base, avx2 and avx512 (the last two on x86-64 only). `real` is the number type,
 * REAL(name) the compiled function's name (name_f32_avx2 …), REAL_TYPED(name) that of a function which exists once per
 * type (name_f32), REAL_MATH(exp) the libm function (expf, exp), REAL_DTYPE its name
 * in core/dtype.h. A file that includes this header is in CMake's list
 * CORE_KERNELS. */
#pragma once

#include <float.h>
#include <math.h>
#include <stdint.h>

#define REAL_PASTE(name, type, level) name##_##type##_##level
#define REAL_NAME(name, type, level) REAL_PASTE(name, type, level)

#if REAL_BITS == 32
typedef float real;
typedef uint32_t real_bits; /* an integer of the same size */
#define REAL(name) REAL_NAME(name, f32, REAL_LEVEL)
#define REAL_TYPED(name) name##_f32
#define REAL_MATH(name) name##f
#define REAL_MAX FLT_MAX
#define REAL_DTYPE DTYPE_FLOAT32
#elif REAL_BITS == 64
typedef double real;
typedef uint64_t real_bits;
#define REAL(name) REAL_NAME(name, f64, REAL_LEVEL)
#define REAL_TYPED(name) name##_f64
#define REAL_MATH(name) name
#define REAL_MAX DBL_MAX
#define REAL_DTYPE DTYPE_FLOAT64
#else
#error "compile kernels with REAL_BITS 32 and 64"
#endif
