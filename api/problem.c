/* Errors as RFC 9457 problems: see problem.h. */
#include "api/problem.h"

#include <string.h>

int problem_status(enum error_code code) {
    switch (code) {
    case ERROR_INVALID_JSON:
    case ERROR_INVALID_UTF8:
    case ERROR_TOO_DEEP:
    case ERROR_EMPTY_BODY:
    case ERROR_DUPLICATE_MEMBER:
    case ERROR_BAD_REQUEST:
        return 400;
    case ERROR_ORIGIN_REFUSED:
        return 403;
    case ERROR_NOT_FOUND:
        return 404;
    case ERROR_METHOD_NOT_ALLOWED:
        return 405;
    case ERROR_NOT_ACCEPTABLE:
        return 406;
    case ERROR_REQUEST_TIMEOUT:
        return 408;
    case ERROR_LENGTH_REQUIRED:
        return 411;
    case ERROR_BODY_TOO_LARGE:
    case ERROR_TOO_MANY_VALUES:
    case ERROR_TOO_MANY_ELEMENTS:
    case ERROR_TOO_MUCH_WORK:
    case ERROR_ANSWER_TOO_LARGE:
    case ERROR_MEMORY_LIMIT:
        return 413;
    case ERROR_UNSUPPORTED_MEDIA_TYPE:
        return 415;
    case ERROR_EXPECTATION_FAILED:
        return 417;
    case ERROR_MISDIRECTED:
        return 421;
    case ERROR_UNKNOWN_MEMBER:
    case ERROR_MISSING_MEMBER:
    case ERROR_CONFLICT:
    case ERROR_WRONG_ROUTE:
    case ERROR_WRONG_TYPE:
    case ERROR_OUT_OF_RANGE:
    case ERROR_RAGGED:
    case ERROR_WRONG_RANK:
    case ERROR_SHAPE_MISMATCH:
    case ERROR_EMPTY_AXIS:
    case ERROR_NOT_FINITE:
    case ERROR_INVALID_BASE64:
    case ERROR_UNKNOWN_TOKEN:
    case ERROR_FULLY_MASKED:
    case ERROR_OVERFLOW:
        return 422;
    case ERROR_HEADER_TOO_LARGE:
        return 431;
    case ERROR_METHOD_UNKNOWN:
    case ERROR_UNSUPPORTED_ENCODING:
        return 501;
    case ERROR_SERVER_FULL:
    case ERROR_DRAINING:
    case ERROR_NO_MEMORY:
        return 503;
    case ERROR_NONE:
    case ERROR_INTERNAL:
    case ERROR_CODE_COUNT:
    case ERROR_CANCELLED:
    case ERROR_DEFERRED:
        return 500;
    }
    return 500;
}

static void problem_member(struct text *text, const char *name, const char *value) {
    text_format(text, ",\"%s\":", name);
    text_json_string(text, value, strlen(value));
}

void problem_write(const struct error *error, struct text *text) {
    const char *slug = error_slug(error->code);
    text_format(text, "{\"type\":\"/problems/%s\"", slug);
    problem_member(text, "title", error_title(error->code));
    text_format(text, ",\"status\":%d", problem_status(error->code));
    problem_member(text, "detail", error->detail);
    problem_member(text, "code", slug);
    if (error->has_pointer)
        problem_member(text, "pointer", error->pointer);
    if (error->expected[0] != '\0')
        problem_member(text, "expected", error->expected);
    if (error->received[0] != '\0')
        problem_member(text, "received", error->received);
    if (error->has_position)
        text_format(text, ",\"line\":%zu,\"column\":%zu,\"offset\":%zu", error->line, error->column, error->offset);
    text_string(text, "}\n");
}

