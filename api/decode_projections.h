/* The member `projections`: four maps, or the state_dict of a torch.nn.MultiheadAttention. */
#pragma once

#include "api/value.h"

bool decode_projections(const struct decoder *decoder, const json_t *json, const char *pointer);
