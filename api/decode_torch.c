/* projections.init: see decode_torch.h. */
#include "api/decode_torch.h"

#include <string.h>

/* An output of true or false says whether there is such a layer; without "init" it is a map. */
static const char *const decode_torch_names[] = {"init", "features", "bias", "output", NULL};

static const char *decode_torch_name_at(size_t index) {
    return decode_torch_names[index];
}

enum { DECODE_TORCH_FEATURES_MAX = 1 << 28 };

static bool decode_torch_member(const struct decoder *decoder, const char *name, const json_t *json,
                                const char *pointer) {
    static const char *const modules[] = {"torch.nn.Linear"};
    static const char *const given[] = {"query", "key", "value", "layout", "state_dict"};
    struct call *call = decoder->call;
    size_t index;
    if (strcmp(name, "init") == 0)
        return value_choice(decoder, json, pointer, modules, 1, &index);
    if (strcmp(name, "features") == 0)
        return value_size(decoder, json, pointer, 1, DECODE_TORCH_FEATURES_MAX, &call->init_features);
    if (strcmp(name, "bias") == 0)
        return value_bool(decoder, json, pointer, &call->init_bias);
    if (strcmp(name, "output") == 0)
        return value_bool(decoder, json, pointer, &call->init_output);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (strcmp(name, given[i]) == 0)
            return error_set(decoder->error, ERROR_CONFLICT, pointer,
                             "projections has both init, which draws all maps, and %s: leave one of them out.", name);
    const char *nearest = value_nearest(name, decode_torch_name_at);
    return error_set(decoder->error, ERROR_UNKNOWN_MEMBER, pointer,
                     "projections with init has no \"%.60s\": did you mean \"%s\"?", name,
                     nearest != NULL ? nearest : "features");
}

bool decode_torch(const struct decoder *decoder, const json_t *json, const char *pointer) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        if (!json_is_null(value) && !decode_torch_member(decoder, name, value, value_child(pointer, name).text))
            return false;
    }
    decoder->call->has_init = true;
    decoder->call->layout = CALL_LAYOUT_OUT_IN;
    return true;
}

bool decode_torch_absent(const struct decoder *decoder, const char *name, const char *pointer) {
    return error_set(decoder->error, ERROR_MISSING_MEMBER, pointer,
                     "projections has %s but no init, without which it means nothing: add \"init\": "
                     "\"torch.nn.Linear\", or give the weights themselves and leave %s out.",
                     name, name);
}
