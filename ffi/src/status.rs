//! Status numbers: the outcome of a call, and the codes of PROTOCOL §13.

use crate::boundary::accessor;
use crate::bytes::imagxp_slice;
use imagxp::{Code, ErrorKind};

/// The result of a call, and the code of a verdict: `IMAGXP_OK` or one of the numbers below. Numbers are never reused; new ones may appear,
/// so treat an unknown one as a failure.
pub type imagxp_status = u32;

/// The call did what it says; its outputs are written.
pub const IMAGXP_OK: imagxp_status = 0;
/// `usage.argument`: an argument is NULL, out of range or of the wrong form.
pub const IMAGXP_USAGE_ARGUMENT: imagxp_status = 1;
/// `usage.policy`: a policy document is not acceptable; the message names the member.
pub const IMAGXP_USAGE_POLICY: imagxp_status = 2;
/// `usage.signer`: an external signer failed or answered nonsense.
pub const IMAGXP_USAGE_SIGNER: imagxp_status = 3;
/// `io.failed`: a file, a socket or another part of the environment does not do its work.
pub const IMAGXP_IO_FAILED: imagxp_status = 4;
/// `key_file.locked`: an encrypted key file does not open: the passphrase is wrong, or the file is damaged. Which of the two is not told.
pub const IMAGXP_KEY_FILE_LOCKED: imagxp_status = 10;
/// `rotation.order`: a step of a key rotation would come too early, too late or twice.
pub const IMAGXP_ROTATION_ORDER: imagxp_status = 11;
/// `offer.malformed`: the offer of a 402 answer cannot be read, or names nothing that can be bought.
pub const IMAGXP_OFFER_MALFORMED: imagxp_status = 20;
/// `spend.limit`: a payment would pass a cap of the agent's own.
pub const IMAGXP_SPEND_LIMIT: imagxp_status = 21;
/// `spend.broker_denied`: the offer names no broker that the agent trusts.
pub const IMAGXP_SPEND_BROKER_DENIED: imagxp_status = 22;
/// `spend.unknown`: a payment was begun and its end is not known; it is not begun again.
pub const IMAGXP_SPEND_UNKNOWN: imagxp_status = 23;
/// `robots.denied`: the site's robots.txt disallows this path, or cannot be read now.
pub const IMAGXP_ROBOTS_DENIED: imagxp_status = 24;
/// `redirect.denied`: a redirect leads to another origin, or there were too many.
pub const IMAGXP_REDIRECT_DENIED: imagxp_status = 25;
/// `provenance.malformed`: a provenance receipt cannot be read.
pub const IMAGXP_PROVENANCE_MALFORMED: imagxp_status = 30;
/// `provenance.missing`: an answer that should carry a provenance receipt has none.
pub const IMAGXP_PROVENANCE_MISSING: imagxp_status = 31;
/// `provenance.mismatch`: a provenance receipt speaks of other content, another URL or another time.
pub const IMAGXP_PROVENANCE_MISMATCH: imagxp_status = 32;
/// `audit.malformed`: an audit record, checkpoint, proof or bundle cannot be read.
pub const IMAGXP_AUDIT_MALFORMED: imagxp_status = 40;
/// `audit.altered`: an audit log is not what was written: something was altered, reordered or removed.
pub const IMAGXP_AUDIT_ALTERED: imagxp_status = 41;
/// `audit.proof_invalid`: an inclusion or consistency proof does not hold.
pub const IMAGXP_AUDIT_PROOF_INVALID: imagxp_status = 42;
/// `discovery.malformed`: a statement of a site's wishes (RSL, `Content-Usage`, `Content-Signal`, a link) cannot be read.
pub const IMAGXP_DISCOVERY_MALFORMED: imagxp_status = 50;
/// `internal.panic`: a defect of the library was caught. The process may go on; so may every handle.
pub const IMAGXP_INTERNAL: imagxp_status = 1200;
/// `header.missing`, http 400: a required header is missing.
pub const IMAGXP_HEADER_MISSING: imagxp_status = 100;
/// `header.duplicate`, http 400: an IMAGXP header occurs more than once.
pub const IMAGXP_HEADER_DUPLICATE: imagxp_status = 101;
/// `header.conflict`, http 400: two headers contradict each other.
pub const IMAGXP_HEADER_CONFLICT: imagxp_status = 102;
/// `header.base64_invalid`, http 400: a header is not valid base64.
pub const IMAGXP_HEADER_BASE64_INVALID: imagxp_status = 103;
/// `header.too_large`, http 413: the request's headers are too many or too large.
pub const IMAGXP_HEADER_TOO_LARGE: imagxp_status = 104;
/// `json.malformed`, http 400: the claim is not a JSON object.
pub const IMAGXP_JSON_MALFORMED: imagxp_status = 200;
/// `json.duplicate_key`, http 400: a JSON object names a member twice.
pub const IMAGXP_JSON_DUPLICATE_KEY: imagxp_status = 201;
/// `json.too_deep`, http 400: the JSON is nested too deeply.
pub const IMAGXP_JSON_TOO_DEEP: imagxp_status = 202;
/// `json.too_many`, http 400: the JSON has too many members or values.
pub const IMAGXP_JSON_TOO_MANY: imagxp_status = 203;
/// `json.number_range`, http 400: a JSON number is outside the I-JSON range.
pub const IMAGXP_JSON_NUMBER_RANGE: imagxp_status = 204;
/// `json.invalid_unicode`, http 400: the JSON is not valid Unicode.
pub const IMAGXP_JSON_INVALID_UNICODE: imagxp_status = 205;
/// `claim.version_unsupported`, http 400: the claim's version is not supported.
pub const IMAGXP_CLAIM_VERSION_UNSUPPORTED: imagxp_status = 300;
/// `claim.ts_invalid`, http 400: the claim's time is not valid.
pub const IMAGXP_CLAIM_TS_INVALID: imagxp_status = 301;
/// `claim.nonce_invalid`, http 400: the claim's nonce is not valid.
pub const IMAGXP_CLAIM_NONCE_INVALID: imagxp_status = 302;
/// `claim.agent_id_invalid`, http 400: the claim's agent_id is not a public domain name.
pub const IMAGXP_CLAIM_AGENT_ID_INVALID: imagxp_status = 303;
/// `claim.resource_invalid`, http 400: the claim's resource is missing or not a URL.
pub const IMAGXP_CLAIM_RESOURCE_INVALID: imagxp_status = 304;
/// `claim.purpose_invalid`, http 400: the claim's purpose is not known.
pub const IMAGXP_CLAIM_PURPOSE_INVALID: imagxp_status = 305;
/// `claim.context_invalid`, http 400: the claim's context is not valid.
pub const IMAGXP_CLAIM_CONTEXT_INVALID: imagxp_status = 306;
/// `claim.digest_mismatch`, http 400: the body does not match the claim's content_digest.
pub const IMAGXP_CLAIM_DIGEST_MISMATCH: imagxp_status = 307;
/// `claim.resource_mismatch`, http 403: the claim was signed for another resource.
pub const IMAGXP_CLAIM_RESOURCE_MISMATCH: imagxp_status = 308;
/// `claim.method_mismatch`, http 403: the claim was signed for another method.
pub const IMAGXP_CLAIM_METHOD_MISMATCH: imagxp_status = 309;
/// `sig.malformed`, http 400: the signature is not 128 hex digits.
pub const IMAGXP_SIG_MALFORMED: imagxp_status = 400;
/// `sig.invalid`, http 401: the signature does not match the claim.
pub const IMAGXP_SIG_INVALID: imagxp_status = 401;
/// `key.malformed`, http 400: the key cannot be read.
pub const IMAGXP_KEY_MALFORMED: imagxp_status = 420;
/// `payment.malformed`, http 400: the payment token is not a compact JWS.
pub const IMAGXP_PAYMENT_MALFORMED: imagxp_status = 500;
/// `payment.required`, http 402: this resource has a price.
pub const IMAGXP_PAYMENT_REQUIRED: imagxp_status = 501;
/// `payment.expired`, http 402: the visa has expired.
pub const IMAGXP_PAYMENT_EXPIRED: imagxp_status = 502;
/// `payment.wrong_audience`, http 402: the visa was issued for another publisher.
pub const IMAGXP_PAYMENT_WRONG_AUDIENCE: imagxp_status = 503;
/// `payment.wrong_holder`, http 402: the visa was issued to another agent or key.
pub const IMAGXP_PAYMENT_WRONG_HOLDER: imagxp_status = 504;
/// `payment.insufficient`, http 402: the visa does not cover the price.
pub const IMAGXP_PAYMENT_INSUFFICIENT: imagxp_status = 505;
/// `payment.invalid_token`, http 402: the payment token is not acceptable.
pub const IMAGXP_PAYMENT_INVALID_TOKEN: imagxp_status = 506;
/// `payment.already_used`, http 402: the visa has been used up.
pub const IMAGXP_PAYMENT_ALREADY_USED: imagxp_status = 507;
/// `payment.jwks_needed`, http 503: the broker's keys are not at hand yet.
pub const IMAGXP_PAYMENT_JWKS_NEEDED: imagxp_status = 520;
/// `payment.jwks_unavailable`, http 503: the broker's keys cannot be fetched.
pub const IMAGXP_PAYMENT_JWKS_UNAVAILABLE: imagxp_status = 521;
/// `payment.redeem_needed`, http 503: the broker has not confirmed the visa yet.
pub const IMAGXP_PAYMENT_REDEEM_NEEDED: imagxp_status = 522;
/// `payment.redeem_unavailable`, http 503: the broker cannot be asked about the visa.
pub const IMAGXP_PAYMENT_REDEEM_UNAVAILABLE: imagxp_status = 523;
/// `feedback.malformed`, http 400: the feedback cannot be read.
pub const IMAGXP_FEEDBACK_MALFORMED: imagxp_status = 600;
/// `auth.required`, http 401: this site asks automated readers to identify themselves.
pub const IMAGXP_AUTH_REQUIRED: imagxp_status = 700;
/// `time.expired`, http 401: the claim is too old.
pub const IMAGXP_TIME_EXPIRED: imagxp_status = 710;
/// `time.future`, http 401: the claim's time lies in the future.
pub const IMAGXP_TIME_FUTURE: imagxp_status = 711;
/// `identity.key_mismatch`, http 401: the signing key is not published by the agent's domain.
pub const IMAGXP_IDENTITY_KEY_MISMATCH: imagxp_status = 800;
/// `identity.not_found`, http 401: the agent's domain publishes no manifest.
pub const IMAGXP_IDENTITY_NOT_FOUND: imagxp_status = 801;
/// `identity.manifest_invalid`, http 401: the agent's manifest is not valid.
pub const IMAGXP_IDENTITY_MANIFEST_INVALID: imagxp_status = 802;
/// `identity.address_denied`, http 401: the agent's domain does not resolve to a public address.
pub const IMAGXP_IDENTITY_ADDRESS_DENIED: imagxp_status = 803;
/// `identity.redirect`, http 401: the agent's manifest is redirected.
pub const IMAGXP_IDENTITY_REDIRECT: imagxp_status = 804;
/// `identity.manifest_needed`, http 503: the agent's manifest is not at hand yet.
pub const IMAGXP_IDENTITY_MANIFEST_NEEDED: imagxp_status = 820;
/// `identity.fetch_failed`, http 503: the agent's manifest cannot be fetched.
pub const IMAGXP_IDENTITY_FETCH_FAILED: imagxp_status = 821;
/// `identity.fetch_busy`, http 503: too many manifests are being fetched.
pub const IMAGXP_IDENTITY_FETCH_BUSY: imagxp_status = 822;
/// `policy.purpose_denied`, http 403: this purpose is not allowed here.
pub const IMAGXP_POLICY_PURPOSE_DENIED: imagxp_status = 900;
/// `policy.agent_denied`, http 403: this agent is not allowed here.
pub const IMAGXP_POLICY_AGENT_DENIED: imagxp_status = 901;
/// `policy.denied`, http 403: the site's policy refuses this request.
pub const IMAGXP_POLICY_DENIED: imagxp_status = 902;
/// `policy.error`, http 503: the site's policy could not be evaluated.
pub const IMAGXP_POLICY_ERROR: imagxp_status = 903;
/// `method.not_allowed`, http 403: agents may not use this method here.
pub const IMAGXP_METHOD_NOT_ALLOWED: imagxp_status = 910;
/// `replay.nonce_seen`, http 409: this request has been seen before.
pub const IMAGXP_REPLAY_NONCE_SEEN: imagxp_status = 1000;
/// `replay.store_full`, http 503: too many requests are remembered already.
pub const IMAGXP_REPLAY_STORE_FULL: imagxp_status = 1001;
/// `replay.store_error`, http 503: the replay store does not answer.
pub const IMAGXP_REPLAY_STORE_ERROR: imagxp_status = 1002;
/// `rate.agent`, http 429: the agent sends too many requests.
pub const IMAGXP_RATE_AGENT: imagxp_status = 1100;
/// `audit.unavailable`, http 503: the audit log does not take the record.
pub const IMAGXP_AUDIT_UNAVAILABLE: imagxp_status = 1300;
/// `internal.panic`, http 500: an internal error occurred.
pub const IMAGXP_INTERNAL_PANIC: imagxp_status = 1200;
/// `internal.invariant`, http 500: an internal check failed.
pub const IMAGXP_INTERNAL_INVARIANT: imagxp_status = 1201;

