/* Media types: see negotiate.h. */
#include "api/negotiate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *negotiate_skip_space(const char *text) {
    return text + strspn(text, " \t");
}

bool negotiate_is_json(const char *content_type, bool has_origin) {
    const char *type = negotiate_skip_space(content_type != NULL ? content_type : "");
    if (*type == '\0')
        return !has_origin;
    size_t size = strcspn(type, ";, \t\"");
    const char *end = negotiate_skip_space(type + size);
    if (size == 0 || (*end != '\0' && *end != ';'))
        return false;
    if (size == 33 && strncasecmp(type, "application/x-www-form-urlencoded", size) == 0)
        return !has_origin;
    if (size == 16 && strncasecmp(type, "application/json", size) == 0)
        return true;
    return size > 17 && strncasecmp(type, "application/", 12) == 0 && memchr(type + 12, '/', size - 12) == NULL &&
           strncasecmp(type + size - 5, "+json", 5) == 0;
}

/* The weight of one range of an Accept field, 1 where none is given. */
static double negotiate_weight(const char *range, const char *end) {
    for (const char *parameter = range; parameter < end; parameter++) {
        if (*parameter != ';')
            continue;
        const char *name = negotiate_skip_space(parameter + 1);
        if (name + 2 <= end && (*name == 'q' || *name == 'Q') && name[1] == '=')
            return strtod(name + 2, NULL);
    }
    return 1;
}

/* How closely a range fits: 0 not at all, 1 any type, 2 the kind (application), 3 the type itself. */
static int negotiate_fit(const char *range, size_t size, const char *type) {
    size_t kind = strcspn(type, "/") + 1;
    if (size == 3 && strncmp(range, "*/*", 3) == 0)
        return 1;
    if (size == kind + 1 && range[kind] == '*' && strncasecmp(range, type, kind) == 0)
        return 2;
    return size == strlen(type) && strncasecmp(range, type, size) == 0 ? 3 : 0;
}

bool negotiate_accepts(const char *accept, const char *type) {
    if (accept == NULL || *negotiate_skip_space(accept) == '\0')
        return true;
    int best = 0;
    double weight = 0;
    for (const char *range = accept; *range != '\0';) {
        range = negotiate_skip_space(range);
        const char *end = range + strcspn(range, ",");
        int fit = negotiate_fit(range, strcspn(range, ";, \t"), type);
        if (fit > best) {
            best = fit;
            weight = negotiate_weight(range, end);
        }
        range = *end == ',' ? end + 1 : end;
    }
    return best > 0 && weight > 0;
}
