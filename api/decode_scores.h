/* The members that change scores or the softmax's sum: softcap, alibi and sinks. */
#pragma once

#include "api/value.h"

bool decode_scores_softcap(const struct decoder *decoder, const json_t *json, const char *pointer);
bool decode_scores_alibi(const struct decoder *decoder, const json_t *json, const char *pointer);
bool decode_scores_sinks(const struct decoder *decoder, const json_t *json, const char *pointer);
