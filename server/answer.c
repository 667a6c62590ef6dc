/* The header fields of an answer: the reply's own, those that every answer has, and those for pages of other origins.
 * Answers are never stored by caches: they depend on a body. An answer that lacks one of them, for want of memory,
 * would say something else than is meant, so every function here tells whether all were added. */
#include "server/answer.h"

#include "api/number.h"

#include <stdio.h>
#include <string.h>

static bool answer_timing(const struct exchange *exchange, answer_add *add, void *context) {
    const struct reply *reply = &exchange->reply;
    if (exchange->streamed || reply->status != 200 || reply->parse_ms + reply->compute_ms + reply->encode_ms <= 0)
        return true;
    char text[3 * NUMBER_MAX_FIXED + 64], *end = stpcpy(text, "parse;dur=");
    end = stpcpy(number_fixed_f64(reply->parse_ms, 3, end), ", compute;dur=");
    end = stpcpy(number_fixed_f64(reply->compute_ms, 3, end), ", encode;dur=");
    *number_fixed_f64(reply->encode_ms, 3, end) = '\0';
    return add(context, "Server-Timing", text);
}

static bool answer_preflight(const struct exchange *exchange, answer_add *add, void *context) {
    char headers[CORS_HEADERS_MAX];
    cors_allow_headers(exchange->preflight_headers, headers);
    return add(context, "Access-Control-Allow-Methods", exchange->reply.allow) &&
           add(context, "Access-Control-Allow-Headers", headers) && add(context, "Access-Control-Max-Age", "7200") &&
           (!exchange->private_network || add(context, "Access-Control-Allow-Private-Network", "true"));
}

static bool answer_cors(const struct exchange *exchange, answer_add *add, void *context) {
    const struct cors *cors = &exchange->context->cors;
    const char *origin = cors_allow_origin(cors, exchange->request.origin);
    if (cors_varies(cors) && !add(context, "Vary", "Origin"))
        return false;
    if (origin == NULL)
        return true;
    return add(context, "Access-Control-Allow-Origin", origin) &&
           add(context, "Access-Control-Expose-Headers", "Allow, Retry-After, Server-Timing, X-Request-Id") &&
           add(context, "Timing-Allow-Origin", origin) &&
           (!exchange->preflight || exchange->reply.status != 204 || answer_preflight(exchange, add, context));
}

/* What would have been taken (RFC 9110, section 15.5.16). */
static bool answer_takes(const struct reply *reply, answer_add *add, void *context) {
    return reply->status != 415 ||
           (add(context, "Accept", "application/json") && add(context, "Accept-Encoding", "identity"));
}

bool answer_fields(const struct exchange *exchange, answer_add *add, void *context) {
    const struct reply *reply = &exchange->reply;
    char seconds[16];
    if (reply->retry_after_s > 0) /* no printf on the usual way, which is slow */
        snprintf(seconds, sizeof seconds, "%d", reply->retry_after_s);
    return (reply->type == NULL || add(context, "Content-Type", reply->type)) &&
           (reply->allow == NULL || add(context, "Allow", reply->allow)) &&
           (reply->retry_after_s <= 0 || add(context, "Retry-After", seconds)) &&
           add(context, "Cache-Control", "no-store") && add(context, "X-Content-Type-Options", "nosniff") &&
           add(context, "X-Request-Id", exchange->identifier) && answer_takes(reply, add, context) &&
           answer_timing(exchange, add, context) && answer_cors(exchange, add, context) &&
           (!exchange->closes || add(context, "Connection", "close"));
}
