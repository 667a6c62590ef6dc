/* The members of a request as rows of one table: see member.h. */
#include "api/member.h"

#include "api/decode_axes.h"
#include "api/decode_mask.h"
#include "api/decode_merge.h"
#include "api/decode_projections.h"
#include "api/decode_rotary.h"
#include "api/decode_scores.h"
#include "api/decode_tokens.h"

#include <string.h>

static bool member_inputs(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_tensor_ranks(decoder, json, pointer, VALUE_NUMBERS, 1, TENSOR_RANK_MAX, &decoder->call->inputs);
}

static bool member_query(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_tensor_ranks(decoder, json, pointer, VALUE_NUMBERS, 1, TENSOR_RANK_MAX, &decoder->call->query);
}

static bool member_key(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_tensor_ranks(decoder, json, pointer, VALUE_NUMBERS, 1, TENSOR_RANK_MAX, &decoder->call->key);
}

static bool member_value(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_tensor_ranks(decoder, json, pointer, VALUE_NUMBERS, 1, TENSOR_RANK_MAX, &decoder->call->value);
}

static bool member_context(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_tensor_ranks(decoder, json, pointer, VALUE_NUMBERS, 1, TENSOR_RANK_MAX, &decoder->call->context);
}

static bool member_tokens(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return decode_tokens_labels(decoder, json, pointer, &decoder->call->tokens);
}

static bool member_query_tokens(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return decode_tokens_labels(decoder, json, pointer, &decoder->call->query_tokens);
}

static bool member_key_tokens(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return decode_tokens_labels(decoder, json, pointer, &decoder->call->key_tokens);
}

enum { MEMBER_HEADS_MAX = 1 << 20 };

static bool member_num_heads(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_size(decoder, json, pointer, 1, MEMBER_HEADS_MAX, &decoder->call->num_heads);
}

static bool member_num_kv_heads(const struct decoder *decoder, const json_t *json, const char *pointer) {
    if (decoder->call->num_heads == 0)
        return error_set(decoder->error, ERROR_MISSING_MEMBER, "/num_heads",
                         "num_kv_heads needs num_heads: give the number of query heads too.");
    return value_size(decoder, json, pointer, 1, MEMBER_HEADS_MAX, &decoder->call->num_kv_heads);
}

static bool member_scale(const struct decoder *decoder, const json_t *json, const char *pointer) {
    decoder->call->has_scale = true;
    return value_number(decoder, json, pointer, &decoder->call->scale);
}

static bool member_normalize(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const char *const names[] = {"softmax", "sum", "none"};
    size_t index;
    if (!value_choice(decoder, json, pointer, names, 3, &index))
        return false;
    decoder->call->normalize = (enum attention_normalize)index;
    return true;
}

static bool member_past_key(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_tensor(decoder, json, pointer, VALUE_NUMBERS, &decoder->call->past_key);
}

static bool member_past_value(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_tensor(decoder, json, pointer, VALUE_NUMBERS, &decoder->call->past_value);
}

static bool member_add_zero_attn(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_bool(decoder, json, pointer, &decoder->call->add_zero_attn);
}

static bool member_fully_masked(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const char *const names[] = {"zero", "uniform", "error"};
    size_t index;
    if (!value_choice(decoder, json, pointer, names, 3, &index))
        return false;
    if (index == CALL_FULLY_MASKED_UNIFORM && decoder->call->normalize != ATTENTION_SOFTMAX)
        return error_set(decoder->error, ERROR_CONFLICT, pointer,
                         "fully_masked \"uniform\" goes with normalize \"softmax\" only: use \"zero\" or \"error\".");
    decoder->call->fully_masked = (enum call_fully_masked)index;
    return true;
}

static bool member_average_heads(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return value_bool(decoder, json, pointer, &decoder->call->average_heads);
}

/* true, or {"epsilon", "weight", "bias"}. */
static bool member_add_norm(const struct decoder *decoder, const json_t *json, const char *pointer) {
    struct call *call = decoder->call;
    if (json_is_boolean(json))
        return value_bool(decoder, json, pointer, &call->add_norm);
    if (!json_is_object(json))
        return value_wrong_type(decoder, json, pointer,
                                "true, false or an object with any of \"epsilon\", \"weight\" and \"bias\"");
    call->add_norm = true;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        struct value_pointer place = value_child(pointer, name);
        bool ok = true;
        if (json_is_null(value))
            continue;
        if (strcmp(name, "epsilon") == 0)
            ok = value_number(decoder, value, place.text, &call->epsilon);
        else if (strcmp(name, "weight") == 0)
            ok = value_tensor(decoder, value, place.text, VALUE_NUMBERS, &call->norm_weight);
        else if (strcmp(name, "bias") == 0)
            ok = value_tensor(decoder, value, place.text, VALUE_NUMBERS, &call->norm_bias);
        else
            return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, place.text,
                             "add_norm has no \"%.40s\"; it has \"epsilon\", \"weight\" and \"bias\".", name);
        if (!ok)
            return false;
    }
    if (call->epsilon >= 0)
        return true;
    error_set(decoder->error, ERROR_OUT_OF_RANGE, "/add_norm/epsilon",
              "add_norm.epsilon is %.9g; it is added to a variance and must not be negative.", call->epsilon);
    return error_received(decoder->error, "%.9g", call->epsilon);
}

