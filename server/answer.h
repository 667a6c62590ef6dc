/* The header fields of an answer. */
#pragma once

#include "server/exchange.h"

typedef void answer_add(void *context, const char *name, const char *value);

/* Calls `add` for each field but those the HTTP library writes itself (Date, Content-Length, Transfer-Encoding). */
void answer_fields(const struct exchange *exchange, answer_add *add, void *context);
