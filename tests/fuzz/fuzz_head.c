/* Heads of requests: method, target, version and fields, one on each line, through all that reads them before a body
 * is asked for; and the log line of such a request. */
#include "tests/fuzz/fuzz.h"

#include "api/negotiate.h"
#include "api/problem.h"
#include "server/cors.h"
#include "server/guard.h"
#include "server/identifier.h"
#include "server/log.h"

#include <ctype.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Takes a piece up to one of `ends` or the text's end, which is moved behind it. */
static char *piece_of(char **text, const char *ends) {
    char *piece = *text;
    *text += strcspn(piece, ends);
    if (**text != '\0')
        *(*text)++ = '\0';
    return piece;
}

static void read_head(char *text, struct guard_head *head) {
    *head = (struct guard_head){.method = piece_of(&text, "\n"), .target = piece_of(&text, "\n")};
    head->version = piece_of(&text, "\n");
    for (; *text != '\0'; head->field_count++) {
        char *line = piece_of(&text, "\n"), *name = piece_of(&line, ":");
        if (head->field_count < GUARD_FIELDS_MAX)
            head->fields[head->field_count] = (struct guard_field){name, line + strspn(line, " ")};
    }
}

static void is_a_refusal(const struct error *error) {
    int status = error->code == ERROR_NONE ? 0 : problem_status(error->code);
    fuzz_require(status >= 400 && status != 500 && error->detail[0] != '\0', "%d %s", status, error->detail);
}

static void is_guarded(const struct guard_head *head) {
    struct guard_framing framing = {0};
    struct error error = {0};
    if (!guard_check(head, &framing, &error)) {
        is_a_refusal(&error);
        return;
    }
    const char *length = guard_field(head, "Content-Length"), *coding = guard_field(head, "Transfer-Encoding");
    fuzz_require(framing.has_length == (length != NULL) && framing.chunked == (coding != NULL), "%s", head->method);
    fuzz_require(length == NULL || coding == NULL, "%s and %s", length, coding);
    fuzz_require(length == NULL || (isdigit((unsigned char)*length) && strtoull(length, NULL, 10) == framing.length),
                 "%s", length);
    fuzz_require(coding == NULL || strcasecmp(coding, "chunked") == 0, "%s", coding);
    for (size_t i = 0; i < head->field_count; i++)
        for (const char *at = head->fields[i].value; *at != '\0'; at++)
            fuzz_require((unsigned char)*at >= 0x20 || *at == '\t', "a control byte in %s", head->fields[i].name);
}

static void is_a_path(const char *target) {
    char path[GUARD_PATH_MAX], host[GUARD_HOST_MAX];
    struct error error = {0};
    if (!guard_target(target, host, path, &error)) {
        is_a_refusal(&error);
        return;
    }
    fuzz_require(memchr(host, '\0', sizeof host) != NULL, "%.40s", host);
    fuzz_require(target[0] != '/' || host[0] == '\0', "%s is at %s", target, host);
    fuzz_require(memchr(path, '\0', sizeof path) != NULL, "%.40s", path);
    fuzz_require(path[0] == '/' || strcmp(path, "*") == 0, "%s gives %s", target, path);
    if (target[0] == '/' && strpbrk(target, "?#%") == NULL)
        fuzz_require(strcmp(path, target) == 0, "%s gives %s", target, path);
}

