/*
 * IMAGXP: machine readers that say who they are, what they want and how they pay.
 *
 * Generated from ffi/src by the test ffi/tests/header.rs; do not edit.
 *
 * Conventions, true of every function:
 *
 * - Handles are opaque and made by a function that writes a pointer to them; each names its imagxp_..._free, and each of those
 *   accepts NULL. Strings and documents are written as imagxp_bytes and freed by imagxp_bytes_free.
 * - Arguments come in the order self, inputs, outputs, imagxp_error **err. `err` may be NULL. Functions that can fail return an
 *   imagxp_status. Outputs are written when, and only when, that is IMAGXP_OK; *err is written when, and only when, it is not.
 *   An output pointer may point to uninitialised memory, and must not overlap anything else that is passed.
 * - A NULL handle or output is an error (usage.argument), not a crash; accessors that return a value directly answer 0, false or
 *   the empty slice. A handle that has been freed, or is of another kind, is the caller's mistake and cannot be noticed.
 * - What a stranger sent (requests, manifests, tokens) may be anything; it is judged, never trusted.
 * - Text is UTF-8. Slices need no terminator; a slice of length 0 may point to NULL and means "absent" where that is possible.
 * - Time is always an argument: milliseconds since 1970-01-01T00:00:00Z.
 * - There is no thread-local state, no thread and no signal handler, and no global state but two tables of constants: the generator's,
 *   which publishers share, and that of P-256, made by its first operation. A program forks while no other thread
 *   is inside any call of the library.
 * - `const` handles may be used by several threads at once; a handle that is passed as a non-const pointer, or freed, must not be in use
 *   anywhere else meanwhile.
 * - Callbacks must return normally: no C++ exception and no longjmp may leave them.
 * - A defect inside the library ends as IMAGXP_INTERNAL, never as an abort; one line about it goes to standard error.
 * - When memory runs out the process ends (SIGABRT, with a line on standard error), as everywhere in Rust: no call returns an error
 *   for it, and none can be caught. What a stranger can make the library allocate is bounded. docs/hardening.md says how this is tested.
 */


#ifndef IMAGXP_H
#define IMAGXP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__cplusplus)
#define IMAGXP_STATIC_ASSERT static_assert
#else
#define IMAGXP_STATIC_ASSERT _Static_assert
#endif


// The ABI that this header describes: the number in the SONAME, `libimagxp.so.<number>`.
#define IMAGXP_ABI_VERSION 1

// No time: where a date may be absent.
#define IMAGXP_TIME_NONE INT64_MIN

// The answer of `imagxp_insert_fn`: the key was absent and is stored now.
#define IMAGXP_INSERT_FRESH 1

// The answer of `imagxp_insert_fn`: the key was present.
#define IMAGXP_INSERT_SEEN 2

// The answer of `imagxp_insert_fn`: the store is full; nothing was stored and nothing forgotten.
#define IMAGXP_INSERT_FULL 3

// The answer of `imagxp_insert_fn`, like every other number that is not named here: the store does not answer.
#define IMAGXP_INSERT_ERROR 4

// The answer of `imagxp_seen_fn`: the key is absent, or the store cannot tell.
#define IMAGXP_SEEN_NO 1

// The answer of `imagxp_seen_fn`: the key is present.
#define IMAGXP_SEEN_YES 2

// The answer of `imagxp_seen_fn`, like every other number that is not named here: the store does not answer.
#define IMAGXP_SEEN_ERROR 3

// The answer of `imagxp_rate_replace_fn`: the number is stored.
#define IMAGXP_RATE_REPLACED 1

// The answer of `imagxp_rate_replace_fn`: the number was another one; nothing has changed.
#define IMAGXP_RATE_CHANGED 2

// The answer of `imagxp_rate_replace_fn`, like every other number that is not named here: the store does not answer.
#define IMAGXP_RATE_ERROR 3

// The answer had no `Cache-Control: max-age`.
#define IMAGXP_MAX_AGE_NONE UINT32_MAX

// Why a call failed: a number, a stable dotted string, and one sentence that holds no secret.
//
// Every fallible function takes an `imagxp_error **` last; NULL is accepted there. Free the object with `imagxp_error_free`.
typedef struct imagxp_error imagxp_error;

// Feedback that a publisher has accepted. Slices that its accessors return live as long as it does.
typedef struct imagxp_feedback imagxp_feedback;

// The SHA-256 of a body that comes in pieces: for receipts.
typedef struct imagxp_hasher imagxp_hasher;

// Headers to send, in order, as `imagxp_identity_sign` made them.
typedef struct imagxp_headers imagxp_headers;

// An agent: its domain name and the key with which it signs. It may be used by several threads.
typedef struct imagxp_identity imagxp_identity;

// A private key, in memory (erased when the last user of it is freed) or behind a callback to a KMS or HSM.
//
// It may be used by several threads. What was made from it keeps what it needs: the handle may be freed first.
typedef struct imagxp_key imagxp_key;

// A manifest whose every rule holds.
typedef struct imagxp_manifest imagxp_manifest;

// A policy whose every rule holds.
typedef struct imagxp_policy imagxp_policy;

// The texts in which a site states what it asks; `imagxp_preferences_json` reports about them.
typedef struct imagxp_preferences imagxp_preferences;

// A public key. It may be used by several threads.
typedef struct imagxp_public_key imagxp_public_key;

// A site that verifies its readers: a policy and what it has learned (keys, nonces, rates). It may be used by several threads at once.
//
// After `fork()` the child has a copy of its own, so nonces in memory are no longer common knowledge: processes that serve the
// same site share a store (`imagxp_replay_store_new`). The copy goes on with its parent's trace ids, and so do its siblings: make the
// publisher in each child (`imagxp_publisher_options_set_first_trace`). Fork while no other thread is inside a call on the publisher.
typedef struct imagxp_publisher imagxp_publisher;

// Options of a publisher.
typedef struct imagxp_publisher_options imagxp_publisher_options;

// Where it is kept how often each agent has asked. A publisher shares it: the handle may be freed at once.
typedef struct imagxp_rate_store imagxp_rate_store;

// A receipt as it was received: nothing vouches for what it says before `imagxp_receipt_verify`. Slices that its accessors return live as
// long as it does.
typedef struct imagxp_receipt imagxp_receipt;

// A set of nonces. A publisher shares it: the handle may be freed at once, and one store may serve several publishers of the same secret.
typedef struct imagxp_replay_store imagxp_replay_store;

// A request as it came. It holds copies, so that the server's buffers may go.
typedef struct imagxp_request imagxp_request;

// A robots.txt, or what its absence means.
typedef struct imagxp_robots imagxp_robots;

// What is to be signed: method, URL, purpose and options. It holds copies, and may be signed as often as you like.
typedef struct imagxp_sign_request imagxp_sign_request;

// A verdict on one request. Slices that its accessors return live as long as it does. All accessors accept NULL, and then answer
// like a verdict that allows nothing.
typedef struct imagxp_verdict imagxp_verdict;

// What a new visa says. It lives 600 s, is for one use and for any purpose unless told otherwise.
typedef struct imagxp_visa imagxp_visa;

// Borrowed memory: `len` bytes at `ptr`, without a terminator. With `len` 0, `ptr` may be NULL; that is also how an absent
// optional argument and an absent field are written.
//
// As an argument it must stay readable and unchanged until the call returns. As a return value it points into the handle it came from and lives as
// long as that (or forever, where the function says so).
typedef struct {
    const uint8_t *ptr;
    size_t len;
} imagxp_slice;

// The result of a call, and the code of a verdict: `IMAGXP_OK` or one of the numbers below. Numbers are never reused; new ones may appear,
// so treat an unknown one as a failure.
typedef uint32_t imagxp_status;

// Owned memory: `len` bytes at `ptr`, followed by one zero byte that `len` does not count, so that text can be printed as it is.
// Give it back with `imagxp_bytes_free`.
typedef struct {
    uint8_t *ptr;
    size_t len;
} imagxp_bytes;

// The algorithm of a key.
typedef uint32_t imagxp_algorithm;

// Fills `len` bytes at `buffer` with cryptographic randomness and returns 0; anything else is a failure. Called only before
// `imagxp_key_generate` returns.
typedef int (*imagxp_fill_fn)(void *user_data, uint8_t *buffer, size_t len);

// Signs `message_len` bytes at `message`, writes 64 bytes (r and s, or the Ed25519 signature) to `signature` and returns 0; anything else is a
// failure. For ES256 the message is hashed with SHA-256 first, by the callback; low-s is made by the library. The pointers are
// valid during the call. The callback must not unwind (C++ exceptions, longjmp) and, when the key is used by several
// threads, must be thread-safe.
typedef int (*imagxp_sign_fn)(void *user_data, const uint8_t *message, size_t message_len, uint8_t *signature);

// Why an agent reads. 0 means none.
typedef uint32_t imagxp_purpose;

// Who made the content. 0 is none of them.
typedef uint32_t imagxp_content_origin;

// Stores the 16 bytes at `key` unless they are present, atomically across everything that shares the store, and keeps them until
// `expires_at_ms`, however the clock moves. The 16 bytes at `agent` name the agent, for quotas. Returns an `IMAGXP_INSERT_*`; in doubt
// `IMAGXP_INSERT_ERROR`, never `IMAGXP_INSERT_FRESH`.
//
// For all three callbacks: pointers are valid during the call; they must not unwind (C++ exceptions, longjmp), must not use the publisher
// that calls them, and must be thread-safe when the publisher is shared by threads.
typedef int (*imagxp_insert_fn)(void *user_data,
                                const uint8_t *key,
                                const uint8_t *agent,
                                int64_t expires_at_ms,
                                int64_t now_ms);

// Looks for the 16 bytes at `key` without storing them. Returns an `IMAGXP_SEEN_*`. A store that cannot may answer `IMAGXP_SEEN_NO`: a replay
// then costs a signature check, and a visa of many uses one insertion for each use that it has had.
typedef int (*imagxp_seen_fn)(void *user_data, const uint8_t *key, int64_t now_ms);

