/* The header guard: what libmicrohttpd 0.9.75 lets through and an intermediary might read otherwise is refused here.
 *
 * The library takes two lengths, a length beside chunks, a blank before the colon, folded lines and unknown transfer
 * codings, and so two readers of one connection can disagree on where a request ends ("request smuggling", RFC 9112
 * section 11.2). Every refusal is answered before the body and closes the connection: what follows is never parsed.
 * Sources: RFC 9110 sections 5, 7.2, 8.6 and 10.1.1; RFC 9112 sections 2.3, 3, 5 and 6. Departures: methods beyond
 * RFC 9110's and PATCH are unknown; a field's value may hold bytes above 127 but no control byte but a tab. */
#include "server/guard.h"

#include <string.h>
#include <strings.h>

static bool guard_is_token(const char *text) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    if (text[0] == '\0')
        return false;
    for (; *text != '\0'; text++) {
        char c = *text;
        bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alphanumeric && strchr(others, c) == NULL)
            return false;
    }
    return true;
}

static bool guard_is_value(const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

const char *guard_field(const struct guard_head *head, const char *name) {
    size_t stored = head->field_count < GUARD_FIELDS_MAX ? head->field_count : GUARD_FIELDS_MAX;
    for (size_t i = 0; i < stored; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            return head->fields[i].value;
    return NULL;
}

char *guard_list(const struct guard_head *head, const char *name, struct arena *arena, struct error *error) {
    size_t size = 0, stored = head->field_count < GUARD_FIELDS_MAX ? head->field_count : GUARD_FIELDS_MAX;
    for (size_t i = 0; i < stored; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            size += strlen(head->fields[i].value) + strlen(", ");
    if (size == 0)
        return NULL;
    char *list = arena_alloc(arena, size, 1, error), *end = list;
    for (size_t i = 0; i < stored && list != NULL; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            end = stpcpy(stpcpy(end, end == list ? "" : ", "), head->fields[i].value);
    return list;
}

/* The first value of a list's fields that is not `word` alone, or NULL. */
static const char *guard_other(const struct guard_head *head, const char *name, const char *word) {
    size_t stored = head->field_count < GUARD_FIELDS_MAX ? head->field_count : GUARD_FIELDS_MAX;
    for (size_t i = 0; i < stored; i++)
        if (strcasecmp(head->fields[i].name, name) == 0 && strcasecmp(head->fields[i].value, word) != 0)
            return head->fields[i].value;
    return NULL;
}

static size_t guard_count(const struct guard_head *head, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            count++;
    return count;
}

static bool guard_refuse(struct error *error, const char *detail) {
    return error_set(error, ERROR_BAD_REQUEST, NULL, "%s", detail);
}

static bool guard_method(const char *method, struct error *error) {
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    if (!guard_is_token(method))
        return guard_refuse(error, "The method is not a token.");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(method, known[i]) == 0)
            return true;
    return error_set(error, ERROR_METHOD_UNKNOWN, NULL,
                     "The method %.32s is not known here; methods are written in capitals.", method);
}

/* uri-host [ ":" port ] of RFC 3986, without looking into the address. Empty is allowed: a target without an authority.
 */
static bool guard_is_host(const char *host) {
    const char *at = host;
    if (*at == '[') {
        at += 1 + strspn(at + 1, "0123456789abcdefABCDEF:.v%");
        if (*at++ != ']')
            return false;
    } else {
        at += strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+,;=");
    }
    if (*at == ':')
        at += 1 + strspn(at + 1, "0123456789");
    return *at == '\0';
}

static bool guard_fields(const struct guard_head *head, struct error *error) {
    if (head->field_count > GUARD_FIELDS_MAX)
        return error_set(error, ERROR_HEADER_TOO_LARGE, NULL,
                         "The request has %zu header fields; the most that are taken is %d.", head->field_count,
                         GUARD_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct guard_field *field = &head->fields[i];
        if (!guard_is_token(field->name))
            return guard_refuse(error, "The name of a header field is not a token.");
        if (!guard_is_value(field->value))
            return guard_refuse(error, "The value of a header field holds a control byte.");

        /* 0.9.75 joins a folded line to the name: "Content-Length44". A name that only begins like the two fields that
         * frame a body is never meant well. */
        static const char *const framing[] = {"content-length", "transfer-encoding"};
        for (size_t j = 0; j < 2; j++) {
            size_t length = strlen(framing[j]);
            if (strncasecmp(field->name, framing[j], length) == 0 && field->name[length] != '\0')
                return guard_refuse(error, "A header field is named almost like Content-Length or Transfer-Encoding.");
        }
    }
    return true;
}

/* A field that has one value and is given twice could be read in two ways. Lists are joined instead (RFC 9110, section
 * 5.3): guard_list(). */
static bool guard_singletons(const struct guard_head *head, struct error *error) {
    static const char *const names[] = {"content-type", "origin", "access-control-request-method"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (guard_count(head, names[i]) > 1)
            return error_set(error, ERROR_BAD_REQUEST, NULL, "The request has more than one %s field; send one.",
                             names[i]);
    return true;
}

static bool guard_hosts(const struct guard_head *head, struct error *error) {
    size_t hosts = guard_count(head, "host");
    if (hosts > 1)
        return guard_refuse(error, "The request has more than one Host field.");
    if (hosts == 0 && strcmp(head->version, "HTTP/1.1") == 0)
        return guard_refuse(error, "The request has no Host field; HTTP/1.1 asks for one.");
    if (hosts == 1 && !guard_is_host(guard_field(head, "host")))
        return guard_refuse(error, "The value of the Host field is not a host with an optional port.");
    return true;
}

static bool guard_length(const char *text, struct guard_framing *framing, struct error *error) {
    uint64_t length = 0;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return guard_refuse(error, "The value of Content-Length is not a plain decimal number.");
    for (; *text != '\0'; text++) {
        if (__builtin_mul_overflow(length, (uint64_t)10, &length) ||
            __builtin_add_overflow(length, (uint64_t)(*text - '0'), &length) || length > INT64_MAX)
            return error_set(error, ERROR_BODY_TOO_LARGE, NULL, "The value of Content-Length is beyond 2^63.");
    }
    framing->has_length = true;
    framing->length = length;
    return true;
}

static bool guard_framing(const struct guard_head *head, struct guard_framing *framing, struct error *error) {
    size_t lengths = guard_count(head, "content-length"), codings = guard_count(head, "transfer-encoding");

    if (lengths > 1)
        return guard_refuse(error, "The request has more than one Content-Length field.");
    if (lengths > 0 && codings > 0)
        return guard_refuse(error, "The request has both Content-Length and Transfer-Encoding.");
    if (codings > 1)
        return error_set(error, ERROR_UNSUPPORTED_ENCODING, NULL,
                         "The request has more than one Transfer-Encoding "
                         "field; only one, chunked, is taken.");
    if (codings == 1) {
        const char *coding = guard_field(head, "transfer-encoding");
        if (strcmp(head->version, "HTTP/1.1") != 0)
            return guard_refuse(error, "Transfer-Encoding is not part of HTTP/1.0.");
        if (strcasecmp(coding, "chunked") != 0)
            return error_set(error, ERROR_UNSUPPORTED_ENCODING, NULL,
                             "The transfer coding '%.32s' is not taken; only chunked is.", coding);
        framing->chunked = true;
    }
    return lengths == 0 || guard_length(guard_field(head, "content-length"), framing, error);
}

bool guard_check(const struct guard_head *head, struct guard_framing *framing, struct error *error) {
    *framing = (struct guard_framing){0};

    if (strcmp(head->version, "HTTP/1.1") != 0 && strcmp(head->version, "HTTP/1.0") != 0)
        return guard_refuse(error, "The version is neither HTTP/1.1 nor HTTP/1.0.");
    if (!guard_method(head->method, error) || !guard_fields(head, error) || !guard_hosts(head, error) ||
        !guard_singletons(head, error) || !guard_framing(head, framing, error))
        return false;

    const char *expect = guard_other(head, "expect", "100-continue");
    if (expect != NULL)
        return error_set(error, ERROR_EXPECTATION_FAILED, NULL,
                         "The expectation '%.32s' cannot be met; only 100-continue can.", expect);
    const char *coding = guard_other(head, "content-encoding", "identity");
    if (coding != NULL) {
        error_set(error, ERROR_UNSUPPORTED_MEDIA_TYPE, NULL,
                  "The content coding '%.32s' is not taken; send the body without one.", coding);
        error_expected(error, "identity");
        return error_received(error, "%.80s", coding);
    }
    return true;
}

static int guard_hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The absolute form is for proxies, yet a server must take it (RFC 9112, section 3.2.2). NULL: it is not used. */
static const char *guard_authority(const char *target, size_t *size) {
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], length) == 0) {
            *size = strcspn(target + length, "/?#");
            return target + length;
        }
    }
    return NULL;
}

