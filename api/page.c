/* The texts for people and the catalogue for programs: see page.h. */
#include "api/page.h"

#include "api/decode_mask.h"
#include "api/member.h"
#include "api/problem.h"
#include "api/route.h"

#include <string.h>

static const char page_front_text[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>attnd: attention over HTTP</title>\n"
    "<style>body{font:16px/1.5 sans-serif;max-width:52em;margin:2em auto;padding:0 1em}"
    "pre{background:#f3f3f3;padding:.7em;overflow-x:auto}</style>\n"
    "<h1>attnd %s</h1>\n"
    "<p>Attention, the computation at the heart of the Transformer: post matrices as JSON, get the attention weights "
    "and\n"
    "the outputs back. The answer is the same to the last digit every time.</p>\n"
    "<h2>Self-attention</h2>\n"
    "<pre>curl http://%s/v1/attention/self -d '{\"inputs\": [[1,0],[0,1]]}'</pre>\n"
    "<h2>Masked: no looking ahead</h2>\n"
    "<pre>curl http://%s/v1/attention/masked -d '{\"inputs\": [[1,0],[0,1]]}'</pre>\n"
    "<h2>Cross-attention</h2>\n"
    "<pre>curl http://%s/v1/attention/cross -d '{\"query\": [[1,0]], \"context\": [[1,0],[0,1]]}'</pre>\n"
    "<h2>Several heads</h2>\n"
    "<pre>curl http://%s/v1/attention/multi-head -d '{\"inputs\": [[1,0],[0,1]], \"num_heads\": 2}'</pre>\n"
    "<h2>Words</h2>\n"
    "<pre>curl http://%s/v1/attention/self -d '{\"tokens\": [\"나는\", \"집에\", \"갑니다\"],\n"
    "  \"embeddings\": {\"나는\": [0.1, 0.2], \"집에\": [0.2, 0.1], \"갑니다\": [0.3, 0.3]}}'</pre>\n"
    "<p>Every route and member: <a href=\"/v1/attention\">/v1/attention</a>. Every problem explains itself at its\n"
    "<code>type</code>, such as <a href=\"/problems/shape_mismatch\">/problems/shape_mismatch</a>.</p>\n";

void page_front(const struct service *service, const char *host, struct text *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
    /* What a shell or HTML might take otherwise is not shown. */
    if (host == NULL || host[0] == '\0' || host[strspn(host, plain)] != '\0')
        host = "127.0.0.1:8080";
    const char *at = page_front_text;
    for (const char *mark = strstr(at, "%s"); mark != NULL; mark = strstr(at, "%s")) {
        text_bytes(text, at, (size_t)(mark - at));
        text_string(text, at == page_front_text ? service->version : host);
        at = mark + 2;
    }
    text_string(text, at);
}

static bool page_problems(struct text *text) {
    text_string(text, "The codes of problems; GET /problems/<code> explains each.\n\n");
    for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++)
        text_format(text, "%d %s: %s\n", problem_status((enum error_code)code), error_slug((enum error_code)code),
                    error_title((enum error_code)code));
    return true;
}

bool page_problem(const char *slug, struct text *text) {
    if (slug[0] == '\0')
        return page_problems(text);
    for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        if (strcmp(slug, error_slug((enum error_code)code)) != 0)
            continue;
        text_format(text, "%s (%s, HTTP status %d)\n\n", error_title((enum error_code)code), slug,
                    problem_status((enum error_code)code));
        text_string(text, problem_explanation((enum error_code)code));
        text_string(text, "\n");
        return true;
    }
    return false;
}

/* ,"name":"value" */
static void page_member(struct text *text, const char *name, const char *value) {
    if (value == NULL)
        return;
    text_format(text, ",\"%s\":", name);
    text_json_string(text, value, strlen(value));
}

static void page_mask_parts(struct text *text) {
    text_string(text, ",\"parts\":[");
    for (size_t i = 0; decode_mask_part_at(i) != NULL; i++) {
        const struct decode_mask_part *part = decode_mask_part_at(i);
        text_format(text, "%s\n    {\"name\":\"%s\"", i > 0 ? "," : "", part->name);
        page_member(text, "type", part->type);
        page_member(text, "meaning", part->meaning);
        text_string(text, "}");
    }
    text_string(text, "]");
}

static void page_members(struct text *text, const struct member_list *list, const char *indent) {
    text_string(text, ",\n");
    text_string(text, indent);
    text_string(text, "\"members\":[");
    for (size_t i = 0; i < list->count; i++) {
        const struct member *member = &list->rows[i];
        text_format(text, "%s\n%s {\"name\":\"%s\"", i > 0 ? "," : "", indent, member->name);
        page_member(text, "type", member->type);
        page_member(text, "meaning", member->meaning);
        page_member(text, "default", member->otherwise);
        if (member->decode == decode_mask)
            page_mask_parts(text);
        text_string(text, "}");
    }
    text_string(text, "]");
}

/* Routes that compute take the members of the catalogue, but for those that list their own. */
static void page_routes(struct text *text) {
    for (size_t i = 0; route_at(i) != NULL; i++) {
        const struct route *route = route_at(i);
        text_format(text, "%s\n  {\"method\":\"%s\",\"path\":\"%s%s\"", i > 0 ? "," : "", route->method, route->path,
                    route->is_prefix ? "{code}" : "");
        page_member(text, "about", route->about);
        if (route->causal)
            text_string(text, ",\"default\":{\"mask\":\"causal\"}");
        if (route->refused[0] != NULL) {
            text_string(text, ",\"refuses\":[");
            for (size_t j = 0; j < ROUTE_REFUSED_MAX && route->refused[j] != NULL; j++)
                text_format(text, "%s\"%s\"", j > 0 ? "," : "", route->refused[j]);
            text_string(text, "]");
        }
        if (member_list_of(route) != &member_attention)
            page_members(text, member_list_of(route), "   ");
        text_string(text, "}");
    }
    /* The server answers these two itself (server/probe.c). */
    text_string(text, ",\n  {\"method\":\"GET\",\"path\":\"/livez\",\"about\":\"Whether the process answers.\"}"
                      ",\n  {\"method\":\"GET\",\"path\":\"/readyz\",\"about\":\"Whether it takes new requests.\"}");
}

void page_catalogue(const struct service *service, struct text *text) {
    const struct limits *limits = &service->limits;
    text_format(text, "{\"service\":\"attnd\",\"version\":\"%s\",\n \"routes\":[", service->version);
    page_routes(text);
    text_string(text, "]");
    page_members(text, &member_attention, " ");
    text_format(text,
                ",\n \"limits\":{\"body_bytes\":%zu,\"depth\":%zu,\"values\":%zu,\"elements\":%zu,\"work\":%llu,"
                "\"answer_bytes\":%llu,\"memory_bytes\":%zu}}\n",
                limits->body_bytes, limits->depth, limits->values, limits->elements, (unsigned long long)limits->work,
                (unsigned long long)limits->answer_bytes, limits->memory_bytes);
}
