/* Settings: what is taken from where, and what a wrong one is told. */
#include "server/settings.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *environment_name, *environment_value;
static char message[SETTINGS_MESSAGE_MAX];

static char *environment(const char *name) {
    return environment_name != NULL && strcmp(name, environment_name) == 0 ? (char *)(uintptr_t)environment_value
                                                                           : NULL;
}

static bool parse(struct settings *settings, enum settings_action *action, char *first, char *second) {
    char *argv[] = {"attnd", first, second, NULL};
    int argc = 1 + (first != NULL) + (second != NULL);
    return settings_parse(argc, argv, environment, settings, action, message, sizeof message);
}

static bool parses(struct settings *settings, char *first, char *second) {
    enum settings_action action;
    return parse(settings, &action, first, second);
}

Test(settings, the_defaults_are_those_of_the_contract) {
    struct settings settings;
    cr_assert(parses(&settings, NULL, NULL), "%s", message);
    cr_assert_str_eq(settings.host, "127.0.0.1");
    cr_assert_eq(settings.port, 8080);
    cr_assert_gt(settings.threads, 0);
    cr_assert_str_eq(settings.cors_origins, "");
    cr_assert_eq(settings.header_timeout_ms, 10000);
    cr_assert_eq(settings.body_timeout_ms, 30000);
    cr_assert_eq(settings.answer_timeout_ms, 30000);
    cr_assert_eq(settings.connections, 1000);
    cr_assert_eq(settings.waiting, 64);

    struct limits limits = settings_limits(&settings);
    cr_assert_eq(limits.body_bytes, limits_default.body_bytes);
    cr_assert_eq(limits.depth, limits_default.depth);
    cr_assert_eq(limits.elements, limits_default.elements);
    cr_assert_eq(limits.work, limits_default.work);
    cr_assert_eq(limits.answer_bytes, limits_default.answer_bytes);
    cr_assert_eq(limits.memory_bytes, limits_default.memory_bytes);
}

Test(settings, a_flag_is_taken_in_both_forms) {
    struct settings settings;
    cr_assert(parses(&settings, "--port", "81"));
    cr_assert_eq(settings.port, 81);
    cr_assert(parses(&settings, "--port=82", NULL));
    cr_assert_eq(settings.port, 82);
}

Test(settings, the_environment_counts_and_a_flag_wins) {
    struct settings settings;
    environment_name = "ATTND_PORT";
    environment_value = "90";
    cr_assert(parses(&settings, NULL, NULL));
    cr_assert_eq(settings.port, 90);
    cr_assert(parses(&settings, "--port", "91"));
    cr_assert_eq(settings.port, 91);
    environment_name = "PORT";
    cr_assert(parses(&settings, NULL, NULL));
    cr_assert_eq(settings.port, 90);
}

Test(settings, sizes_take_binary_units) {
    struct settings settings;
    cr_assert(parses(&settings, "--max-body-bytes", "3MiB"));
    cr_assert_eq(settings.body_bytes, 3 << 20);
    cr_assert(parses(&settings, "--max-body-bytes", "17"));
    cr_assert_eq(settings.body_bytes, 17);
}

Test(settings, a_wrong_value_is_refused_with_name_value_and_range) {
    static char *const wrong[] = {"65536", "-1", "+1", " 1", "1x", "", "1KiB", "0x10", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct settings settings;
        cr_assert_not(parses(&settings, "--port", wrong[i]), "'%s' was taken", wrong[i]);
        cr_assert_not_null(strstr(message, "--port"), "%s", message);
        cr_assert_not_null(strstr(message, wrong[i]), "%s", message);
        cr_assert_not_null(strstr(message, "65535"), "%s", message);
    }
}

Test(settings, both_ends_of_a_range_are_taken_and_what_lies_beyond_is_not) {
    struct settings settings;
    cr_assert(parses(&settings, "--io-threads", "1"));
    cr_assert(parses(&settings, "--io-threads", "64"));
    cr_assert_not(parses(&settings, "--io-threads", "0"));
    cr_assert_not(parses(&settings, "--io-threads", "65"));
    cr_assert_not(parses(&settings, "--max-body-bytes", "17000000TiB"));
}

Test(settings, a_wrong_value_in_the_environment_is_named_as_such) {
    struct settings settings;
    environment_name = "ATTND_LOG_FORMAT";
    environment_value = "xml";
    cr_assert_not(parses(&settings, NULL, NULL));
    cr_assert_str_eq(message, "ATTND_LOG_FORMAT: 'xml' is not one of logfmt|json");
}