/* {"weight", "bias"}, laid out as Keras does, [in,out]. */
static bool member_gate(const struct decoder *decoder, const json_t *json, const char *pointer) {
    return decode_projections_map(decoder, json, pointer, &decoder->call->gate);
}

static bool member_seed(const struct decoder *decoder, const json_t *json, const char *pointer) {
    if (!decoder->call->has_init)
        return error_set(decoder->error, ERROR_MISSING_MEMBER, pointer,
                         "seed is for weights that are drawn, and nothing here is: give \"projections\": {\"init\": "
                         "\"torch.nn.Linear\"}, or leave seed out.");
    return value_seed(decoder, json, pointer, &decoder->call->seed);
}

static const char *member_result_at(size_t index) {
    return index < RESULT_COUNT ? call_result_name((enum result)index) : NULL;
}

static bool member_return_one(const struct decoder *decoder, const char *name, const char *pointer) {
    for (size_t i = 0; i < RESULT_COUNT; i++)
        if (strcmp(name, call_result_name((enum result)i)) == 0)
            return decoder->call->returns[i] = true;
    const char *nearest = value_nearest(name, member_result_at);
    static const char all[] = "query, key, value, scores, capped, masked, weights, lse, heads, present_key, "
                              "present_value, projections, output";
    error_set(decoder->error, ERROR_OUT_OF_RANGE, pointer,
              nearest != NULL ? "There is no result \"%.60s\": did you mean \"%s\"?"
                              : "There is no result \"%.60s\"; the results are %s.",
              name, nearest != NULL ? nearest : all);
    error_expected(decoder->error, "any of %s", all);
    return error_received(decoder->error, "\"%.60s\"", name);
}

static bool member_return(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const char wanted[] = "an array of result names, such as [\"weights\", \"output\"]";
    struct value_strings strings;
    if (!value_strings(decoder, json, pointer, false, wanted, &strings))
        return false;
    memset(decoder->call->returns, 0, sizeof decoder->call->returns);
    for (size_t i = 0; i < strings.longest; i++)
        if (!member_return_one(decoder, strings.names[0][i], value_element(pointer, i).text))
            return false;
    return true;
}

/* Read before all others, by api/decode.c. */
static bool member_dtype(const struct decoder *decoder, const json_t *json, const char *pointer) {
    (void)decoder, (void)json, (void)pointer;
    return true;
}

static bool member_decimals(const struct decoder *decoder, const json_t *json, const char *pointer) {
    size_t decimals;
    if (!value_size(decoder, json, pointer, 0, 17, &decimals))
        return false;
    decoder->call->decimals = (int)decimals;
    return true;
}

static bool member_encoding(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const char *const names[] = {"json", "b64"};
    size_t index;
    if (!value_choice(decoder, json, pointer, names, 2, &index))
        return false;
    decoder->call->b64 = index == 1;
    if (decoder->call->b64 && decoder->call->decimals >= 0)
        return error_set(decoder->error, ERROR_CONFLICT, "/decimals",
                         "decimals is for numbers written as text; encoding \"b64\" has none: leave one of them out.");
    return true;
}

static const char member_tensor[] = "tensor";

