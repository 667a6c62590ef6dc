/* The table of connections: an array indexed by descriptor, so that nothing is allocated for a connection and the
 * watchdog can walk it.
 *
 * libmicrohttpd tells of a connection's end before it closes the descriptor, so the descriptor of a slot that was
 * started is valid while the slot's mutex is held. Before that, out of memory, it is closed without a word. The kernel
 * hands out low numbers first, so the array is little longer than the limit on connections. */
#include "server/connection.h"

#include "server/clock.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* The library begins with a connection within microseconds, where its thread is not busy. */
static const double CONNECTION_NEW_MS = 2000;

bool connection_table_init(struct connections *table, size_t count) {
    table->slots = calloc(count, sizeof *table->slots);
    if (table->slots == NULL)
        return false;
    table->count = count;
    atomic_init(&table->open, 0);
    atomic_init(&table->end, 0);
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_init(&table->slots[i].mutex, NULL);
        table->slots[i].fd = (int)i;
    }
    return true;
}

void connection_table_done(struct connections *table) {
    for (size_t i = 0; i < table->count; i++)
        pthread_mutex_destroy(&table->slots[i].mutex);
    free(table->slots);
    *table = (struct connections){0};
}

void connection_name(const struct sockaddr *address, char name[CONNECTION_REMOTE_MAX]) {
    char host[46] = "?", port[8] = "?";
    socklen_t size = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    getnameinfo(address, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(name, CONNECTION_REMOTE_MAX, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

struct connection *connection_open(struct connections *table, int fd, const struct sockaddr *address) {
    if ((size_t)fd >= table->count)
        return NULL;
    struct connection *connection = &table->slots[fd];
    size_t end = atomic_load(&table->end);
    while (end <= (size_t)fd && !atomic_compare_exchange_weak(&table->end, &end, (size_t)fd + 1))
        ;
    pthread_mutex_lock(&connection->mutex);
    /* A slot can be open here only if the library closed the descriptor without a word. */
    if (connection->phase == CONNECTION_CLOSED)
        atomic_fetch_add(&table->open, 1);
    connection->phase = CONNECTION_NEW;
    connection->fresh = true;
    connection->cut = false;
    connection->linger = false;
    connection->ended = false;
    connection->quiet = false;
    connection->since_ms = clock_now_ms();
    connection->marked = true;
    connection->mark = 0;
    connection->exchange = NULL;
    connection_name(address, connection->remote);
    pthread_mutex_unlock(&connection->mutex);
    return connection;
}

void connection_start(struct connections *table, struct connection *connection) {
    pthread_mutex_lock(&connection->mutex);
    if (connection->phase == CONNECTION_CLOSED) /* it was forgotten, but was only late */
        atomic_fetch_add(&table->open, 1);
    if (connection->phase == CONNECTION_CLOSED || connection->phase == CONNECTION_NEW)
        connection->phase = CONNECTION_IDLE;
    pthread_mutex_unlock(&connection->mutex);
}

/* The mutex is held. */
static void connection_free(struct connections *table, struct connection *connection) {
    if (connection->phase != CONNECTION_CLOSED)
        atomic_fetch_sub(&table->open, 1);
    connection->phase = CONNECTION_CLOSED;
    connection->exchange = NULL;
}

void connection_close(struct connections *table, struct connection *connection) {
    pthread_mutex_lock(&connection->mutex);
    connection_free(table, connection);
    pthread_mutex_unlock(&connection->mutex);
}

void connection_forget(struct connections *table, struct connection *connection, double now_ms) {
    if (connection->phase == CONNECTION_NEW && now_ms - connection->since_ms > CONNECTION_NEW_MS)
        connection_free(table, connection);
}

/* Whether it is idle and was so at the last call, without a byte in between. A request may lie in the socket, or in the
 * library's memory: the library reads what is there, and tells of a request once its first line is whole. The mutex is
 * held. */
static bool connection_stays_idle(struct connection *connection) {
    int unread = 0;
    if (connection->phase != CONNECTION_IDLE || connection->cut ||
        (ioctl(connection->fd, SIOCINQ, &unread) == 0 && unread > 0)) {
        connection->quiet = false;
        return false;
    }
    uint64_t received = connection_count(connection).received;
    bool stays = connection->quiet && received == connection->quiet_mark;
    connection->quiet = true;
    connection->quiet_mark = received;
    return stays;
}

void connection_close_idle(struct connections *table) {
    for (size_t i = 0; i < atomic_load(&table->end); i++) {
        struct connection *connection = &table->slots[i];
        pthread_mutex_lock(&connection->mutex);
        if (connection_stays_idle(connection)) {
            connection->cut = true;
            shutdown(connection->fd, SHUT_RDWR);
        }
        pthread_mutex_unlock(&connection->mutex);
    }
}

void connection_tell(struct connections *table, const struct refusal *refusal) {
    for (size_t i = 0; i < atomic_load(&table->end); i++) {
        struct connection *connection = &table->slots[i];
        pthread_mutex_lock(&connection->mutex);
        if (connection->phase == CONNECTION_WORK && !connection->cut) {
            connection->cut = true;
            refusal_send(refusal, connection->fd);
            shutdown(connection->fd, SHUT_RDWR);
        }
        pthread_mutex_unlock(&connection->mutex);
    }
}

struct connection *connection_find(struct connections *table, int fd) {
    return fd >= 0 && (size_t)fd < table->count ? &table->slots[fd] : NULL;
}

/* The mutex is held. */
static void connection_set(struct connection *connection, enum connection_phase phase) {
    connection->phase = phase;
    connection->since_ms = clock_now_ms();
    connection->marked = false;
    connection->mark = 0;
    connection->ended = false;
    connection->quiet = false;
    connection->probed = false;
    connection->body_bytes = 0;
}

bool connection_enter(struct connection *connection, enum connection_phase phase) {
    pthread_mutex_lock(&connection->mutex);
    bool goes_on = !connection->cut;
    if (goes_on)
        connection_set(connection, phase);
    pthread_mutex_unlock(&connection->mutex);
    return goes_on;
}

bool connection_begin(struct connection *connection, struct exchange *exchange) {
    pthread_mutex_lock(&connection->mutex);
    bool goes_on = !connection->cut;
    connection->exchange = exchange;
    /* The time for a head counts from its first byte, which for a fresh connection may be its opening. */
    if (goes_on && connection->phase != CONNECTION_HEAD) {
        double since_ms = connection->since_ms;
        connection_set(connection, CONNECTION_HEAD);
        if (connection->fresh)
            connection->since_ms = since_ms;
    }
    connection->fresh = false;
    pthread_mutex_unlock(&connection->mutex);
    return goes_on;
}

void connection_end(struct connection *connection) {
    pthread_mutex_lock(&connection->mutex);
    connection->exchange = NULL;
    connection_set(connection, CONNECTION_IDLE);
    pthread_mutex_unlock(&connection->mutex);
}

void connection_linger(struct connection *connection) {
    pthread_mutex_lock(&connection->mutex);
    connection->linger = true;
    pthread_mutex_unlock(&connection->mutex);
}

bool connection_lingers(struct connection *connection) {
    pthread_mutex_lock(&connection->mutex);
    bool lingers = connection->linger && !connection->cut;
    pthread_mutex_unlock(&connection->mutex);
    return lingers;
}

bool connection_received(struct connection *connection, size_t bytes) {
    pthread_mutex_lock(&connection->mutex);
    connection->body_bytes += bytes;
    connection->ended = false;
    bool goes_on = !connection->cut;
    pthread_mutex_unlock(&connection->mutex);
    return goes_on;
}

struct connection_counters connection_count(const struct connection *connection) {
    struct connection_counters counters = {0};
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int unsent = 0;
    if (getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
        counters.received = info.tcpi_bytes_received;
        counters.acknowledged = info.tcpi_bytes_acked;
    }
    if (ioctl(connection->fd, SIOCOUTQ, &unsent) == 0 && unsent > 0)
        counters.unsent = (uint64_t)unsent;
    return counters;
}

bool connection_is_gone(struct connection *connection, bool takes_interim) {
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct pollfd state = {.fd = connection->fd, .events = POLLRDHUP};
    if (poll(&state, 1, 0) != 1)
        return false;
    if ((state.revents & (POLLHUP | POLLERR)) != 0)
        return true;
    /* Once an answer has begun, its own bytes tell. */
    if (connection->phase == CONNECTION_WORK && takes_interim && !connection->probed) {
        connection->probed = true;
        ssize_t sent = send(connection->fd, interim, sizeof interim - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* a client that is gone answers with a reset, which the next look sees */
    }
    return false;
}

bool connection_is_at_end(const struct connection *connection) {
    char byte;
    return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}
