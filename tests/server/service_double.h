/* What tests may ask the stand-in for the api layer. */
#pragma once

#include <stdatomic.h>

/* Parts that have been run in this process. */
extern atomic_ulong service_double_parts;
