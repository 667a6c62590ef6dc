/* Settings: one table gives each setting its flag, its environment name, its default, its range and its help line.
 * Parsing, --help and the table in the docs all read it; a new setting is one row here and one member of the struct. */
#include "server/settings.h"

#include "server/cors.h"
#include "server/host.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum settings_kind {
    SETTINGS_COUNT, /* a whole number */
    SETTINGS_BYTES, /* a whole number, or one with KiB, MiB, GiB or TiB */
    SETTINGS_TEXT,
    SETTINGS_ORIGINS, /* text that cors_check() takes */
    SETTINGS_HOSTS,   /* text that host_check() takes */
    SETTINGS_CHOICE,  /* one of the words of `choices`, separated by '|' */
};

struct settings_row {
    const char *flag; /* without the dashes */
    const char *environment;
    enum settings_kind kind;
    size_t offset;     /* of the member in struct settings */
    const char *value; /* the default, as it would be typed */
    uint64_t minimum, maximum;
    const char *choices;
    const char *help;
};

#define SETTINGS_AT(member) offsetof(struct settings, member)
#define KIB ((uint64_t)1 << 10)
#define GIB ((uint64_t)1 << 30)
#define TIB ((uint64_t)1 << 40)

static const struct settings_row settings_rows[] = {
    {"host", "ATTND_HOST", SETTINGS_TEXT, SETTINGS_AT(host), "127.0.0.1", 0, 0, NULL,
     "address or name to listen on; 0.0.0.0 or :: for every interface"},
    {"port", "ATTND_PORT", SETTINGS_COUNT, SETTINGS_AT(port), "8080", 0, 65535, NULL,
     "port to listen on (PORT is read too); 0 picks a free one and prints it"},
    {"threads", "ATTND_THREADS", SETTINGS_COUNT, SETTINGS_AT(threads), "0", 0, 256, NULL,
     "workers for large requests; 0 = one for each processor"},
    {"io-threads", "ATTND_IO_THREADS", SETTINGS_COUNT, SETTINGS_AT(io_threads), "2", 1, 64, NULL,
     "threads that read, answer small requests and write"},
    {"cors-origin", "ATTND_CORS_ORIGIN", SETTINGS_ORIGINS, SETTINGS_AT(cors_origins), "", 0, 0, NULL,
     "origins whose pages may call, with commas; * for all, http://localhost:* for any port of it"},
    {"allowed-hosts", "ATTND_ALLOWED_HOSTS", SETTINGS_HOSTS, SETTINGS_AT(allowed_hosts), "", 0, 0, NULL,
     "hosts that requests may name besides this machine's own, with commas; * for all"},
    {"max-body-bytes", "ATTND_MAX_BODY_BYTES", SETTINGS_BYTES, SETTINGS_AT(body_bytes), "64MiB", 1, TIB, NULL,
     "largest body of a request"},
    {"max-depth", "ATTND_MAX_DEPTH", SETTINGS_COUNT, SETTINGS_AT(depth), "16", 4, 32, NULL,
     "deepest nesting of arrays and objects in a body"},
    {"max-values", "ATTND_MAX_VALUES", SETTINGS_COUNT, SETTINGS_AT(values), "262144", 64, TIB, NULL,
     "most values in a body; an array of numbers or of strings is one"},
    {"max-elements", "ATTND_MAX_ELEMENTS", SETTINGS_COUNT, SETTINGS_AT(elements), "268435456", 1, TIB, NULL,
     "most numbers in one tensor"},
    {"max-work", "ATTND_MAX_WORK", SETTINGS_COUNT, SETTINGS_AT(work), "1099511627776", 1, UINT64_MAX, NULL,
     "most multiplications for one request"},
    {"max-answer-bytes", "ATTND_MAX_ANSWER_BYTES", SETTINGS_BYTES, SETTINGS_AT(answer_bytes), "4GiB", KIB, 1024 * TIB,
     NULL, "largest answer, estimated before it is computed"},
    {"max-request-memory", "ATTND_MAX_REQUEST_MEMORY", SETTINGS_BYTES, SETTINGS_AT(memory_bytes), "2GiB", 64 * KIB,
     1024 * TIB, NULL, "most memory for one request, its body included"},
    {"max-memory", "ATTND_MAX_MEMORY", SETTINGS_BYTES, SETTINGS_AT(all_memory_bytes), "0", 0, 1024 * TIB, NULL,
     "most memory for all requests together, 16MiB at least; 0 = half of the container's or machine's"},
    {"max-connections", "ATTND_MAX_CONNECTIONS", SETTINGS_COUNT, SETTINGS_AT(connections), "1000", 1, 1000000, NULL,
     "most open connections; more get 503"},
    {"max-waiting", "ATTND_MAX_WAITING", SETTINGS_COUNT, SETTINGS_AT(waiting), "64", 1, 100000, NULL,
     "most large requests in the workers' hands; more get 503"},
    {"header-timeout-ms", "ATTND_HEADER_TIMEOUT_MS", SETTINGS_COUNT, SETTINGS_AT(header_timeout_ms), "10000", 10,
     86400000, NULL, "time for the whole head of a request"},
    {"body-timeout-ms", "ATTND_BODY_TIMEOUT_MS", SETTINGS_COUNT, SETTINGS_AT(body_timeout_ms), "30000", 10, 86400000,
     NULL, "span within which a body must arrive at the minimum rate"},
    {"answer-timeout-ms", "ATTND_ANSWER_TIMEOUT_MS", SETTINGS_COUNT, SETTINGS_AT(answer_timeout_ms), "30000", 10,
     86400000, NULL, "span within which a client must take an answer at the minimum rate"},
    {"idle-timeout-ms", "ATTND_IDLE_TIMEOUT_MS", SETTINGS_COUNT, SETTINGS_AT(idle_timeout_ms), "75000", 10, 86400000,
     NULL, "time a connection may wait between two requests"},
    {"min-rate", "ATTND_MIN_RATE", SETTINGS_BYTES, SETTINGS_AT(rate), "1KiB", 1, GIB, NULL,
     "minimum rate of bodies and answers, bytes a second"},
    {"min-answer-rate", "ATTND_MIN_ANSWER_RATE", SETTINGS_BYTES, SETTINGS_AT(answer_rate), "16KiB", 1, GIB, NULL,
     "minimum rate of an answer as a whole: its time is the answer timeout and its bytes at this rate"},
    {"drain-delay-ms", "ATTND_DRAIN_DELAY_MS", SETTINGS_COUNT, SETTINGS_AT(drain_delay_ms), "0", 0, 3600000, NULL,
     "time after SIGTERM in which /readyz says 503 and all else goes on"},
    {"drain-timeout-ms", "ATTND_DRAIN_TIMEOUT_MS", SETTINGS_COUNT, SETTINGS_AT(drain_timeout_ms), "25000", 0, 3600000,
     NULL, "time for the requests under way at SIGTERM"},
    {"log-format", "ATTND_LOG_FORMAT", SETTINGS_CHOICE, SETTINGS_AT(log_format), "logfmt", 0, 0, "logfmt|json",
     "form of the log lines on stderr"},
    {"log-level", "ATTND_LOG_LEVEL", SETTINGS_CHOICE, SETTINGS_AT(log_level), "info", 0, 0, "error|warn|info|debug",
     "least level that is logged; requests are info"},
};