fn name_of(status: imagxp_status) -> Option<&'static str> {
    let usage = ErrorKind::ALL.iter().copied().find(|kind| kind.number() == status).map(ErrorKind::code);
    usage.or_else(|| Code::from_number(status).map(Code::as_str))
}

/// The dotted string of a status, for example `replay.nonce_seen`; it lives forever. Empty for `IMAGXP_OK` and unknown numbers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_status_name(status: imagxp_status) -> imagxp_slice<'static> {
    accessor(imagxp_slice::NONE, || name_of(status).into())
}

/// The status with this dotted string; `IMAGXP_OK` when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_status_from_name(name: imagxp_slice<'_>) -> imagxp_status {
    accessor(IMAGXP_OK, || {
        let Ok(name) = name.text("name") else { return IMAGXP_OK };
        let usage = ErrorKind::ALL.iter().copied().find(|kind| kind.code() == name).map(ErrorKind::number);
        usage.or_else(|| Code::from_name(name).map(Code::number)).unwrap_or(IMAGXP_OK)
    })
}

/// The HTTP status to answer with: 200 for `IMAGXP_OK`, 500 for misuse and unknown numbers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_status_http(status: imagxp_status) -> u32 {
    accessor(500, || match status {
        IMAGXP_OK => 200,
        _ => Code::from_number(status).map_or(500, |code| u32::from(code.http())),
    })
}

/// One sentence that says what happened, safe to send to a stranger; it lives forever. Empty when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_status_message(status: imagxp_status) -> imagxp_slice<'static> {
    accessor(imagxp_slice::NONE, || Code::from_number(status).map(Code::message).into())
}

/// One sentence that says what to do, safe to send to a stranger; it lives forever. Empty when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_status_hint(status: imagxp_status) -> imagxp_slice<'static> {
    accessor(imagxp_slice::NONE, || Code::from_number(status).map(Code::hint).into())
}

/// The n-th code of PROTOCOL section 13, counted from 0, to list them all; `IMAGXP_OK` after the last.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_status_at(index: usize) -> imagxp_status {
    accessor(IMAGXP_OK, || Code::ALL.get(index).map_or(IMAGXP_OK, |code| code.number()))
}