static const char *const problem_explanations[ERROR_CODE_COUNT] = {
    [ERROR_INVALID_JSON] =
        "The body is not JSON as RFC 8259 defines it. line, column and offset say where it stops being "
        "so. Names and strings take double quotes; no comma before a closing bracket; no NaN, Infinity, "
        "comments, leading plus signs or zeros.",
    [ERROR_INVALID_UTF8] = "JSON text is UTF-8 (RFC 8259 section 8.1). Save or send the body in that encoding.",
    [ERROR_TOO_DEEP] =
        "Arrays and objects are nested deeper than the server's --max-depth. Tensors have at most 4 axes.",
    [ERROR_EMPTY_BODY] = "The request has no body. With curl, give it with -d or --data-binary @file.",
    [ERROR_DUPLICATE_MEMBER] = "A name occurs twice in one object, so that its meaning is open. Leave one of them out.",
    [ERROR_BAD_REQUEST] = "The request line or a header field is not proper HTTP/1.1 (RFC 9112), or two of them "
                          "contradict each other. The connection is closed, since what follows cannot be trusted.",
    [ERROR_ORIGIN_REFUSED] =
        "A page of another origin asks whether it may call (a CORS preflight), and the server's --cors-origin does not "
        "list that origin. An origin is scheme, host and port: http://localhost:5500 is not http://127.0.0.1:5500. "
        "Browsers report this as \"blocked by CORS policy\".",
    [ERROR_NOT_FOUND] = "There is nothing at this path. GET / and GET /v1/attention list what there is.",
    [ERROR_METHOD_NOT_ALLOWED] =
        "The resource exists but does not take this method; the Allow field lists those it does.",
    [ERROR_METHOD_UNKNOWN] = "The method is none that this server implements: GET, HEAD, POST and OPTIONS.",
    [ERROR_NOT_ACCEPTABLE] = "The Accept field rules out every type the resource has; the detail lists them. Leave the "
                             "field out, or accept application/json.",
    [ERROR_REQUEST_TIMEOUT] =
        "The head or body of the request did not arrive within the server's time limits, or arrived "
        "too slowly. Send it again on a new connection.",
    [ERROR_LENGTH_REQUIRED] = "A POST says how long its body is: by Content-Length, or by Transfer-Encoding: chunked.",
    [ERROR_EXPECTATION_FAILED] = "The only expectation that is met is Expect: 100-continue.",
    [ERROR_MISDIRECTED] =
        "The Host field or the target names a host that this server does not answer for. A server that listens on this "
        "machine only (127.0.0.1, ::1) takes localhost, loopback addresses and what --allowed-hosts lists, so that a "
        "page elsewhere cannot reach it through a name of its own (DNS rebinding).",
    [ERROR_UNSUPPORTED_MEDIA_TYPE] =
        "Send the body with Content-Type: application/json, and not compressed. Without an Origin field the type may "
        "be "
        "left out, and curl's own type for -d is taken too; a request from a web page must say application/json.",
    [ERROR_UNSUPPORTED_ENCODING] =
        "Bodies arrive plain, or chunked; other transfer codings and compressed bodies are not "
        "taken.",
    [ERROR_BODY_TOO_LARGE] =
        "The body is longer than --max-body-bytes. Send float32 tensors as b64, which is shorter than "
        "text, or send the request in pieces.",
    [ERROR_TOO_MANY_VALUES] =
        "The body has more values than --max-values, where an array of numbers or of strings is one value. Each costs "
        "memory; tensors are cheap as arrays of numbers or in b64.",
    [ERROR_TOO_MANY_ELEMENTS] = "A tensor has more numbers than --max-elements, or an axis too long to compute with.",
    [ERROR_TOO_MUCH_WORK] = "The number of multiplications, B*H*L*S*(n*D+Dv) and those of the projections, is over "
                            "--max-work. Send fewer queries at a time: rows do not depend on each other.",
    [ERROR_ANSWER_TOO_LARGE] =
        "The answer's text could be longer than --max-answer-bytes. Return fewer results, average "
        "the heads, or ask for encoding b64.",
    [ERROR_MEMORY_LIMIT] = "The request would need more memory than --max-request-memory.",
    [ERROR_HEADER_TOO_LARGE] = "The request has too many header fields, or too long ones.",
    [ERROR_UNKNOWN_MEMBER] = "A name in the request is not known; names are never ignored, since a misspelt one would "
                             "silently change the result. GET /v1/attention lists all.",
    [ERROR_MISSING_MEMBER] = "Something the request cannot do without is not there; pointer says which member.",
    [ERROR_CONFLICT] = "Two members cannot hold at once; the detail names both and says which to leave out.",
    [ERROR_WRONG_ROUTE] = "The member contradicts what the route is for; the detail names the route to use.",
    [ERROR_WRONG_TYPE] = "A value has the wrong JSON type; expected and received say which.",
    [ERROR_OUT_OF_RANGE] = "A value has the right type but is not one of those allowed; expected lists them.",
    [ERROR_RAGGED] =
        "The rows of a nested array differ in length, or its numbers in depth. A tensor is rectangular; for "
        "sequences of different lengths fill up with zeros and say mask.lengths, or use tokens with a "
        "pad_token.",
    [ERROR_WRONG_RANK] = "A tensor has too many or too few axes for what it is used as.",
    [ERROR_SHAPE_MISMATCH] = "Two sizes that must agree do not; the detail names both and says what would fit.",
    [ERROR_EMPTY_AXIS] = "An axis of length 0 leaves nothing to compute.",
    [ERROR_NOT_FINITE] =
        "A number is beyond the dtype's range, or a b64 text holds NaN or an infinity. Only mask.bias may "
        "hold -Infinity (null in JSON): it disallows a key.",
    [ERROR_INVALID_BASE64] = "b64 takes standard base64 (RFC 4648 section 4) with padding and without white space.",
    [ERROR_UNKNOWN_TOKEN] =
        "A token is looked up in embeddings, which does not have it; only the pad_token needs none.",
    [ERROR_FULLY_MASKED] = "A query has no key left to attend to, and the request asks for fully_masked \"error\".",
    [ERROR_OVERFLOW] = "The inputs are finite but a result is not, in the dtype computed in. Ask for dtype float64, a "
                       "smaller scale, or smaller numbers.",
    [ERROR_SERVER_FULL] = "As many requests are being worked on as the server takes. Try again after the seconds that "
                          "Retry-After names.",
    [ERROR_DRAINING] = "The server is shutting down and takes no new requests. Try again: another replica may answer.",
    [ERROR_NO_MEMORY] = "The server could not get memory for the request. Try again after Retry-After, or send less.",
    [ERROR_INTERNAL] = "A defect of the server, never caused by what was sent. Please report it with the X-Request-Id.",
};

const char *problem_explanation(enum error_code code) {
    return problem_explanations[code] != NULL ? problem_explanations[code] : "";
}