enum { SETTINGS_ROWS = sizeof settings_rows / sizeof settings_rows[0] };

static bool settings_number(const char *text, bool suffixes, uint64_t *number) {
    /* strtoull takes signs and blanks; a setting does not. */
    if (!isdigit((unsigned char)text[0]))
        return false;

    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0)
        return false;

    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (unit < sizeof units / sizeof units[0] && strcmp(end, units[unit]) != 0)
        unit++;
    if (unit == sizeof units / sizeof units[0] || (unit > 0 && !suffixes))
        return false;
    return !__builtin_mul_overflow(value, (uint64_t)1 << (10 * unit), number);
}

static bool settings_is_choice(const char *choices, const char *text) {
    size_t length = strlen(text);
    for (const char *at = choices; length > 0 && strchr(text, '|') == NULL; at++) {
        if (strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0'))
            return true;
        at = strchr(at, '|');
        if (at == NULL)
            return false;
    }
    return false;
}

/* `name` is how the setting was given: "--port" or "ATTND_PORT". */
static bool settings_set(const struct settings_row *row, const char *name, const char *text, struct settings *settings,
                         char *message, size_t message_size) {
    void *member = (char *)settings + row->offset;
    uint64_t number;
    char why[SETTINGS_MESSAGE_MAX - 64];

    switch (row->kind) {
    case SETTINGS_ORIGINS:
    case SETTINGS_HOSTS:
        if (!(row->kind == SETTINGS_ORIGINS ? cors_check : host_check)(text, why, sizeof why)) {
            snprintf(message, message_size, "%s: %s", name, why);
            return false;
        }
        *(const char **)member = text;
        return true;
    case SETTINGS_TEXT:
        *(const char **)member = text;
        return true;
    case SETTINGS_CHOICE:
        if (!settings_is_choice(row->choices, text)) {
            snprintf(message, message_size, "%s: '%s' is not one of %s", name, text, row->choices);
            return false;
        }
        *(const char **)member = text;
        return true;
    case SETTINGS_COUNT:
    case SETTINGS_BYTES:
        if (!settings_number(text, row->kind == SETTINGS_BYTES, &number) || number < row->minimum ||
            number > row->maximum) {
            snprintf(message, message_size, "%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64 "%s", name,
                     text, row->minimum, row->maximum,
                     row->kind == SETTINGS_BYTES ? " (KiB, MiB, GiB and TiB are understood)" : "");
            return false;
        }
        *(uint64_t *)member = number;
        return true;
    }
    return false;
}

/* Kubernetes tells pods of a Service named attnd by ATTND_PORT=tcp://10.96.0.5:8080. */
static bool settings_is_service(const char *text) {
    return strstr(text, "://") != NULL;
}

void settings_warn(char *const *environment, void (*say)(void *context, const char *warning), void *context) {
    char warning[256];
    for (; *environment != NULL; environment++) {
        const char *entry = *environment, *value = strchr(entry, '=');
        if (value == NULL || strncmp(entry, "ATTND_", strlen("ATTND_")) != 0)
            continue;
        size_t length = (size_t)(value - entry), i = 0;
        while (i < SETTINGS_ROWS && (strlen(settings_rows[i].environment) != length ||
                                     memcmp(settings_rows[i].environment, entry, length) != 0))
            i++;
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)length, entry);
        if (i < SETTINGS_ROWS && settings_rows[i].offset == SETTINGS_AT(port) && settings_is_service(value + 1))
            snprintf(warning, sizeof warning,
                     "%s: '%.80s' is passed over: Kubernetes sets it for a Service of this name; use PORT or --port",
                     name, value + 1);
        else if (i == SETTINGS_ROWS && strstr(name, "_PORT_") == NULL && strstr(name, "_SERVICE_") == NULL &&
                 !settings_is_service(value + 1))
            snprintf(warning, sizeof warning, "%s: not a setting, so it does nothing; attnd --help lists them", name);
        else
            continue;
        say(context, warning);
    }
}