// The time up to which the store may have forgotten keys, in milliseconds since 1970; `IMAGXP_TIME_NONE` when it has forgotten none.
// Claims that old are refused, so that a clock that steps back re-opens nothing.
typedef int64_t (*imagxp_horizon_fn)(void *user_data);

// The number that the store holds for the 16 bytes at `agent`: a time in microseconds since 1970; `IMAGXP_TIME_NONE` when it holds none. A
// number that lies in the past may be forgotten.
//
// For both callbacks: pointers are valid during the call; they must not unwind (C++ exceptions, longjmp), must not use the publisher
// that calls them, and must be thread-safe when the publisher is shared by threads.
typedef int64_t (*imagxp_rate_arrival_fn)(void *user_data, const uint8_t *agent);

// Stores `after_us` if the number is still `before_us` (`IMAGXP_TIME_NONE`: if there is none), atomically across everything that shares the
// store. Returns an `IMAGXP_RATE_*`.
typedef int (*imagxp_rate_replace_fn)(void *user_data,
                                      const uint8_t *agent,
                                      int64_t before_us,
                                      int64_t after_us);

// Takes one audit record, as canonical JSON, and the record of the manifest that was in force; that is empty when none was. A log needs each
// manifest once, before the first verdict that names its hash. Returns 0 when both are kept; anything else is a failure.
//
// The slices are valid during the call. The callback must not unwind (C++ exceptions, longjmp), must not use the publisher that calls it, and
// must be thread-safe when the publisher is shared by threads.
typedef int (*imagxp_audit_fn)(void *user_data, imagxp_slice record, imagxp_slice manifest);

// Whether verdicts are enforced.
typedef uint32_t imagxp_mode;

// A size limit of PROTOCOL section 14.
typedef uint32_t imagxp_limit;

// Why a document could not be fetched.
typedef uint32_t imagxp_fetch_failure;

// How an explanation is written.
typedef uint32_t imagxp_format;

// Whether the request may pass. 0 is none of them.
typedef uint32_t imagxp_outcome;

// Whether and how the agent may try again.
typedef uint32_t imagxp_retry;

// Who asks.
typedef uint32_t imagxp_visitor;

// What vouches for the key.
typedef uint32_t imagxp_binding;

// How the request is paid for.
typedef uint32_t imagxp_payment;

// What the caller may fetch and hand back.
typedef uint32_t imagxp_need;

// A broker's answer about a visa.
typedef uint32_t imagxp_redemption;

// Why a score is what it is. 0 is none of them.
typedef uint32_t imagxp_feedback_reason;

// The call did what it says; its outputs are written.
#define IMAGXP_OK 0

// `usage.argument`: an argument is NULL, out of range or of the wrong form.
#define IMAGXP_USAGE_ARGUMENT 1

// `usage.policy`: a policy document is not acceptable; the message names the member.
#define IMAGXP_USAGE_POLICY 2

// `usage.signer`: an external signer failed or answered nonsense.
#define IMAGXP_USAGE_SIGNER 3

// `io.failed`: a file, a socket or another part of the environment does not do its work.
#define IMAGXP_IO_FAILED 4

// `key_file.locked`: an encrypted key file does not open: the passphrase is wrong, or the file is damaged. Which of the two is not told.
#define IMAGXP_KEY_FILE_LOCKED 10

// `rotation.order`: a step of a key rotation would come too early, too late or twice.
#define IMAGXP_ROTATION_ORDER 11

// `offer.malformed`: the offer of a 402 answer cannot be read, or names nothing that can be bought.
#define IMAGXP_OFFER_MALFORMED 20

// `spend.limit`: a payment would pass a cap of the agent's own.
#define IMAGXP_SPEND_LIMIT 21

// `spend.broker_denied`: the offer names no broker that the agent trusts.
#define IMAGXP_SPEND_BROKER_DENIED 22

// `spend.unknown`: a payment was begun and its end is not known; it is not begun again.
#define IMAGXP_SPEND_UNKNOWN 23

// `robots.denied`: the site's robots.txt disallows this path, or cannot be read now.
#define IMAGXP_ROBOTS_DENIED 24

// `redirect.denied`: a redirect leads to another origin, or there were too many.
#define IMAGXP_REDIRECT_DENIED 25

// `provenance.malformed`: a provenance receipt cannot be read.
#define IMAGXP_PROVENANCE_MALFORMED 30

// `provenance.missing`: an answer that should carry a provenance receipt has none.
#define IMAGXP_PROVENANCE_MISSING 31

// `provenance.mismatch`: a provenance receipt speaks of other content, another URL or another time.
#define IMAGXP_PROVENANCE_MISMATCH 32

// `audit.malformed`: an audit record, checkpoint, proof or bundle cannot be read.
#define IMAGXP_AUDIT_MALFORMED 40

// `audit.altered`: an audit log is not what was written: something was altered, reordered or removed.
#define IMAGXP_AUDIT_ALTERED 41

// `audit.proof_invalid`: an inclusion or consistency proof does not hold.
#define IMAGXP_AUDIT_PROOF_INVALID 42

// `discovery.malformed`: a statement of a site's wishes (RSL, `Content-Usage`, `Content-Signal`, a link) cannot be read.
#define IMAGXP_DISCOVERY_MALFORMED 50

// `internal.panic`: a defect of the library was caught. The process may go on; so may every handle.
#define IMAGXP_INTERNAL 1200

// `header.missing`, http 400: a required header is missing.
#define IMAGXP_HEADER_MISSING 100

// `header.duplicate`, http 400: an IMAGXP header occurs more than once.
#define IMAGXP_HEADER_DUPLICATE 101

// `header.conflict`, http 400: two headers contradict each other.
#define IMAGXP_HEADER_CONFLICT 102

// `header.base64_invalid`, http 400: a header is not valid base64.
#define IMAGXP_HEADER_BASE64_INVALID 103

// `header.too_large`, http 413: the request's headers are too many or too large.
#define IMAGXP_HEADER_TOO_LARGE 104

// `json.malformed`, http 400: the claim is not a JSON object.
#define IMAGXP_JSON_MALFORMED 200

// `json.duplicate_key`, http 400: a JSON object names a member twice.
#define IMAGXP_JSON_DUPLICATE_KEY 201

// `json.too_deep`, http 400: the JSON is nested too deeply.
#define IMAGXP_JSON_TOO_DEEP 202

// `json.too_many`, http 400: the JSON has too many members or values.
#define IMAGXP_JSON_TOO_MANY 203

// `json.number_range`, http 400: a JSON number is outside the I-JSON range.
#define IMAGXP_JSON_NUMBER_RANGE 204

// `json.invalid_unicode`, http 400: the JSON is not valid Unicode.
#define IMAGXP_JSON_INVALID_UNICODE 205

// `claim.version_unsupported`, http 400: the claim's version is not supported.
#define IMAGXP_CLAIM_VERSION_UNSUPPORTED 300

// `claim.ts_invalid`, http 400: the claim's time is not valid.
#define IMAGXP_CLAIM_TS_INVALID 301

// `claim.nonce_invalid`, http 400: the claim's nonce is not valid.
#define IMAGXP_CLAIM_NONCE_INVALID 302

// `claim.agent_id_invalid`, http 400: the claim's agent_id is not a public domain name.
#define IMAGXP_CLAIM_AGENT_ID_INVALID 303

// `claim.resource_invalid`, http 400: the claim's resource is missing or not a URL.
#define IMAGXP_CLAIM_RESOURCE_INVALID 304

// `claim.purpose_invalid`, http 400: the claim's purpose is not known.
#define IMAGXP_CLAIM_PURPOSE_INVALID 305

// `claim.context_invalid`, http 400: the claim's context is not valid.
#define IMAGXP_CLAIM_CONTEXT_INVALID 306

// `claim.digest_mismatch`, http 400: the body does not match the claim's content_digest.
#define IMAGXP_CLAIM_DIGEST_MISMATCH 307

// `claim.resource_mismatch`, http 403: the claim was signed for another resource.
#define IMAGXP_CLAIM_RESOURCE_MISMATCH 308

// `claim.method_mismatch`, http 403: the claim was signed for another method.
#define IMAGXP_CLAIM_METHOD_MISMATCH 309

// `sig.malformed`, http 400: the signature is not 128 hex digits.
#define IMAGXP_SIG_MALFORMED 400

// `sig.invalid`, http 401: the signature does not match the claim.
#define IMAGXP_SIG_INVALID 401

// `key.malformed`, http 400: the key cannot be read.
#define IMAGXP_KEY_MALFORMED 420

// `payment.malformed`, http 400: the payment token is not a compact JWS.
#define IMAGXP_PAYMENT_MALFORMED 500

// `payment.required`, http 402: this resource has a price.
#define IMAGXP_PAYMENT_REQUIRED 501

// `payment.expired`, http 402: the visa has expired.
#define IMAGXP_PAYMENT_EXPIRED 502

// `payment.wrong_audience`, http 402: the visa was issued for another publisher.
#define IMAGXP_PAYMENT_WRONG_AUDIENCE 503

// `payment.wrong_holder`, http 402: the visa was issued to another agent or key.
#define IMAGXP_PAYMENT_WRONG_HOLDER 504

// `payment.insufficient`, http 402: the visa does not cover the price.
#define IMAGXP_PAYMENT_INSUFFICIENT 505

// `payment.invalid_token`, http 402: the payment token is not acceptable.
#define IMAGXP_PAYMENT_INVALID_TOKEN 506

// `payment.already_used`, http 402: the visa has been used up.
#define IMAGXP_PAYMENT_ALREADY_USED 507

// `payment.jwks_needed`, http 503: the broker's keys are not at hand yet.
#define IMAGXP_PAYMENT_JWKS_NEEDED 520

// `payment.jwks_unavailable`, http 503: the broker's keys cannot be fetched.
#define IMAGXP_PAYMENT_JWKS_UNAVAILABLE 521

// `payment.redeem_needed`, http 503: the broker has not confirmed the visa yet.
#define IMAGXP_PAYMENT_REDEEM_NEEDED 522

