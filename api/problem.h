/* Errors as RFC 9457 problems: the status of each code, the JSON, and the page that explains it. */
#pragma once

#include "api/text.h"
#include "core/error.h"

/* The HTTP status of a code. */
int problem_status(enum error_code code);

/* application/problem+json: type, title, status, detail, code, pointer, expected, received, line, column, offset. */
void problem_write(const struct error *error, struct text *text);

/* What a code means and how to mend it, for people. */
const char *problem_explanation(enum error_code code);
