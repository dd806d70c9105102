//! The functions of one shape, with the kinds of handles they take.

use crate::c::*;
use Kind::*;

/// What a handle is to the library.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Feedback,
    Hasher,
    Headers,
    Identity,
    Key,
    Manifest,
    Policy,
    PublicKey,
    Publisher,
    Options,
    Preferences,
    Rates,
    Receipt,
    Robots,
    Store,
    Request,
    SignRequest,
    Verdict,
    Visa,
}

pub type Read = unsafe extern "C" fn(Slice, *mut Handle, Err) -> Status;
pub type Write = unsafe extern "C" fn(Handle, *mut Bytes, Err) -> Status;
pub type Set = unsafe extern "C" fn(Handle, Slice, Err) -> Status;
pub type Convert = unsafe extern "C" fn(Slice, *mut Bytes, Err) -> Status;

/// What reads text into a handle.
pub const READ: [(Kind, Read); 8] = [
    (Key, imagxp_key_from_pem),
    (Key, imagxp_key_from_pkcs8),
    (Key, imagxp_key_from_jwk),
    (PublicKey, imagxp_public_key_from_pem),
    (PublicKey, imagxp_public_key_from_spki),
    (PublicKey, imagxp_public_key_from_spki_base64),
    (PublicKey, imagxp_public_key_from_jwk),
    (Policy, imagxp_policy_from_json),
];
/// What writes a handle as bytes.
pub const WRITE: [(Kind, Write); 11] = [
    (Hasher, imagxp_hasher_finish),
    (Preferences, imagxp_preferences_json),
    (Key, imagxp_key_to_pem),
    (Key, imagxp_key_to_pkcs8),
    (PublicKey, imagxp_public_key_to_pem),
    (PublicKey, imagxp_public_key_to_jwk),
    (PublicKey, imagxp_public_key_to_spki_base64),
    (Manifest, imagxp_manifest_to_json),
    (Policy, imagxp_policy_public_json),
    (Verdict, imagxp_verdict_body),
    (Verdict, imagxp_verdict_json),
];
/// What gives a handle one more value.
pub const SET: [(Kind, Set); 8] = [
    (Hasher, imagxp_hasher_update),
    (Preferences, imagxp_preferences_policy),
    (SignRequest, imagxp_sign_request_set_context),
    (SignRequest, imagxp_sign_request_set_content_digest),
    (SignRequest, imagxp_sign_request_set_payment),
    (SignRequest, imagxp_sign_request_set_proof),
    (Request, imagxp_request_set_body_digest),
    (Visa, imagxp_visa_set_holder),
];
/// What makes bytes of bytes.
pub const CONVERT: [Convert; 3] = [imagxp_json_canonicalize, imagxp_content_digest, imagxp_user_agent];
/// What lends a text of a handle.
pub const TEXT: [(Kind, unsafe extern "C" fn(Handle) -> Slice); 24] = [
    (Feedback, imagxp_feedback_content_sha256),
    (Feedback, imagxp_feedback_jti),
    (Feedback, imagxp_feedback_url),
    (Receipt, imagxp_receipt_agent_id),
    (Receipt, imagxp_receipt_content_sha256),
    (Receipt, imagxp_receipt_key_id),
    (Receipt, imagxp_receipt_trace_id),
    (Receipt, imagxp_receipt_url),
    (PublicKey, imagxp_public_key_thumbprint),
    (PublicKey, imagxp_public_key_spki),
    (Manifest, imagxp_manifest_agent_id),
    (Manifest, imagxp_manifest_contact),
    (Policy, imagxp_policy_hash),
    (Verdict, imagxp_verdict_message),
    (Verdict, imagxp_verdict_hint),
    (Verdict, imagxp_verdict_detail),
    (Verdict, imagxp_verdict_agent_id),
    (Verdict, imagxp_verdict_key_id),
    (Verdict, imagxp_verdict_resource),
    (Verdict, imagxp_verdict_payment_jti),
    (Verdict, imagxp_verdict_payment_issuer),
    (Verdict, imagxp_verdict_payment_amount),
    (Verdict, imagxp_verdict_payment_currency),
    (Verdict, imagxp_verdict_trace_id),
];
/// What lends one of several texts.
pub const TEXT_AT: [(Kind, unsafe extern "C" fn(Handle, usize) -> Slice); 8] = [
    (Policy, imagxp_policy_origin),
    (Headers, imagxp_headers_name),
    (Headers, imagxp_headers_value),
    (Policy, imagxp_policy_remark),
    (Verdict, imagxp_verdict_warning),
    (Verdict, imagxp_verdict_need_url),
    (Verdict, imagxp_verdict_response_header_name),
    (Verdict, imagxp_verdict_response_header_value),
];
/// What tells a number of a handle.
pub const NUMBER: [(Kind, unsafe extern "C" fn(Handle) -> u32); 13] = [
    (Feedback, imagxp_feedback_reason_of),
    (Feedback, imagxp_feedback_score_millionths),
    (Policy, imagxp_policy_content_origin),
    (Receipt, imagxp_receipt_origin),
    (PublicKey, imagxp_public_key_algorithm),
    (Verdict, imagxp_verdict_outcome),
    (Verdict, imagxp_verdict_code),
    (Verdict, imagxp_verdict_http),
    (Verdict, imagxp_verdict_retry),
    (Verdict, imagxp_verdict_retry_after_s),
    (Verdict, imagxp_verdict_visitor),
    (Verdict, imagxp_verdict_binding),
    (Verdict, imagxp_verdict_payment),
];
/// What frees a handle.
pub const FREE: [(Kind, unsafe extern "C" fn(Handle)); 19] = [
    (Feedback, imagxp_feedback_free),
    (Hasher, imagxp_hasher_free),
    (Preferences, imagxp_preferences_free),
    (Rates, imagxp_rate_store_free),
    (Receipt, imagxp_receipt_free),
    (Robots, imagxp_robots_free),
    (Headers, imagxp_headers_free),
    (Identity, imagxp_identity_free),
    (Key, imagxp_key_free),
    (Manifest, imagxp_manifest_free),
    (Policy, imagxp_policy_free),
    (PublicKey, imagxp_public_key_free),
    (Publisher, imagxp_publisher_free),
    (Options, imagxp_publisher_options_free),
    (Store, imagxp_replay_store_free),
    (Request, imagxp_request_free),
    (SignRequest, imagxp_sign_request_free),
    (Verdict, imagxp_verdict_free),
    (Visa, imagxp_visa_free),
];
