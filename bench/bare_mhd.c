/* The ceiling of HTTP: a libmicrohttpd that reads each request to its end, computes nothing and answers the same bytes,
 * the content of a file. Set up like attnd's gateway where that counts for speed: epoll, as many threads, the same
 * buffer for a connection.
 *
 *   bare_mhd PORT THREADS FILE
 *
 * Listens on 127.0.0.1 until it is ended by a signal. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BARE_MHD_CONNECTION_BYTES = 64 * 1024 };

static enum MHD_Result bare_mhd_on_request(void *context, struct MHD_Connection *connection, const char *url,
                                           const char *method, const char *version, const char *data, size_t *data_size,
                                           void **state) {
    static char head_seen;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (*state == NULL) {
        *state = &head_seen;
        return MHD_YES;
    }
    if (*data_size > 0) {
        *data_size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, context);
}

static struct MHD_Response *bare_mhd_response(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) {
        perror(path);
        return NULL;
    }
    size_t size = (size_t)status.st_size;
    char *text = malloc(size + 1);
    size_t filled = 0;
    while (text != NULL && filled < size) {
        ssize_t count = read(file, text + filled, size - filled);
        if (count <= 0)
            break;
        filled += (size_t)count;
    }
    close(file);
    if (text == NULL || filled < size) {
        fprintf(stderr, "%s: cannot be read whole\n", path);
        free(text);
        return NULL;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    return response;
}

int main(int argument_count, char **arguments) {
    if (argument_count != 4) {
        fprintf(stderr, "usage: %s PORT THREADS FILE\n", arguments[0]);
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Response *response = bare_mhd_response(arguments[3]);
    if (response == NULL)
        return 1;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, bare_mhd_on_request, response,
                         MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)atoi(arguments[2]),
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)BARE_MHD_CONNECTION_BYTES, MHD_OPTION_END);
    if (daemon == NULL) {
        perror("MHD_start_daemon");
        return 1;
    }
    for (;;)
        pause();
}
