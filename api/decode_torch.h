/* projections.init: weights that are drawn in place of given ones. */
#pragma once

#include "api/value.h"

/* `projections` with the member "init". */
bool decode_torch(const struct decoder *decoder, const json_t *json, const char *pointer);

/* Refuses the members of projections that only "init" gives a meaning: `name` is one of them. */
bool decode_torch_absent(const struct decoder *decoder, const char *name, const char *pointer);
