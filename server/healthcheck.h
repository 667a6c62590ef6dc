/* attnd --healthcheck: asks the server of the same settings whether it is ready. */
#pragma once

#include "server/settings.h"

#include <stdbool.h>

/* GET /readyz on the configured port, by the loopback where the server listens everywhere. False: `message` says why.
 */
bool healthcheck_run(const struct settings *settings, char *message, size_t message_size);
