/* tokens, embeddings and pad_token. */
#pragma once

#include "api/value.h"

struct decode_tokens_vector;

/* The member as it was read, while decoding lasts. */
struct embeddings {
    const json_t *json; /* NULL: not given */
    size_t features, count;
    const struct decode_tokens_vector *vectors; /* [count], by their json's address */
};

bool decode_tokens_labels(const struct decoder *decoder, const json_t *json, const char *pointer,
                          struct labels *labels);
bool decode_tokens_embeddings(const struct decoder *decoder, const json_t *json, const char *pointer);
bool decode_tokens_pad(const struct decoder *decoder, const json_t *json, const char *pointer);

/* With all members read: fills up shorter lists with pad_token, and looks up what is left out in the embeddings. */
bool decode_tokens_finish(const struct decoder *decoder);
