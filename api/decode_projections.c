/* The member `projections`: see decode_projections.h. */
#include "api/decode_projections.h"

#include <string.h>

static bool decode_projections_matrix(const struct decoder *decoder, const json_t *json, const char *pointer,
                                      size_t rank, struct tensor *tensor) {
    if (!value_tensor(decoder, json, pointer, VALUE_NUMBERS, tensor))
        return false;
    if (tensor->rank == rank)
        return true;
    static const char *const wanted[] = {"", "a vector [out]", "a matrix [in,out]", "[1,1,E], as torch prints it"};
    error_set(decoder->error, ERROR_WRONG_RANK, pointer, "%s has shape %s; it must be %s.", pointer + 1,
              value_shape(decoder->arena, tensor->shape, tensor->rank), wanted[rank]);
    error_expected(decoder->error, "%zu %s", rank, rank == 1 ? "axis" : "axes");
    return error_received(decoder->error, "%zu axes", tensor->rank);
}

/* A pointer that outlives the decoder; without memory a shorter one does. */
static const char *decode_projections_pointer(const struct decoder *decoder, const char *pointer) {
    const char *copy = arena_text(decoder->arena, pointer, strlen(pointer), decoder->error);
    return copy != NULL ? copy : "/projections";
}

/* {"weight", "bias"}. */
static bool decode_projections_one(const struct decoder *decoder, const json_t *json, const char *pointer,
                                   struct call_projection *projection) {
    if (!json_is_object(json))
        return value_wrong_type(decoder, json, pointer, "an object {\"weight\": matrix, \"bias\": vector}");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        struct value_pointer place = value_child(pointer, name);
        if (json_is_null(value))
            continue;
        if (strcmp(name, "weight") == 0) {
            projection->weight_pointer = decode_projections_pointer(decoder, place.text);
            if (!decode_projections_matrix(decoder, value, place.text, 2, &projection->weight))
                return false;
        } else if (strcmp(name, "bias") == 0) {
            projection->bias_pointer = decode_projections_pointer(decoder, place.text);
            if (!decode_projections_matrix(decoder, value, place.text, 1, &projection->bias))
                return false;
        } else {
            return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, place.text,
                             "%s has no \"%.40s\"; a projection has \"weight\" and \"bias\".", pointer + 1, name);
        }
    }
    if (projection->weight.data != NULL)
        return true;
    return error_set(decoder->error, ERROR_MISSING_MEMBER, value_child(pointer, "weight").text,
                     "%s has no \"weight\": give a matrix, or leave the whole projection out for the identity.",
                     pointer + 1);
}

/* Rows [first, first + count) of a tensor. */
static struct tensor decode_projections_rows(const struct decoder *decoder, const struct tensor *tensor, size_t first,
                                             size_t count) {
    struct tensor rows = *tensor;
    size_t row = tensor->rank == 2 ? tensor->shape[1] : 1;
    rows.shape[0] = count;
    rows.count = count * row;
    rows.data = (char *)tensor->data + first * row * dtype_size(decoder->call->dtype);
    return rows;
}

enum decode_projections_name {
    STATE_IN_WEIGHT,
    STATE_IN_BIAS,
    STATE_OUT_WEIGHT,
    STATE_OUT_BIAS,
    STATE_QUERY_WEIGHT,
    STATE_KEY_WEIGHT,
    STATE_VALUE_WEIGHT,
    STATE_EXTRA_KEY,
    STATE_EXTRA_VALUE,
    STATE_COUNT
};

static const char *const decode_projections_names[] = {
    "in_proj_weight", "in_proj_bias",  "out_proj.weight", "out_proj.bias", "q_proj_weight",
    "k_proj_weight",  "v_proj_weight", "bias_k",          "bias_v",        NULL};

static const size_t decode_projections_ranks[STATE_COUNT] = {2, 1, 2, 1, 2, 2, 2, 3, 3};

static const char *const decode_projections_state_pointers[STATE_COUNT] = {
    "/projections/state_dict/in_proj_weight",  "/projections/state_dict/in_proj_bias",
    "/projections/state_dict/out_proj.weight", "/projections/state_dict/out_proj.bias",
    "/projections/state_dict/q_proj_weight",   "/projections/state_dict/k_proj_weight",
    "/projections/state_dict/v_proj_weight",   "/projections/state_dict/bias_k",
    "/projections/state_dict/bias_v"};

static const char *decode_projections_name_at(size_t index) {
    return decode_projections_names[index];
}

