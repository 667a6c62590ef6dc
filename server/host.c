/* Hosts: see host.h. Ports do not matter: a proxy or a container may map them. */
#include "server/host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The host without port, brackets and final dot. False: too long to be one. */
static bool host_bare(const char *host, size_t size, char bare[HOST_MAX]) {
    if (size > 0 && host[0] == '[') {
        const char *end = memchr(host, ']', size);
        if (end == NULL || (end + 1 < host + size && end[1] != ':'))
            return false;
        size = (size_t)(end - ++host);
    } else if (memchr(host, ':', size) != NULL) {
        size = (size_t)((const char *)memchr(host, ':', size) - host);
    }
    if (size > 0 && host[size - 1] == '.')
        size--;
    if (size >= HOST_MAX)
        return false;
    memcpy(bare, host, size);
    bare[size] = '\0';
    return true;
}

static bool host_is_address(const char *bare, bool *loopback) {
    struct in_addr four;
    struct in6_addr six;
    *loopback = false;
    if (inet_pton(AF_INET, bare, &four) == 1) {
        *loopback = ntohl(four.s_addr) >> 24 == 127;
        return true;
    }
    if (inet_pton(AF_INET6, bare, &six) != 1)
        return false;
    *loopback = IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
    return true;
}

static bool host_is_listed(const char *allowed, const char *bare) {
    for (const char *at = allowed + strspn(allowed, ", "); *at != '\0';) {
        char item[HOST_MAX];
        size_t size = strcspn(at, ", ");
        if (host_bare(at, size, item) && strcasecmp(item, bare) == 0)
            return true;
        at += size + strspn(at + size, ", ");
    }
    return false;
}

static bool host_is_allowed(const struct hosts *hosts, const char *host) {
    char bare[HOST_MAX];
    bool loopback = false;
    if (host == NULL || host[0] == '\0' || strcmp(hosts->allowed, "*") == 0 ||
        (!hosts->loopback && hosts->allowed[0] == '\0'))
        return true;
    if (!host_bare(host, strlen(host), bare))
        return false;
    /* No name can be pointed elsewhere where there is none; probes ask by address. */
    if (strcasecmp(bare, "localhost") == 0 || (host_is_address(bare, &loopback) && (loopback || !hosts->loopback)))
        return true;
    return host_is_listed(hosts->allowed, bare);
}

const char *host_to_resolve(const char *host, char text[HOST_MAX]) {
    size_t size = strlen(host);
    bool brackets = size > 2 && host[0] == '[' && host[size - 1] == ']';
    snprintf(text, HOST_MAX, "%.*s", (int)(brackets ? size - 2 : size), host + (brackets ? 1 : 0));
    return text;
}

bool host_admit(const struct hosts *hosts, const char *host, struct error *error) {
    if (host_is_allowed(hosts, host))
        return true;
    error_set(error, ERROR_MISDIRECTED, NULL,
              "The request is for the host %.100s, which this server does not answer for%s: use localhost or "
              "127.0.0.1, or start the server with --allowed-hosts and that name without its port.",
              host, hosts->loopback ? ", as it listens on this machine only" : "");
    error_expected(error, "localhost, a loopback address%s%.120s", hosts->allowed[0] != '\0' ? ", " : "",
                   hosts->allowed);
    return error_received(error, "%.180s", host);
}

bool host_check(const char *allowed, char *why, size_t why_size) {
    const char *at = allowed + strspn(allowed, ", ");
    if (*at == '\0' && *allowed != '\0') {
        snprintf(why, why_size, "no host is in it: write hosts separated by commas, * for all, or nothing");
        return false;
    }
    if (strcmp(allowed, "*") == 0)
        return true;
    while (*at != '\0') {
        static const char names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
        char bare[HOST_MAX];
        bool loopback;
        size_t size = strcspn(at, ", ");
        bool fits = host_bare(at, size, bare) && (host_is_address(bare, &loopback) || strspn(at, names) >= size);
        if (!fits || bare[0] == '\0') {
            snprintf(why, why_size,
                     "it holds what is no host: write names or addresses only, without scheme, port, path or "
                     "wildcard, as example.org or [::1]");
            return false;
        }
        at += size + strspn(at + size, ", ");
    }
    return true;
}
