/* The log line of an exchange. */
#pragma once

#include "server/exchange.h"

/* `status`: what was sent, 0 = nothing. `completed`: the library says that the exchange came to its end. */
void account_write(struct exchange *exchange, int status, bool completed);
