/* The C conformance runner: what its files share. */
#ifndef IMAGXP_CONFORMANCE_RUNNER_H
#define IMAGXP_CONFORMANCE_RUNNER_H

#include <imagxp.h>
#include <jansson.h>

/* Answers one case without its id; NULL when the case lacks a member. */
typedef json_t *operation(const json_t *item);

operation op_verify, op_sequence;                              /* verify.c */
operation op_sign, op_visa;                                    /* agent.c */
operation op_key, op_signature, op_jws, op_canonicalize;       /* crypto.c */
operation op_provenance, op_feedback;                          /* evidence.c */
operation op_host, op_manifest;                                /* identity.c */

/* Reading a case (input.c). */

/* A string member, NUL-terminated; NULL when there is none. */
const char *text(const json_t *item, const char *name);
/* The same as a slice, which may hold zero bytes; empty when there is none. */
imagxp_slice slice(const json_t *item, const char *name);
/* A time as milliseconds since 1970. */
bool time_ms(const json_t *item, const char *name, int64_t *ms);
/* A JSON member as text; free() it. */
char *dump(const json_t *item, const char *name);
/* Hex or base64 text as bytes; free() them. */
uint8_t *unhex(imagxp_slice hex, size_t *len);
uint8_t *unbase64(imagxp_slice base64, size_t *len);

/* The private key in the member `key`, a JWK. */
imagxp_key *private_key(const json_t *item, imagxp_error **error);
/* A publisher with the case's policy, and what counts as fetched now: the documents under the member `kind`. */
imagxp_publisher *publisher_of(const json_t *item, imagxp_error **error);
void supply(const imagxp_publisher *publisher, const json_t *item, const char *kind, int64_t now);

/* Writing an answer. */

/* Headers as pairs of name and value. */
json_t *header_pairs(const imagxp_headers *headers);

/* A slice as a JSON string; null when it is empty. */
json_t *string_or_null(imagxp_slice slice);
/* {"error_code": ...} of an error, which is freed. */
json_t *error_code(imagxp_error *error);
/* The code of an error as a string; the error is freed. */
json_t *code_of(imagxp_error *error);

#endif
