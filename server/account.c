/* The log line of an exchange: who asked for what, what came of it, and how long it took. Never what was in it. */
#include "server/account.h"

#include "server/clock.h"
#include "server/probe.h"

#include <string.h>

static const char *account_outcome(const struct exchange *exchange, bool completed) {
    switch ((enum exchange_cut)atomic_load(&exchange->cut)) {
    case EXCHANGE_LATE:
        return "timeout";
    case EXCHANGE_SLOW:
        return "slow";
    case EXCHANGE_GONE:
        return "gone";
    case EXCHANGE_UNCUT:
        break;
    }
    return completed ? "done" : "aborted";
}

void account_write(struct exchange *exchange, int status, bool completed) {
    bool late = atomic_load(&exchange->cut) == EXCHANGE_LATE;
    const struct reply *reply = &exchange->reply;
    enum error_code code = late                                 ? ERROR_REQUEST_TIMEOUT
                           : exchange->error.code != ERROR_NONE ? exchange->error.code
                                                                : reply->code;
    uint64_t sent = exchange->streamed ? atomic_load(&exchange->sent) : status != 0 ? reply->size : 0;

    struct log_line line;
    /* Probes come every few seconds; a good one says nothing. */
    bool probe = probe_is_path(exchange->path) && status == 200 && completed;
    log_begin(exchange->context->log, &line, probe ? LOG_DEBUG : LOG_INFO, "request");
    log_text(&line, "id", exchange->identifier);
    log_text(&line, "remote", exchange->connection != NULL ? exchange->connection->remote : NULL);
    log_text(&line, "method", exchange->method);
    log_text(&line, "path", exchange->path);
    log_count(&line, "status", (uint64_t)(late ? 408 : exchange->raw_status != 0 ? exchange->raw_status : status));
    log_text(&line, "code", code != ERROR_NONE ? error_slug(code) : NULL);
    if (exchange->foreign) {
        log_text(&line, "origin", exchange->request.origin);
        log_text(&line, "cors", "refused");
    }
    log_count(&line, "request_bytes", exchange->received);
    log_count(&line, "answer_bytes", strcmp(exchange->method, "HEAD") == 0 ? 0 : sent);
    if (!exchange->streamed && reply->compute_ms + reply->encode_ms > 0) {
        log_ms(&line, "parse_ms", reply->parse_ms);
        log_ms(&line, "compute_ms", reply->compute_ms);
        log_ms(&line, "encode_ms", reply->encode_ms);
    }
    log_ms(&line, "total_ms", clock_now_ms() - exchange->begin_ms);
    log_text(&line, "outcome", account_outcome(exchange, completed));
    log_end(exchange->context->log, &line);
}
