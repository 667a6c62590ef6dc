/* The member `mask`: a name, a tensor, or an object of parts. */
#pragma once

#include "api/value.h"

/* A part of the mask object as a row: a new part is a row here, a kind in core/mask.h, a test and a heading. */
struct decode_mask_part {
    const char *name;
    enum mask_kind kind;
    enum call_mask_form form;
    bool (*decode)(const struct decoder *decoder, const json_t *json, const char *pointer,
                   const struct decode_mask_part *row);
    const char *type, *meaning; /* for the catalogue */
};

/* The row at an index, NULL past the last. */
const struct decode_mask_part *decode_mask_part_at(size_t index);

bool decode_mask(const struct decoder *decoder, const json_t *json, const char *pointer);
