/* From a body's text to a call. */
#pragma once

#include "api/call.h"
#include "api/limits.h"
#include "api/route.h"
#include "core/arena.h"
#include "core/error.h"

/* Decodes body[0, size), which a NUL must follow, with the route's defaults. Syntax, types, ranges and members that
 * contradict each other or the route are refused here; shapes are api/plan.c's. */
bool decode_call(const struct limits *limits, const struct route *route, const char *body, size_t size,
                 struct arena *arena, struct call *call, struct error *error);

/* Gives jansson the arena as allocator and seeds its hash; once per process. */
void decode_init(void);

/* The version of jansson that is loaded: "2.14". */
const char *decode_library(void);
