/* attnd: attention as an HTTP microservice. Reads the settings, starts the server, and drains it when told to end.
 * Exit status: 0 drained, 1 could not start, 2 a setting is wrong, 3 drained but for a computation that did not stop,
 * 143 ended at once by a second signal, whichever it was. */
#include "server/early.h"
#include "server/healthcheck.h"
#include "server/log.h"
#include "server/process.h"
#include "server/server.h"
#include "server/settings.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAIN_STUCK = 3 };

static const double MAIN_REST_MS = 1000;

static void main_warn(void *log, const char *warning) {
    log_message(log, LOG_WARN, "%s", warning);
}

static int main_serve(const struct settings *settings) {
    static struct server server; /* too large for the stack */
    struct error error = {0};
    static struct log log; /* and so is this */

    process_prepare();
    log_init(&log, STDERR_FILENO, settings->log_format, settings->log_level);
    settings_warn(environ, main_warn, &log);
    if (!server_start(&server, settings, &log, &error)) {
        log_message(&log, LOG_ERROR, "%s", error.detail);
        log_done(&log);
        _exit(1); /* threads may have been started */
    }
    while (process_wait(MAIN_REST_MS) == 0)
        server_rest(&server);
    enum server_end end = server_drain(&server);
    log_done(&log);
    if (end != SERVER_DRAINED)
        _exit(end == SERVER_STUCK ? MAIN_STUCK : 128 + SIGTERM);
    return 0;
}

static int main_healthcheck(const struct settings *settings) {
    char message[256];
    if (healthcheck_run(settings, message, sizeof message))
        return 0;
    fprintf(stderr, "attnd: %s\n", message);
    return 1;
}

int main(int argc, char **argv) {
    struct settings settings;
    enum settings_action action;
    char message[SETTINGS_MESSAGE_MAX];

    early_done();
    process_open_streams();
    if (!settings_parse(argc, argv, getenv, &settings, &action, message, sizeof message)) {
        fprintf(stderr, "attnd: %s\n", message);
        return 2;
    }
    switch (action) {
    case SETTINGS_HELP:
        settings_print_help(stdout);
        return 0;
    case SETTINGS_HELP_MARKDOWN:
        settings_print_markdown(stdout);
        return 0;
    case SETTINGS_VERSION:
        puts("attnd " ATTND_VERSION);
        return 0;
    case SETTINGS_HEALTHCHECK:
        return main_healthcheck(&settings);
    case SETTINGS_SERVE:
        return main_serve(&settings);
    }
    return 0;
}
