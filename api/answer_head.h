/* The answer's text before its results: dtype, shapes, labels, fully masked rows. */
#pragma once

#include "api/plan.h"
#include "api/text.h"

/* `{"dtype":…,"shape":{…}` and so on, with a comma at the end. */
void answer_head(const struct plan *plan, struct text *text);

/* Writes what stands in the answer before the tensor at an index, after the one before it, and returns the end: its
 * name, a comma, and the braces of "projections", whose maps hold more than one tensor. An index past the last: what
 * closes the answer. At most ANSWER_HEAD_NAME_MAX bytes. */
enum { ANSWER_HEAD_NAME_MAX = 128 };
char *answer_head_name(const struct plan *plan, size_t index, char *text);
