/* Media types: what a request's Content-Type says, and what its Accept takes (RFC 9110 sections 8.3 and 12.5.1). */
#pragma once

#include <stdbool.h>

/* Whether a body of this type is read as JSON: application/json and application/…+json; where no Origin field says that
 * a web page sent it, also no type (NULL or empty) and curl's form type. Those a page may send without asking first. */
bool negotiate_is_json(const char *content_type, bool has_origin);

/* Whether an Accept field (NULL: takes all) takes `type`, given as "application/json". */
bool negotiate_accepts(const char *accept, const char *type);
