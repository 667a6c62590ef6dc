/* Accepting connections: a thread of our own, so that limits are answered and not just felt, and so that a drain can
 * stop accepting without the library's help.
 *
 * Over the limit a client gets a 503 and a lingering close. Out of descriptors, one that is kept in reserve is given up
 * to accept and refuse the client that waits, since a connection that stays in the backlog would wake this thread
 * without end. */
#include "server/listener.h"

#include "server/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    LISTENER_PAUSE_MS = 50,
    LISTENER_COMPLAIN_MS = 1000,
    LISTENER_BURST = 64,
    LISTENER_SILENCE_MS = 10, /* at the end, nobody came for so long */
    LISTENER_LAST_MS = 200,
};

static void listener_set_port(struct sockaddr *address, uint16_t port) {
    if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons(port);
}

static uint16_t listener_port(const struct sockaddr *address) {
    return ntohs(address->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

static bool listener_is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
    }
    return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
}

/* -1 and errno on failure. */
static int listener_bind(const struct sockaddr *address, socklen_t size, bool alone) {
    int on = 1, off = 0, family = address->sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    /* The wildcard of IPv6 takes IPv4 too, unless IPv4 has a socket of its own. */
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, alone ? &off : &on, sizeof on);
    if (bind(fd, address, size) != 0 || listen(fd, SOMAXCONN) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

static void listener_name(struct listener *listener, const struct sockaddr *address, socklen_t size) {
    char host[64] = "?";
    getnameinfo(address, size, host, sizeof host, NULL, 0, NI_NUMERICHOST);
    snprintf(listener->url, sizeof listener->url, address->sa_family == AF_INET6 ? "http://[%s]:%u" : "http://%s:%u",
             host, listener_port(address));
}

static void listener_close(struct listener *listener) {
    for (size_t i = 0; i < listener->socket_count; i++)
        close(listener->sockets[i]);
    listener->socket_count = 0;
}

bool listener_open(struct listener *listener, const char *host, uint64_t port, struct error *error) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(host, "0", &hints, &found);
    if (failure != 0)
        return error_set(error, ERROR_INTERNAL, NULL, "--host: '%s' cannot be resolved: %s", host,
                         gai_strerror(failure));

    uint16_t chosen = (uint16_t)port;
    int reason = 0;
    listener->socket_count = 0;
    listener->loopback = true;
    for (struct addrinfo *at = found; at != NULL && listener->socket_count < LISTENER_SOCKETS_MAX; at = at->ai_next) {
        listener_set_port(at->ai_addr, chosen);
        int fd = listener_bind(at->ai_addr, at->ai_addrlen, found->ai_next == NULL);
        if (fd < 0) {
            reason = errno;
            /* A name may have an address of a family this machine lacks; a port in use is a failure in any case. */
            if (reason == EADDRINUSE || reason == EACCES)
                break;
            continue;
        }
        listener->sockets[listener->socket_count++] = fd;
        listener->loopback = listener->loopback && listener_is_loopback(at->ai_addr);

        struct sockaddr_storage bound;
        socklen_t size = sizeof bound;
        getsockname(fd, (struct sockaddr *)&bound, &size);
        chosen = listener_port((struct sockaddr *)&bound);
        if (listener->socket_count == 1)
            listener_name(listener, (struct sockaddr *)&bound, size);
    }
    freeaddrinfo(found);

    if (listener->socket_count > 0 && reason != EADDRINUSE && reason != EACCES)
        return true;
    listener_close(listener);
    return error_set(error, ERROR_INTERNAL, NULL, "cannot listen on %s port %u: %s", host, (unsigned)port,
                     strerror(reason));
}

