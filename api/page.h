/* The texts for people and the catalogue for programs. */
#pragma once

#include "api/service.h"
#include "api/text.h"

/* GET /: what this is, with curl lines. */
void page_front(const struct service *service, struct text *text);

/* GET /problems/<code>: false where there is no such code. */
bool page_problem(const char *slug, struct text *text);

/* GET /v1/attention: routes and members as JSON, from the same tables that decode them. */
void page_catalogue(const struct service *service, struct text *text);
