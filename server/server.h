/* The whole server: all that is started and stopped together. */
#pragma once

#include "core/error.h"
#include "server/connection.h"
#include "server/exchange.h"
#include "server/gateway.h"
#include "server/linger.h"
#include "server/listener.h"
#include "server/log.h"
#include "server/refusal.h"
#include "server/settings.h"
#include "server/watchdog.h"
#include "server/workers.h"

#include <stdbool.h>

struct server {
    struct settings settings;
    struct log *log;
    struct exchange_context context;
    struct connections connections;
    struct refusal full, timeout, no_memory, too_large, draining;
    struct task_ring ring;
    struct workers workers;
    struct linger_room lingering;
    struct gateway gateway;
    struct watchdog watchdog;
    struct listener listener;
};

/* Starts to serve; the log says where. The error says what is in the way: the process should then end. */
bool server_start(struct server *server, const struct settings *settings, struct log *log, struct error *error);

/* To be called about once a second: after a burst, memory goes back to the system. */
void server_rest(struct server *server);

enum server_end {
    SERVER_DRAINED,
    SERVER_TOLD,  /* by a second signal, to end at once */
    SERVER_STUCK, /* a step of a request did not end in time; its client has been told */
};

/* Answers what is under way, refuses what comes, and ends. Nothing has been freed unless it is SERVER_DRAINED: threads
 * still run, so the process must end without exit handlers. */
enum server_end server_drain(struct server *server);
