/* The header fields of an answer. */
#pragma once

#include "server/exchange.h"

/* False: the field could not be added. */
typedef bool answer_add(void *context, const char *name, const char *value);

/* Calls `add` for each field but those the HTTP library writes itself (Date, Content-Length, Transfer-Encoding). False
 * after the first that could not be added: such an answer must not be sent. */
bool answer_fields(const struct exchange *exchange, answer_add *add, void *context);
