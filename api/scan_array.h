/* The reading of one array, and what it shares with scan.c. */
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
    size_t depth;       /* open arrays and objects of the envelope */
    size_t values;      /* that jansson is to make, or that stand for an item */
    const char *asked;  /* up to here the body was scanned when it was last asked whether the request is cancelled */
};

enum scan_array_result { SCAN_ARRAY_READ, SCAN_ARRAY_NOT_JSON, SCAN_ARRAY_TOO_DEEP, SCAN_ARRAY_FAILED };

/* What stands before a token: an array or object that is open, and how far it has come. */
enum scan_array_place {
    SCAN_ARRAY_OPEN,  /* after [ */
    SCAN_ARRAY_VALUE, /* after a value */
    SCAN_ARRAY_COMMA,
    SCAN_ARRAY_OBJECT, /* after { */
    SCAN_ARRAY_NAME,
    SCAN_ARRAY_COLON,
    SCAN_ARRAY_MEMBER, /* after a member's value */
    SCAN_ARRAY_NEXT,   /* after its comma */
};

/* Where the reading of an array stands. */
struct scan_array_state {
    struct scanner *scanner;
    const char *text;            /* the token in hand: with NOT_JSON the wrong one, with TOO_DEEP the bracket too many,
                                    with READ the end of the array */
    enum scan_array_place place; /* of it */
    size_t depth;                /* open arrays */
    size_t counts[SCAN_RANK_MAX];
    size_t shape[SCAN_RANK_MAX];
    struct scan_array array;
    struct scan_fault fault;
};

/* Whether to go on: false, with an error, where the request was cancelled. To be called for each few bytes. */
bool scan_array_goes_on(struct scanner *scanner, const char *text);

/* One bracket more is open, if there may be. */
bool scan_array_opens(struct scan_array_state *state);

/* Notes the first fault: at state->text, or with `depth` less than the open arrays at one that holds it. */
void scan_array_fault(struct scan_array_state *state, enum error_code code, const char *end, size_t depth,
                      size_t expected, size_t received);

/* Reads the array that opens at state->text, one of numbers or one of strings, into the item. */
enum scan_array_result scan_array(struct scan_array_state *state, struct scan_item *item);
enum scan_array_result scan_strings(struct scan_array_state *state, struct scan_item *item);

/* Passes over the rest of an array that is at fault, for its grammar alone. */
enum scan_array_result scan_rest(struct scan_array_state *state);

/* The array as it was read, in the arena, for the item. */
enum scan_array_result scan_array_keep(struct scan_array_state *state, struct scan_item *item);
