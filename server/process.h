/* The process: what it may do, what it has, and its signals. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Gives up what a server never needs (new privileges, core dumps with requests in them), ignores SIGPIPE and the user
 * signals, and blocks those that end it, so that they wait for process_wait(). Before any thread. */
void process_prepare(void);

/* Raises the limit on descriptors as far as it goes, and returns it. */
size_t process_descriptors(void);

/* Waits for SIGTERM, SIGINT or SIGHUP, at most so long (< 0: for ever). The signal's number, or 0. */
int process_wait(double timeout_ms);
