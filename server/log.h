/* Log lines: key-value pairs in logfmt or JSON, each whole. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A notice is written whatever the level, as info: where the server listens must be told. */
enum log_level { LOG_NOTICE = -1, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* A whole line stays below PIPE_BUF, so that lines never mix in a pipe. */
enum { LOG_LINE_MAX = 4000, LOG_HELD_MAX = 1 << 16 };

struct log {
    int fd;
    bool json;
    enum log_level level;  /* lines above it are not written */
    pthread_mutex_t mutex; /* guards all that follows */
    pthread_cond_t changed;
    bool threaded, stopping;
    pthread_t thread;
    uint64_t dropped; /* lines nobody took, since the last one that was held */
    size_t size;      /* bytes held */
    char held[LOG_HELD_MAX];
};

struct log_line {
    bool json;
    enum log_level level;
    size_t size;
    char text[LOG_LINE_MAX];
};

/* `format` is "logfmt" or "json", `level` the name of a level. */
void log_init(struct log *log, int fd, const char *format, const char *level);

/* From here on requests' lines are written by a thread, a few milliseconds late; before, and where it cannot be had,
 * each is written at once, as what is more urgent than info always is. */
bool log_start(struct log *log);

/* Ends the log's thread and writes what is held. Lines that other threads still log are then written at once. */
void log_done(struct log *log);

/* A line is begun, given its pairs, and written. A pair that no longer fits is left out. Control bytes, quotes and
 * bytes that are not UTF-8 are escaped; a text is cut after 512 bytes. A NULL text is no pair. */
void log_begin(const struct log *log, struct log_line *line, enum log_level level, const char *message);
void log_text(struct log_line *line, const char *key, const char *value);
void log_count(struct log_line *line, const char *key, uint64_t value);
void log_ms(struct log_line *line, const char *key, double value);
void log_end(struct log *log, struct log_line *line);

/* A line without further pairs. */
void log_message(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
