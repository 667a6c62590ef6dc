/* The client that takes times: one keep-alive connection to 127.0.0.1, POST after POST of one body, each answer read to
 * its end into one large buffer and thrown away. No HTTP library and no copy, so that an answer of many megabytes
 * measures the server and not this program.
 *
 *   latency [--count N] [--warmup N] [--seconds S] [--interval-us U] [--save FILE] PORT PATH BODY_FILE
 *
 * Prints one line for each request after the warm-up: nanoseconds from its sending to its answer's last byte, the same
 * from the moment it was due, nanoseconds to the answer's first byte, bytes of the answer's body. With --interval-us
 * requests are due at fixed times whatever the server does, so that one slow answer makes those behind it late too;
 * without it each is due when the one before is over. --seconds ends the loop early. --save keeps the last answer's
 * body. Exit status 1 at the first answer that is not a 200 or not whole. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { LATENCY_BUFFER_BYTES = 4 << 20, LATENCY_HEAD_BYTES = 16 << 10, LATENCY_SAMPLES_MAX = 1 << 20 };

struct sample {
    int64_t sent_ns, due_ns, first_byte_ns;
    uint64_t bytes;
};

struct options {
    long count, warmup, interval_us;
    double seconds;
    const char *save, *path, *body;
    uint16_t port;
};

/* Where in an answer's body the reader stands; `left` counts the bytes of the body or of the chunk still to come. */
enum place { PLACE_WHOLE, PLACE_SIZE, PLACE_SIZE_REST, PLACE_CHUNK, PLACE_CHUNK_END, PLACE_TRAILER, PLACE_END };

struct answer {
    enum place place;
    uint64_t left, bytes;
    bool last_chunk, line_empty;
    FILE *copy;
};

static void __attribute__((noreturn, format(printf, 1, 2))) latency_fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("latency: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(1);
}

static int64_t latency_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void latency_wait_until(int64_t due_ns) {
    struct timespec due = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        continue;
}

static int latency_connect(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 300};
    int on = 1, connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0)
        latency_fail("port %u: %s", port, strerror(errno));
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return connection;
}

static struct iovec latency_body(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0)
        latency_fail("%s: %s", path, strerror(errno));
    struct iovec body = {.iov_base = malloc((size_t)status.st_size + 1)};
    while (body.iov_len < (size_t)status.st_size) {
        ssize_t count = read(file, (char *)body.iov_base + body.iov_len, (size_t)status.st_size - body.iov_len);
        if (count <= 0)
            latency_fail("%s: cannot be read whole", path);
        body.iov_len += (size_t)count;
    }
    close(file);
    return body;
}

static void latency_send(int connection, struct iovec head, struct iovec body) {
    struct iovec parts[2] = {head, body};
    while (parts[1].iov_len > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(connection, &message, MSG_NOSIGNAL);
        if (sent < 0)
            latency_fail("send: %s", strerror(errno));
        for (size_t i = 0, count = (size_t)sent; i < 2; i++) {
            size_t part = count < parts[i].iov_len ? count : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            count -= part;
        }
    }
}

/* The value of a field in a head that ends with an empty line, or NULL. */
static const char *latency_field(const char *head, const char *name) {
    size_t size = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':')
            return line + size + 1 + strspn(line + size + 1, " ");
    }
    return NULL;
}

/* Takes a piece of the body, of whatever size the socket gave; returns how many bytes of it belong to this answer. */
static size_t latency_take(struct answer *answer, const char *data, size_t size) {
    size_t at = 0;
    while (at < size && answer->place != PLACE_END) {
        if (answer->place == PLACE_WHOLE || answer->place == PLACE_CHUNK) {
            size_t part = answer->left < size - at ? (size_t)answer->left : size - at;
            if (answer->copy != NULL && fwrite(data + at, 1, part, answer->copy) != part)
                latency_fail("the answer cannot be saved: %s", strerror(errno));
            at += part;
            answer->bytes += part;
            answer->left -= part;
            if (answer->left == 0)
                answer->place = answer->place == PLACE_WHOLE ? PLACE_END : PLACE_CHUNK_END;
            continue;
        }
        char letter = data[at++];
        switch (answer->place) {
        case PLACE_SIZE: {
            const char *digits = "0123456789abcdef", *digit = strchr(digits, letter | 0x20);
            if (digit != NULL && *digit != '\0' && letter > ' ')
                answer->left = answer->left * 16 + (uint64_t)(digit - digits);
            else if (letter != '\n')
                answer->place = PLACE_SIZE_REST;
            else
                latency_fail("a chunk's size ends without a carriage return");
            break;
        }
        case PLACE_SIZE_REST:
            if (letter == '\n') {
                answer->place = answer->left > 0 ? PLACE_CHUNK : PLACE_TRAILER;
                answer->line_empty = true;
            }
            break;
        case PLACE_CHUNK_END:
            if (letter == '\n')
                answer->place = PLACE_SIZE;
            break;
        case PLACE_TRAILER:
            if (letter == '\n' && answer->line_empty)
                answer->place = PLACE_END;
            else if (letter != '\r')
                answer->line_empty = letter == '\n';
            break;
        case PLACE_WHOLE:
        case PLACE_CHUNK:
        case PLACE_END:
            break;
        }
    }
    return at;
}

