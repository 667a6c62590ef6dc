/* The member `projections`: four maps, the state_dict of a torch.nn.MultiheadAttention, or what draws the maps. */
#pragma once

#include "api/value.h"

/* {"weight", "bias"}: one map. */
bool decode_projections_map(const struct decoder *decoder, const json_t *json, const char *pointer,
                            struct call_projection *projection);

bool decode_projections(const struct decoder *decoder, const json_t *json, const char *pointer);
