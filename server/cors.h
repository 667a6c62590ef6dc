/* Cross-origin calls from pages (the Fetch standard's CORS protocol): who may, and what they are told. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { CORS_HEADERS_MAX = 256 };

struct cors {
    const char *origins; /* "" nobody, "*" anybody, else a list separated by commas */
};

/* The value of Access-Control-Allow-Origin for a request from `origin` (NULL: not from a page): "*", `origin` itself,
 * or NULL where it may not. */
const char *cors_allow_origin(const struct cors *cors, const char *origin);

/* Whether answers differ by origin, so that a cache must be told (Vary: Origin). */
bool cors_varies(const struct cors *cors);

/* The value of Access-Control-Allow-Headers: the names that were asked for, if they are nothing but names; else the
 * ones that the service knows. `requested` may be NULL. */
void cors_allow_headers(const char *requested, char text[CORS_HEADERS_MAX]);
