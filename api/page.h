/* The texts for people and the catalogue for programs. */
#pragma once

#include "api/service.h"
#include "api/text.h"

/* GET /: what this is, with curl lines to `host`, as the request named it (NULL: not said). */
void page_front(const struct service *service, const char *host, struct text *text);

/* GET /problems/<code>, and all codes for the empty one: false where there is no such code. */
bool page_problem(const char *slug, struct text *text);

/* GET /v1/attention: routes and members as JSON, from the same tables that decode them. */
void page_catalogue(const struct service *service, struct text *text);