Test(settings, a_choice_is_a_whole_word) {
    struct settings settings;
    cr_assert(parses(&settings, "--log-level", "debug"));
    cr_assert_not(parses(&settings, "--log-level", "debu"));
    cr_assert_not(parses(&settings, "--log-level", ""));
    cr_assert_not(parses(&settings, "--log-level", "info|debug"));
}

Test(settings, what_is_no_setting_is_refused_and_pointed_to_the_help) {
    struct settings settings;
    cr_assert_not(parses(&settings, "--prot", "1"));
    cr_assert_str_eq(message, "--prot: not a setting; attnd --help lists them");
    cr_assert_not(parses(&settings, "8080", NULL));
    cr_assert_not(parses(&settings, "--port", NULL));
    cr_assert_str_eq(message, "--port: a value is missing; attnd --help shows what it takes");
}

Test(settings, an_action_is_told_from_serving) {
    struct settings settings;
    enum settings_action action;
    cr_assert(parse(&settings, &action, "--help", NULL));
    cr_assert_eq(action, SETTINGS_HELP);
    cr_assert(parse(&settings, &action, "--healthcheck", NULL));
    cr_assert_eq(action, SETTINGS_HEALTHCHECK);
    cr_assert(parse(&settings, &action, NULL, NULL));
    cr_assert_eq(action, SETTINGS_SERVE);
}

Test(settings, help_names_every_row_of_the_table_for_the_docs) {
    char help[32768] = "", markdown[32768] = "";
    FILE *file = fmemopen(help, sizeof help, "w");
    settings_print_help(file);
    fclose(file);
    file = fmemopen(markdown, sizeof markdown, "w");
    settings_print_markdown(file);
    fclose(file);

    size_t rows = 0;
    for (char *at = markdown; (at = strstr(at, "| `--")) != NULL; rows++) {
        char flag[64];
        cr_assert_eq(sscanf(at, "| `%63[^`]", flag), 1);
        cr_assert_not_null(strstr(help, flag), "%s is not in the help", flag);
        at += 5;
    }
    cr_assert_gt(rows, 20);
}

Test(settings, a_port_that_kubernetes_tells_of_a_service_is_passed_over) {
    static const char *const values[] = {"tcp://10.96.0.5:8080", "udp://10.96.0.5:53", "sctp://10.96.0.5:1"};
    struct settings settings;
    environment_name = "ATTND_PORT";
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        environment_value = values[i];
        cr_assert(parses(&settings, NULL, NULL), "%s", message);
        cr_assert_eq(settings.port, 8080);
    }
}

static char said[1024];

static void say(void *unused, const char *warning) {
    (void)unused;
    strcat(strcat(said, warning), "\n");
}

Test(settings, names_that_are_no_settings_are_told_but_not_those_of_kubernetes) {
    static char *environment_of_a_pod[] = {"PATH=/bin",
                                           "ATTND_PROT=9",
                                           "ATTND_HOST=::1",
                                           "ATTND_CORS_ORIGINS=",
                                           "ATTND_PORT=tcp://10.96.0.5:8080",
                                           "ATTND_PORT_8080_TCP=tcp://10.96.0.5:8080",
                                           "ATTND_PORT_8080_TCP_PROTO=tcp",
                                           "ATTND_SERVICE_HOST=10.96.0.5",
                                           "ATTND_SERVICE_PORT=8080",
                                           "ATTND_CANARY_SERVICE_HOST=10.96.0.6",
                                           "ATTND_CANARY_PORT=tcp://10.96.0.6:8080",
                                           NULL};
    settings_warn(environment_of_a_pod, say, NULL);
    cr_assert_str_eq(said, "ATTND_PROT: not a setting, so it does nothing; attnd --help lists them\n"
                           "ATTND_CORS_ORIGINS: not a setting, so it does nothing; attnd --help lists them\n"
                           "ATTND_PORT: 'tcp://10.96.0.5:8080' is passed over: Kubernetes sets it for a Service of "
                           "this name; use PORT or --port\n");
}

Test(settings, lists_of_origins_and_hosts_are_checked) {
    struct settings settings;
    cr_assert(parses(&settings, "--cors-origin", "http://localhost:*"));
    cr_assert(parses(&settings, "--cors-origin", ""));
    cr_assert(parses(&settings, "--allowed-hosts", "a.example"));
    cr_assert_not(parses(&settings, "--cors-origin", "https://a/"));
    cr_assert_str_eq(message, "--cors-origin: 'https://a/' never matches what browsers send: write 'https://a'");
    cr_assert_not(parses(&settings, "--allowed-hosts", "http://a"));
    cr_assert_not_null(strstr(message, "--allowed-hosts: "), "%s", message);
}