// `payment.redeem_unavailable`, http 503: the broker cannot be asked about the visa.
#define IMAGXP_PAYMENT_REDEEM_UNAVAILABLE 523

// `feedback.malformed`, http 400: the feedback cannot be read.
#define IMAGXP_FEEDBACK_MALFORMED 600

// `auth.required`, http 401: this site asks automated readers to identify themselves.
#define IMAGXP_AUTH_REQUIRED 700

// `time.expired`, http 401: the claim is too old.
#define IMAGXP_TIME_EXPIRED 710

// `time.future`, http 401: the claim's time lies in the future.
#define IMAGXP_TIME_FUTURE 711

// `identity.key_mismatch`, http 401: the signing key is not published by the agent's domain.
#define IMAGXP_IDENTITY_KEY_MISMATCH 800

// `identity.not_found`, http 401: the agent's domain publishes no manifest.
#define IMAGXP_IDENTITY_NOT_FOUND 801

// `identity.manifest_invalid`, http 401: the agent's manifest is not valid.
#define IMAGXP_IDENTITY_MANIFEST_INVALID 802

// `identity.address_denied`, http 401: the agent's domain does not resolve to a public address.
#define IMAGXP_IDENTITY_ADDRESS_DENIED 803

// `identity.redirect`, http 401: the agent's manifest is redirected.
#define IMAGXP_IDENTITY_REDIRECT 804

// `identity.manifest_needed`, http 503: the agent's manifest is not at hand yet.
#define IMAGXP_IDENTITY_MANIFEST_NEEDED 820

// `identity.fetch_failed`, http 503: the agent's manifest cannot be fetched.
#define IMAGXP_IDENTITY_FETCH_FAILED 821

// `identity.fetch_busy`, http 503: too many manifests are being fetched.
#define IMAGXP_IDENTITY_FETCH_BUSY 822

// `policy.purpose_denied`, http 403: this purpose is not allowed here.
#define IMAGXP_POLICY_PURPOSE_DENIED 900

// `policy.agent_denied`, http 403: this agent is not allowed here.
#define IMAGXP_POLICY_AGENT_DENIED 901

// `policy.denied`, http 403: the site's policy refuses this request.
#define IMAGXP_POLICY_DENIED 902

// `policy.error`, http 503: the site's policy could not be evaluated.
#define IMAGXP_POLICY_ERROR 903

// `method.not_allowed`, http 403: agents may not use this method here.
#define IMAGXP_METHOD_NOT_ALLOWED 910

// `replay.nonce_seen`, http 409: this request has been seen before.
#define IMAGXP_REPLAY_NONCE_SEEN 1000

// `replay.store_full`, http 503: too many requests are remembered already.
#define IMAGXP_REPLAY_STORE_FULL 1001

// `replay.store_error`, http 503: the replay store does not answer.
#define IMAGXP_REPLAY_STORE_ERROR 1002

// `rate.agent`, http 429: the agent sends too many requests.
#define IMAGXP_RATE_AGENT 1100

// `audit.unavailable`, http 503: the audit log does not take the record.
#define IMAGXP_AUDIT_UNAVAILABLE 1300

// `internal.panic`, http 500: an internal error occurred.
#define IMAGXP_INTERNAL_PANIC 1200

// `internal.invariant`, http 500: an internal check failed.
#define IMAGXP_INTERNAL_INVARIANT 1201

// ECDSA on P-256 with SHA-256: the default, and the only one for visas.
#define IMAGXP_ALGORITHM_ES256 1

// Ed25519.
#define IMAGXP_ALGORITHM_EDDSA 2

// `CRAWL_TRAINING`: content becomes training data of a model.
#define IMAGXP_PURPOSE_CRAWL_TRAINING 1

// `RAG_RETRIEVAL`: content answers one question, with attribution.
#define IMAGXP_PURPOSE_RAG_RETRIEVAL 2

// `SUMMARY`: content is summarised.
#define IMAGXP_PURPOSE_SUMMARY 3

// `QUOTATION`: content is quoted.
#define IMAGXP_PURPOSE_QUOTATION 4

// `EMBEDDING`: content is turned into embeddings.
#define IMAGXP_PURPOSE_EMBEDDING 5

// Refusals are refused.
#define IMAGXP_MODE_ENFORCE 1

// Everything passes; the verdict says what would have happened.
#define IMAGXP_MODE_OBSERVE 2

// Bytes of the base64 payload header: 12 KiB, at most 16 KiB.
#define IMAGXP_LIMIT_PAYLOAD_HEADER 1

// Bytes of the public-key header: 512, at most 512.
#define IMAGXP_LIMIT_KEY_HEADER 2

// Bytes of a visa or ad proof: 8 KiB, at most 16 KiB.
#define IMAGXP_LIMIT_TOKEN 3

// Header lines in a request: 100, at most 100.
#define IMAGXP_LIMIT_HEADER_LINES 4

// Bytes of all headers together: 32 KiB, at most 64 KiB.
#define IMAGXP_LIMIT_HEADER_BYTES 5

// Bytes of one string in a claim: 4 KiB, at most 8 KiB.
#define IMAGXP_LIMIT_STRING 6

// Bytes of the claim's resource: 4 KiB, at most 8 KiB.
#define IMAGXP_LIMIT_RESOURCE 7

// Bytes of a manifest: 16 KiB, at most 64 KiB.
#define IMAGXP_LIMIT_MANIFEST 8

// Agents whose keys are cached: 10 000, at most 100 000.
#define IMAGXP_LIMIT_DIRECTORY 9

// Network, TLS, deadline, or a 5xx status: it may work later.
#define IMAGXP_FETCH_FAILED 1

// There is no such document (404, 410).
#define IMAGXP_FETCH_NOT_FOUND 2

// The server redirects; redirects are not followed.
#define IMAGXP_FETCH_REDIRECT 3

// The name resolves to an address that must not be fetched from.
#define IMAGXP_FETCH_ADDRESS_DENIED 4

// The fetcher has too much to do.
#define IMAGXP_FETCH_BUSY 5

// The answer is too large, encoded, or not what it should be.
#define IMAGXP_FETCH_INVALID 6

// A few lines per step, for people; whatever a stranger sent is escaped.
#define IMAGXP_FORMAT_TEXT 1

// `{"steps": [...], "verdict": {...}}`.
#define IMAGXP_FORMAT_JSON 2

// The request may pass.
#define IMAGXP_OUTCOME_ALLOW 1

// It may not.
#define IMAGXP_OUTCOME_DENY 2

// Nobody knows yet; answer with the verdict's http status unless its needs can be met.
#define IMAGXP_OUTCOME_UNDECIDED 3

// It will be refused again.
#define IMAGXP_RETRY_NEVER 1

// Sign again with a new nonce and time.
#define IMAGXP_RETRY_NEW_NONCE 2

// Obtain a visa, then sign again.
#define IMAGXP_RETRY_PAY 3

// Repair the request first.
#define IMAGXP_RETRY_FIX 4

// After `imagxp_verdict_retry_after_s` seconds.
#define IMAGXP_RETRY_AFTER 5

// An agent whose signature was verified.
#define IMAGXP_VISITOR_VERIFIED_AGENT 1

// No signature, and it looks like a browser. A guess.
#define IMAGXP_VISITOR_UNSIGNED_BROWSER 2

// No signature, and it does not look like a browser.
#define IMAGXP_VISITOR_UNSIGNED_CLIENT 3

// It claims to be an agent, and that has not been verified.
#define IMAGXP_VISITOR_INVALID_AGENT 4

// The agent's domain publishes it.
#define IMAGXP_BINDING_DOMAIN 1

// Nothing but the request itself.
#define IMAGXP_BINDING_KEY_ONLY 2

// There is no verified key.
#define IMAGXP_BINDING_NONE 3

// It need not be.
#define IMAGXP_PAYMENT_NOT_REQUIRED 1

// By a visa.
#define IMAGXP_PAYMENT_VISA 2

// By displayed ads.
#define IMAGXP_PAYMENT_ADS 3

// It ought to be, and is not.
#define IMAGXP_PAYMENT_UNPAID 4

// An agent's manifest: GET the URL, then `imagxp_publisher_supply`.
#define IMAGXP_NEED_MANIFEST 1

// An issuer's key set: GET the URL, then `imagxp_publisher_supply`.
#define IMAGXP_NEED_JWKS 2

// A broker's word on a visa: POST to the URL, then `imagxp_verdict_redeemed`.
#define IMAGXP_NEED_REDEEM 3

// The money stands behind the visa.
#define IMAGXP_REDEMPTION_ACCEPTED 1

// The broker refuses the visa.
#define IMAGXP_REDEMPTION_REFUSED 2

// The broker cannot be asked.
#define IMAGXP_REDEMPTION_UNAVAILABLE 3

// `HUMAN`: people.
#define IMAGXP_CONTENT_ORIGIN_HUMAN 1

// `SYNTHETIC`: machines.
#define IMAGXP_CONTENT_ORIGIN_SYNTHETIC 2

// `HYBRID`: both.
#define IMAGXP_CONTENT_ORIGIN_HYBRID 3

// `LOW_QUALITY_SPAM`.
#define IMAGXP_FEEDBACK_LOW_QUALITY_SPAM 1

// `SEO_SPAM`.
#define IMAGXP_FEEDBACK_SEO_SPAM 2

// `INACCURATE`.
#define IMAGXP_FEEDBACK_INACCURATE 3

// `HATE_SPEECH`.
#define IMAGXP_FEEDBACK_HATE_SPEECH 4

// `HIGH_QUALITY`.
#define IMAGXP_FEEDBACK_HIGH_QUALITY 5

// `OTHER`.
#define IMAGXP_FEEDBACK_OTHER 6

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The library's version, for example `0.1.0`, as a C string that lives forever.
const char *imagxp_version(void);

// The ABI that the library has; compare it with `IMAGXP_ABI_VERSION` when the library was loaded by `dlopen`.
uint32_t imagxp_abi_version(void);