static const struct member member_table[] = {
    {"inputs", member_inputs, member_tensor, "Query, key and value at once.", NULL},
    {"query", member_query, member_tensor, "The queries: [E], [L,E], [B,L,E] or [B,H,L,D].", NULL},
    {"key", member_key, member_tensor, "The keys: [S,E], [B,S,E] or [B,G,S,D].", NULL},
    {"value", member_value, member_tensor, "The values; their feature size may differ.", "key"},
    {"context", member_context, member_tensor, "Key and value at once.", NULL},
    {"tokens", member_tokens, "array of strings, or one for each batch item", "Labels of the positions.", NULL},
    {"query_tokens", member_query_tokens, "as tokens", "Labels of the queries, where they differ from the keys'.",
     NULL},
    {"key_tokens", member_key_tokens, "as tokens", "Labels of the keys, where they differ from the queries'.", NULL},
    {"embeddings", decode_tokens_embeddings, "object: token to vector", "The tokens' vectors, in place of tensors.",
     NULL},
    {"pad_token", decode_tokens_pad, "string", "Positions with this token are padding: hidden as keys.", NULL},
    {"num_heads", member_num_heads, "whole number", "Splits the features into heads.", "1"},
    {"num_kv_heads", member_num_kv_heads, "whole number", "Fewer key and value heads: grouped queries.", "num_heads"},
    {"projections", decode_projections, "object", "Learned maps of query, key, value and output.", "none"},
    {"scale", member_scale, "number", "Factor on query · key.", "1/sqrt(D)"},
    {"softcap", decode_scores_softcap, "number more than 0", "Scores become c * tanh(score / c), before masks.", "off"},
    {"mask", decode_mask, "\"causal\", tensor of booleans, or object of parts", "Which keys a query may attend to.",
     "none"},
    {"alibi", decode_scores_alibi, "true or array of H slopes",
     "Adds -slope * |i + offset - j| to the scores; true: the paper's slopes.", "off"},
    {"sinks", decode_scores_sinks, "array of H numbers",
     "exp(sink) joins the sum of each softmax of its head, and takes weight from the keys.", "off"},
    {"normalize", member_normalize, "\"softmax\", \"sum\" or \"none\"", "How scores become weights.", "softmax"},
    {"rotary", decode_rotary, "true, or object with any of base, interleaved, dim, positions",
     "Queries and new keys are turned by their positions after projection.", "off"},
    {"past_key", member_past_key, member_tensor, "A cache [B,G,P,D] put before the keys: the present_key of a call.",
     NULL},
    {"past_value", member_past_value, member_tensor, "A cache [B,G,P,Dv] put before the values.", NULL},
    {"add_zero_attn", member_add_zero_attn, "true or false",
     "One more key and value of zeros at the end, seen by every query.", "false"},
    {"attention_axes", decode_axes, "whole number, or array of them",
     "The axes attended over, of tensors [B, axes, E]; negative ones count from the end.", NULL},
    {"gate", member_gate, "object", "The merged heads are multiplied by sigmoid(query · weight + bias).", "off"},
    {"fully_masked", member_fully_masked, "\"zero\", \"uniform\" or \"error\"",
     "What a row without an allowed key becomes.", "zero"},
    {"average_heads", member_average_heads, "true or false", "Weights averaged over the heads.", "false"},
    {"add_norm", member_add_norm, "true or object", "output becomes LayerNorm(query-side input + output).", "off"},
    {"return", member_return, "array of names",
     "Results: query, key, value, scores, capped, masked, weights, lse, heads, present_key, present_value, "
     "projections, output.",
     "weights, output"},
    {"dtype", member_dtype, "\"float32\", \"float64\", \"float16\" or \"bfloat16\"",
     "What is answered in, and computed in but for the last two, which take float32.", "float32"},
    {"decimals", member_decimals, "0 to 17", "Numbers are written with exactly this many decimals.", "shortest text"},
    {"encoding", member_encoding, "\"json\" or \"b64\"", "How results are written.", "json"},
    {"seed", member_seed, "whole number", "What projections.init draws from.", "0"},
};

/* Of /v1/attention/merge. */
static const struct member member_merge_table[] = {
    {"parts", decode_merge_parts, "array of objects with \"output\" and \"lse\"",
     "Results of the same queries over disjoint ranges of keys.", NULL},
    {"return", decode_merge_return, "array of names", "Results: lse, output.", "lse, output"},
    {"dtype", member_dtype, "\"float32\", \"float64\", \"float16\" or \"bfloat16\"",
     "What is answered in, and computed in but for the last two, which take float32.", "float32"},
    {"decimals", member_decimals, "0 to 17", "Numbers are written with exactly this many decimals.", "shortest text"},
    {"encoding", member_encoding, "\"json\" or \"b64\"", "How results are written.", "json"},
};

enum {
    MEMBER_COUNT = sizeof member_table / sizeof *member_table,
    MEMBER_MERGE_COUNT = sizeof member_merge_table / sizeof *member_merge_table,
};
_Static_assert(MEMBER_COUNT <= (int)MEMBER_MAX, "callers keep arrays of MEMBER_MAX");

static const char *member_name_at(size_t index) {
    return index < MEMBER_COUNT ? member_table[index].name : NULL;
}

static const char *member_merge_name_at(size_t index) {
    return index < MEMBER_MERGE_COUNT ? member_merge_table[index].name : NULL;
}

const struct member_list member_attention = {member_table, MEMBER_COUNT, member_name_at, "{\"inputs\": [[1,0],[0,1]]}"};
const struct member_list member_merge = {member_merge_table, MEMBER_MERGE_COUNT, member_merge_name_at,
                                         "{\"parts\": [{\"output\": [[1,2]], \"lse\": [0.5]}]}"};

const struct member_list *member_list_of(const struct route *route) {
    return route->kind == ROUTE_MERGE ? &member_merge : &member_attention;
}

const struct member *member_find(const struct member_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(name, list->rows[i].name) == 0)
            return &list->rows[i];
    return NULL;
}
