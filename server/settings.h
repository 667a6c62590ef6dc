/* What the operator may choose: flags, environment names, defaults and ranges, all from one table. */
#pragma once

#include "api/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SETTINGS_MESSAGE_MAX = 512 };

enum settings_action {
    SETTINGS_SERVE,
    SETTINGS_HELP,
    SETTINGS_HELP_MARKDOWN, /* the table of docs/SETTINGS.md, so that a test can compare them */
    SETTINGS_VERSION,
    SETTINGS_HEALTHCHECK,
};

/* Every number is a uint64_t, whatever its range: the table reaches all of them in one way. Texts point into the
 * command line or the environment. */
struct settings {
    const char *host;
    uint64_t port; /* 0 = any free port */
    uint64_t threads;
    uint64_t io_threads;
    const char *cors_origins;  /* "" none, "*" any, else a list separated by commas */
    const char *allowed_hosts; /* "" those of the listener, "*" any, else a list separated by commas */
    uint64_t body_bytes, depth, values, elements, work, answer_bytes, memory_bytes;
    uint64_t all_memory_bytes; /* of all requests together; 0 = a share of what there is */
    uint64_t connections, waiting;
    uint64_t header_timeout_ms, body_timeout_ms, answer_timeout_ms, idle_timeout_ms;
    uint64_t rate, answer_rate; /* bytes a second */
    uint64_t drain_delay_ms, drain_timeout_ms;
    const char *log_format; /* "logfmt" or "json" */
    const char *log_level;  /* "error", "warn", "info" or "debug" */
};

/* Looks up an environment name; getenv() outside of tests. */
typedef char *settings_environment(const char *name);

/* Fills `settings` from defaults, then the environment, then the command line. False: `message` is one line that names
 * the setting, the value and what is allowed. `threads` 0 is replaced by the number of processors. */
bool settings_parse(int argc, char *const *argv, settings_environment *environment, struct settings *settings,
                    enum settings_action *action, char *message, size_t message_size);

/* Tells of names in an environment ("NAME=value", NULL last) that look like a setting and are none, and of an
 * ATTND_PORT that is passed over: Kubernetes sets tcp://… for a Service named attnd. */
void settings_warn(char *const *environment, void (*say)(void *context, const char *warning), void *context);

/* The part of the settings that the api layer takes. */
struct limits settings_limits(const struct settings *settings);

void settings_print_help(FILE *file);
void settings_print_markdown(FILE *file);
