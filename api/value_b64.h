/* The b64 form of a tensor: raw numbers, little-endian as every machine this runs on is. */
#pragma once

#include "api/value.h"

/* Reads json's "dtype" and "b64" into `tensor`, whose shape is known, rounded to the call's dtype. */
bool value_b64(const struct decoder *decoder, const json_t *json, const char *pointer, enum value_tensor_kind kind,
               struct tensor *tensor);