// The dotted string of a status, for example `replay.nonce_seen`; it lives forever. Empty for `IMAGXP_OK` and unknown numbers.
imagxp_slice imagxp_status_name(imagxp_status status);

// The status with this dotted string; `IMAGXP_OK` when there is none.
imagxp_status imagxp_status_from_name(imagxp_slice name);

// The HTTP status to answer with: 200 for `IMAGXP_OK`, 500 for misuse and unknown numbers.
uint32_t imagxp_status_http(imagxp_status status);

// One sentence that says what happened, safe to send to a stranger; it lives forever. Empty when there is none.
imagxp_slice imagxp_status_message(imagxp_status status);

// One sentence that says what to do, safe to send to a stranger; it lives forever. Empty when there is none.
imagxp_slice imagxp_status_hint(imagxp_status status);

// The n-th code of PROTOCOL section 13, counted from 0, to list them all; `IMAGXP_OK` after the last.
imagxp_status imagxp_status_at(size_t index);

// The slice of a C string; NULL gives the empty slice. It borrows `text`.
//
// # Safety
// `text` is NULL or ends with a zero byte.
imagxp_slice imagxp_slice_of(const char *text);

// Erases and frees the memory, and leaves `bytes` empty, so that freeing twice is harmless. NULL is accepted.
void imagxp_bytes_free(imagxp_bytes *bytes);

// The number: the same as the status that the call returned. `IMAGXP_OK` for NULL.
imagxp_status imagxp_error_status(const imagxp_error *error);

// The dotted string, for example `usage.policy`; it lives forever.
imagxp_slice imagxp_error_code(const imagxp_error *error);

// One sentence that says what happened; it lives as long as the error.
imagxp_slice imagxp_error_message(const imagxp_error *error);

// Frees the error. NULL is accepted.
void imagxp_error_free(imagxp_error *error);

// Makes a new key. Free it with `imagxp_key_free`.
//
// `fill` is the source of randomness and gets `user_data`; NULL means the operating system's (`getrandom`), which needs no state and
// is safe after `fork()`.
//
// # Safety
// `fill` keeps the promise of `imagxp_fill_fn`.
imagxp_status imagxp_key_generate(imagxp_algorithm algorithm,
                                  imagxp_fill_fn fill,
                                  void *user_data,
                                  imagxp_key **key,
                                  imagxp_error **err);

// Reads a private key from PEM: PKCS#8 (`PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`). Free it with `imagxp_key_free`. Error: `key.malformed`.
imagxp_status imagxp_key_from_pem(imagxp_slice pem,
                                  imagxp_key **key,
                                  imagxp_error **err);

// Reads a private key from DER (PKCS#8). Free it with `imagxp_key_free`. Error: `key.malformed`.
imagxp_status imagxp_key_from_pkcs8(imagxp_slice der, imagxp_key **key, imagxp_error **err);

// Reads a private key from a JSON Web Key (RFC 7517), as JSON. Free it with `imagxp_key_free`. Errors: `key.malformed`, `json.*`.
imagxp_status imagxp_key_from_jwk(imagxp_slice json,
                                  imagxp_key **key,
                                  imagxp_error **err);

// A key that lives elsewhere (KMS, HSM, Secure Enclave): `sign` is called for each signature with `user_data`, and its answer is verified
// against `public_key` before it is used. `user_data` must stay valid until the key and everything that was made from it are freed.
// Free the key with `imagxp_key_free`.
//
// # Safety
// `sign` keeps the promise of `imagxp_sign_fn`.
imagxp_status imagxp_key_external(const imagxp_public_key *public_key,
                                  imagxp_sign_fn sign,
                                  void *user_data,
                                  imagxp_key **key,
                                  imagxp_error **err);

// Writes the private key as PEM (PKCS#8). `imagxp_bytes_free` erases it. `usage.argument` for an external key.
imagxp_status imagxp_key_to_pem(const imagxp_key *key,
                                imagxp_bytes *pem,
                                imagxp_error **err);

// Writes the private key as DER (PKCS#8). `imagxp_bytes_free` erases it. `usage.argument` for an external key.
imagxp_status imagxp_key_to_pkcs8(const imagxp_key *key,
                                  imagxp_bytes *der,
                                  imagxp_error **err);

// Signs a message: 64 bytes, r and s (low-s, RFC 6979) or the Ed25519 signature. Error: `usage.signer` when an external signer fails.
imagxp_status imagxp_key_sign(const imagxp_key *key,
                              imagxp_slice message,
                              imagxp_bytes *signature,
                              imagxp_error **err);

// The public half. Free it with `imagxp_public_key_free`.
imagxp_status imagxp_key_public(const imagxp_key *key, imagxp_public_key **public_key, imagxp_error **err);

// Frees the key; its secret is erased once nothing that was made from it uses it any more. NULL is accepted.
void imagxp_key_free(imagxp_key *key);

// Reads a public key from PEM (`PUBLIC KEY`). Free it with `imagxp_public_key_free`. Error: `key.malformed`.
imagxp_status imagxp_public_key_from_pem(imagxp_slice pem, imagxp_public_key **key, imagxp_error **err);

// Reads a public key from DER (SubjectPublicKeyInfo). Free it with `imagxp_public_key_free`. Error: `key.malformed`.
imagxp_status imagxp_public_key_from_spki(imagxp_slice der,
                                          imagxp_public_key **key,
                                          imagxp_error **err);

// Reads a public key from base64 of a SubjectPublicKeyInfo, the form of manifests. Free it with `imagxp_public_key_free`.
// Error: `key.malformed`.
imagxp_status imagxp_public_key_from_spki_base64(imagxp_slice base64,
                                                 imagxp_public_key **key,
                                                 imagxp_error **err);

// Reads a public key from a JSON Web Key (RFC 7517), as JSON. Free it with `imagxp_public_key_free`. Errors: `key.malformed`, `json.*`.
imagxp_status imagxp_public_key_from_jwk(imagxp_slice json,
                                         imagxp_public_key **key,
                                         imagxp_error **err);

// The algorithm. 0 for NULL.
imagxp_algorithm imagxp_public_key_algorithm(const imagxp_public_key *key);

// The RFC 7638 thumbprint: 43 characters that name the key everywhere (`kid`, `key_id`). Lives as long as the key.
imagxp_slice imagxp_public_key_thumbprint(const imagxp_public_key *key);

// The key as DER (SubjectPublicKeyInfo, uncompressed point). Lives as long as the key.
imagxp_slice imagxp_public_key_spki(const imagxp_public_key *key);

// Writes the key as base64 of its SubjectPublicKeyInfo, the form of manifests.
imagxp_status imagxp_public_key_to_spki_base64(const imagxp_public_key *key,
                                               imagxp_bytes *base64,
                                               imagxp_error **err);

// Writes the key as PEM (`PUBLIC KEY`).
imagxp_status imagxp_public_key_to_pem(const imagxp_public_key *key, imagxp_bytes *pem, imagxp_error **err);

// Writes the key as a JSON Web Key (RFC 7517), canonical JSON.
imagxp_status imagxp_public_key_to_jwk(const imagxp_public_key *key, imagxp_bytes *json, imagxp_error **err);

// Verifies a signature over a message. `valid` is written whenever the question could be asked; a signature that is not 64 bytes is not valid.
imagxp_status imagxp_public_key_verify(const imagxp_public_key *key,
                                       imagxp_slice message,
                                       imagxp_slice signature,
                                       bool *valid,
                                       imagxp_error **err);

// Frees the key. NULL is accepted.
void imagxp_public_key_free(imagxp_public_key *key);

// The wire name, for example `RAG_RETRIEVAL`; it lives forever. Empty for unknown numbers.
imagxp_slice imagxp_purpose_name(imagxp_purpose purpose);

// The purpose with this exact wire name; 0 when there is none.
imagxp_purpose imagxp_purpose_from_name(imagxp_slice name);

// Whether this may be an agent_id: a public domain name in lower-case A-labels. `allow_loopback` also admits `localhost` and `127.0.0.1`
// with a port, for development.
bool imagxp_agent_id_is_valid(imagxp_slice text,
                              bool allow_loopback);

// The URL where an agent publishes its manifest.
imagxp_status imagxp_agent_id_manifest_url(imagxp_slice text,
                                           bool allow_loopback,
                                           imagxp_bytes *url,
                                           imagxp_error **err);

// Joins a domain with a key. The key is shared: its handle may be freed at once. Free the identity with `imagxp_identity_free`.
//
// `allow_loopback` is the switch of `imagxp_agent_id_is_valid`.
imagxp_status imagxp_identity_new(imagxp_slice agent,
                                  const imagxp_key *key,
                                  bool allow_loopback,
                                  imagxp_identity **identity,
                                  imagxp_error **err);

// Signs one request. Free the headers with `imagxp_headers_free`.
//
// `now_ms` becomes the claim's time. `nonce` is 16 to 128 characters of `A-Z a-z 0-9 - . _ ~`, never used before; empty: a random UUID from
// the operating system. Errors: `usage.argument` for what no publisher would accept, `usage.signer`.
imagxp_status imagxp_identity_sign(const imagxp_identity *identity,
                                   const imagxp_sign_request *request,
                                   int64_t now_ms,
                                   imagxp_slice nonce,
                                   imagxp_headers **headers,
                                   imagxp_error **err);

// The manifest to publish, with this identity's key. `contact` may be empty. For a rotation, add the other key with `imagxp_manifest_add_key`.
// Free the manifest with `imagxp_manifest_free`.
imagxp_status imagxp_identity_manifest(const imagxp_identity *identity,
                                       imagxp_slice contact,
                                       imagxp_manifest **manifest,
                                       imagxp_error **err);

// Frees the identity. NULL is accepted.
void imagxp_identity_free(imagxp_identity *identity);

// Begins a request: an upper-case method such as `GET`, the absolute URL, and why. Free it with `imagxp_sign_request_free`.
imagxp_status imagxp_sign_request_new(imagxp_slice method,
                                      imagxp_slice url,
                                      imagxp_purpose purpose,
                                      imagxp_sign_request **request,
                                      imagxp_error **err);

