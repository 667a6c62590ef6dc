/* Lingering close: see linger.h. The times are nginx's lingering_time and lingering_timeout. */
#include "server/linger.h"

#include "server/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const double LINGER_TOTAL_MS = 30000, LINGER_SILENCE_MS = 5000;

/* Reads what is there. False: the client has closed, or is to be given up. */
static bool linger_drain(struct linger_socket *socket, bool readable, double now_ms) {
    static char sink[1 << 16]; /* only the one thread writes it, nobody reads it */
    if (readable) {
        ssize_t size = recv(socket->fd, sink, sizeof sink, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        socket->heard_ms = now_ms;
    }
    return now_ms - socket->since_ms < LINGER_TOTAL_MS && now_ms - socket->heard_ms < LINGER_SILENCE_MS;
}

static void *linger_run(void *argument) {
    struct linger_room *room = argument;
    struct pollfd ready[LINGER_MAX + 1];

    pthread_mutex_lock(&room->mutex);
    while (!room->stopping) {
        size_t count = room->count;
        ready[0] = (struct pollfd){.fd = room->wake, .events = POLLIN};
        for (size_t i = 0; i < count; i++)
            ready[1 + i] = (struct pollfd){.fd = room->sockets[i].fd, .events = POLLIN};
        pthread_mutex_unlock(&room->mutex);

        poll(ready, 1 + count, count > 0 ? 500 : -1);
        uint64_t wakes;
        if (ready[0].revents != 0 && read(room->wake, &wakes, sizeof wakes) < 0)
            wakes = 0;

        pthread_mutex_lock(&room->mutex);
        double now_ms = clock_now_ms();
        /* Backwards, so that the last can fill a gap; new ones came behind `count`. */
        for (size_t i = count; i-- > 0;) {
            if (!linger_drain(&room->sockets[i], ready[1 + i].revents != 0, now_ms)) {
                close(room->sockets[i].fd);
                room->sockets[i] = room->sockets[--room->count];
            }
        }
    }
    pthread_mutex_unlock(&room->mutex);
    return NULL;
}

bool linger_start(struct linger_room *room, size_t limit) {
    *room = (struct linger_room){.limit = limit < LINGER_MAX ? limit : LINGER_MAX};
    pthread_mutex_init(&room->mutex, NULL);
    room->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (room->wake < 0)
        return false;
    if (pthread_create(&room->thread, NULL, linger_run, room) != 0) {
        close(room->wake);
        return false;
    }
    return true;
}

static void linger_wake(struct linger_room *room) {
    uint64_t one = 1;
    ssize_t written = write(room->wake, &one, sizeof one);
    (void)written; /* fails only when the count is at its end, and then the thread wakes anyway */
}

void linger_take(struct linger_room *room, int fd) {
    double now_ms = clock_now_ms();
    pthread_mutex_lock(&room->mutex);
    bool taken = room->count < room->limit;
    if (taken)
        room->sockets[room->count++] = (struct linger_socket){.fd = fd, .since_ms = now_ms, .heard_ms = now_ms};
    pthread_mutex_unlock(&room->mutex);
    if (taken)
        linger_wake(room);
    else
        close(fd);
}

void linger_stop(struct linger_room *room) {
    pthread_mutex_lock(&room->mutex);
    room->stopping = true;
    pthread_mutex_unlock(&room->mutex);
    linger_wake(room);
    pthread_join(room->thread, NULL);

    for (size_t i = 0; i < room->count; i++)
        close(room->sockets[i].fd);
    close(room->wake);
    pthread_mutex_destroy(&room->mutex);
}