static bool guard_host(const char *target, char *host, struct error *error) {
    size_t size = 0;
    const char *authority = guard_authority(target, &size);
    host[0] = '\0';
    if (authority == NULL) /* nearly always */
        return true;
    if (size < GUARD_HOST_MAX) {
        memcpy(host, authority, size);
        host[size] = '\0';
    }
    if (size >= GUARD_HOST_MAX || !guard_is_host(host))
        return guard_refuse(error, "The target's authority is not a host with an optional port.");
    return true;
}

static bool guard_path(const char *target, char *path, struct error *error) {
    size_t authority_size = 0;
    const char *authority = guard_authority(target, &authority_size), *at = target;
    if (authority != NULL)
        at = authority[authority_size] == '/' ? authority + authority_size : "/";
    if (*at != '/' && strcmp(at, "*") != 0)
        return guard_refuse(error, "The target of the request is not a path.");

    size_t size = 0;
    for (; *at != '\0' && *at != '?'; at++) {
        int byte = (unsigned char)*at;
        if (byte <= 0x20 || byte == 0x7f || byte == '#')
            return guard_refuse(error, "The target of the request holds a blank, a control byte or a '#'.");
        if (byte == '%') {
            int high = guard_hex(at[1]), low = high < 0 ? -1 : guard_hex(at[2]);
            byte = high * 16 + low;
            if (low < 0 || byte < 0x20 || byte == 0x7f)
                return guard_refuse(error, "The target of the request holds a '%' that encodes no printable byte.");
            at += 2;
        }
        if (size + 1 == GUARD_PATH_MAX)
            return error_set(error, ERROR_NOT_FOUND, NULL, "The path has more than %d bytes; none here is so long.",
                             GUARD_PATH_MAX - 1);
        path[size++] = (char)byte;
    }
    path[size] = '\0';
    return true;
}

bool guard_target(const char *target, char *host, char *path, struct error *error) {
    return guard_path(target, path, error) && guard_host(target, host, error);
}