static void latency_read_head(struct answer *answer, const char *head) {
    const char *length = latency_field(head, "Content-Length"), *coding = latency_field(head, "Transfer-Encoding");
    if (strncmp(head, "HTTP/1.1 200 ", 13) != 0)
        latency_fail("the answer is %.*s", (int)strcspn(head, "\r"), head);
    if (coding != NULL && strncasecmp(coding, "chunked", 7) == 0)
        answer->place = PLACE_SIZE;
    else if (length != NULL && (answer->left = strtoull(length, NULL, 10)) > 0)
        answer->place = PLACE_WHOLE;
    else
        answer->place = PLACE_END;
}

/* One request and its answer. */
static struct sample latency_exchange(int connection, struct iovec head, struct iovec body, char *buffer, FILE *copy,
                                      int64_t due_ns) {
    struct sample sample = {0};
    struct answer answer = {.copy = copy};
    size_t filled = 0;
    bool head_read = false;
    int64_t start_ns = latency_now_ns();
    latency_send(connection, head, body);
    while (!head_read || answer.place != PLACE_END) {
        ssize_t count = recv(connection, buffer + filled, LATENCY_BUFFER_BYTES - filled - 1, 0);
        if (count <= 0)
            latency_fail("the answer ends after %llu bytes of its body: %s", (unsigned long long)answer.bytes,
                         count < 0 ? strerror(errno) : "closed by the server");
        if (sample.first_byte_ns == 0)
            sample.first_byte_ns = latency_now_ns() - start_ns;
        size_t size = filled + (size_t)count, begin = 0;
        if (!head_read) {
            char *end = memmem(buffer, size, "\r\n\r\n", 4);
            if (end == NULL) {
                filled = size;
                if (filled > LATENCY_HEAD_BYTES)
                    latency_fail("the answer's head is longer than %d bytes", LATENCY_HEAD_BYTES);
                continue;
            }
            head_read = true;
            end[2] = '\0';
            begin = (size_t)(end + 4 - buffer);
            latency_read_head(&answer, buffer);
        }
        begin += latency_take(&answer, buffer + begin, size - begin);
        if (begin != size)
            latency_fail("%zu bytes follow the answer", size - begin);
        filled = 0;
    }
    int64_t end_ns = latency_now_ns();
    sample.sent_ns = end_ns - start_ns;
    sample.due_ns = end_ns - due_ns;
    sample.bytes = answer.bytes;
    return sample;
}

static struct options latency_options(int argument_count, char **arguments) {
    static const struct option names[] = {
        {"count", required_argument, NULL, 'c'},   {"warmup", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 's'}, {"interval-us", required_argument, NULL, 'i'},
        {"save", required_argument, NULL, 'o'},    {0}};
    struct options options = {.count = 1, .seconds = 600};
    for (int name; (name = getopt_long(argument_count, arguments, "", names, NULL)) != -1;) {
        if (name == 'c')
            options.count = atol(optarg);
        else if (name == 'w')
            options.warmup = atol(optarg);
        else if (name == 's')
            options.seconds = atof(optarg);
        else if (name == 'i')
            options.interval_us = atol(optarg);
        else if (name == 'o')
            options.save = optarg;
        else
            exit(2);
    }
    if (argument_count - optind != 3 || options.count < 1 || options.count > LATENCY_SAMPLES_MAX) {
        fprintf(stderr, "usage: %s [options] PORT PATH BODY_FILE\n", arguments[0]);
        exit(2);
    }
    options.port = (uint16_t)atoi(arguments[optind]);
    options.path = arguments[optind + 1];
    options.body = arguments[optind + 2];
    return options;
}

int main(int argument_count, char **arguments) {
    struct options options = latency_options(argument_count, arguments);
    struct iovec body = latency_body(options.body);
    struct iovec head = {0};
    char *head_text = NULL;
    head.iov_len = (size_t)asprintf(&head_text,
                                    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
                                    "Content-Length: %zu\r\n\r\n",
                                    options.path, options.port, body.iov_len);
    head.iov_base = head_text;
    char *buffer = malloc(LATENCY_BUFFER_BYTES);
    struct sample *samples = calloc((size_t)options.count, sizeof *samples);
    if (head_text == NULL || buffer == NULL || samples == NULL)
        latency_fail("no memory");
    memset(buffer, 0, LATENCY_BUFFER_BYTES);

    int connection = latency_connect(options.port);
    for (long i = 0; i < options.warmup; i++)
        latency_exchange(connection, head, body, buffer, NULL, 0);

    int64_t begin_ns = latency_now_ns(), end_ns = begin_ns + (int64_t)(options.seconds * 1e9);
    long count = 0;
    while (count < options.count && latency_now_ns() < end_ns) {
        int64_t due_ns = latency_now_ns();
        if (options.interval_us > 0) {
            due_ns = begin_ns + (count + 1) * options.interval_us * 1000;
            latency_wait_until(due_ns);
        }
        FILE *copy = options.save != NULL ? fopen(options.save, "wb") : NULL;
        if (options.save != NULL && copy == NULL)
            latency_fail("%s: %s", options.save, strerror(errno));
        samples[count++] = latency_exchange(connection, head, body, buffer, copy, due_ns);
        if (copy != NULL && fclose(copy) != 0)
            latency_fail("%s: %s", options.save, strerror(errno));
    }
    close(connection);
    for (long i = 0; i < count; i++)
        printf("%lld %lld %lld %llu\n", (long long)samples[i].sent_ns, (long long)samples[i].due_ns,
               (long long)samples[i].first_byte_ns, (unsigned long long)samples[i].bytes);
    free(samples);
    free(buffer);
    free(head_text);
    free(body.iov_base);
    return 0;
}
