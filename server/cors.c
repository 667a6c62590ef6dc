/* CORS: see cors.h. Source: the Fetch standard, section 3.2, and the serialization of an origin in HTML, section 7.1.1.
 * An origin is compared byte by byte, as browsers send it: scheme and host in lower case, no default port, no slash at
 * the end. A listed value that is written otherwise could never match, so it ends the start. */
#include "server/cors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CORS_ITEM_MAX = 256 };

/* Any port of the machine itself, for pages that are being written. */
static const char *const cors_any_port[] = {"http://localhost:*", "http://127.0.0.1:*"};

static bool cors_is_any(const struct cors *cors) {
    return strcmp(cors->origins, "*") == 0;
}

static bool cors_matches(const char *item, size_t size, const char *origin) {
    if (item[size - 1] != '*')
        return strlen(origin) == size && memcmp(item, origin, size) == 0;
    size_t host = size - 2; /* without ":*" */
    if (strncmp(item, origin, host) != 0)
        return false;
    size_t digits = origin[host] == ':' ? strspn(origin + host + 1, "0123456789") : 0;
    return origin[host] == '\0' || (digits > 0 && origin[host + 1 + digits] == '\0');
}

const char *cors_allow_origin(const struct cors *cors, const char *origin) {
    if (cors_is_any(cors))
        return "*";
    if (origin == NULL || origin[0] == '\0')
        return NULL;
    for (const char *at = cors->origins + strspn(cors->origins, ", "); *at != '\0';) {
        size_t size = strcspn(at, ", ");
        if (cors_matches(at, size, origin))
            return origin;
        at += size + strspn(at + size, ", ");
    }
    return NULL;
}

bool cors_refuses(const struct cors *cors, const char *origin, const char *host) {
    if (origin == NULL || cors_allow_origin(cors, origin) != NULL)
        return false;
    const char *own = strstr(origin, "://");
    return own == NULL || host == NULL || strcasecmp(own + strlen("://"), host) != 0;
}

bool cors_varies(const struct cors *cors) {
    return cors->origins[0] != '\0' && !cors_is_any(cors);
}

/* The item as a browser would write it, at most `size` bytes; false where it has no such form. */
static bool cors_proper(const char *item, char *proper, size_t size) {
    const char *host = strstr(item, "://");
    const char *scheme = host != NULL ? item : "http";
    size_t scheme_size = host != NULL ? (size_t)(host - item) : strlen(scheme);
    host = host != NULL ? host + strlen("://") : item;
    static const char names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    static const char schemes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.+";

    size_t host_size = strspn(host, names);
    if (host[0] == '[') {
        host_size = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
        if (host[host_size++] != ']')
            return false;
    }
    const char *port = host + host_size;
    size_t port_size = *port == ':' ? 1 + strspn(port + 1, "0123456789") : 0;
    const char *rest = port + port_size;
    if (scheme_size == 0 || strspn(scheme, schemes) < scheme_size || host_size == 0 || port_size > 6 ||
        (port_size > 1 && (port[1] == '0' || strtoul(port + 1, NULL, 10) > 65535)) || (*rest != '\0' && *rest != '/'))
        return false;

    static const struct { const char *scheme, *port; } defaults[] = {{"http", ":80"}, {"https", ":443"}};
    for (size_t i = 0; i < 2; i++)
        if (scheme_size == strlen(defaults[i].scheme) && strncasecmp(scheme, defaults[i].scheme, scheme_size) == 0 &&
            port_size == strlen(defaults[i].port) && strncmp(port, defaults[i].port, port_size) == 0)
            port_size = 0;
    if (port_size == 1)
        port_size = 0;
    int written =
        snprintf(proper, size, "%.*s://%.*s%.*s", (int)scheme_size, scheme, (int)host_size, host, (int)port_size, port);
    for (char *at = proper; *at != '\0'; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    return written > 0 && (size_t)written < size;
}

static bool cors_check_item(const char *item, bool alone, char *why, size_t why_size) {
    char proper[CORS_ITEM_MAX + 8];
    for (size_t i = 0; i < sizeof cors_any_port / sizeof cors_any_port[0]; i++)
        if (strcmp(item, cors_any_port[i]) == 0)
            return true;
    if (strcmp(item, "null") == 0 || (alone && strcmp(item, "*") == 0))
        return true;
    if (strcmp(item, "*") == 0)
        snprintf(why, why_size, "'*' stands for every origin: write it alone or leave it out");
    else if (strchr(item, '*') != NULL)
        snprintf(why, why_size,
                 "'%.80s' never matches: list each origin, or write * for all; %s and %s are any port of this machine",
                 item, cors_any_port[0], cors_any_port[1]);
    else if (!cors_proper(item, proper, sizeof proper))
        snprintf(why, why_size,
                 "'%.80s' is no origin: write scheme://host or scheme://host:port in ASCII, as https://example.org",
                 item);
    else if (strcmp(item, proper) != 0)
        snprintf(why, why_size, "'%.80s' never matches what browsers send: write '%.80s'", item, proper);
    else
        return true;
    return false;
}

bool cors_check(const char *origins, char *why, size_t why_size) {
    const char *at = origins + strspn(origins, ", ");
    if (*at == '\0' && *origins != '\0') {
        snprintf(why, why_size, "no origin is in it: write origins separated by commas, * for all, or nothing");
        return false;
    }
    for (bool alone = true; *at != '\0'; alone = false) {
        char item[CORS_ITEM_MAX];
        size_t size = strcspn(at, ", "), next = size + strspn(at + size, ", ");
        snprintf(item, sizeof item, "%.*s", (int)(size < CORS_ITEM_MAX ? size : CORS_ITEM_MAX), at);
        for (char *byte = item; *byte != '\0'; byte++)
            if ((unsigned char)*byte < ' ' || (unsigned char)*byte >= 0x7f)
                *byte = '?'; /* which no origin has; the message is one printable line */
        if (!cors_check_item(item, alone && at[next] == '\0', why, why_size))
            return false;
        at += next;
    }
    return true;
}

void cors_allow_headers(const char *requested, char text[CORS_HEADERS_MAX]) {
    static const char names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ";
    bool echo = requested != NULL && requested[0] != '\0' && strlen(requested) < CORS_HEADERS_MAX &&
                requested[strspn(requested, names)] == '\0';
    snprintf(text, CORS_HEADERS_MAX, "%s", echo ? requested : "Content-Type, Accept, X-Request-Id");
}

bool cors_refuse(const struct cors *cors, const char *origin, struct error *error) {
    error_set(error, ERROR_ORIGIN_REFUSED, NULL,
              "Pages of the origin %.80s may not call: start the server with --cors-origin %.80s, or with "
              "ATTND_CORS_ORIGIN in its environment, to let them.",
              origin, origin);
    error_expected(error, "%.180s", cors->origins[0] != '\0' ? cors->origins : "no origin: --cors-origin is not set");
    return error_received(error, "%.180s", origin);
}
