/* Answers made in advance: see refusal.h. The origin of the request is not known here, so a page may read them only
 * where every page may. */
#include "server/refusal.h"

#include "api/service.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *refusal_reason(int status) {
    switch (status) {
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

bool refusal_init(struct refusal *refusal, const struct error *problem, const struct cors *cors, struct error *error) {
    struct arena arena;
    struct reply reply = {0};
    arena_init(&arena, 0);
    service_problem(problem, &arena, &reply);

    char retry[32] = "";
    if (reply.retry_after_s > 0)
        snprintf(retry, sizeof retry, "Retry-After: %d\r\n", reply.retry_after_s);
    const char *origin = cors_allow_origin(cors, NULL);
    int size = snprintf(refusal->text, sizeof refusal->text,
                        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s%s%s%s\r\n",
                        reply.status, refusal_reason(reply.status), reply.type, reply.size, retry,
                        origin != NULL ? "Access-Control-Allow-Origin: " : "", origin != NULL ? origin : "",
                        origin != NULL ? "\r\n" : "");
    bool fits = size > 0 && (size_t)size + reply.size <= sizeof refusal->text;
    if (fits) {
        refusal->status = reply.status;
        refusal->retry_after_s = reply.retry_after_s;
        refusal->type = "application/problem+json";
        refusal->head_size = (size_t)size;
        refusal->size = (size_t)size + reply.size;
        memcpy(refusal->text + size, reply.body, reply.size);
    } else {
        error_set(error, ERROR_INTERNAL, NULL, "The problem for status %d does not fit into %d bytes.", reply.status,
                  REFUSAL_MAX);
    }
    arena_done(&arena);
    return fits;
}

void refusal_send(const struct refusal *refusal, int fd) {
    ssize_t sent = send(fd, refusal->text, refusal->size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* the connection is closed next, whatever became of it */
}
