/* The member attention_axes. */
#pragma once

#include "api/value.h"

bool decode_axes(const struct decoder *decoder, const json_t *json, const char *pointer);
