/* What is done before the libraries are initialized. */
#pragma once

/* Gives the process back all its processors: main() calls it first. */
void early_done(void);
