#include "runner.h"

#include <stdlib.h>

json_t *op_host(const json_t *item) {
    return json_pack("{s:b}", "valid", imagxp_agent_id_is_valid(slice(item, "name"), false));
}

json_t *op_manifest(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_manifest *manifest = NULL;
    int64_t now;
    if (!time_ms(item, "now", &now)) {
        return NULL;
    }
    char *json = dump(item, "manifest");
    imagxp_status status = imagxp_manifest_parse(slice(item, "agent_id"), false, imagxp_slice_of(json), &manifest, &error);
    free(json);
    if (status != IMAGXP_OK) {
        return json_pack("{s:b, s:o, s:[]}", "valid", 0, "code", code_of(error), "keys");
    }
    json_t *keys = json_array();
    for (size_t i = 0; i < imagxp_manifest_key_count(manifest); i++) {
        imagxp_public_key *key = NULL;
        if (imagxp_manifest_key_exists(manifest, i, now) && imagxp_manifest_key(manifest, i, &key, NULL) == IMAGXP_OK) {
            json_array_append_new(keys, string_or_null(imagxp_public_key_thumbprint(key)));
        }
        imagxp_public_key_free(key);
    }
    imagxp_manifest_free(manifest);
    return json_pack("{s:b, s:n, s:o}", "valid", 1, "code", "keys", keys);
}