static void listener_refuse(struct listener *listener, int fd, const struct sockaddr *address) {
    char remote[CONNECTION_REMOTE_MAX];
    connection_name(address, remote);
    refusal_send(listener->full, fd);
    shutdown(fd, SHUT_WR);
    linger_take(listener->lingering, fd);

    struct log_line line;
    log_begin(listener->log, &line, LOG_INFO, "request");
    log_text(&line, "remote", remote);
    log_count(&line, "status", (uint64_t)listener->full->status);
    log_text(&line, "code", error_slug(ERROR_SERVER_FULL));
    log_text(&line, "outcome", "refused");
    log_end(listener->log, &line);
}

static void listener_take(struct listener *listener, int fd, const struct sockaddr *address, socklen_t size) {
    struct connection *connection = NULL;
    if (atomic_load(&listener->connections->open) < listener->limit)
        connection = connection_open(listener->connections, fd, address);
    if (connection == NULL) {
        listener_refuse(listener, fd, address);
        return;
    }
    if (!gateway_add(listener->gateway, fd, address, size))
        connection_close(listener->connections, connection);
}

/* accept() failed. Some failures are the client's; the rest mean that the machine is short of something. */
static void listener_fail(struct listener *listener, int socket, int reason) {
    if (reason == EINTR || reason == ECONNABORTED || reason == EPROTO)
        return;
    double now_ms = clock_now_ms();
    if (now_ms - listener->complained_ms > (double)LISTENER_COMPLAIN_MS) {
        log_message(listener->log, LOG_WARN, "cannot accept a connection: %s", strerror(reason));
        listener->complained_ms = now_ms;
    }
    if ((reason == EMFILE || reason == ENFILE) && listener->spare >= 0) {
        close(listener->spare);
        int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            refusal_send(listener->full, fd);
            close(fd);
        }
        listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    poll(NULL, 0, LISTENER_PAUSE_MS);
}

static void listener_accept(struct listener *listener, int socket) {
    for (int i = 0; i < LISTENER_BURST; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = accept4(socket, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                listener_fail(listener, socket, errno);
            return;
        }
        listener_take(listener, fd, (struct sockaddr *)&address, size);
    }
}

/* Takes who has come before the end: a socket that closes resets those in its backlog. Clients that come without a
 * pause are cut off after a while. */
static void listener_empty(struct listener *listener, struct pollfd *ready) {
    double until_ms = clock_now_ms() + LISTENER_LAST_MS;
    while (poll(ready, listener->socket_count, LISTENER_SILENCE_MS) > 0 && clock_now_ms() < until_ms)
        for (size_t i = 0; i < listener->socket_count; i++)
            if (ready[i].revents != 0)
                listener_accept(listener, listener->sockets[i]);
}

static void *listener_run(void *argument) {
    struct listener *listener = argument;
    struct pollfd ready[LISTENER_SOCKETS_MAX + 1];
    for (size_t i = 0; i < listener->socket_count; i++)
        ready[i] = (struct pollfd){.fd = listener->sockets[i], .events = POLLIN};
    ready[listener->socket_count] = (struct pollfd){.fd = listener->wake, .events = POLLIN};

    while (true) {
        poll(ready, listener->socket_count + 1, -1);
        if (listener->spare < 0)
            listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (ready[listener->socket_count].revents != 0) {
            listener_empty(listener, ready);
            return NULL;
        }
        for (size_t i = 0; i < listener->socket_count; i++)
            if (ready[i].revents != 0)
                listener_accept(listener, listener->sockets[i]);
    }
}

bool listener_start(struct listener *listener) {
    listener->complained_ms = -LISTENER_COMPLAIN_MS;
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    listener->wake = eventfd(0, EFD_CLOEXEC);
    if (listener->wake >= 0 && pthread_create(&listener->thread, NULL, listener_run, listener) == 0)
        return true;
    listener_close(listener);
    return false;
}

void listener_stop(struct listener *listener) {
    uint64_t one = 1;
    ssize_t written = write(listener->wake, &one, sizeof one);
    (void)written; /* the count is 0: it cannot fail */
    pthread_join(listener->thread, NULL);
    listener_close(listener);
    close(listener->wake);
    if (listener->spare >= 0)
        close(listener->spare);
}