// Claims whether ads were displayed, as `context.ads_displayed`.
imagxp_status imagxp_sign_request_set_ads_displayed(imagxp_sign_request *request,
                                                    bool displayed,
                                                    imagxp_error **err);

// Sets the claim's `context`: JSON text of an object, checked when it is signed. Empty: none.
imagxp_status imagxp_sign_request_set_context(imagxp_sign_request *request,
                                              imagxp_slice json,
                                              imagxp_error **err);

// Sets the body's digest, from `imagxp_content_digest`. Empty: none.
imagxp_status imagxp_sign_request_set_content_digest(imagxp_sign_request *request,
                                                     imagxp_slice digest,
                                                     imagxp_error **err);

// Sets the visa, sent as `x-imagxp-payment`. Empty: none.
imagxp_status imagxp_sign_request_set_payment(imagxp_sign_request *request,
                                              imagxp_slice visa,
                                              imagxp_error **err);

// Sets the ad proof, sent as `x-imagxp-proof`. Empty: none.
imagxp_status imagxp_sign_request_set_proof(imagxp_sign_request *request,
                                            imagxp_slice proof,
                                            imagxp_error **err);

// Whether the visa is also sent as `x-imagxp-credential`, for publishers that run the reference SDK. Off by default.
imagxp_status imagxp_sign_request_set_compatible(imagxp_sign_request *request,
                                                 bool compatible,
                                                 imagxp_error **err);

// Frees the request. NULL is accepted.
void imagxp_sign_request_free(imagxp_sign_request *request);

// How many there are. 0 for NULL.
size_t imagxp_headers_count(const imagxp_headers *headers);

// The name of the n-th header, counted from 0, in lower case; empty beyond the last. Lives as long as the headers.
imagxp_slice imagxp_headers_name(const imagxp_headers *headers,
                                 size_t index);

// The value of the n-th header; empty beyond the last. Lives as long as the headers.
imagxp_slice imagxp_headers_value(const imagxp_headers *headers, size_t index);

// Frees the headers. NULL is accepted.
void imagxp_headers_free(imagxp_headers *headers);

// The `User-Agent` to send: `own`, with the product token `IMAGXP/1.0` added when it is missing.
imagxp_status imagxp_user_agent(imagxp_slice own, imagxp_bytes *value, imagxp_error **err);

// Reads a manifest that was fetched for `agent`, at most 16 KiB. Free it with `imagxp_manifest_free`. Error: `identity.manifest_invalid`.
//
// A publisher needs no manifest object: it gets the bytes by `imagxp_publisher_supply`.
imagxp_status imagxp_manifest_parse(imagxp_slice agent,
                                    bool allow_loopback,
                                    imagxp_slice json,
                                    imagxp_manifest **manifest,
                                    imagxp_error **err);

// Adds a key, at most 8 in all: during a rotation, the old or the next one. It exists from `not_before_ms` to `not_after_ms`, both inclusive;
// `IMAGXP_TIME_NONE` leaves an end open. The first key stays the current one.
imagxp_status imagxp_manifest_add_key(imagxp_manifest *manifest,
                                      const imagxp_public_key *key,
                                      int64_t not_before_ms,
                                      int64_t not_after_ms,
                                      imagxp_error **err);

// Writes the JSON document to publish at `/.well-known/imagxp-agent.json`.
imagxp_status imagxp_manifest_to_json(const imagxp_manifest *manifest,
                                      imagxp_bytes *json,
                                      imagxp_error **err);

// Whose manifest it is. Lives as long as the manifest.
imagxp_slice imagxp_manifest_agent_id(const imagxp_manifest *manifest);

// Whom to write to; empty when not said. Lives as long as the manifest, or until `imagxp_manifest_add_key`.
imagxp_slice imagxp_manifest_contact(const imagxp_manifest *manifest);

// How many keys there are, whatever their dates. 0 for NULL.
size_t imagxp_manifest_key_count(const imagxp_manifest *manifest);

// Whether the n-th key, counted from 0, exists at this time; outside its dates it does not. False beyond the last.
bool imagxp_manifest_key_exists(const imagxp_manifest *manifest,
                                size_t index,
                                int64_t now_ms);

// The n-th key, counted from 0; the current one is first. Free it with `imagxp_public_key_free`.
imagxp_status imagxp_manifest_key(const imagxp_manifest *manifest,
                                  size_t index,
                                  imagxp_public_key **key,
                                  imagxp_error **err);

// Frees the manifest. NULL is accepted.
void imagxp_manifest_free(imagxp_manifest *manifest);

// Reads a policy from JSON, strictly, at most 256 KiB. Free it with `imagxp_policy_free`.
//
// Error: `usage.policy`; its message names the member that is wrong, and the line.
imagxp_status imagxp_policy_from_json(imagxp_slice json, imagxp_policy **policy, imagxp_error **err);

// Writes the public part, to be served at `/.well-known/imagxp-policy.json`.
imagxp_status imagxp_policy_public_json(const imagxp_policy *policy, imagxp_bytes *json, imagxp_error **err);

// SHA-256 of the document's canonical form, 32 bytes. Lives as long as the policy.
imagxp_slice imagxp_policy_hash(const imagxp_policy *policy);

// The n-th origin of the site, counted from 0: `https://host` or `https://host:port`, normalised. Empty beyond the last. Lives as long as
// the policy.
imagxp_slice imagxp_policy_origin(const imagxp_policy *policy,
                                  size_t index);

// Who made the content, which receipts state. 0 when the policy has no `provenance`.
imagxp_content_origin imagxp_policy_content_origin(const imagxp_policy *policy);

// Whether this is a policy for development, which a server on a public address must refuse.
bool imagxp_policy_allows_loopback(const imagxp_policy *policy);

// How many remarks there are: sentences about what is allowed but hardly meant. 0 for NULL.
size_t imagxp_policy_remark_count(const imagxp_policy *policy);

// The n-th remark, counted from 0; empty beyond the last. Lives as long as the policy.
imagxp_slice imagxp_policy_remark(const imagxp_policy *policy, size_t index);

// Frees the policy. NULL is accepted.
void imagxp_policy_free(imagxp_policy *policy);

// Reads a policy from the text of a file: TOML when the file's name ends in `.toml`, JSON when it ends in `.json`, else whichever it looks like.
// At most 256 KiB. Free it with `imagxp_policy_free`.
//
// Error: `usage.policy`; its message begins with `line N: ` wherever that can be told, and so do the remarks.
imagxp_status imagxp_policy_from_text(imagxp_slice text,
                                      imagxp_slice file_name,
                                      imagxp_policy **policy,
                                      imagxp_error **err);

// Writes the JSON Schema (2020-12) of policy documents.
imagxp_status imagxp_policy_schema(imagxp_bytes *json, imagxp_error **err);

// A store in this process's memory, for at most so many entries in all and per agent (the default is 1 000 000 and 200 000). When it is full it
// refuses rather than forgets. Free it with `imagxp_replay_store_free`.
imagxp_status imagxp_replay_store_memory(size_t max_entries,
                                         uint32_t max_per_agent,
                                         imagxp_replay_store **store,
                                         imagxp_error **err);

// A store of the caller's, for example in shared memory. `insert_if_absent` is required; `seen` and `horizon` may be NULL. Each gets
// `user_data`, which must stay valid until the store and every publisher that uses it are freed. Free it with `imagxp_replay_store_free`.
//
// Without `seen` a replay costs a signature check, and a visa of many uses one insertion for each use that it has had. Publishers of several
// processes need one `secret` to share a store: with an empty one each makes up its own, and a nonce, or a visa, counts once in each process.
//
// # Safety
// The callbacks keep the promises of `imagxp_insert_fn`.
imagxp_status imagxp_replay_store_new(void *user_data,
                                      imagxp_insert_fn insert_if_absent,
                                      imagxp_seen_fn seen,
                                      imagxp_horizon_fn horizon,
                                      imagxp_replay_store **store,
                                      imagxp_error **err);

// Frees the store once no publisher uses it any more. NULL is accepted.
void imagxp_replay_store_free(imagxp_replay_store *store);

// A store of the caller's, for example in shared memory; both callbacks are required. Each gets `user_data`, which must stay valid until the
// store and every publisher that uses it are freed. Free it with `imagxp_rate_store_free`.
//
// # Safety
// The callbacks keep the promises of `imagxp_rate_arrival_fn`.
imagxp_status imagxp_rate_store_new(void *user_data,
                                    imagxp_rate_arrival_fn arrival,
                                    imagxp_rate_replace_fn replace,
                                    imagxp_rate_store **store,
                                    imagxp_error **err);

// Frees the store once no publisher uses it any more. NULL is accepted.
void imagxp_rate_store_free(imagxp_rate_store *store);

// Options with their defaults: a replay store in memory, the limits of PROTOCOL section 14. Free them with `imagxp_publisher_options_free`.
imagxp_status imagxp_publisher_options_new(imagxp_publisher_options **options,
                                           imagxp_error **err);

// Uses this replay store; it is shared, so its handle may be freed at once.
imagxp_status imagxp_publisher_options_set_replay_store(imagxp_publisher_options *options,
                                                        const imagxp_replay_store *store,
                                                        imagxp_error **err);

// Uses this rate store; it is shared, so its handle may be freed at once.
imagxp_status imagxp_publisher_options_set_rate_store(imagxp_publisher_options *options,
                                                      const imagxp_rate_store *store,
                                                      imagxp_error **err);

// Records each decided verdict before it is given; when `record` fails, the verdict is `audit.unavailable`. A verdict with needs is recorded
// when it has been resumed. `unsigned_too`: visitors without a signature, too. `record` gets `user_data`, which must stay valid until the
// publisher is freed.
//
// # Safety
// `record` keeps the promises of `imagxp_audit_fn`.
imagxp_status imagxp_publisher_options_set_audit(imagxp_publisher_options *options,
                                                 void *user_data,
                                                 imagxp_audit_fn record,
                                                 bool unsigned_too,
                                                 imagxp_error **err);

