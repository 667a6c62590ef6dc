/* Log lines, as a reader of the pipe sees them. */
#include "server/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int ends[2];
static char text[1 << 17];

static void read_lines(void) {
    ssize_t size = read(ends[0], text, sizeof text - 1);
    cr_assert_geq(size, 0);
    text[size] = '\0';
}

static void open_log(struct log *log, const char *format, const char *level) {
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    log_init(log, ends[1], format, level);
}

Test(log, a_line_is_logfmt) {
    struct log log;
    struct log_line line;
    open_log(&log, "logfmt", "info");
    log_begin(&log, &line, LOG_INFO, "hello there");
    log_text(&line, "plain", "a/b");
    log_text(&line, "nothing", NULL);
    log_text(&line, "empty", "");
    log_text(&line, "quoted", "a=\"b\"\\");
    log_count(&line, "count", 7);
    log_ms(&line, "ms", 1.25);
    log_end(&log, &line);
    read_lines();
    cr_assert_not_null(strstr(text, "Z level=info msg=\"hello there\" plain=a/b empty=\"\" "
                                    "quoted=\"a=\\\"b\\\"\\\\\" count=7 ms=1.250\n"),
                       "%s", text);
}

Test(log, a_line_is_json) {
    struct log log;
    struct log_line line;
    open_log(&log, "json", "info");
    log_begin(&log, &line, LOG_WARN, "hello");
    log_text(&line, "path", "/\n\"\xff\xc3\xa9\x1b\x7f");
    log_count(&line, "count", 7);
    log_end(&log, &line);
    read_lines();
    cr_assert_eq(strncmp(text, "{\"time\":\"", 9), 0, "%s", text);
    cr_assert_not_null(
        strstr(text, "\"level\":\"warn\",\"msg\":\"hello\",\"path\":\"/\\u000a\\\"\\u00ff\xc3\xa9\\u001b\\u007f\","
                     "\"count\":7}\n"),
        "%s", text);
}

Test(log, no_value_can_break_a_line) {
    struct log log;
    struct log_line line;
    char value[2] = "";
    open_log(&log, "logfmt", "info");
    log_begin(&log, &line, LOG_INFO, "x");
    for (int byte = 1; byte < 256; byte++) {
        value[0] = (char)byte;
        log_text(&line, "k", value);
    }
    log_end(&log, &line);
    read_lines();
    cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
    for (char *at = text; at[1] != '\0'; at++)
        cr_assert_geq((unsigned char)*at, 0x20);
}

Test(log, a_line_has_an_end_however_much_is_put_in) {
    struct log log;
    struct log_line line;
    char value[1001];
    memset(value, 'x', 1000);
    value[1000] = '\0';
    open_log(&log, "json", "info");
    log_begin(&log, &line, LOG_INFO, "x");
    for (int i = 0; i < 100; i++)
        log_text(&line, "k", value);
    log_end(&log, &line);
    read_lines();
    cr_assert_leq(strlen(text), LOG_LINE_MAX);
    cr_assert_str_eq(text + strlen(text) - 3, "\"}\n");
}

Test(log, a_level_below_the_least_is_silent) {
    struct log log;
    open_log(&log, "logfmt", "warn");
    log_message(&log, LOG_INFO, "a");
    log_message(&log, LOG_ERROR, "b");
    read_lines();
    cr_assert_null(strstr(text, "msg=a"));
    cr_assert_not_null(strstr(text, "msg=b"));
}

Test(log, a_full_pipe_stops_nobody_and_is_told_later, .timeout = 10) {
    struct log log;
    open_log(&log, "logfmt", "info");
    cr_assert_eq(fcntl(ends[1], F_SETFL, 0), 0); /* as stderr is: a write would block */
    for (int i = 0; i < 5000; i++)
        log_message(&log, LOG_INFO, "line %d", i);
    bool told = false;
    for (int i = 0; i < 4 && !told; i++) { /* what is held goes out first */
        read_lines();
        log_message(&log, LOG_INFO, "room again");
        told = strstr(text, "msg=\"room again\" dropped=") != NULL;
    }
    cr_assert(told, "%s", text);
    read_lines();
    log_message(&log, LOG_INFO, "and now");
    read_lines();
    cr_assert_null(strstr(text, "dropped"), "%s", text);
}

Test(log, a_thread_writes_lines_whole_and_in_order_and_the_end_waits_for_it, .timeout = 10) {
    struct log log;
    open_log(&log, "logfmt", "info");
    cr_assert(log_start(&log));
    for (int i = 0; i < 200; i++)
        log_message(&log, LOG_INFO, "line %d", i);
    log_done(&log);
    read_lines();
    const char *at = text;
    for (int i = 0; i < 200; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "msg=\"line %d\"\n", i);
        at = strstr(at, wanted);
        cr_assert_not_null(at, "line %d is missing or late", i);
    }
}

Test(log, bytes_above_127_are_quoted_and_checked_whatever_char_is) {
    struct log log;
    struct log_line line;
    open_log(&log, "logfmt", "info");
    log_begin(&log, &line, LOG_INFO, "x");
    log_text(&line, "c1",
             "a\xc2\x9b"
             "b");
    log_text(&line, "bad", "\xff");
    log_text(&line, "good", "\xc3\xa9");
    log_end(&log, &line);
    read_lines();
    cr_assert_not_null(strstr(text, " c1=\"a\\u009bb\" bad=\"\\u00ff\" good=\"\xc3\xa9\"\n"), "%s", text);
}
