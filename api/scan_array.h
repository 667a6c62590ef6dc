/* The reading of one array of numbers, and what it shares with scan.c. */
#pragma once

#include "api/scan.h"

/* State of one scan. */
struct scanner {
    struct scan *scan;
    const struct limits *limits;
    struct arena *arena;
    struct error *error;
    const char *copied; /* all of the body before it stands in the envelope */
    const char *end;    /* of the body */
    size_t capacity, items_capacity;
    size_t depth; /* open arrays and objects of the envelope */
    void *values; /* room for every number the body can hold; taken at the first array */
    size_t value_count;
};

enum scan_array_result { SCAN_ARRAY_READ, SCAN_ARRAY_NOT_JSON, SCAN_ARRAY_TOO_DEEP, SCAN_ARRAY_NO_MEMORY };

/* Reads the array that opens at `text` into the item and sets *end past its closing bracket (with TOO_DEEP: to the
 * bracket too many). */
enum scan_array_result scan_array(struct scanner *scanner, struct scan_item *item, const char *text, const char **end);
