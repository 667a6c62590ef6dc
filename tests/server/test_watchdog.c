/* What a connection has earned, at times and counts made up here. */
#include "server/watchdog.h"

#include <criterion/criterion.h>

static const struct watchdog_limits limits = {
    .header_ms = 100, .body_ms = 200, .answer_ms = 300, .idle_ms = 400, .rate = 1000};

static enum watchdog_verdict judge(struct connection *connection, uint64_t received, uint64_t acknowledged,
                                   uint64_t unsent, bool waiting, double now_ms) {
    struct connection_counters counters = {received, acknowledged, unsent};
    return watchdog_judge(&limits, connection, &counters, waiting, now_ms);
}

static enum watchdog_verdict at(struct connection *connection, double now_ms) {
    return judge(connection, 0, 0, 0, false, now_ms);
}

Test(watchdog, a_head_has_its_time_as_a_whole) {
    struct connection connection = {.phase = CONNECTION_HEAD, .since_ms = 1000};
    cr_assert_eq(at(&connection, 1100), WATCHDOG_KEEP);
    cr_assert_eq(at(&connection, 1101), WATCHDOG_REFUSE);
}

Test(watchdog, a_fresh_connection_that_says_nothing_is_closed_after_the_time_of_a_head) {
    struct connection connection = {.phase = CONNECTION_IDLE, .fresh = true, .marked = true, .since_ms = 1000};
    cr_assert_eq(at(&connection, 1100), WATCHDOG_KEEP);
    cr_assert_eq(at(&connection, 1101), WATCHDOG_CLOSE);
}

Test(watchdog, the_first_byte_of_a_fresh_connection_starts_no_new_time) {
    struct connection connection = {.phase = CONNECTION_IDLE, .fresh = true, .marked = true, .since_ms = 1000};
    cr_assert_eq(judge(&connection, 1, 0, 0, false, 1050), WATCHDOG_KEEP);
    cr_assert_eq(connection.phase, CONNECTION_HEAD);
    cr_assert_eq(judge(&connection, 9, 0, 0, false, 1101), WATCHDOG_REFUSE);
}

Test(watchdog, between_requests_a_connection_may_be_idle_and_then_has_the_time_of_a_head) {
    struct connection connection = {.phase = CONNECTION_IDLE, .since_ms = 1000};
    cr_assert_eq(judge(&connection, 50, 0, 0, false, 1010), WATCHDOG_KEEP);
    cr_assert_eq(judge(&connection, 50, 0, 0, false, 1400), WATCHDOG_KEEP);
    cr_assert_eq(judge(&connection, 51, 0, 0, false, 1390), WATCHDOG_KEEP);
    cr_assert_eq(connection.phase, CONNECTION_HEAD);
    cr_assert_eq(judge(&connection, 60, 0, 0, false, 1490), WATCHDOG_KEEP);
    cr_assert_eq(judge(&connection, 70, 0, 0, false, 1491), WATCHDOG_REFUSE);

    struct connection silent = {.phase = CONNECTION_IDLE, .since_ms = 1000};
    cr_assert_eq(at(&silent, 1010), WATCHDOG_KEEP);
    cr_assert_eq(at(&silent, 1401), WATCHDOG_CLOSE);
}

Test(watchdog, a_body_must_arrive_at_the_minimum_rate) {
    struct connection connection = {.phase = CONNECTION_BODY, .since_ms = 1000};
    connection.body_bytes = 200;
    cr_assert_eq(at(&connection, 1200), WATCHDOG_KEEP);
    cr_assert_eq(at(&connection, 1201), WATCHDOG_KEEP); /* 200 bytes in 0.2 s */
    connection.body_bytes = 399;
    cr_assert_eq(at(&connection, 1401), WATCHDOG_KEEP);
    cr_assert_eq(at(&connection, 1402), WATCHDOG_REFUSE);
}

Test(watchdog, bytes_of_a_body_that_came_fast_buy_no_silence) {
    struct connection connection = {.phase = CONNECTION_BODY, .since_ms = 1000, .body_bytes = 62 << 20};
    cr_assert_eq(at(&connection, 1201), WATCHDOG_KEEP);
    cr_assert_eq(at(&connection, 1402), WATCHDOG_REFUSE);
}

Test(watchdog, silence_is_too_slow_at_any_rate) {
    struct watchdog_limits least = limits;
    least.rate = 1e-9;
    struct connection connection = {.phase = CONNECTION_BODY, .since_ms = 1000};
    cr_assert_eq(watchdog_judge(&least, &connection, &(struct connection_counters){0}, false, 1201), WATCHDOG_REFUSE);
}

Test(watchdog, a_whole_answer_has_a_time_by_its_bytes) {
    struct watchdog_limits both = limits;
    both.rate = 1000;
    both.answer_rate = 2000;
    struct connection connection = {.phase = CONNECTION_ANSWER};
    struct connection_counters counters = {.acknowledged = 50, .unsent = 9};
    double now_ms = 1000;
    /* 1500 bytes a second: enough in each span, but 300 ms are used up after 1.2 s. */
    for (; now_ms <= 2200; now_ms += 10, counters.acknowledged += 15)
        cr_assert_eq(watchdog_judge(&both, &connection, &counters, false, now_ms), WATCHDOG_KEEP, "%f", now_ms);
    cr_assert_eq(watchdog_judge(&both, &connection, &counters, false, now_ms), WATCHDOG_CLOSE);
}

Test(watchdog, the_time_of_a_whole_answer_stands_still_while_it_is_made) {
    struct watchdog_limits both = limits;
    both.answer_rate = 2000;
    struct connection connection = {.phase = CONNECTION_ANSWER};
    struct connection_counters counters = {.acknowledged = 50};
    for (double now_ms = 1000; now_ms < 9000; now_ms += 10)
        cr_assert_eq(watchdog_judge(&both, &connection, &counters, true, now_ms), WATCHDOG_KEEP);
}

Test(watchdog, an_answer_must_be_taken_at_the_minimum_rate) {
    struct connection connection = {.phase = CONNECTION_ANSWER, .since_ms = 1000};
    cr_assert_eq(judge(&connection, 0, 100, 9, false, 1000), WATCHDOG_KEEP);
    cr_assert_eq(judge(&connection, 0, 400, 9, false, 1301), WATCHDOG_KEEP); /* 300 bytes in 0.3 s */
    cr_assert_eq(judge(&connection, 0, 699, 9, false, 1600), WATCHDOG_KEEP);
    cr_assert_eq(judge(&connection, 0, 699, 9, false, 1602), WATCHDOG_CLOSE); /* 299 bytes in 0.3 s */
}

Test(watchdog, time_in_which_the_client_waits_for_us_does_not_count) {
    struct connection connection = {.phase = CONNECTION_ANSWER, .since_ms = 1000};
    for (double now_ms = 1000; now_ms < 5000; now_ms += 50)
        cr_assert_eq(judge(&connection, 0, 100, 0, true, now_ms), WATCHDOG_KEEP);
    /* But it does once there is something for the client to take. */
    cr_assert_eq(judge(&connection, 0, 100, 1, true, 5200), WATCHDOG_KEEP);
    cr_assert_eq(judge(&connection, 0, 100, 1, true, 5300), WATCHDOG_CLOSE);
}

Test(watchdog, work_has_no_limit_here) {
    struct connection connection = {.phase = CONNECTION_WORK, .since_ms = 1000};
    cr_assert_eq(at(&connection, 1e9), WATCHDOG_KEEP);
}
