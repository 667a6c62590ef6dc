/* Logging: lines are built on the stack, held for a few milliseconds and written together by a thread of the log's own:
 * a write for each line took a quarter of a small request's system calls, and its mutex made the network threads wait
 * for each other. Pieces of at most PIPE_BUF bytes end at a line's end, so no line is torn in a pipe.
 *
 * A log reader that stops reading must not stop the service: what does not fit into the held lines is dropped and
 * counted, and the next line that fits says how many were. */
#include "server/log.h"

#include "api/text.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_DELAY_NS = 5 * 1000 * 1000 };
enum { LOG_TEXT_MAX = 512, LOG_TAIL = 4 /* room that is kept for the end of the line */ };

static const char *const log_levels[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

void log_init(struct log *log, int fd, const char *format, const char *level) {
    *log = (struct log){.fd = fd, .json = strcmp(format, "json") == 0, .level = LOG_INFO};
    for (size_t i = 0; i < sizeof log_levels / sizeof log_levels[0]; i++)
        if (strcmp(level, log_levels[i]) == 0)
            log->level = (enum log_level)i;
    pthread_mutex_init(&log->mutex, NULL);
    pthread_cond_init(&log->changed, NULL);
}

/* Appends bytes, or nothing if they do not fit whole. No printf here: a line is written for every request, and printf
 * took a fifth of a small one's time. */
static bool log_append(struct log_line *line, const char *bytes, size_t size) {
    if (size > (size_t)(LOG_LINE_MAX - LOG_TAIL) - line->size)
        return false;
    memcpy(line->text + line->size, bytes, size);
    line->size += size;
    return true;
}

static bool log_string(struct log_line *line, const char *string) {
    return log_append(line, string, strlen(string));
}

/* At least `width` digits. */
static bool log_digits(struct log_line *line, uint64_t value, size_t width) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || sizeof digits - at < width);
    return log_append(line, digits + at, sizeof digits - at);
}

static bool log_key(struct log_line *line, const char *key) {
    if (line->json)
        return log_string(line, line->size > 1 ? ",\"" : "\"") && log_string(line, key) && log_string(line, "\":");
    return log_string(line, line->size > 0 ? " " : "") && log_string(line, key) && log_string(line, "=");
}

static bool log_escape(struct log_line *line, unsigned byte) {
    static const char hex[] = "0123456789abcdef";
    const char text[] = {'\\', 'u', '0', '0', hex[byte >> 4 & 15], hex[byte & 15]};
    return log_append(line, text, sizeof text);
}

/* A byte that is not UTF-8 becomes \u00XX, which also JSON can say; control bytes and C1 controls are escaped too. */
static bool log_quoted(struct log_line *line, const char *text) {
    const char *end = text + strnlen(text, LOG_TEXT_MAX);
    bool fits = log_string(line, "\"");
    while (fits && text < end) {
        size_t size = text_utf8_length(text, (size_t)(end - text));
        unsigned char byte = (unsigned char)*text;
        bool c1 = size == 2 && byte == 0xc2 && (unsigned char)text[1] < 0xa0;
        if (size == 0 || byte < 0x20 || byte == 0x7f || c1)
            fits = log_escape(line, c1 ? (unsigned char)text[1] : byte);
        else if (byte == '"' || byte == '\\')
            fits = log_append(line, "\\", 1) && log_append(line, text, 1);
        else
            fits = log_append(line, text, size);
        text += size == 0 ? 1 : size;
    }
    return fits && log_string(line, "\"");
}

static bool log_needs_quotes(const char *text) {
    if (text[0] == '\0' || strnlen(text, LOG_TEXT_MAX + 1) > LOG_TEXT_MAX)
        return true;
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\')
            return true;
    }
    return false;
}

void log_text(struct log_line *line, const char *key, const char *value) {
    if (value == NULL)
        return;
    size_t before = line->size;
    bool fits = log_key(line, key) &&
                (line->json || log_needs_quotes(value) ? log_quoted(line, value) : log_string(line, value));
    if (!fits)
        line->size = before;
}

void log_count(struct log_line *line, const char *key, uint64_t value) {
    size_t before = line->size;
    if (!log_key(line, key) || !log_digits(line, value, 1))
        line->size = before;
}

