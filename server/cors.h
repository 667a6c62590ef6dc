/* Cross-origin calls from pages (the Fetch standard's CORS protocol): who may, and what they are told. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { CORS_HEADERS_MAX = 256 };

struct cors {
    const char *origins; /* "" nobody, "*" anybody, else a list separated by commas; see cors_check() */
};

/* Whether each origin of a list is one that a browser may send. `why` is otherwise half a sentence that says what to
 * write instead. */
bool cors_check(const char *origins, char *why, size_t why_size);

/* The value of Access-Control-Allow-Origin for a request from `origin` (NULL: not from a page): "*", `origin` itself,
 * or NULL where it may not. */
const char *cors_allow_origin(const struct cors *cors, const char *origin);

/* Whether `origin` (NULL: none) is that of a page that may not call and is not ours: the page at `host` itself may. */
bool cors_refuses(const struct cors *cors, const char *origin, const char *host);

/* The answer to a browser that asks for such a page: it is refused to the page either way; this says what would let it
 * in. Always false. */
bool cors_refuse(const struct cors *cors, const char *origin, struct error *error);

/* Whether answers differ by origin, so that a cache must be told (Vary: Origin). */
bool cors_varies(const struct cors *cors);

/* The value of Access-Control-Allow-Headers: the names that were asked for, if they are nothing but names; else the
 * ones that the service knows. `requested` may be NULL. */
void cors_allow_headers(const char *requested, char text[CORS_HEADERS_MAX]);