static bool settings_from_environment(settings_environment *environment, struct settings *settings, char *message,
                                      size_t message_size) {
    for (size_t i = 0; i < SETTINGS_ROWS; i++) {
        const struct settings_row *row = &settings_rows[i];
        const char *name = row->environment;
        const char *text = environment(name);

        if (text != NULL && row->offset == SETTINGS_AT(port) && settings_is_service(text))
            text = NULL;
        /* PORT is what hosting platforms set; our own name wins. */
        if (text == NULL && row->offset == SETTINGS_AT(port)) {
            name = "PORT";
            text = environment(name);
        }
        if (text != NULL && !settings_set(row, name, text, settings, message, message_size))
            return false;
    }
    return true;
}

static const struct settings_row *settings_find(const char *flag, size_t length) {
    for (size_t i = 0; i < SETTINGS_ROWS; i++)
        if (strlen(settings_rows[i].flag) == length && memcmp(settings_rows[i].flag, flag, length) == 0)
            return &settings_rows[i];
    return NULL;
}

static bool settings_find_action(const char *argument, enum settings_action *action) {
    static const struct {
        const char *flag;
        enum settings_action action;
    } actions[] = {
        {"--help", SETTINGS_HELP},       {"-h", SETTINGS_HELP},
        {"--version", SETTINGS_VERSION}, {"--help-markdown", SETTINGS_HELP_MARKDOWN},
        {"-V", SETTINGS_VERSION},        {"--healthcheck", SETTINGS_HEALTHCHECK},
    };
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(argument, actions[i].flag) == 0) {
            *action = actions[i].action;
            return true;
        }
    }
    return false;
}

