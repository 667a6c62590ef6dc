/* The way of a request through api/, in the order the server takes it:
 *
 *   service_route()    with the head read: which route, or a refusal that needs no body
 *   service_answer()   with the body read: a reply, or a job whose text is still to be made
 *   service_collect()  a job whose text is wanted whole: runs all its parts here (small jobs)
 *   service_problem()  any failure as an RFC 9457 problem
 *
 * Nothing here keeps state between calls; all memory comes from the exchange's arena. Every function may be called by
 * any thread, an exchange by one at a time. */
#pragma once

#include "api/limits.h"
#include "api/message.h"
#include "core/arena.h"
#include "core/error.h"

struct route;

struct service {
    struct limits limits;
    const char *version; /* "0.1.0" */
};

/* Once per process, before threads: seeds jansson's hash and gives it the arena as its allocator. */
void service_init(void);

/* The route of method and path. False: 404, 405, 406 or 415; the error says which, and `allow` is then the Allow
 * field's value or NULL. HEAD is routed as GET. */
bool service_route(const struct request *request, const struct route **route, const char **allow, struct error *error);

/* Whether the route takes a body at all (POST). */
bool service_route_takes_body(const struct route *route);

/* Fills `reply`: a finished text (status, type, body), or a checked job (reply->job). Never fails: a failure is a
 * problem. */
void service_answer(const struct service *service, const struct request *request, const struct route *route,
                    struct arena *arena, struct reply *reply);

/* The same for a thread that must not be kept: gives up where it would take more than about a millisecond or
 * SERVICE_BRIEF_BYTES of memory, however short the body. False: so it was; service_answer() does it all on another
 * thread. */
enum { SERVICE_BRIEF_BYTES = 2 << 20 };
bool service_answer_briefly(const struct service *service, const struct request *request, const struct route *route,
                            struct arena *arena, struct reply *reply);

/* Runs every part of reply->job on this thread and fills in the reply: 200 with the whole text, or a problem. */
void service_collect(struct arena *arena, struct reply *reply);

/* Fills `reply` with the problem that `error` describes, written into the arena's spare memory, which is there when no
 * other is. An arena without any has memory of its own for it, or a shorter text is the answer. */
enum { SERVICE_PROBLEM_MAX = 12 * 1024 };
void service_problem(const struct error *error, struct arena *arena, struct reply *reply);
