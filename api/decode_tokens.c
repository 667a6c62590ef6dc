/* tokens, embeddings and pad_token: see decode_tokens.h. */
#include "api/decode_tokens.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An embedding as it was read, whatever its form. */
struct decode_tokens_vector {
    const json_t *json;
    const void *numbers;
};

static int decode_tokens_order(const void *a, const void *b) {
    uintptr_t first = (uintptr_t)((const struct decode_tokens_vector *)a)->json;
    uintptr_t second = (uintptr_t)((const struct decode_tokens_vector *)b)->json;
    return (first > second) - (first < second);
}

/* A token's vector, NULL where it has none. */
static const void *decode_tokens_vector(const struct embeddings *embeddings, const char *token) {
    struct decode_tokens_vector wanted = {json_object_get(embeddings->json, token), NULL};
    const struct decode_tokens_vector *found =
        wanted.json == NULL
            ? NULL
            : bsearch(&wanted, embeddings->vectors, embeddings->count, sizeof wanted, decode_tokens_order);
    return found == NULL ? NULL : found->numbers;
}

static const char decode_tokens_wanted[] = "an array of strings, or one such array for each item of the batch";

bool decode_tokens_labels(const struct decoder *decoder, const json_t *json, const char *pointer,
                          struct labels *labels) {
    struct value_strings strings;
    if (!value_strings(decoder, json, pointer, true, decode_tokens_wanted, &strings))
        return false;
    size_t count;
    if (__builtin_mul_overflow(strings.lists, strings.longest, &count) || count > decoder->limits->elements) {
        error_set(decoder->error, ERROR_TOO_MANY_ELEMENTS, pointer,
                  "%s has %zu lists, the longest of %zu labels, which is more than %zu labels in all.", pointer + 1,
                  strings.lists, strings.longest, decoder->limits->elements);
        return error_expected(decoder->error, "at most %zu labels", decoder->limits->elements);
    }
    *labels = (struct labels){.given = true,
                              .per_item = strings.nested,
                              .lists = strings.lists,
                              .length = strings.longest,
                              .list_lengths = strings.lengths,
                              .names = strings.names};
    return true;
}

bool decode_tokens_pad(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_string(decoder, json, pointer, &decoder->call->pad_token);
}

bool decode_tokens_embeddings(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const char wanted[] = "an object of vectors, such as {\"cat\": [0.1, 0.2]}";
    if (!json_is_object(json))
        return value_wrong_type(decoder, json, pointer, wanted);
    if (json_object_size(json) == 0) {
        error_set(decoder->error, ERROR_MISSING_MEMBER, pointer, "%s is empty; give %s.", pointer + 1, wanted);
        return error_expected(decoder->error, "%s", wanted);
    }
    const char *name, *first_name = NULL;
    size_t features = 0, count = 0;
    struct decode_tokens_vector *vectors =
        arena_alloc(decoder->arena, json_object_size(json), sizeof *vectors, decoder->error);
    if (vectors == NULL)
        return false;
    json_t *member;
    json_object_foreach((json_t *)json, name, member) {
        struct value_pointer place = value_child(pointer, name);
        struct tensor vector;
        if (!value_tensor(decoder, member, place.text, VALUE_NUMBERS, &vector))
            return false;
        if (vector.rank != 1) {
            error_set(decoder->error, ERROR_WRONG_RANK, place.text, "%s has %zu axes; an embedding is one vector.",
                      place.text + 1, vector.rank);
            return error_expected(decoder->error, "1 axis");
        }
        if (first_name != NULL && vector.count != features) {
            error_set(decoder->error, ERROR_SHAPE_MISMATCH, place.text,
                      "The embedding of \"%.40s\" has %zu numbers, but that of \"%.40s\" has %zu: make them equally "
                      "long.",
                      name, vector.count, first_name, features);
            error_expected(decoder->error, "%zu numbers", features);
            return error_received(decoder->error, "%zu numbers", vector.count);
        }
        if (first_name == NULL) {
            first_name = name;
            features = vector.count;
        }
        vectors[count++] = (struct decode_tokens_vector){member, vector.data};
    }
    qsort(vectors, count, sizeof *vectors, decode_tokens_order);
    *decoder->embeddings = (struct embeddings){json, features, count, vectors};
    return true;
}