/* The tensors of a state_dict by name. */
static bool decode_projections_state(const struct decoder *decoder, const json_t *json, const char *pointer,
                                     struct tensor state[STATE_COUNT]) {
    if (!json_is_object(json))
        return value_wrong_type(decoder, json, pointer, "an object of tensors, as state_dict() names them");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        struct value_pointer place = value_child(pointer, name);
        size_t index = 0;
        while (decode_projections_names[index] != NULL && strcmp(name, decode_projections_names[index]) != 0)
            index++;
        if (decode_projections_names[index] == NULL) {
            const char *nearest = value_nearest(name, decode_projections_name_at);
            return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, place.text,
                             "torch.nn.MultiheadAttention has no parameter \"%.60s\": did you mean \"%s\"?", name,
                             nearest != NULL ? nearest : "in_proj_weight");
        }
        if (json_is_null(value))
            continue;
        if (!decode_projections_matrix(decoder, value, place.text, decode_projections_ranks[index], &state[index]))
            return false;
    }
    return true;
}

/* bias_k and bias_v, of a module with add_bias_kv: both or neither, each one row. */
static bool decode_projections_state_extra(const struct decoder *decoder, const char *pointer,
                                           const struct tensor state[STATE_COUNT]) {
    const struct tensor *extra = &state[STATE_EXTRA_KEY];
    for (size_t i = 0; i < 2; i++) {
        const char *name = decode_projections_names[STATE_EXTRA_KEY + i];
        if (extra[i].data == NULL && extra[1 - i].data != NULL)
            return error_set(decoder->error, ERROR_MISSING_MEMBER, value_child(pointer, name).text,
                             "state_dict has %s but no %s; a module with add_bias_kv has both: paste the whole "
                             "state_dict().",
                             decode_projections_names[STATE_EXTRA_KEY + 1 - i], name);
        if (extra[i].data == NULL || (extra[i].shape[0] == 1 && extra[i].shape[1] == 1))
            continue;
        const char *shape = value_shape(decoder->arena, extra[i].shape, 3);
        error_set(decoder->error, ERROR_SHAPE_MISMATCH, value_child(pointer, name).text,
                  "%s has shape %s; it is one row, [1,1,%zu].", name, shape, extra[i].shape[2]);
        error_expected(decoder->error, "[1,1,%zu]", extra[i].shape[2]);
        return error_received(decoder->error, "%s", shape);
    }
    return true;
}

/* The parts of a state_dict that must or must not be there together. */
static bool decode_projections_state_check(const struct decoder *decoder, const char *pointer,
                                           const struct tensor state[STATE_COUNT]) {
    struct error *error = decoder->error;
    bool packed = state[STATE_IN_WEIGHT].data != NULL;
    for (size_t i = STATE_QUERY_WEIGHT; i <= STATE_VALUE_WEIGHT; i++) {
        struct value_pointer place = value_child(pointer, decode_projections_names[i]);
        if (packed && state[i].data != NULL)
            return error_set(error, ERROR_CONFLICT, place.text,
                             "state_dict has both in_proj_weight and %s; a module has one or the other.",
                             decode_projections_names[i]);
        if (!packed && state[i].data == NULL)
            return error_set(error, ERROR_MISSING_MEMBER, place.text,
                             "state_dict has neither in_proj_weight nor %s: paste the whole state_dict().",
                             decode_projections_names[i]);
    }
    if (state[STATE_OUT_WEIGHT].data == NULL)
        return error_set(error, ERROR_MISSING_MEMBER, value_child(pointer, "out_proj.weight").text,
                         "state_dict has no out_proj.weight: paste the whole state_dict(), or give the maps apart as "
                         "projections.query, key and value.");
    if (decoder->call->num_heads == 0)
        return error_set(error, ERROR_MISSING_MEMBER, "/num_heads",
                         "A state_dict does not say how many heads the module has: give \"num_heads\".");
    const struct tensor *weight = &state[STATE_IN_WEIGHT], *bias = &state[STATE_IN_BIAS];
    size_t features = packed ? weight->shape[1] : state[STATE_QUERY_WEIGHT].shape[0];
    if (packed && weight->shape[0] != 3 * features) {
        error_set(error, ERROR_SHAPE_MISMATCH, value_child(pointer, "in_proj_weight").text,
                  "in_proj_weight has shape [%zu,%zu]; it stacks query, key and value, so its rows must be three times "
                  "its columns.",
                  weight->shape[0], features);
        error_expected(error, "[%zu,%zu]", 3 * features, features);
        return error_received(error, "[%zu,%zu]", weight->shape[0], features);
    }
    if (bias->data != NULL && bias->count != 3 * features) {
        error_set(error, ERROR_SHAPE_MISMATCH, value_child(pointer, "in_proj_bias").text,
                  "in_proj_bias has %zu numbers, but query, key and value of %zu features take %zu.", bias->count,
                  features, 3 * features);
        error_expected(error, "%zu numbers", 3 * features);
        return error_received(error, "%zu numbers", bias->count);
    }
    return true;
}

