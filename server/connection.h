/* The open connections: what each is doing and since when. The watchdog reads what the network threads write. */
#pragma once

#include "server/refusal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct exchange;

enum connection_phase {
    CONNECTION_CLOSED,
    CONNECTION_NEW,    /* given to the library, which has not begun with it: the descriptor may be closed any time */
    CONNECTION_IDLE,   /* between two requests, or before the first */
    CONNECTION_HEAD,   /* a head is arriving */
    CONNECTION_BODY,   /* a body is arriving */
    CONNECTION_WORK,   /* the answer is being made */
    CONNECTION_ANSWER, /* the answer is being sent */
};

enum { CONNECTION_REMOTE_MAX = 64 };

struct connection {
    pthread_mutex_t mutex; /* guards all that follows; taken before the workers' mutex */
    int fd;
    enum connection_phase phase;
    bool fresh;           /* no request has been read so far */
    bool cut;             /* the watchdog has ended it: nothing more is sent */
    bool linger;          /* it was refused while the client was sending: see server/linger.h */
    double since_ms;      /* when the phase began; in CONNECTION_ANSWER, when the span being judged began */
    bool marked;          /* `mark` is set */
    uint64_t mark;        /* bytes received (idle), of the body or acknowledged (answer) at that time */
    uint64_t body_bytes;  /* of the body so far */
    uint64_t answer_mark; /* bytes acknowledged when the answer began */
    double taking_ms;     /* time of the answer so far in which the client had something to take */
    double looked_ms;     /* when `taking_ms` was last brought up to date */
    bool ended;           /* the watchdog saw that nothing more will come; cleared by progress */
    bool quiet;           /* the drain found it idle, after so many bytes */
    uint64_t quiet_mark;
    bool probed;                        /* an interim answer was sent to learn whether the client is there */
    struct exchange *exchange;          /* under way, or NULL */
    char remote[CONNECTION_REMOTE_MAX]; /* the client's address, for the log */
};

/* One slot for each descriptor number below `count`. */
struct connections {
    struct connection *slots;
    size_t count;
    atomic_size_t open;
    atomic_size_t end; /* no slot from here on was ever open */
};

/* What the kernel counts for a socket. */
struct connection_counters {
    uint64_t received, acknowledged, unsent; /* bytes; unsent: written by us, not yet acknowledged by the client */
};

bool connection_table_init(struct connections *table, size_t count);
void connection_table_done(struct connections *table);

/* Takes a slot for a descriptor that was just accepted, or gives NULL if its number is beyond the table. The slot is
 * given back by connection_close(), or by connection_forget() where the library closed the descriptor without a word.
 */
struct connection *connection_open(struct connections *table, int fd, const struct sockaddr *address);
void connection_close(struct connections *table, struct connection *connection);
void connection_forget(struct connections *table, struct connection *connection, double now_ms);

/* "127.0.0.1:54321" or "[::1]:54321". */
void connection_name(const struct sockaddr *address, char name[CONNECTION_REMOTE_MAX]);

/* The library has begun with it: from now until connection_close() its descriptor is open. */
void connection_start(struct connections *table, struct connection *connection);

/* Ends the connections that wait for a request, and have waited since the last call; those with one under way go on. */
void connection_close_idle(struct connections *table);

/* Writes a refusal to the clients whose answers are being made, and shuts their connections. */
void connection_tell(struct connections *table, const struct refusal *refusal);

/* The slot of an open connection, or NULL. */
struct connection *connection_find(struct connections *table, int fd);

/* Enters a phase. False: the connection was cut, so there is no point in going on. */
bool connection_enter(struct connection *connection, enum connection_phase phase);

/* A request begins or is over; the exchange is known to the watchdog in between. */
bool connection_begin(struct connection *connection, struct exchange *exchange);
void connection_end(struct connection *connection);

/* Marks a connection whose answer is sent while the client may still be sending, and asks for the mark. */
void connection_linger(struct connection *connection);
bool connection_lingers(struct connection *connection);

/* A piece of the body has come. False: as above. */
bool connection_received(struct connection *connection, size_t bytes);

/* The mutex must be held for those that follow. Counters are zero where the kernel does not tell. */
struct connection_counters connection_count(const struct connection *connection);

/* The client has left, while its answer is being made. One that has closed only its sending side has not: where it
 * `takes_interim` answers, which HTTP/1.1 clients do, a "100 Continue" that nobody takes tells the two apart. */
bool connection_is_gone(struct connection *connection, bool takes_interim);

/* The client closed its end, and all it sent has been read. */
bool connection_is_at_end(const struct connection *connection);
