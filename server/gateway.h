/* The HTTP library's side of the server. */
#pragma once

#include "server/connection.h"
#include "server/exchange.h"
#include "server/linger.h"
#include "server/refusal.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct MHD_Daemon;
struct MHD_Response;

struct gateway {
    /* Set by the owner before gateway_start(). */
    struct exchange_context *context;
    struct connections *connections;
    struct linger_room *lingering;
    const struct refusal *no_memory;
    size_t thread_count;
    size_t connection_limit; /* the listener's, which keeps well below the library's */

    struct MHD_Daemon *daemon;
    struct MHD_Response *emergency; /* `no_memory` as a response, made before memory can be short */
};

/* The version of libmicrohttpd that is loaded: "0.9.75". */
const char *gateway_library(void);

bool gateway_start(struct gateway *gateway);

/* No connection may be suspended. Sockets that are still open are closed at once. */
void gateway_stop(struct gateway *gateway);

/* Takes an accepted socket over, and closes it if that fails. */
bool gateway_add(struct gateway *gateway, int fd, const struct sockaddr *address, socklen_t address_size);

/* The hooks of the tasks. */
void gateway_suspend(void *connection);
void gateway_resume(void *connection);
