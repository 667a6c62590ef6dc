/* What the server answers without the api: is it alive, is it ready. */
#pragma once

#include "api/message.h"

#include <stdbool.h>

/* Whether the path is one of ours. */
bool probe_is_path(const char *path);

/* The methods of such a path, as a value of Allow. */
extern const char *const probe_allow;

/* GET or HEAD of such a path: /livez says ok, /readyz says ok until the server drains. */
void probe_answer(const char *path, bool draining, struct reply *reply);