/* Shorter lists of a batch end in the pad token. */
static bool decode_tokens_fill(const struct decoder *decoder, const char *pointer, struct labels *labels) {
    labels->pad = decoder->call->pad_token;
    for (size_t list = 0; labels->given && labels->pad == NULL && list < labels->lists; list++) {
        size_t length = labels->list_lengths[list];
        if (length == labels->length)
            continue;
        struct value_pointer place = value_element(pointer, list);
        error_set(decoder->error, ERROR_RAGGED, place.text,
                  "%s has %zu tokens, but the longest list of %s has %zu: name a \"pad_token\" to fill it up, or "
                  "make the lists equally long.",
                  place.text + 1, length, pointer + 1, labels->length);
        error_expected(decoder->error, "%zu tokens", labels->length);
        return error_received(decoder->error, "%zu tokens", length);
    }
    return true;
}

/* Labels are repeated in the answer, padding and all: few bytes can ask for a long one. */
static bool decode_tokens_text(const struct decoder *decoder, const char *pointer, const struct labels *labels) {
    uint64_t limit = decoder->limits->answer_bytes;
    if (!labels->given || labels->pad == NULL || limit == 0)
        return true;
    double padding = 0;
    for (size_t list = 0; list < labels->lists; list++)
        padding += (double)(labels->length - labels->list_lengths[list]);
    double size = padding * (double)(strlen(labels->pad) + 3);
    if (size <= (double)limit)
        return true;
    error_set(decoder->error, ERROR_ANSWER_TOO_LARGE, pointer,
              "%s is repeated in the answer with %.0f pad tokens, which take %.0f bytes, but the limit is %llu: make "
              "the lists more equally long, or the pad token shorter.",
              pointer + 1, padding, size, (unsigned long long)limit);
    error_expected(decoder->error, "at most %llu bytes", (unsigned long long)limit);
    return error_received(decoder->error, "%.0f bytes", size);
}

/* How many rows a side has: as many as labels to look up, or as the tensor that is given. */
static double decode_tokens_rows(const struct labels *labels, const struct tensor *tensor) {
    if (tensor->data == NULL)
        return (double)labels->length;
    return tensor->rank >= 2 ? (double)tensor->shape[tensor->rank - 2] : 1;
}

/* The least that a request takes, from the lengths alone, before anything is looked up for it: what the plan would
 * refuse after that. */
static bool decode_tokens_afford(const struct decoder *decoder, const char *pointer, const struct labels *queries,
                                 const struct labels *keys) {
    const struct call *call = decoder->call;
    const struct limits *limits = decoder->limits;
    const struct tensor *key = call->context.data != NULL ? &call->context : &call->key;
    bool one = call->tokens.given;
    double rows = decode_tokens_rows(queries, one ? &call->inputs : &call->query);
    double columns = decode_tokens_rows(keys, one ? &call->inputs : key);
    double scores = rows * columns * (double)(queries->given ? queries->lists : keys->lists);
    bool writes_scores = call->returns[RESULT_SCORES] || call->returns[RESULT_CAPPED] || call->returns[RESULT_MASKED] ||
                         call->returns[RESULT_WEIGHTS];
    /* A multiplication for each feature of a head, of which projections may leave one, and one for each of a value. */
    bool weighs = call->returns[RESULT_HEADS] || call->returns[RESULT_OUTPUT];
    double features = call->has_projections ? 1 : (double)decoder->embeddings->features;
    double each = features + (weighs ? call->value.data != NULL ? 1 : features : 0);
    bool too_much = each * scores > (double)limits->work;
    bool too_large = writes_scores && limits->answer_bytes != 0 && 2 * scores > (double)limits->answer_bytes;
    if (call->axes_count > 0 || (!too_much && !too_large))
        return true;
    double least = (too_much ? each : 2) * scores;
    unsigned long long limit = too_much ? limits->work : limits->answer_bytes;
    error_set(decoder->error, too_much ? ERROR_TOO_MUCH_WORK : ERROR_ANSWER_TOO_LARGE, too_much ? pointer : "/return",
              too_much ? "The tokens make %.0f scores, which take %.0f or more multiplications, but the limit is %llu: "
                         "send them in smaller pieces."
                       : "The tokens make %.0f scores, which take %.0f or more bytes of an answer, but the limit is "
                         "%llu: return fewer results, such as \"output\" alone.",
              scores, least, limit);
    error_expected(decoder->error, "at most %llu", limit);
    return error_received(decoder->error, "%.0f or more", least);
}

