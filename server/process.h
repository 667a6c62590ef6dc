/* The process: what it may do, what it has, and its signals. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens /dev/null as each of the descriptors 0 to 2 that is closed, so that no socket of ours gets its number and with
 * it what is meant for the log. */
void process_open_streams(void);

/* Gives up what a server never needs (new privileges, core dumps with requests in them), ignores SIGPIPE and the user
 * signals, and blocks those that end it, so that they wait for process_wait(). Before any thread. */
void process_prepare(void);

/* Raises the limit on descriptors as far as it goes, and returns it. */
size_t process_descriptors(void);

/* Whether the limits on address space and data leave room for so many threads that compute. OpenBLAS asks for ever for
 * memory that they deny it, so it must not come to that. */
bool process_has_room(uint64_t threads, struct error *error);

/* Waits for SIGTERM, SIGINT or SIGHUP, at most so long (< 0: for ever). The signal's number, or 0. */
int process_wait(double timeout_ms);
