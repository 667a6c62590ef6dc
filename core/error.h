/* What went wrong, as a value: the one error type of all layers.
 *
 * A fallible function returns bool and takes `struct error *error` last. The first error wins, so a caller may add
 * nothing and simply return. Core names the argument that is wrong by its path ("/mask/lengths"), which is also its
 * JSON Pointer (RFC 6901) in a request: core itself knows no JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* X(NAME, slug, title). The slug is the `code` of a problem and the last segment of its /problems/<slug> page; the
 * title is constant for a code. HTTP statuses are given in one place, api/problem.c; so are the pages. */
#define ERROR_CODES(X)                                                                                                 \
    X(INVALID_JSON, "invalid_json", "The body is not valid JSON")                                                      \
    X(INVALID_UTF8, "invalid_utf8", "The body is not valid UTF-8")                                                     \
    X(TOO_DEEP, "nested_too_deep", "The body is nested too deep")                                                      \
    X(EMPTY_BODY, "empty_body", "The body is empty")                                                                   \
    X(DUPLICATE_MEMBER, "duplicate_member", "A member occurs twice")                                                   \
    X(BAD_REQUEST, "bad_request", "The request is not proper HTTP")                                                    \
    X(ORIGIN_REFUSED, "origin_refused", "Pages of this origin may not call")                                           \
    X(NOT_FOUND, "not_found", "No such resource")                                                                      \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", "The resource does not take this method")                              \
    X(METHOD_UNKNOWN, "method_unknown", "The method is not known")                                                     \
    X(NOT_ACCEPTABLE, "not_acceptable", "None of the accepted media types is available")                               \
    X(REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive")                                       \
    X(LENGTH_REQUIRED, "length_required", "The request has neither a length nor chunks")                               \
    X(EXPECTATION_FAILED, "expectation_failed", "The expectation cannot be met")                                       \
    X(MISDIRECTED, "misdirected_request", "The request is for another host")                                           \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is of a type that is not taken")                     \
    X(UNSUPPORTED_ENCODING, "unsupported_encoding", "The transfer or content coding is not taken")                     \
    X(BODY_TOO_LARGE, "body_too_large", "The body is over its limit")                                                  \
    X(TOO_MANY_VALUES, "too_many_values", "The body has more values than the limit")                                   \
    X(TOO_MANY_ELEMENTS, "too_many_elements", "A tensor has more elements than the limit")                             \
    X(TOO_MUCH_WORK, "too_much_work", "The computation is over its limit")                                             \
    X(ANSWER_TOO_LARGE, "answer_too_large", "The answer would be over its limit")                                      \
    X(MEMORY_LIMIT, "memory_limit", "The request needs more memory than its limit")                                    \
    X(HEADER_TOO_LARGE, "header_too_large", "The request's head is over its limit")                                    \
    X(UNKNOWN_MEMBER, "unknown_member", "A member is not known")                                                       \
    X(MISSING_MEMBER, "missing_member", "A member is missing")                                                         \
    X(CONFLICT, "conflicting_members", "Two members contradict each other")                                            \
    X(WRONG_ROUTE, "wrong_route", "The member belongs to another route")                                               \
    X(WRONG_TYPE, "wrong_type", "A value is of the wrong type")                                                        \
    X(OUT_OF_RANGE, "out_of_range", "A value is out of range")                                                         \
    X(RAGGED, "ragged_array", "A nested array is not rectangular")                                                     \
    X(WRONG_RANK, "wrong_rank", "A tensor has the wrong number of axes")                                               \
    X(SHAPE_MISMATCH, "shape_mismatch", "Shapes disagree")                                                             \
    X(EMPTY_AXIS, "empty_axis", "An axis has length 0")                                                                \
    X(NOT_FINITE, "not_finite", "A number is not finite in the dtype")                                                 \
    X(INVALID_BASE64, "invalid_base64", "A b64 text is not valid")                                                     \
    X(UNKNOWN_TOKEN, "unknown_token", "A token has no embedding")                                                      \
    X(FULLY_MASKED, "fully_masked", "A query has no key to attend to")                                                 \
    X(OVERFLOW, "overflow", "A result overflows the dtype")                                                            \
    X(SERVER_FULL, "server_full", "The server is full")                                                                \
    X(DRAINING, "draining", "The server is shutting down")                                                             \
    X(NO_MEMORY, "out_of_memory", "The server is out of memory")                                                       \
    X(INTERNAL, "internal_error", "A defect of the server")

enum error_code {
    ERROR_NONE,
#define ERROR_ENUM(name, slug, title) ERROR_##name,
    ERROR_CODES(ERROR_ENUM)
#undef ERROR_ENUM
        ERROR_CODE_COUNT,
    /* Never told to a client. */
    ERROR_CANCELLED, /* nobody waits for the answer any more */
    ERROR_DEFERRED,  /* it would take too long here: to be done again by who has time */
};

struct error {
    enum error_code code;        /* ERROR_NONE: nothing is wrong */
    bool has_pointer;            /* pointer is meant ("" is the whole body) */
    char pointer[256];           /* JSON Pointer to what is wrong */
    char detail[768];            /* one sentence: the two things that disagree, and what to do */
    char expected[192];          /* "" where it does not apply */
    char received[192];          /* "" where it does not apply */
    bool has_position;           /* line, column and offset are meant (JSON syntax) */
    size_t line, column, offset; /* line and column from 1, offset in bytes from 0 */
};

/* Sets code, pointer (NULL: none) and detail, unless an earlier error stands. Always returns false, so that a failing
 * function can end in `return error_set(…)`. */
bool error_set(struct error *error, enum error_code code, const char *pointer, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));

/* The two optional members; each call before error_set's caller returns. The first value stands. Both return false. */
bool error_expected(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool error_received(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *error_slug(enum error_code code);
const char *error_title(enum error_code code);