// Enforces or observes, whatever the policy's `mode` says.
imagxp_status imagxp_publisher_options_set_mode(imagxp_publisher_options *options,
                                                imagxp_mode mode,
                                                imagxp_error **err);

// Sets from which number trace ids are made, 0 by default. Processes that share a secret begin with different ones (random numbers will do), so
// that no two verdicts have the same trace id.
imagxp_status imagxp_publisher_options_set_first_trace(imagxp_publisher_options *options,
                                                       uint64_t number,
                                                       imagxp_error **err);

// Sets a limit. A value above the limit's maximum becomes that maximum.
imagxp_status imagxp_publisher_options_set_limit(imagxp_publisher_options *options,
                                                 imagxp_limit limit,
                                                 size_t value,
                                                 imagxp_error **err);

// Frees the options. NULL is accepted.
void imagxp_publisher_options_free(imagxp_publisher_options *options);

// Makes a publisher. Policy and options are copied: their handles may be freed at once. Free it with `imagxp_publisher_free`.
//
// `secret` is 16 random bytes, the same in every process that shares a replay store; empty: 16 bytes from the operating system.
// `options` may be NULL.
imagxp_status imagxp_publisher_new(const imagxp_policy *policy,
                                   imagxp_slice secret,
                                   const imagxp_publisher_options *options,
                                   imagxp_publisher **publisher,
                                   imagxp_error **err);

// Verifies one request. A refusal is a verdict, not an error. Free the verdict with `imagxp_verdict_free`.
//
// `now_ms` is the time in milliseconds since 1970. When `imagxp_verdict_is_pending`, fetch what the verdict needs, hand it in by
// `imagxp_publisher_supply` or `imagxp_publisher_supply_failure`, and call `imagxp_publisher_resume`.
imagxp_status imagxp_publisher_verify(const imagxp_publisher *publisher,
                                      const imagxp_request *request,
                                      int64_t now_ms,
                                      imagxp_verdict **verdict,
                                      imagxp_error **err);

// Takes up a pending verification where it stopped, and spends nothing twice. Free the new verdict with `imagxp_verdict_free`.
//
// `pending` keeps its fields and its owner, but is no longer pending: it can be resumed once, on the publisher that made it, and
// within 60 s; later the new verdict is `time.expired`.
imagxp_status imagxp_publisher_resume(const imagxp_publisher *publisher,
                                      imagxp_verdict *pending,
                                      int64_t now_ms,
                                      imagxp_verdict **verdict,
                                      imagxp_error **err);

// The seconds to hand to `imagxp_publisher_supply` for the value of a `Cache-Control` header; several header lines are joined by commas.
// `IMAGXP_MAX_AGE_NONE` when it says nothing about that.
uint32_t imagxp_max_age(imagxp_slice cache_control);

// Hands in the body that a URL from a verdict's needs answered with status 200, and the answer's `Cache-Control: max-age` in seconds or
// `IMAGXP_MAX_AGE_NONE`.
//
// Errors: `identity.manifest_invalid` or `key.malformed` for a body that breaks a rule (resuming then gives the verdict),
// `usage.argument` for a URL that this publisher cannot need.
imagxp_status imagxp_publisher_supply(const imagxp_publisher *publisher,
                                      imagxp_slice url,
                                      imagxp_slice body,
                                      uint32_t max_age_s,
                                      int64_t now_ms,
                                      imagxp_error **err);

// Reports that a URL from a verdict's needs could not be fetched. It is remembered for 60 s, `IMAGXP_FETCH_BUSY` for 2 s.
imagxp_status imagxp_publisher_supply_failure(const imagxp_publisher *publisher,
                                              imagxp_slice url,
                                              imagxp_fetch_failure failure,
                                              int64_t now_ms,
                                              imagxp_error **err);

// Frees the publisher. NULL is accepted.
void imagxp_publisher_free(imagxp_publisher *publisher);

// Copies a request. Free it with `imagxp_request_free`.
//
// `url` is the request target (`/path?query`) or an absolute URL whose origin the server itself vouches for: never build that
// from a `Host` header. `headers` points to 2 x `header_count` slices: name, value, name, value, ..., every line in order, duplicates included;
// it may be NULL when `header_count` is 0. Whatever a stranger may put into method, URL and headers is accepted here and judged by the verdict.
//
// # Safety
// `headers` points to 2 x `header_count` slices.
imagxp_status imagxp_request_new(imagxp_slice method,
                                 imagxp_slice url,
                                 const imagxp_slice *headers,
                                 size_t header_count,
                                 imagxp_request **request,
                                 imagxp_error **err);

// Tells the RFC 9530 digest of the request's body, from `imagxp_content_digest`. As long as it has not been told, a claim that has a
// `content_digest` is refused with `IMAGXP_CLAIM_DIGEST_MISMATCH` before anything is spent, and without an audit record: read the body, tell
// its digest, and verify again. Empty: the body will not be read; that refusal is recorded.
imagxp_status imagxp_request_set_body_digest(imagxp_request *request,
                                             imagxp_slice digest,
                                             imagxp_error **err);

// Frees the request. NULL is accepted.
void imagxp_request_free(imagxp_request *request);

// Verifies many requests, in order, with the verdicts of one `imagxp_publisher_verify` after the other: of two copies of one request the
// second is a replay. Free each verdict with `imagxp_verdict_free`.
//
// `requests` and `verdicts` are arrays of `count`; each verdict stands where its request does, and those that are pending are resumed one
// by one. All requests are held to have come at `now_ms`: collect for milliseconds, not for longer. Signatures of agents that are seen
// often are checked together, which is cheaper from three on. On an error no verdict is written, and no request may pass.
//
// # Safety
// `requests` points to `count` handles, `verdicts` to room for as many; either may be NULL when `count` is 0.
imagxp_status imagxp_publisher_verify_batch(const imagxp_publisher *publisher,
                                            const imagxp_request *const *requests,
                                            size_t count,
                                            int64_t now_ms,
                                            imagxp_verdict **verdicts,
                                            imagxp_error **err);

// Signs many requests, in order, byte for byte as one `imagxp_identity_sign` after the other. Free each `headers` with `imagxp_headers_free`.
//
// `requests`, `now_ms` and `headers` are arrays of `count`, and so is `nonces`, unless it is NULL: then every request gets a random one.
// ES256 signatures share their inversions, which makes eight and more an eighth cheaper; a key that signs elsewhere
// (`imagxp_key_external`) is asked for each. All or none: an error names the first request that cannot be signed, counted from 0, and
// nothing is written. Errors: those of `imagxp_identity_sign`, and `usage.argument` for a nonce that occurs twice.
//
// # Safety
// `requests`, `now_ms` and, unless NULL, `nonces` point to `count` values, `headers` to room for as many; each may be NULL when `count` is 0.
imagxp_status imagxp_identity_sign_batch(const imagxp_identity *identity,
                                         const imagxp_sign_request *const *requests,
                                         const int64_t *now_ms,
                                         const imagxp_slice *nonces,
                                         size_t count,
                                         imagxp_headers **headers,
                                         imagxp_error **err);

// Tells each step of a verification, with what was expected and received, and spends nothing.
imagxp_status imagxp_publisher_explain(const imagxp_publisher *publisher,
                                       const imagxp_request *request,
                                       int64_t now_ms,
                                       imagxp_format format,
                                       imagxp_bytes *explanation,
                                       imagxp_error **err);

// Whether the request may pass. 0 for NULL.
imagxp_outcome imagxp_verdict_outcome(const imagxp_verdict *verdict);

// Whether the outcome is `IMAGXP_OUTCOME_ALLOW`.
bool imagxp_verdict_is_allowed(const imagxp_verdict *verdict);

// Whether the verification can be taken up again by `imagxp_publisher_resume`.
bool imagxp_verdict_is_pending(const imagxp_verdict *verdict);

// Why not; in observe mode why it would not have; `IMAGXP_OK` when nothing is wrong.
imagxp_status imagxp_verdict_code(const imagxp_verdict *verdict);

// The HTTP status to answer with: 200, 4xx or 5xx. 500 for NULL.
uint32_t imagxp_verdict_http(const imagxp_verdict *verdict);

// One sentence, safe to send to a stranger.
imagxp_slice imagxp_verdict_message(const imagxp_verdict *verdict);

// What to do, safe to send to a stranger; empty when there is nothing to say.
imagxp_slice imagxp_verdict_hint(const imagxp_verdict *verdict);

// More, for the log only; empty when there is nothing to say.
imagxp_slice imagxp_verdict_detail(const imagxp_verdict *verdict);

// Whether and how the agent may try again. 0 for NULL.
imagxp_retry imagxp_verdict_retry(const imagxp_verdict *verdict);

// With `IMAGXP_RETRY_AFTER`, the seconds to wait; otherwise 0.
uint32_t imagxp_verdict_retry_after_s(const imagxp_verdict *verdict);

// Who asks. 0 for NULL.
imagxp_visitor imagxp_verdict_visitor(const imagxp_verdict *verdict);

// In observe mode: whether enforcing would have refused.
bool imagxp_verdict_would_deny(const imagxp_verdict *verdict);

// The agent's domain; empty unless verified.
imagxp_slice imagxp_verdict_agent_id(const imagxp_verdict *verdict);

// The thumbprint of the key; empty unless verified.
imagxp_slice imagxp_verdict_key_id(const imagxp_verdict *verdict);

// Why the agent reads; 0 unless verified.
imagxp_purpose imagxp_verdict_purpose(const imagxp_verdict *verdict);

// The signed resource, normalised; empty unless verified.
imagxp_slice imagxp_verdict_resource(const imagxp_verdict *verdict);

// What vouches for the key. 0 for NULL.
imagxp_binding imagxp_verdict_binding(const imagxp_verdict *verdict);

// How the request is paid for. 0 for NULL.
imagxp_payment imagxp_verdict_payment(const imagxp_verdict *verdict);

// The token's `jti`; empty when there is none.
imagxp_slice imagxp_verdict_payment_jti(const imagxp_verdict *verdict);

