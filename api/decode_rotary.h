/* The member `rotary`. */
#pragma once

#include "api/value.h"

bool decode_rotary(const struct decoder *decoder, const json_t *json, const char *pointer);