/* Media types are read without case. */
static void is_negotiated(const char *value) {
    char *upper = fuzz_copy(value, strlen(value));
    for (char *at = upper; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    for (int origin = 0; origin < 2; origin++)
        fuzz_require(negotiate_is_json(value, origin) == negotiate_is_json(upper, origin), "%s", value);
    fuzz_require(negotiate_accepts(value, "application/json") == negotiate_accepts(upper, "application/json"), "%s",
                 value);
    free(upper);
}

static void is_allowed_rightly(const char *value) {
    static const char *const listed[] = {"http://a", "https://b:8443"};
    struct cors nobody = {""}, anybody = {"*"}, some = {"http://a,https://b:8443"};
    bool is_listed = strcmp(value, listed[0]) == 0 || strcmp(value, listed[1]) == 0;
    const char *allowed = cors_allow_origin(&some, value);
    fuzz_require(cors_allow_origin(&nobody, value) == NULL, "%s", value);
    fuzz_require(strcmp(cors_allow_origin(&anybody, value), "*") == 0, "%s", value);
    fuzz_require(is_listed ? allowed != NULL && strcmp(allowed, value) == 0 : allowed == NULL, "%s", value);

    char names[CORS_HEADERS_MAX];
    cors_allow_headers(value, names);
    fuzz_require(memchr(names, '\0', sizeof names) != NULL && names[0] != '\0', "%s", value);
    for (const char *at = names; *at != '\0'; at++)
        fuzz_require(isalnum((unsigned char)*at) || strchr("!#$%&'*+-.^_`|~, \t", *at) != NULL, "%s", names);
}

static void is_a_name(const char *value) {
    char name[IDENTIFIER_MAX + 1] = "ours";
    identifier_take(value, name);
    size_t size = strlen(value);
    bool is_proper = size >= 1 && size <= IDENTIFIER_MAX;
    for (size_t i = 0; i < size && is_proper; i++)
        is_proper = isalnum((unsigned char)value[i]) || strchr("._-", value[i]) != NULL;
    fuzz_require(strcmp(name, is_proper ? value : "ours") == 0, "%s gives %s", value, name);
}

/* key=value pairs with a space between them, a value bare or quoted; returns how many, 0 where it is not so. */
static size_t pairs_of(const char *line) {
    for (size_t count = 1;; count++) {
        size_t size = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
        if (size == 0 || line[size] != '=')
            return 0;
        line += size + 1;
        if (*line == '"') {
            for (line++; *line != '"'; line++)
                if (*line == '\0' || (*line == '\\' && *++line == '\0'))
                    return 0;
            line++;
        } else {
            line += strcspn(line, " \"=");
        }
        if (*line == '\0')
            return count;
        if (*line++ != ' ')
            return 0;
    }
}

static void is_one_line(const struct guard_head *head, const char *format) {
    static struct log log;
    struct log_line line;
    char text[2 * LOG_LINE_MAX];
    int ends[2];
    fuzz_require(pipe2(ends, O_NONBLOCK) == 0, "%s", "no pipe");
    log_init(&log, ends[1], format, "info");
    log_begin(&log, &line, LOG_WARN, "request");
    log_text(&line, "method", head->method);
    log_text(&line, "path", head->target);
    for (size_t i = 0; i < head->field_count && i < 4; i++)
        log_text(&line, "value", head->fields[i].value);
    log_end(&log, &line);
    log_done(&log);
    ssize_t size = read(ends[0], text, sizeof text);
    close(ends[0]);
    close(ends[1]);
    fuzz_require(size > 1 && size <= LOG_LINE_MAX && text[size - 1] == '\n', "%zd bytes", size);
    text[size - 1] = '\0';
    for (ssize_t i = 0; i < size - 1; i++)
        fuzz_require((unsigned char)text[i] >= 0x20 && text[i] != 0x7f, "byte %zd of %s", i, text);
    if (log.json) {
        json_error_t refusal;
        json_t *json = json_loads(text, 0, &refusal);
        fuzz_require(json_is_object(json), "%s: %s", refusal.text, text);
        fuzz_require(json_is_string(json_object_get(json, "path")), "%s", text);
        json_decref(json);
    } else {
        fuzz_require(pairs_of(text) >= 5, "%s", text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_copy(data, size);
    struct guard_head head;
    read_head(text, &head);
    is_guarded(&head);
    is_a_path(head.target);
    for (size_t i = 0; i < head.field_count && i < GUARD_FIELDS_MAX; i++) {
        is_negotiated(head.fields[i].value);
        is_allowed_rightly(head.fields[i].value);
        is_a_name(head.fields[i].value);
    }
    is_one_line(&head, "logfmt");
    is_one_line(&head, "json");
    free(text);
    return 0;
}
