/* The members of /v1/attention/merge that no other route has. */
#pragma once

#include "api/value.h"

bool decode_merge_parts(const struct decoder *decoder, const json_t *json, const char *pointer);
bool decode_merge_return(const struct decoder *decoder, const json_t *json, const char *pointer);