/* Batch items that a side has. */
static size_t decode_tokens_batch(const struct labels *labels, const struct tensor *tensor) {
    if (tensor->data == NULL)
        return labels->per_item ? labels->lists : 1;
    return tensor->rank >= 3 ? tensor->shape[0] : 1;
}

/* Queries and keys of different batches are refused before either is looked up. */
static bool decode_tokens_agree(const struct decoder *decoder, bool looks_up_query, bool looks_up_keys) {
    const struct call *call = decoder->call;
    const struct tensor *key = call->context.data != NULL ? &call->context : &call->key;
    size_t queries = decode_tokens_batch(&call->query_tokens, &call->query);
    size_t keys = decode_tokens_batch(&call->key_tokens, key);
    bool has_query = looks_up_query || call->query.data != NULL, has_keys = looks_up_keys || key->data != NULL;
    if (!has_query || !has_keys || queries == keys || call->axes_count > 0)
        return true;
    const char *query_name = looks_up_query ? "query_tokens" : "query";
    const char *pointer = looks_up_keys ? "/key_tokens" : call->context.data != NULL ? "/context" : "/key";
    error_set(decoder->error, ERROR_SHAPE_MISMATCH, pointer,
              "%s has %zu batch items, but %s has %zu: they must be equal.", pointer + 1, keys, query_name, queries);
    error_expected(decoder->error, "%zu batch items", queries);
    return error_received(decoder->error, "%zu batch items", keys);
}

enum {
    DECODE_TOKENS_ASK = 1 << 20,     /* bytes between two looks at whether the request is cancelled */
    DECODE_TOKENS_BRIEF = 256 << 10, /* bytes that are copied on a network thread */
};

/* Where the vectors of a list's labels are written: one after another. */
struct decode_tokens_rows {
    char *to;
    size_t row_size, asked; /* bytes written since it was last asked whether the request is cancelled */
};

/* `count` rows of the same vector, NULL: zeros. */
static bool decode_tokens_write(const struct decoder *decoder, const void *vector, size_t count,
                                struct decode_tokens_rows *rows) {
    for (size_t i = 0; i < count; i++) {
        if (vector != NULL)
            memcpy(rows->to, vector, rows->row_size);
        else
            memset(rows->to, 0, rows->row_size);
        rows->to += rows->row_size;
        rows->asked += rows->row_size + 8;
        if (rows->asked < DECODE_TOKENS_ASK)
            continue;
        rows->asked = 0;
        if (arena_is_cancelled(decoder->arena))
            return error_set(decoder->error, ERROR_CANCELLED, NULL, "The request was cancelled.");
    }
    return true;
}

/* The vectors of one list, padding included. */
static bool decode_tokens_list(const struct decoder *decoder, const char *pointer, const struct labels *labels,
                               size_t list, struct decode_tokens_rows *rows) {
    const struct embeddings *embeddings = decoder->embeddings;
    size_t given = labels->list_lengths[list];
    for (size_t i = 0; i <= given && i < labels->length; i++) {
        const char *name = call_label(labels, list, i); /* behind the given ones: the pad token, for all that follow */
        const void *vector = decode_tokens_vector(embeddings, name);
        if (vector == NULL && (labels->pad == NULL || strcmp(name, labels->pad) != 0)) {
            struct value_pointer place = value_element(pointer, labels->per_item ? list : i);
            if (labels->per_item)
                place = value_element(place.text, i);
            error_set(decoder->error, ERROR_UNKNOWN_TOKEN, place.text,
                      "The token \"%.60s\" has no embedding: add it to \"embeddings\", which has %zu tokens.", name,
                      embeddings->count);
            return error_received(decoder->error, "\"%.100s\"", name);
        }
        if (!decode_tokens_write(decoder, vector, i < given ? 1 : labels->length - given, rows))
            return false;
    }
    return true;
}