static bool settings_from_arguments(int argc, char *const *argv, struct settings *settings,
                                    enum settings_action *action, char *message, size_t message_size) {
    for (int i = 1; i < argc; i++) {
        if (settings_find_action(argv[i], action))
            continue;

        bool is_flag = strncmp(argv[i], "--", 2) == 0;
        const char *flag = is_flag ? argv[i] + 2 : argv[i];
        size_t length = strcspn(flag, "=");
        const struct settings_row *row = is_flag ? settings_find(flag, length) : NULL;
        if (row == NULL) {
            snprintf(message, message_size, "%s: not a setting; attnd --help lists them", argv[i]);
            return false;
        }

        const char *text = flag[length] == '=' ? flag + length + 1 : NULL;
        if (text == NULL && i + 1 < argc)
            text = argv[++i];
        char name[64];
        snprintf(name, sizeof name, "--%s", row->flag);
        if (text == NULL) {
            snprintf(message, message_size, "%s: a value is missing; attnd --help shows what it takes", name);
            return false;
        }
        if (!settings_set(row, name, text, settings, message, message_size))
            return false;
    }
    return true;
}

bool settings_parse(int argc, char *const *argv, settings_environment *environment, struct settings *settings,
                    enum settings_action *action, char *message, size_t message_size) {
    *action = SETTINGS_SERVE;
    *settings = (struct settings){0};
    for (size_t i = 0; i < SETTINGS_ROWS; i++)
        if (!settings_set(&settings_rows[i], settings_rows[i].flag, settings_rows[i].value, settings, message,
                          message_size))
            return false;

    if (!settings_from_environment(environment, settings, message, message_size))
        return false;
    if (!settings_from_arguments(argc, argv, settings, action, message, message_size))
        return false;

    if (settings->threads == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        settings->threads = processors < 1 ? 1 : (uint64_t)processors;
    }
    return true;
}

struct limits settings_limits(const struct settings *settings) {
    return (struct limits){
        .body_bytes = settings->body_bytes,
        .depth = settings->depth,
        .values = settings->values,
        .elements = settings->elements,
        .work = settings->work,
        .answer_bytes = settings->answer_bytes,
        .memory_bytes = settings->memory_bytes,
    };
}

static void settings_range(const struct settings_row *row, char *text, size_t size) {
    if (row->kind == SETTINGS_COUNT || row->kind == SETTINGS_BYTES)
        snprintf(text, size, "%" PRIu64 " to %" PRIu64, row->minimum, row->maximum);
    else
        snprintf(text, size, "%s", row->kind == SETTINGS_CHOICE ? row->choices : "text");
}

void settings_print_help(FILE *file) {
    fputs("attnd: attention over HTTP\n\n"
          "usage: attnd [--setting value]...\n\n"
          "A setting is given as a flag or in the environment; the flag wins. Sizes take KiB, MiB, GiB, TiB.\n\n",
          file);
    for (size_t i = 0; i < SETTINGS_ROWS; i++) {
        const struct settings_row *row = &settings_rows[i];
        char range[64];
        settings_range(row, range, sizeof range);
        fprintf(file, "  --%-20s %s\n  %-22s %s; %s; default %s\n", row->flag, row->help, "", row->environment, range,
                row->value[0] != '\0' ? row->value : "none");
    }
    fputs("\n  --healthcheck          ask the server on the configured port whether it is ready: exit 0 or 1\n"
          "  --version              print the version\n"
          "  --help                 print this\n",
          file);
}

void settings_print_markdown(FILE *file) {
    fputs("| flag | environment | default | allowed | meaning |\n|---|---|---|---|---|\n", file);
    for (size_t i = 0; i < SETTINGS_ROWS; i++) {
        const struct settings_row *row = &settings_rows[i];
        char range[64];
        settings_range(row, range, sizeof range);
        for (char *bar = strchr(range, '|'); bar != NULL; bar = strchr(bar, '|'))
            *bar = '/';
        fprintf(file, "| `--%s` | `%s` | %s | %s | %s |\n", row->flag, row->environment,
                row->value[0] != '\0' ? row->value : "none", range, row->help);
    }
}