// The token's issuer; empty when there is none.
imagxp_slice imagxp_verdict_payment_issuer(const imagxp_verdict *verdict);

// What the token pays, a decimal string such as `0.001`; empty when there is none.
imagxp_slice imagxp_verdict_payment_amount(const imagxp_verdict *verdict);

// In which currency; empty when there is none.
imagxp_slice imagxp_verdict_payment_currency(const imagxp_verdict *verdict);

// How many warnings there are.
size_t imagxp_verdict_warning_count(const imagxp_verdict *verdict);

// The n-th warning, counted from 0: a dotted string such as `payment.bearer`. Empty beyond the last.
imagxp_slice imagxp_verdict_warning(const imagxp_verdict *verdict, size_t index);

// How many headers to add to the response, whatever it will be.
size_t imagxp_verdict_response_header_count(const imagxp_verdict *verdict);

// The name of the n-th response header, counted from 0. Empty beyond the last.
imagxp_slice imagxp_verdict_response_header_name(const imagxp_verdict *verdict, size_t index);

// The value of the n-th response header. Empty beyond the last.
imagxp_slice imagxp_verdict_response_header_value(const imagxp_verdict *verdict, size_t index);

// 32 hex digits that name this verification in logs.
imagxp_slice imagxp_verdict_trace_id(const imagxp_verdict *verdict);

// The wire name of an outcome, for example `undecided`; it lives forever. Empty for unknown numbers.
imagxp_slice imagxp_outcome_name(imagxp_outcome outcome);

// The wire name of a visitor, for example `verified_agent`; it lives forever. Empty for unknown numbers.
imagxp_slice imagxp_visitor_name(imagxp_visitor visitor);

// The wire name of a way to pay, for example `not_required`; it lives forever. Empty for unknown numbers.
imagxp_slice imagxp_payment_name(imagxp_payment payment);

// Writes the JSON body to answer a refusal with; for 402 it carries the offer.
imagxp_status imagxp_verdict_body(const imagxp_verdict *verdict, imagxp_bytes *json, imagxp_error **err);

// Writes every field as a JSON object, `detail` included: for logs, not for strangers.
imagxp_status imagxp_verdict_json(const imagxp_verdict *verdict, imagxp_bytes *json, imagxp_error **err);

// Frees the verdict. NULL is accepted.
void imagxp_verdict_free(imagxp_verdict *verdict);

// How many documents the verdict needs.
size_t imagxp_verdict_need_count(const imagxp_verdict *verdict);

// What the n-th need is, counted from 0. 0 beyond the last.
imagxp_need imagxp_verdict_need(const imagxp_verdict *verdict, size_t index);

// The URL of the n-th need. Empty beyond the last.
imagxp_slice imagxp_verdict_need_url(const imagxp_verdict *verdict, size_t index);

// Records the broker's answer to an `IMAGXP_NEED_REDEEM`; then resume. `usage.argument` when the verdict is not pending.
imagxp_status imagxp_verdict_redeemed(imagxp_verdict *verdict,
                                      imagxp_redemption answer,
                                      imagxp_error **err);

// Makes the body to POST for an `IMAGXP_NEED_REDEEM`: JSON with the visa and the agent's signed request. Free it with `imagxp_bytes_free`.
//
// Send it to the need's URL with `Content-Type: application/json`, an `Idempotency-Key` (16 to 128 characters of `A-Z a-z 0-9 - . _ ~`, the same
// each time these bytes are sent again), and signed as the publisher, anew for each sending: `imagxp_sign_request_new`,
// `imagxp_sign_request_set_content_digest`, `imagxp_identity_sign`. The publisher's manifest must be where the broker can fetch it.
// `usage.argument` when the verdict waits for no broker, or the agent's manifest is not at hand any more.
imagxp_status imagxp_publisher_redemption(const imagxp_publisher *publisher,
                                          const imagxp_verdict *verdict,
                                          int64_t now_ms,
                                          imagxp_bytes *body,
                                          imagxp_error **err);

// What the broker's answer says, for `imagxp_verdict_redeemed`: its status, and its whole body.
//
// `IMAGXP_REDEMPTION_UNAVAILABLE` for everything but a definite word: then the broker may have decided all the same, and the same body under
// the same `Idempotency-Key` finds out.
imagxp_redemption imagxp_redemption_read(uint32_t status,
                                         imagxp_slice body);

// Verifies an ES256 token against a JSON Web Key Set and writes its claims as JSON (`null` when the payload is no JSON object). `issuer`,
// `audience` and `typ` are compared unless they are empty; `exp` and `nbf` are always judged by `now_ms`.
//
// Errors: `key.malformed` for the key set; `payment.malformed`, `payment.invalid_token`, `payment.expired`, `payment.wrong_audience`.
imagxp_status imagxp_token_verify(imagxp_slice token,
                                  imagxp_slice jwks,
                                  imagxp_slice issuer,
                                  imagxp_slice audience,
                                  imagxp_slice typ,
                                  int64_t now_ms,
                                  imagxp_bytes *claims,
                                  imagxp_error **err);

// Verifies evidence that `imagxp audit prove` wrote: the signed checkpoint, the inclusion proof, and the request's signature, with the
// manifest that was in force, or with a key that nobody vouches for where `binding` is `key_only`. `key` is the publisher's key as you know
// it; when it is NULL, the key in the evidence is taken, and `key_known` is false in the report. Writes what is proven as a JSON object;
// free it with `imagxp_bytes_free`. Of that `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed; `time` and `url` are the
// publisher's word, and `url_signed` says whether the URL is the one that was signed.
//
// Errors: `audit.malformed`, `audit.altered`, `audit.proof_invalid`.
imagxp_status imagxp_audit_verify_evidence(imagxp_slice evidence,
                                           const imagxp_public_key *key,
                                           imagxp_bytes *report,
                                           imagxp_error **err);

// Verifies that `checkpoint`, a C2SP signed note of the key `key`, seals `entry`, one line of a log without its line feed. `proof` is the
// RFC 6962 inclusion proof: the hashes from the leaf upwards, 32 bytes each, one after the other. Writes how many entries the checkpoint
// seals.
//
// Errors: `usage.argument`, `audit.malformed`, `audit.altered`, `audit.proof_invalid`.
imagxp_status imagxp_audit_verify_inclusion(imagxp_slice checkpoint,
                                            const imagxp_public_key *key,
                                            imagxp_slice entry,
                                            imagxp_slice proof,
                                            uint64_t *size,
                                            imagxp_error **err);

// Begins a visa: the broker's issuer URL, the publisher's origin (`https://host`), the agent's domain, the visa's unique name (8 to 128 bytes),
// and what was paid, as a decimal string and a currency. Free it with `imagxp_visa_free`.
imagxp_status imagxp_visa_new(imagxp_slice issuer,
                              imagxp_slice audience,
                              imagxp_slice agent,
                              imagxp_slice jti,
                              imagxp_slice amount,
                              imagxp_slice currency,
                              imagxp_visa **visa,
                              imagxp_error **err);

// Binds the visa to the agent's key, by its thumbprint.
imagxp_status imagxp_visa_set_holder(imagxp_visa *visa, imagxp_slice thumbprint, imagxp_error **err);

// Limits the visa to this purpose, and to those added before.
imagxp_status imagxp_visa_add_purpose(imagxp_visa *visa, imagxp_purpose purpose, imagxp_error **err);

// Sets how long the visa lives, 1 to 3600 s; checked when it is issued.
imagxp_status imagxp_visa_set_lifetime(imagxp_visa *visa, uint32_t seconds, imagxp_error **err);

// Sets how often the visa may be used, 1 to 1 000 000; checked when it is issued.
imagxp_status imagxp_visa_set_max_uses(imagxp_visa *visa, uint32_t uses, imagxp_error **err);

// Signs the visa with the broker's ES256 key and writes the token. Whether the money is there is for the broker's ledger to know.
//
// Errors: `usage.argument` for a value out of range or an Ed25519 key, `usage.signer`.
imagxp_status imagxp_visa_issue(const imagxp_visa *visa,
                                const imagxp_key *key,
                                int64_t now_ms,
                                imagxp_bytes *token,
                                imagxp_error **err);

// Frees the visa. NULL is accepted.
void imagxp_visa_free(imagxp_visa *visa);

// Reads the answer to `GET /robots.txt` (RFC 9309): with status 2xx its rules, of which 500 KiB are read; 4xx but 429 allows
// everything; anything else, and 0 for "no answer", allows nothing. Any bytes are accepted. Free it with `imagxp_robots_free`.
imagxp_status imagxp_robots_parse(uint32_t status,
                                  imagxp_slice body,
                                  imagxp_robots **robots,
                                  imagxp_error **err);

// Whether a product may fetch a path and query, such as `/news/1?x`. False for NULL and for what cannot be read.
bool imagxp_robots_allows(const imagxp_robots *robots,
                          imagxp_slice product_token,
                          imagxp_slice path_and_query);

// Writes the n-th policy URL that `IMAGXP-Policy` lines announce to a product, counted from 0; empty beyond the last.
imagxp_status imagxp_robots_policy_url(const imagxp_robots *robots,
                                       imagxp_slice product_token,
                                       size_t index,
                                       imagxp_bytes *url,
                                       imagxp_error **err);

// Frees the robots.txt. NULL is accepted.
void imagxp_robots_free(imagxp_robots *robots);

// Writes the policy URL that a `Link` header announces for a page, absolute; empty when it announces none. Several header lines are
// passed as one value, joined by commas.
imagxp_status imagxp_link_policy_url(imagxp_slice value,
                                     imagxp_slice page,
                                     imagxp_bytes *url,
                                     imagxp_error **err);

// Begins a report about a page (an absolute URL) for a product. Free it with `imagxp_preferences_free`.
imagxp_status imagxp_preferences_new(imagxp_slice url,
                                     imagxp_slice product_token,
                                     imagxp_preferences **preferences,
                                     imagxp_error **err);

// Gives the answer to `GET /robots.txt`, as to `imagxp_robots_parse`. The bytes are copied.
imagxp_status imagxp_preferences_robots(imagxp_preferences *preferences,
                                        uint32_t status,
                                        imagxp_slice body,
                                        imagxp_error **err);

