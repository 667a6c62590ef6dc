/* Logging: lines are built on the stack and written with one write(), so no line is torn and none allocates.
 *
 * A log reader that stops reading must not stop the service: a line that a full pipe would not take at once is dropped
 * and counted, and the next line that goes through says how many were. */
#include "server/log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_TEXT_MAX = 512, LOG_TAIL = 4 /* room that is kept for the end of the line */ };

static const char *const log_levels[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

void log_init(struct log *log, int fd, const char *format, const char *level) {
    *log = (struct log){.fd = fd, .json = strcmp(format, "json") == 0, .level = LOG_INFO};
    for (size_t i = 0; i < sizeof log_levels / sizeof log_levels[0]; i++)
        if (strcmp(level, log_levels[i]) == 0)
            log->level = (enum log_level)i;
    pthread_mutex_init(&log->mutex, NULL);
}

void log_done(struct log *log) {
    pthread_mutex_destroy(&log->mutex);
}

/* Appends printf's text, or nothing if it does not fit whole. */
static bool __attribute__((format(printf, 2, 3))) log_append(struct log_line *line, const char *format, ...) {
    size_t room = LOG_LINE_MAX - LOG_TAIL - line->size;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line->text + line->size, room, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= room)
        return false;
    line->size += (size_t)size;
    return true;
}

static bool log_key(struct log_line *line, const char *key) {
    return line->json ? log_append(line, "%s\"%s\":", line->size > 1 ? "," : "", key)
                      : log_append(line, "%s%s=", line->size > 0 ? " " : "", key);
}

/* Bytes of the UTF-8 sequence that begins at `text`, 0 if there is none (Unicode 15, table 3-7). */
static size_t log_utf8(const unsigned char *text) {
    unsigned char lead = text[0], low = 0x80, high = 0xbf;
    size_t size;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        size = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        size = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        size = 4;
    else
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < size; i++, low = 0x80, high = 0xbf)
        if (text[i] < low || text[i] > high)
            return 0;
    return size;
}

/* A byte that is not UTF-8 becomes \u00XX, which also JSON can say; control bytes and C1 controls are escaped too. */
static bool log_quoted(struct log_line *line, const char *text) {
    if (!log_append(line, "\""))
        return false;
    const unsigned char *at = (const unsigned char *)text, *end = at + strnlen(text, LOG_TEXT_MAX);
    while (at < end) {
        size_t size = log_utf8(at);
        bool control = size == 0 || *at < 0x20 || *at == 0x7f || (size == 2 && at[0] == 0xc2 && at[1] < 0xa0);
        bool fits = *at == '"' || *at == '\\' ? log_append(line, "\\%c", *at)
                    : control                 ? log_append(line, "\\u%04x", size == 2 ? at[1] : at[0])
                                              : log_append(line, "%.*s", (int)size, (const char *)at);
        if (!fits)
            return false;
        at += size == 0 ? 1 : size;
    }
    return log_append(line, "\"");
}

static bool log_needs_quotes(const char *text) {
    if (text[0] == '\0' || strnlen(text, LOG_TEXT_MAX + 1) > LOG_TEXT_MAX)
        return true;
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text == '"' || *text == '=' || *text == '\\' || *text == 0x7f)
            return true;
    return false;
}

void log_text(struct log_line *line, const char *key, const char *value) {
    if (value == NULL)
        return;
    size_t before = line->size;
    bool fits = log_key(line, key) &&
                (line->json || log_needs_quotes(value) ? log_quoted(line, value) : log_append(line, "%s", value));
    if (!fits)
        line->size = before;
}

void log_count(struct log_line *line, const char *key, uint64_t value) {
    size_t before = line->size;
    if (!log_key(line, key) || !log_append(line, "%" PRIu64, value))
        line->size = before;
}

void log_ms(struct log_line *line, const char *key, double value) {
    size_t before = line->size;
    if (!log_key(line, key) || !log_append(line, "%.3f", value))
        line->size = before;
}

void log_begin(const struct log *log, struct log_line *line, enum log_level level, const char *message) {
    line->json = log->json;
    line->level = level;
    line->size = 0;
    if (level > log->level)
        return;

    struct timespec now;
    struct tm utc;
    char date[32], time[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(time, sizeof time, "%s.%03ldZ", date, now.tv_nsec / 1000000);

    if (line->json)
        line->text[line->size++] = '{';
    log_text(line, "time", time);
    log_text(line, "level", log_levels[level == LOG_NOTICE ? LOG_INFO : level]);
    log_text(line, "msg", message);
}

void log_end(struct log *log, struct log_line *line) {
    if (line->level > log->level)
        return;

    pthread_mutex_lock(&log->mutex);
    /* A pipe that can be written to has room for PIPE_BUF bytes, more than a line. */
    struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
    bool writable = poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0;
    if (writable) {
        if (log->dropped > 0)
            log_count(line, "dropped", log->dropped);
        if (line->json)
            line->text[line->size++] = '}';
        line->text[line->size++] = '\n';
        writable = write(log->fd, line->text, line->size) == (ssize_t)line->size;
    }
    log->dropped = writable ? 0 : log->dropped + 1;
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