/* Whole microseconds as milliseconds with three decimals. */
void log_ms(struct log_line *line, const char *key, double value) {
    size_t before = line->size;
    uint64_t microseconds = value > 0 ? (uint64_t)(value * 1000 + 0.5) : 0;
    if (!log_key(line, key) || !log_digits(line, microseconds / 1000, 1) || !log_string(line, ".") ||
        !log_digits(line, microseconds % 1000, 3))
        line->size = before;
}

/* 2026-01-31T23:59:59.999Z. The date is made once a second: it took a fourth of a line's time. */
static void log_time(struct log_line *line) {
    static _Thread_local time_t second = -1;
    static _Thread_local char date[32];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second) {
        struct tm utc;
        second = now.tv_sec;
        gmtime_r(&second, &utc);
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S.", &utc);
    }
    log_key(line, "time");
    log_string(line, line->json ? "\"" : "");
    log_string(line, date);
    log_digits(line, (uint64_t)now.tv_nsec / 1000000, 3);
    log_string(line, line->json ? "Z\"" : "Z");
}

void log_begin(const struct log *log, struct log_line *line, enum log_level level, const char *message) {
    line->json = log->json;
    line->level = level;
    line->size = 0;
    if (level > log->level)
        return;

    if (line->json)
        line->text[line->size++] = '{';
    log_time(line);
    log_text(line, "level", log_levels[level == LOG_NOTICE ? LOG_INFO : level]);
    log_text(line, "msg", message);
}

/* The first lines of `text` that go through a pipe in one piece. */
static size_t log_piece(const char *text, size_t size) {
    if (size <= PIPE_BUF)
        return size;
    const char *last = memrchr(text, '\n', PIPE_BUF);
    return last != NULL ? (size_t)(last - text) + 1 : size;
}

/* Writes what the reader takes at once; the mutex is held. A pipe that can be written to has room for PIPE_BUF. */
static void log_flush(struct log *log) {
    size_t done = 0;
    while (done < log->size) {
        struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
        if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
            break;
        ssize_t written = write(log->fd, log->held + done, log_piece(log->held + done, log->size - done));
        if (written <= 0)
            break;
        done += (size_t)written;
    }
    log->size -= done;
    memmove(log->held, log->held + done, log->size);
}

static void *log_run(void *argument) {
    struct log *log = argument;
    pthread_mutex_lock(&log->mutex);
    while (!log->stopping) {
        if (log->size == 0) {
            pthread_cond_wait(&log->changed, &log->mutex);
            continue;
        }
        pthread_mutex_unlock(&log->mutex);
        nanosleep(&(struct timespec){.tv_nsec = LOG_DELAY_NS}, NULL);
        pthread_mutex_lock(&log->mutex);
        log_flush(log);
    }
    pthread_mutex_unlock(&log->mutex);
    return NULL;
}

bool log_start(struct log *log) {
    log->threaded = pthread_create(&log->thread, NULL, log_run, log) == 0;
    return log->threaded;
}

void log_done(struct log *log) {
    if (log->threaded) {
        pthread_mutex_lock(&log->mutex);
        log->stopping = true;
        pthread_cond_signal(&log->changed);
        pthread_mutex_unlock(&log->mutex);
        pthread_join(log->thread, NULL);
    }
    pthread_mutex_lock(&log->mutex);
    log->threaded = false;
    log_flush(log);
    pthread_mutex_unlock(&log->mutex);
}

void log_end(struct log *log, struct log_line *line) {
    if (line->level > log->level)
        return;

    pthread_mutex_lock(&log->mutex);
    if (log->dropped > 0)
        log_count(line, "dropped", log->dropped);
    if (line->json)
        line->text[line->size++] = '}';
    line->text[line->size++] = '\n';
    bool first = log->size == 0, fits = line->size <= sizeof log->held - log->size;
    if (fits) {
        memcpy(log->held + log->size, line->text, line->size);
        log->size += line->size;
    }
    log->dropped = fits ? 0 : log->dropped + 1;
    if (!log->threaded || line->level < LOG_INFO)
        log_flush(log);
    else if (first)
        pthread_cond_signal(&log->changed);
    pthread_mutex_unlock(&log->mutex);
}

void log_message(struct log *log, enum log_level level, const char *format, ...) {
    char text[LOG_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    struct log_line line;
    log_begin(log, &line, level, text);
    log_end(log, &line);
}