// Gives a response header of the page; all but `Link`, `Content-Usage` and `Content-Signal` are passed over. The bytes are copied.
//
// Error: `usage.argument` for the 65th line of `Content-Usage`, or of `Content-Signal`. Of `Link` the report reads 64 links, and has an error
// among its findings where a page has more; lines beyond them are passed over.
imagxp_status imagxp_preferences_header(imagxp_preferences *preferences,
                                        imagxp_slice name,
                                        imagxp_slice value,
                                        imagxp_error **err);

// Gives an RSL document and the URL it came from. The bytes are copied.
imagxp_status imagxp_preferences_rsl(imagxp_preferences *preferences,
                                     imagxp_slice url,
                                     imagxp_slice document,
                                     imagxp_error **err);

// Gives the public policy. The bytes are copied.
imagxp_status imagxp_preferences_policy(imagxp_preferences *preferences,
                                        imagxp_slice document,
                                        imagxp_error **err);

// Writes the report as JSON: what is stated for each purpose, who said what in which words, and what is wrong with the texts.
//
// Error: `usage.argument` when the page is no absolute URL. Texts that cannot be read are findings of the report.
imagxp_status imagxp_preferences_json(const imagxp_preferences *preferences,
                                      imagxp_bytes *json,
                                      imagxp_error **err);

// Frees the texts. NULL is accepted.
void imagxp_preferences_free(imagxp_preferences *preferences);

// Writes JSON in its canonical form (RFC 8785). The input is read as strict I-JSON: at most 16 MiB and 64 levels deep.
//
// Errors: the `json.*` codes, `header.too_large`.
imagxp_status imagxp_json_canonicalize(imagxp_slice json,
                                       imagxp_bytes *canonical,
                                       imagxp_error **err);

// The RFC 9530 digest of a body, `sha-256=:...:`: for `imagxp_sign_request_set_content_digest` and `imagxp_request_set_body_digest`.
imagxp_status imagxp_content_digest(imagxp_slice body,
                                    imagxp_bytes *digest,
                                    imagxp_error **err);

// Begins a SHA-256. Free it with `imagxp_hasher_free`.
imagxp_status imagxp_hasher_new(imagxp_hasher **hasher, imagxp_error **err);

// Takes the next piece.
imagxp_status imagxp_hasher_update(imagxp_hasher *hasher, imagxp_slice piece, imagxp_error **err);

// Writes the 32 bytes of the hash of everything so far; more pieces may follow.
imagxp_status imagxp_hasher_finish(const imagxp_hasher *hasher, imagxp_bytes *sha256, imagxp_error **err);

// Frees the hasher. NULL is accepted.
void imagxp_hasher_free(imagxp_hasher *hasher);

// Signs a receipt with the publisher's key: the response headers `x-imagxp-provenance` and `x-imagxp-provenance-sig`. Free them with
// `imagxp_headers_free`. The key must be in the manifest at the publisher's own domain.
//
// `url` is the absolute URL that was requested, `content_sha256` the 32 bytes of the hash of the body as it is sent, `trace_id` the
// verdict's (or another name of 1 to 128 visible ASCII characters), `agent` the verified reader or empty.
imagxp_status imagxp_receipt_sign(const imagxp_key *key,
                                  imagxp_slice url,
                                  imagxp_slice content_sha256,
                                  imagxp_content_origin origin,
                                  imagxp_slice trace_id,
                                  imagxp_slice agent,
                                  int64_t now_ms,
                                  imagxp_headers **headers,
                                  imagxp_error **err);

// Reads the values of the two response headers. Free the receipt with `imagxp_receipt_free`.
//
// Errors: `provenance.missing` when one is empty, `provenance.malformed`.
imagxp_status imagxp_receipt_parse(imagxp_slice provenance,
                                   imagxp_slice signature,
                                   imagxp_receipt **receipt,
                                   imagxp_error **err);

// Where the publisher's manifest is, with which the receipt can be verified. `allow_loopback` is the switch for development.
//
// Error: `identity.key_mismatch` when the receipt's URL has no host that could publish one.
imagxp_status imagxp_receipt_manifest_url(const imagxp_receipt *receipt,
                                          bool allow_loopback,
                                          imagxp_bytes *url,
                                          imagxp_error **err);

// Verifies the receipt's signature with the publisher's manifest, read by `imagxp_manifest_parse` for the host of the receipt's URL.
//
// Errors: `identity.key_mismatch`, `sig.invalid`.
imagxp_status imagxp_receipt_verify(const imagxp_receipt *receipt,
                                    const imagxp_manifest *manifest,
                                    imagxp_error **err);

// Whether the receipt speaks of what arrived: the URL that was requested, the 32 bytes of the body's SHA-256, the reading agent (empty: none),
// and now. Error: `provenance.mismatch`, which says what differs.
imagxp_status imagxp_receipt_check(const imagxp_receipt *receipt,
                                   imagxp_slice url,
                                   imagxp_slice content_sha256,
                                   imagxp_slice agent,
                                   int64_t now_ms,
                                   imagxp_error **err);

// The URL.
imagxp_slice imagxp_receipt_url(const imagxp_receipt *receipt);

// The reader; empty when the receipt names none.
imagxp_slice imagxp_receipt_agent_id(const imagxp_receipt *receipt);

// The publisher's name for this answer.
imagxp_slice imagxp_receipt_trace_id(const imagxp_receipt *receipt);

// The thumbprint of the key that signed.
imagxp_slice imagxp_receipt_key_id(const imagxp_receipt *receipt);

// The 32 bytes of the content's SHA-256.
imagxp_slice imagxp_receipt_content_sha256(const imagxp_receipt *receipt);

// Who made the content. 0 for NULL.
imagxp_content_origin imagxp_receipt_origin(const imagxp_receipt *receipt);

// When the content was served, in milliseconds since 1970. 0 for NULL.
int64_t imagxp_receipt_time_ms(const imagxp_receipt *receipt);

// Frees the receipt. NULL is accepted.
void imagxp_receipt_free(imagxp_receipt *receipt);

// Signs feedback in the identity's name: the value of the request header `x-imagxp-feedback`, and in base64 what a broker takes.
//
// `url` is the absolute URL that was read, `score_millionths` 0 to 1 000 000, `jti` the visa that paid or empty, `content_sha256` 32 bytes or
// empty, `nonce` as for `imagxp_identity_sign`. Errors: `usage.argument`, `usage.signer`.
imagxp_status imagxp_identity_feedback(const imagxp_identity *identity,
                                       imagxp_slice url,
                                       uint32_t score_millionths,
                                       imagxp_feedback_reason reason,
                                       imagxp_slice jti,
                                       imagxp_slice content_sha256,
                                       int64_t now_ms,
                                       imagxp_slice nonce,
                                       imagxp_bytes *value,
                                       imagxp_error **err);

// Verifies the value of `x-imagxp-feedback`, or the body of a POST. A refusal is a verdict, not an error. Free the verdict with
// `imagxp_verdict_free` and the feedback with `imagxp_feedback_free`.
//
// `carrier` is the verdict on the request that carried it, or NULL: without it the feedback must name its agent, time and nonce. `feedback` is
// written when the call succeeds: NULL unless the verdict allows. When the verdict has needs, fetch the manifest, hand it in by
// `imagxp_publisher_supply` and call this again; nothing has been spent.
imagxp_status imagxp_publisher_feedback(const imagxp_publisher *publisher,
                                        imagxp_slice value,
                                        const imagxp_verdict *carrier,
                                        int64_t now_ms,
                                        imagxp_verdict **verdict,
                                        imagxp_feedback **feedback,
                                        imagxp_error **err);

// The URL that was read.
imagxp_slice imagxp_feedback_url(const imagxp_feedback *feedback);

// The visa that paid; empty when the feedback names none.
imagxp_slice imagxp_feedback_jti(const imagxp_feedback *feedback);

// The 32 bytes of the SHA-256 of what was read; empty when the feedback names none.
imagxp_slice imagxp_feedback_content_sha256(const imagxp_feedback *feedback);

// The score in millionths, 0 to 1 000 000. 0 for NULL.
uint32_t imagxp_feedback_score_millionths(const imagxp_feedback *feedback);

// Why. 0 for NULL.
imagxp_feedback_reason imagxp_feedback_reason_of(const imagxp_feedback *feedback);

// The wire name of a reason, for example `SEO_SPAM`; it lives forever. Empty for unknown numbers.
imagxp_slice imagxp_feedback_reason_name(imagxp_feedback_reason reason);

// Frees the feedback. NULL is accepted.
void imagxp_feedback_free(imagxp_feedback *feedback);

// Whether a fetch for a stranger may connect to this address: global unicast only. The text is dotted decimal or RFC 4291, without
// zone, brackets or port; any other text, a name for instance, is not allowed.
//
// Check every address that a name resolves to, refuse the name when one of them is not allowed, and connect to a checked address.
bool imagxp_address_allowed(imagxp_slice text);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* IMAGXP_H */

/* The two public structs never change. */
IMAGXP_STATIC_ASSERT(sizeof(imagxp_slice) == 2 * sizeof(void *), "imagxp_slice is a pointer and a length");
IMAGXP_STATIC_ASSERT(offsetof(imagxp_slice, ptr) == 0, "imagxp_slice is a pointer and a length");
IMAGXP_STATIC_ASSERT(offsetof(imagxp_slice, len) == sizeof(void *), "imagxp_slice is a pointer and a length");
IMAGXP_STATIC_ASSERT(sizeof(imagxp_bytes) == 2 * sizeof(void *), "imagxp_bytes is a pointer and a length");
IMAGXP_STATIC_ASSERT(offsetof(imagxp_bytes, ptr) == 0, "imagxp_bytes is a pointer and a length");
IMAGXP_STATIC_ASSERT(offsetof(imagxp_bytes, len) == sizeof(void *), "imagxp_bytes is a pointer and a length");
#undef IMAGXP_STATIC_ASSERT
