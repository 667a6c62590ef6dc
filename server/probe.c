/* The two probes of an orchestrator, named as Kubernetes names its own. */
#include "server/probe.h"

#include <string.h>

const char *const probe_allow = "GET, HEAD, OPTIONS";

bool probe_is_path(const char *path) {
    return strcmp(path, "/livez") == 0 || strcmp(path, "/readyz") == 0;
}

void probe_answer(const char *path, bool draining, struct reply *reply) {
    bool ready = !draining || strcmp(path, "/readyz") != 0;
    *reply = (struct reply){.status = ready ? 200 : 503, .type = "text/plain", .body = ready ? "ok\n" : "draining\n"};
    reply->size = strlen(reply->body);
}
