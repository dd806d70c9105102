/* A small world to verify in: one agent, one publisher, and what passes between them. */
#ifndef IMAGXP_TESTS_WORLD_H
#define IMAGXP_TESTS_WORLD_H

#include "check.h"

/* 2027-01-15T08:00:00Z */
#define NOW INT64_C(1800000000000)
#define AGENT "agent.example"
#define MANIFEST_URL "https://agent.example/.well-known/imagxp-agent.json"
#define PAGE "https://pub.example/posts/1"
#define JWKS_URL "https://broker.example/.well-known/jwks.json"

/* RAG allowed, training denied, nothing to pay. */
extern const char *const FREE_POLICY;
/* The same, at 0.001 USD, to be paid by a visa that is checked offline. */
extern const char *const PAID_POLICY;
/* The same, and the broker is asked for each visa. */
extern const char *const REDEEM_POLICY;

struct world {
    imagxp_key *key;
    imagxp_public_key *public_key;
    imagxp_identity *identity;
    imagxp_publisher *publisher;
};

/* An agent with a new key, and a publisher; `store` may be NULL. */
void world_open(struct world *world, const char *policy, const imagxp_replay_store *store);
void world_close(struct world *world);

/* Hands the agent's manifest to the publisher. */
void world_supply(struct world *world, int64_t now_ms);

/* A publisher that knows nothing yet. */
imagxp_publisher *new_publisher(const char *policy, const imagxp_replay_store *store);

/* What the agent signs: GET of a URL for RAG_RETRIEVAL; a random nonce; `visa` may be empty. */
imagxp_headers *sign(struct world *world, const char *url, imagxp_slice visa);

/* The request that a server sees: the headers, and a User-Agent that says IMAGXP/1.0. `url` as the server got it. */
imagxp_request *received(const imagxp_headers *headers, const char *url);

/* The same with one header's value replaced. */
imagxp_request *tampered(const imagxp_headers *headers, const char *url, const char *name, imagxp_slice value);

/* Both in one step. */
imagxp_request *signed_request(struct world *world, const char *url);

/* Verifies; NULL (and a failed check) when the call itself fails. */
imagxp_verdict *verify(struct world *world, const imagxp_request *request, int64_t now_ms);

/* Verifies, compares the code, and frees the verdict. */
void expect_code(struct world *world, const imagxp_request *request, int64_t now_ms, imagxp_status code);

#endif
