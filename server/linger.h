/* Lingering close: reads on for a while after an answer that came before the request was whole.
 *
 * A socket closed with unread bytes sends a reset, and a reset can destroy the answer before the client has read it
 * (RFC 9112, section 9.6). So the descriptor of a refused connection lives on here, its sending side shut, until the
 * client closes. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { LINGER_MAX = 64 };

struct linger_socket {
    int fd;
    double since_ms, heard_ms;
};

struct linger_room {
    pthread_mutex_t mutex;
    pthread_t thread;
    int wake; /* eventfd: a socket came, or stop */
    bool stopping;
    size_t limit, count;
    struct linger_socket sockets[LINGER_MAX];
};

bool linger_start(struct linger_room *room, size_t limit);

/* Closes all that are left. */
void linger_stop(struct linger_room *room);

/* Takes a descriptor over; closes it at once if there is no room. */
void linger_take(struct linger_room *room, int fd);
