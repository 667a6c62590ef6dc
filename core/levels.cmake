# Levels of processors that parts of core and api are compiled for: `levels` and, of each, `flags_<level>`. Each layer
# chooses among them at run time (core/kernels.c, api/number_level.c).
include(CheckCCompilerFlag)
set(flags_base)
set(flags_avx2 -mavx2 -mfma)
set(flags_avx512 -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
set(levels base)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(level avx2 avx512)
    string(TOUPPER ${level} upper)
    string(REPLACE ";" " " flags "${flags_${level}}")
    check_c_compiler_flag("${flags}" CORE_${upper})
    if(CORE_${upper})
      list(APPEND levels ${level})
    endif()
  endforeach()
endif()

# AddressSanitizer's stand-ins for stack frames are aligned for 32 bytes, GCC's code for AVX-512 expects 64 (GCC bug
# 110027): without them it still sees overruns, but no use of a frame after its function returned.
set(flags_sanitize)
if(ATTND_SANITIZE MATCHES "address" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(flags_sanitize --param=asan-use-after-return=0)
endif()
