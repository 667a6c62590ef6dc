/* The answer's text before its results: dtype, shapes, labels, fully masked rows. */
#pragma once

#include "api/plan.h"
#include "api/text.h"

/* `{"dtype":…,"shape":{…}` and so on, without a comma at the end and without the closing brace. */
void answer_head(const struct plan *plan, struct text *text);