static bool decode_projections_state_dict(const struct decoder *decoder, const json_t *json, const char *pointer) {
    struct call *call = decoder->call;
    struct tensor state[STATE_COUNT] = {0};
    if (!decode_projections_state(decoder, json, pointer, state) ||
        !decode_projections_state_check(decoder, pointer, state) ||
        !decode_projections_state_extra(decoder, pointer, state))
        return false;

    struct call_projection *maps[] = {&call->projection_query, &call->projection_key, &call->projection_value};
    bool packed = state[STATE_IN_WEIGHT].data != NULL;
    size_t features = packed ? state[STATE_IN_WEIGHT].shape[1] : state[STATE_QUERY_WEIGHT].shape[0];
    for (size_t i = 0; i < 3; i++) {
        maps[i]->weight = packed ? decode_projections_rows(decoder, &state[STATE_IN_WEIGHT], i * features, features)
                                 : state[STATE_QUERY_WEIGHT + i];
        maps[i]->is_packed = packed;
        maps[i]->weight_pointer = decode_projections_state_pointers[packed ? STATE_IN_WEIGHT : STATE_QUERY_WEIGHT + i];
        maps[i]->bias_pointer = decode_projections_state_pointers[STATE_IN_BIAS];
        if (state[STATE_IN_BIAS].data != NULL)
            maps[i]->bias = decode_projections_rows(decoder, &state[STATE_IN_BIAS], i * features, features);
    }
    call->projection_output = (struct call_projection){
        .weight = state[STATE_OUT_WEIGHT],
        .bias = state[STATE_OUT_BIAS],
        .weight_pointer = decode_projections_state_pointers[STATE_OUT_WEIGHT],
        .bias_pointer = decode_projections_state_pointers[STATE_OUT_BIAS],
    };
    call->bias_key = state[STATE_EXTRA_KEY];
    call->bias_value = state[STATE_EXTRA_VALUE];
    call->layout = CALL_LAYOUT_OUT_IN;
    call->has_state_dict = true;
    return true;
}

static const char *const decode_projections_members[] = {"query",      "key",  "value",    "output", "layout",
                                                         "state_dict", "init", "features", "bias",   NULL};

static const char *decode_projections_member_at(size_t index) {
    return decode_projections_members[index];
}

static bool decode_projections_layout(const struct decoder *decoder, const json_t *json, const char *pointer) {
    static const char *const names[] = {"in_out", "out_in"};
    size_t index;
    if (!value_choice(decoder, json, pointer, names, 2, &index))
        return false;
    decoder->call->layout = (enum call_layout)index;
    return true;
}

static bool decode_projections_member(const struct decoder *decoder, const char *name, const json_t *json,
                                      const char *pointer) {
    struct call *call = decoder->call;
    if (strcmp(name, "query") == 0)
        return decode_projections_one(decoder, json, pointer, &call->projection_query);
    if (strcmp(name, "key") == 0)
        return decode_projections_one(decoder, json, pointer, &call->projection_key);
    if (strcmp(name, "value") == 0)
        return decode_projections_one(decoder, json, pointer, &call->projection_value);
    if (strcmp(name, "output") == 0)
        return decode_projections_one(decoder, json, pointer, &call->projection_output);
    if (strcmp(name, "layout") == 0)
        return decode_projections_layout(decoder, json, pointer);
    if (strcmp(name, "state_dict") == 0)
        return decode_projections_state_dict(decoder, json, pointer);
    if (strcmp(name, "init") == 0 || strcmp(name, "features") == 0 || strcmp(name, "bias") == 0)
        return error_set(decoder->error, ERROR_NOT_SUPPORTED, pointer,
                         "projections.%s is not supported yet: give the weights themselves.", name);
    const char *nearest = value_nearest(name, decode_projections_member_at);
    return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, pointer,
                     "projections has no \"%.60s\": did you mean \"%s\"?", name, nearest != NULL ? nearest : "query");
}

bool decode_projections(const struct decoder *decoder, const json_t *json, const char *pointer) {
    if (!json_is_object(json))
        return value_wrong_type(decoder, json, pointer,
                                "an object such as {\"query\": {\"weight\": matrix}, …}, or {\"state_dict\": {…}}");
    if (value_member(json, "init") != NULL)
        return decode_projections_member(decoder, "init", value_member(json, "init"), "/projections/init");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        struct value_pointer place = value_child(pointer, name);
        if (value_member(json, "state_dict") != NULL && strcmp(name, "state_dict") != 0 && !json_is_null(value))
            return error_set(decoder->error, ERROR_CONFLICT, place.text,
                             "projections has both state_dict and %.40s: a state_dict holds all four maps.", name);
        if (!json_is_null(value) && !decode_projections_member(decoder, name, value, place.text))
            return false;
    }
    decoder->call->has_projections = true;
    return true;
}
