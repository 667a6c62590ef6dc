/* The health check of a container without a shell or curl: the program asks itself. */
#include "server/healthcheck.h"

#include "server/host.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { HEALTHCHECK_SECONDS = 3 };

static int healthcheck_connect(const char *host, const char *port) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    struct timeval span = {.tv_sec = HEALTHCHECK_SECONDS};
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &span, sizeof span);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span);
        if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            int reason = errno;
            close(fd);
            errno = reason;
            fd = -1;
        }
    }
    int reason = errno;
    freeaddrinfo(found);
    errno = reason;
    return fd;
}

bool healthcheck_run(const struct settings *settings, char *message, size_t message_size) {
    char given[HOST_MAX];
    const char *host = host_to_resolve(settings->host, given);
    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        host = "127.0.0.1";
    char port[8], answer[64] = "";
    snprintf(port, sizeof port, "%" PRIu64, settings->port);

    int fd = healthcheck_connect(host, port);
    if (fd < 0) {
        snprintf(message, message_size, "cannot connect to %s port %s: %s", host, port, strerror(errno));
        return false;
    }
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    size_t size = 0;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1) {
        ssize_t count;
        while (size < sizeof answer - 1 && (count = recv(fd, answer + size, sizeof answer - 1 - size, 0)) > 0)
            size += (size_t)count;
    }
    close(fd);
    answer[strcspn(answer, "\r\n")] = '\0';
    if (strncmp(answer, "HTTP/1.1 200", strlen("HTTP/1.1 200")) == 0)
        return true;
    snprintf(message, message_size, "%s port %s answered: %s", host, port, answer[0] != '\0' ? answer : "nothing");
    return false;
}
