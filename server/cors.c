/* CORS: see cors.h. Source: the Fetch standard, section 3.2. An origin is compared byte by byte, as browsers send it:
 * scheme and host in lower case, no default port, no slash at the end. */
#include "server/cors.h"

#include <stdio.h>
#include <string.h>

static bool cors_is_any(const struct cors *cors) {
    return strcmp(cors->origins, "*") == 0;
}

const char *cors_allow_origin(const struct cors *cors, const char *origin) {
    if (cors_is_any(cors))
        return "*";
    if (origin == NULL || origin[0] == '\0')
        return NULL;

    size_t length = strlen(origin);
    for (const char *at = cors->origins; *at != '\0';) {
        at += strspn(at, ", ");
        size_t size = strcspn(at, ", ");
        if (size == length && memcmp(at, origin, length) == 0)
            return origin;
        at += size;
    }
    return NULL;
}

bool cors_varies(const struct cors *cors) {
    return cors->origins[0] != '\0' && !cors_is_any(cors);
}

void cors_allow_headers(const char *requested, char text[CORS_HEADERS_MAX]) {
    static const char names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ";
    bool echo = requested != NULL && requested[0] != '\0' && strlen(requested) < CORS_HEADERS_MAX &&
                requested[strspn(requested, names)] == '\0';
    snprintf(text, CORS_HEADERS_MAX, "%s", echo ? requested : "Content-Type, Accept, X-Request-Id");
}
