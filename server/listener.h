/* The listening sockets and the thread that accepts. */
#pragma once

#include "core/error.h"
#include "server/connection.h"
#include "server/gateway.h"
#include "server/linger.h"
#include "server/log.h"
#include "server/refusal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { LISTENER_SOCKETS_MAX = 8, LISTENER_URL_MAX = 128 };

struct listener {
    /* Set by the owner before listener_start(). */
    struct gateway *gateway;
    struct connections *connections;
    struct linger_room *lingering;
    const struct refusal *full;
    struct log *log;
    size_t limit; /* most open connections */

    int sockets[LISTENER_SOCKETS_MAX];
    size_t socket_count;
    bool loopback;              /* all of them have a loopback address: only this machine can connect */
    char url[LISTENER_URL_MAX]; /* of the first socket, with the port that was picked */
    int wake;                   /* eventfd: stop */
    int spare;                  /* a descriptor to give up where there are no more */
    double complained_ms;       /* when a failure to accept was last logged */
    pthread_t thread;
};

/* Binds and listens on every address of the host. The error names host, port and reason. */
bool listener_open(struct listener *listener, const char *host, uint64_t port, struct error *error);

/* Begins to accept. */
bool listener_start(struct listener *listener);

/* Stops accepting and closes the listening sockets. */
void listener_stop(struct listener *listener);
