/* The C conformance runner (DESIGN section 6): one JSON line in, one JSON line out, through imagxp.h. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    operation *run;
} OPERATIONS[] = {
    {"verify", op_verify},       {"sequence", op_sequence}, {"sign", op_sign}, {"canonicalize", op_canonicalize},
    {"key", op_key},             {"signature", op_signature}, {"jws", op_jws}, {"host", op_host},
    {"manifest", op_manifest},   {"visa", op_visa},         {"provenance", op_provenance}, {"feedback", op_feedback},
};

static json_t *answer(const json_t *item) {
    const char *op = text(item, "op");
    for (size_t i = 0; op != NULL && i < sizeof OPERATIONS / sizeof OPERATIONS[0]; i++) {
        if (strcmp(op, OPERATIONS[i].name) == 0) {
            json_t *result = OPERATIONS[i].run(item);
            return result != NULL ? result : json_pack("{s:s}", "error", "the case is incomplete");
        }
    }
    return json_pack("{s:b}", "unsupported", 1);
}

int main(void) {
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, stdin)) > 0) {
        if (strspn(line, " \t\r\n") == (size_t)length) {
            continue;
        }
        json_error_t problem;
        json_t *item = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, &problem);
        json_t *result = item != NULL ? answer(item) : json_pack("{s:s}", "error", problem.text);
        json_t *id = item != NULL ? json_object_get(item, "id") : NULL;
        json_object_set_new(result, "id", id != NULL ? json_incref(id) : json_null());
        char *text = json_dumps(result, JSON_COMPACT);
        if (text == NULL || puts(text) < 0 || fflush(stdout) != 0) {
            return 1;
        }
        free(text);
        json_decref(result);
        json_decref(item);
    }
    free(line);
    return 0;
}