/* The vectors of all labels: [length, features], or [lists, length, features]. */
static bool decode_tokens_look_up(const struct decoder *decoder, const char *pointer, const struct labels *labels,
                                  struct tensor *tensor) {
    size_t features = decoder->embeddings->features, count = labels->lists * labels->length;
    size_t row_size = features * dtype_size(decoder->call->dtype);
    if (features > decoder->limits->elements / count)
        return error_set(decoder->error, ERROR_TOO_MANY_ELEMENTS, pointer,
                         "%s looks up %zu tokens of %zu numbers, more than the limit of %zu.", pointer + 1, count,
                         features, decoder->limits->elements);
    if (decoder->limits->is_brief && count * row_size > DECODE_TOKENS_BRIEF)
        return error_set(decoder->error, ERROR_DEFERRED, NULL, "There is much to look up.");
    struct decode_tokens_rows rows = {arena_alloc(decoder->arena, count, row_size, decoder->error), row_size, 0};
    char *data = rows.to;
    if (data == NULL)
        return false;
    for (size_t list = 0; list < labels->lists; list++)
        if (!decode_tokens_list(decoder, pointer, labels, list, &rows))
            return false;
    *tensor = (struct tensor){.data = data, .rank = 2, .count = count * features, .shape = {labels->length, features}};
    if (labels->per_item) {
        tensor->rank = 3;
        tensor->shape[0] = labels->lists;
        tensor->shape[1] = labels->length;
        tensor->shape[2] = features;
    }
    return true;
}

bool decode_tokens_finish(const struct decoder *decoder) {
    struct call *call = decoder->call;
    struct error *error = decoder->error;
    bool apart = call->query_tokens.given || call->key_tokens.given;
    if (call->tokens.given && apart)
        return error_set(error, ERROR_CONFLICT, "/tokens",
                         "\"tokens\" labels queries and keys alike: leave it out beside query_tokens or key_tokens.");
    if (call->pad_token != NULL && !call->tokens.given && !apart)
        return error_set(error, ERROR_MISSING_MEMBER, "/tokens",
                         "pad_token says which tokens are padding, but there are no \"tokens\" (or query_tokens, "
                         "key_tokens).");
    if (!decode_tokens_fill(decoder, "/tokens", &call->tokens) ||
        !decode_tokens_fill(decoder, "/query_tokens", &call->query_tokens) ||
        !decode_tokens_fill(decoder, "/key_tokens", &call->key_tokens) ||
        !decode_tokens_text(decoder, "/tokens", &call->tokens) ||
        !decode_tokens_text(decoder, "/query_tokens", &call->query_tokens) ||
        !decode_tokens_text(decoder, "/key_tokens", &call->key_tokens))
        return false;
    if (decoder->embeddings->json == NULL)
        return true;

    bool has_query = call->inputs.data != NULL || call->query.data != NULL;
    bool has_keys = call->inputs.data != NULL || call->key.data != NULL || call->context.data != NULL;
    bool looks_up_inputs = call->tokens.given && !has_query && !has_keys && call->value.data == NULL;
    bool looks_up_query = call->query_tokens.given && !has_query;
    bool looks_up_keys = call->key_tokens.given && !has_keys;
    if (!looks_up_inputs && !looks_up_query && !looks_up_keys)
        return error_set(
            error, ERROR_CONFLICT, "/embeddings",
            call->tokens.given || apart
                ? "embeddings are given, but every tensor is given too: leave out \"inputs\" (or query and "
                  "context) to have the tokens looked up."
                : "embeddings are given, but no \"tokens\" (or query_tokens, key_tokens) to look up.");
    if (apart && !decode_tokens_agree(decoder, looks_up_query, looks_up_keys))
        return false;
    const struct labels *queries = apart ? &call->query_tokens : &call->tokens;
    if (!decode_tokens_afford(decoder,
                              apart && !looks_up_query ? "/key_tokens"
                              : apart                  ? "/query_tokens"
                                                       : "/tokens",
                              queries, apart ? &call->key_tokens : queries))
        return false;
    if (looks_up_inputs && !decode_tokens_look_up(decoder, "/tokens", &call->tokens, &call->inputs))
        return false;
    if (looks_up_query && !decode_tokens_look_up(decoder, "/query_tokens", &call->query_tokens, &call->query))
        return false;
    return !looks_up_keys || decode_tokens_look_up(decoder, "/key_tokens", &call->key_tokens, &call->context);
}
