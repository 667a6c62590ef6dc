/* tokens, embeddings and pad_token: see decode_tokens.h. */
#include "api/decode_tokens.h"

#include <stdlib.h>
#include <string.h>

static const char decode_tokens_wanted[] = "an array of strings, or one such array for each item of the batch";

/* One list of names into labels->names[list]. */
static bool decode_tokens_list(const struct decoder *decoder, const json_t *json, const char *pointer, size_t list,
                               struct labels *labels) {
    labels->list_lengths[list] = json_array_size(json);
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct value_pointer place = value_element(pointer, i);
        if (!value_string(decoder, json_array_get(json, i), place.text, &labels->names[list * labels->length + i]))
            return false;
    }
    return true;
}

static bool decode_tokens_is_list(const struct decoder *decoder, const json_t *json) {
    return json_is_array(json) && json_array_size(json) > 0 && value_item(decoder, json) == NULL;
}

bool decode_tokens_labels(const struct decoder *decoder, const json_t *json, const char *pointer,
                          struct labels *labels) {
    if (!decode_tokens_is_list(decoder, json))
        return value_wrong_type(decoder, json, pointer, decode_tokens_wanted);
    bool per_item = json_is_array(json_array_get(json, 0)) && value_item(decoder, json_array_get(json, 0)) == NULL;
    struct labels read = {.given = true, .per_item = per_item, .lists = per_item ? json_array_size(json) : 1};
    for (size_t i = 0; i < read.lists; i++) {
        const json_t *list = per_item ? json_array_get(json, i) : json;
        if (!decode_tokens_is_list(decoder, list))
            return value_wrong_type(decoder, list, value_element(pointer, i).text, "an array of strings");
        if (json_array_size(list) > read.length)
            read.length = json_array_size(list);
    }
    read.list_lengths = arena_alloc(decoder->arena, read.lists, sizeof *read.list_lengths, decoder->error);
    size_t count;
    if (__builtin_mul_overflow(read.lists, read.length, &count) || count > decoder->limits->elements)
        return error_set(decoder->error, ERROR_TOO_MANY_ELEMENTS, pointer, "%s has more than %zu labels.", pointer + 1,
                         decoder->limits->elements);
    read.names = arena_alloc(decoder->arena, count, sizeof *read.names, decoder->error);
    if (read.list_lengths == NULL || read.names == NULL)
        return false;
    for (size_t i = 0; i < read.lists; i++) {
        struct value_pointer place = value_element(pointer, i);
        if (!decode_tokens_list(decoder, per_item ? json_array_get(json, i) : json, per_item ? place.text : pointer, i,
                                &read))
            return false;
    }
    *labels = read;
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
    size_t features = 0;
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
    }
    *decoder->embeddings = json;
    return true;
}

/* Shorter lists of a batch become as long as the longest. */
static bool decode_tokens_fill(const struct decoder *decoder, const char *pointer, struct labels *labels) {
    for (size_t list = 0; labels->given && list < labels->lists; list++) {
        size_t length = labels->list_lengths[list];
        if (length < labels->length && decoder->call->pad_token == NULL) {
            struct value_pointer place = value_element(pointer, list);
            error_set(decoder->error, ERROR_RAGGED, place.text,
                      "%s has %zu tokens, but the longest list of %s has %zu: name a \"pad_token\" to fill it up, or "
                      "make the lists equally long.",
                      place.text + 1, length, pointer + 1, labels->length);
            error_expected(decoder->error, "%zu tokens", labels->length);
            return error_received(decoder->error, "%zu tokens", length);
        }
        for (size_t i = length; i < labels->length; i++)
            labels->names[list * labels->length + i] = decoder->call->pad_token;
    }
    return true;
}

/* The vectors of all labels: [length, features], or [lists, length, features]. */
static bool decode_tokens_look_up(const struct decoder *decoder, const char *pointer, const struct labels *labels,
                                  struct tensor *tensor) {
    struct tensor vector;
    const json_t *first = json_object_iter_value(json_object_iter((json_t *)*decoder->embeddings));
    if (!value_tensor(decoder, first, "/embeddings", VALUE_NUMBERS, &vector))
        return false;
    size_t features = vector.count, rows = labels->lists * labels->length;
    size_t row_size = features * dtype_size(decoder->call->dtype);
    if (features > decoder->limits->elements / rows)
        return error_set(decoder->error, ERROR_TOO_MANY_ELEMENTS, pointer,
                         "%s looks up %zu tokens of %zu numbers, more than the limit of %zu.", pointer + 1, rows,
                         features, decoder->limits->elements);
    char *data = arena_alloc(decoder->arena, rows, row_size, decoder->error);
    if (data == NULL)
        return false;
    for (size_t i = 0; i < rows; i++) {
        const char *name = labels->names[i], *pad = decoder->call->pad_token;
        const json_t *embedding = json_object_get(*decoder->embeddings, name);
        struct value_pointer place = value_element(pointer, labels->per_item ? i / labels->length : i);
        if (labels->per_item)
            place = value_element(place.text, i % labels->length);
        if (embedding != NULL) {
            if (!value_tensor(decoder, embedding, place.text, VALUE_NUMBERS, &vector))
                return false;
            memcpy(data + i * row_size, vector.data, row_size);
        } else if (pad != NULL && strcmp(name, pad) == 0) {
            memset(data + i * row_size, 0, row_size);
        } else {
            error_set(decoder->error, ERROR_UNKNOWN_TOKEN, place.text,
                      "The token \"%.60s\" has no embedding: add it to \"embeddings\", which has %zu tokens.", name,
                      json_object_size(*decoder->embeddings));
            return error_received(decoder->error, "\"%.100s\"", name);
        }
    }
    *tensor = (struct tensor){.data = data, .rank = 2, .count = rows * features, .shape = {labels->length, features}};
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
        !decode_tokens_fill(decoder, "/key_tokens", &call->key_tokens))
        return false;
    if (*decoder->embeddings == NULL)
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
    if (looks_up_inputs && !decode_tokens_look_up(decoder, "/tokens", &call->tokens, &call->inputs))
        return false;
    if (looks_up_query && !decode_tokens_look_up(decoder, "/query_tokens", &call->query_tokens, &call->query))
        return false;
    return !looks_up_keys || decode_tokens_look_up(decoder, "/key_tokens", &call->key_tokens, &call->context);
}
