/* One request and its answer, from the first line of the head until the last byte is sent. */
#pragma once

#include "api/service.h"
#include "server/connection.h"
#include "server/cors.h"
#include "server/guard.h"
#include "server/host.h"
#include "server/identifier.h"
#include "server/log.h"
#include "server/refusal.h"
#include "server/settings.h"
#include "server/task.h"

#include <stdatomic.h>

/* Bodies up to this size are read and checked on the thread that received them. */
enum { EXCHANGE_INLINE_BYTES = 64 * 1024, EXCHANGE_METHOD_MAX = 16 };

/* What all exchanges share. */
struct exchange_context {
    struct service service;
    struct cors cors;
    struct hosts hosts;
    struct identifiers identifiers;
    struct log *log;
    struct task_ring *ring;
    struct arena_budget budget;
    const struct refusal *too_large; /* for a body that cannot be waited for */
    atomic_bool draining;            /* /readyz says so, and answers close their connections */
    atomic_bool refusing;            /* and no new work is taken */
    atomic_size_t count;             /* exchanges that are not freed yet */
};

enum exchange_stage {
    EXCHANGE_HEAD,
    EXCHANGE_BODY,
    EXCHANGE_WORK,
    EXCHANGE_ANSWER,
};

/* Why the watchdog ended an exchange. */
enum exchange_cut {
    EXCHANGE_UNCUT,
    EXCHANGE_LATE, /* the request took too long to arrive; the client was told 408 */
    EXCHANGE_SLOW, /* the client took its answer too slowly */
    EXCHANGE_GONE, /* the client left while its answer was being made */
};

struct exchange {
    struct task task; /* the first member: the workers know an exchange by it */
    struct exchange_context *context;
    struct connection *connection;
    enum exchange_stage stage;
    struct arena arena;
    struct request request;
    struct guard_framing framing;
    const struct route *route; /* NULL: the server answers itself */
    struct reply reply;
    struct error error;            /* the first: what the answer will say */
    const char *allow;             /* for the answer, or NULL */
    const char *preflight_headers; /* Access-Control-Request-Headers */
    bool preflight, private_network;
    bool foreign;  /* a page's, which may not read the answer */
    bool interim;  /* the client takes 1xx answers */
    bool answered; /* `reply` is whole */
    bool closes;   /* the connection is closed behind the answer */
    bool streamed;
    int raw_status; /* of an answer written past the HTTP library; 0: none */
    size_t body_capacity;
    uint64_t received;         /* bytes of the body, dropped ones included */
    atomic_uint_fast64_t sent; /* bytes of a streamed answer */
    atomic_int cut;            /* an enum exchange_cut */
    double begin_ms;
    char identifier[IDENTIFIER_MAX + 1];
    char method[EXCHANGE_METHOD_MAX];
    char path[GUARD_PATH_MAX];
    char authority[GUARD_HOST_MAX];    /* of a target in absolute form: it stands for Host (RFC 9112, 3.2.2) */
    char problem[SERVICE_PROBLEM_MAX]; /* memory for the problem, if there is one; the last member, and not cleared */
};

/* What is to be done with the connection. */
enum exchange_step {
    EXCHANGE_READ_ON,   /* nothing: more is to come */
    EXCHANGE_QUEUE,     /* send `reply`; whole, or streamed where `streamed` is set */
    EXCHANGE_SUSPENDED, /* nothing: the connection is suspended, and exchange_end() is called again once it is resumed
                         */
    EXCHANGE_DROP,      /* close it without an answer */
};

/* With the first line read. `target` is as it was sent. NULL: out of memory. */
struct exchange *exchange_new(struct exchange_context *context, struct connection *connection, const char *target);

/* With the head read. `connection` is what the suspend and resume hooks are given. */
enum exchange_step exchange_head(struct exchange *exchange, const struct guard_head *head, void *connection);

/* With a piece of the body. */
enum exchange_step exchange_body(struct exchange *exchange, const char *data, size_t size);

/* With the whole request read, and again each time the connection is resumed. */
enum exchange_step exchange_end(struct exchange *exchange);

/* Text of a streamed answer, as task_read() gives it. */
ptrdiff_t exchange_read(struct exchange *exchange, char *text, size_t size);

/* The request is over, well or not: writes its log line and lets go of it. `status` is what was sent, 0 = nothing. */
void exchange_free(struct exchange *exchange, int status, bool completed);

/* The release hook of the tasks. */
void exchange_release(struct task *task);

/* For the watchdog, which holds the connection's mutex. */
bool exchange_is_waiting(const struct exchange *exchange);
bool exchange_takes_interim(const struct exchange *exchange);
void exchange_end_early(struct exchange *exchange, enum exchange_cut reason);
