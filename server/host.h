/* Which hosts a request may name. A page whose name is pointed to this machine's address after it was loaded ("DNS
 * rebinding") is of our own origin to the browser; but its requests name its own host. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { HOST_MAX = 256 };

struct hosts {
    const char *allowed; /* "" none but those of the listener, "*" all, else names separated by commas */
    bool loopback;       /* only this machine can connect */
};

/* Whether each of the allowed hosts is a name or an address without a port. `why` is otherwise half a sentence that
 * says what to write instead. */
bool host_check(const char *allowed, char *why, size_t why_size);

/* Whether a request to `host` (a Host field's value or a target's authority; NULL: none) is taken. Names of this
 * machine always are. */
bool host_admit(const struct hosts *hosts, const char *host, struct error *error);

/* The host as the resolver takes it: an IPv6 address without the brackets that it has in a URL. */
const char *host_to_resolve(const char *host, char text[HOST_MAX]);
