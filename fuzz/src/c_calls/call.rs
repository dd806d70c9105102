//! One call of the C ABI, with arguments that the fuzzer chooses.

use super::batch::Batch;
use super::callbacks::{ANSWER, arrival, fill, horizon, insert, record, replace, seen, sign};
use super::caller::{Blob, Caller, Pick, touch};
use super::content::Content;
use super::tables::Kind::*;
use super::tables::*;
use crate::c::*;
use arbitrary::Arbitrary;
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering;

#[rustfmt::skip] // a line for each call
#[derive(Arbitrary, Debug)]
pub enum Call<'a> {
    Read { which: u8, blob: Blob<'a> },
    Write { which: u8, pick: Pick },
    Set { which: u8, pick: Pick, blob: Blob<'a> },
    Convert { which: u8, blob: Blob<'a> },
    Text { which: u8, pick: Pick },
    TextAt { which: u8, pick: Pick, index: usize },
    Number { which: u8, pick: Pick },
    PolicyFacts { policy: Pick },
    Free { kind: u8, pick: Pick },
    Generate { algorithm: u32, own_fill: bool },
    External { public: Pick },
    Sign { key: Pick, message: Blob<'a> },
    Public { key: Pick },
    VerifySignature { public: Pick, message: Blob<'a>, signature: Blob<'a> },
    Identity { agent: Blob<'a>, key: Pick, loopback: bool },
    IdentitySign { identity: Pick, request: Pick, now: i64, at_now: bool, nonce: Blob<'a> },
    IdentityManifest { identity: Pick, contact: Blob<'a> },
    NewSignRequest { method: Blob<'a>, url: Blob<'a>, purpose: u32 },
    SignFlags { request: Pick, displayed: bool, compatible: bool },
    ParseManifest { agent: Blob<'a>, loopback: bool, json: Blob<'a> },
    AddKey { manifest: Pick, public: Pick, from: i64, to: i64 },
    ManifestKey { manifest: Pick, index: usize, now: i64 },
    MemoryStore { entries: u16, per_agent: u32 },
    OwnStore { insert: bool, seen: bool, horizon: bool },
    StoreAnswer(u8),
    Options,
    UseStore { options: Pick, store: Pick },
    Limit { options: Pick, limit: u32, value: usize },
    Publisher { policy: Pick, secret: Blob<'a>, options: Pick },
    Request { method: Blob<'a>, url: Blob<'a>, lines: Vec<Blob<'a>> },
    /// A request with the headers that were signed.
    SignedRequest { headers: Pick, url: Blob<'a> },
    Verify { publisher: Pick, request: Pick, now: i64, at_now: bool },
    Resume { publisher: Pick, verdict: Pick, now: i64, at_now: bool },
    Explain { publisher: Pick, request: Pick, now: i64, format: u32 },
    Supply { publisher: Pick, url: Blob<'a>, body: Blob<'a>, max_age: u32, now: i64, at_now: bool },
    SupplyFailure { publisher: Pick, url: Blob<'a>, failure: u32, now: i64 },
    Redeemed { publisher: Pick, verdict: Pick, answer: u32, status: u32, said: Blob<'a>, now: i64 },
    Need { verdict: Pick, index: usize },
    Token { token: Blob<'a>, jwks: Blob<'a>, expect: Blob<'a>, now: i64 },
    Visa { issuer: Blob<'a>, audience: Blob<'a>, agent: Blob<'a>, jti: Blob<'a>, amount: Blob<'a>, currency: Blob<'a> },
    VisaNumbers { visa: Pick, purpose: u32, seconds: u32, uses: u32 },
    IssueVisa { visa: Pick, key: Pick, now: i64 },
    Status { status: u32, name: Blob<'a> },
    AgentId { text: Blob<'a>, loopback: bool },
    OwnRates { arrival: bool, replace: bool },
    UseRates { options: Pick, store: Pick },
    Audit { options: Pick, own: bool, unsigned_too: bool },
    Mode { options: Pick, mode: u32, first_trace: u64 },
    PolicyText { text: Blob<'a>, file: Blob<'a> },
    Constant { index: usize },
    Content(Content<'a>),
    Batch(Batch<'a>),
    /// From here on, whether outputs and the error are asked for.
    Ask { output: bool, error: bool },
}

#[expect(clippy::too_many_lines, reason = "one arm per shape of call")]
pub fn run(caller: &mut Caller, call: &Call<'_>) {
    // SAFETY (all of them): handles are alive and of the right kind or NULL; slices are readable, or refused before they are read;
    // outputs are writable or NULL.
    unsafe {
        match call {
            Call::Read { which, blob } => {
                let (kind, read) = READ[usize::from(*which) % READ.len()];
                let blob = caller.slice(blob);
                caller.make(kind, |out, error| read(blob, out, error));
            }
            Call::Write { which, pick } => {
                let (kind, write) = WRITE[usize::from(*which) % WRITE.len()];
                let handle = caller.handle(kind, *pick);
                caller.bytes(|out, error| write(handle, out, error));
            }
            Call::Set { which, pick, blob } => {
                let (kind, set) = SET[usize::from(*which) % SET.len()];
                caller.call(|error| set(caller.handle(kind, *pick), caller.slice(blob), error));
            }
            Call::Convert { which, blob } => {
                let blob = caller.slice(blob);
                caller.bytes(|out, error| CONVERT[usize::from(*which) % CONVERT.len()](blob, out, error));
            }
            Call::Text { which, pick } => {
                let (kind, text) = TEXT[usize::from(*which) % TEXT.len()];
                touch(text(caller.handle(kind, *pick)));
            }
            Call::TextAt { which, pick, index } => {
                let (kind, text) = TEXT_AT[usize::from(*which) % TEXT_AT.len()];
                touch(text(caller.handle(kind, *pick), *index));
                touch(text(caller.handle(kind, *pick), 0));
            }
            Call::PolicyFacts { policy } => {
                let policy = caller.handle(Policy, *policy);
                assert!(imagxp_policy_remark_count(policy) < 1000);
                core::hint::black_box(imagxp_policy_allows_loopback(policy));
            }
            Call::Number { which, pick } => {
                let (kind, number) = NUMBER[usize::from(*which) % NUMBER.len()];
                core::hint::black_box(number(caller.handle(kind, *pick)));
            }
            Call::Free { kind, pick } => caller.free(FREE[usize::from(*kind) % FREE.len()].0, *pick),
            Call::Generate { algorithm, own_fill } => {
                let fill: Option<FillFn> = if *own_fill { Some(fill) } else { None };
                caller
                    .make(Key, |out, error| imagxp_key_generate(algorithm % 4, fill, null_mut(), out, error));
            }
            Call::External { public } => {
                let public = caller.handle(PublicKey, *public);
                caller
                    .make(Key, |out, error| imagxp_key_external(public, Some(sign), null_mut(), out, error));
            }
            Call::Sign { key, message } => {
                let (key, message) = (caller.handle(Key, *key), caller.slice(message));
                caller.bytes(|out, error| imagxp_key_sign(key, message, out, error));
            }
            Call::Public { key } => {
                let key = caller.handle(Key, *key);
                caller.make(PublicKey, |out, error| imagxp_key_public(key, out, error));
            }
            Call::VerifySignature { public, message, signature } => {
                let mut valid = false;
                let out: *mut bool = if caller.output { &mut valid } else { null_mut() };
                let (message, signature) = (caller.slice(message), caller.slice(signature));
                let public = caller.handle(PublicKey, *public);
                caller.call(|error| imagxp_public_key_verify(public, message, signature, out, error));
            }
            Call::Identity { agent, key, loopback } => {
                let (agent, key) = (caller.slice(agent), caller.handle(Key, *key));
                caller.make(Identity, |out, error| imagxp_identity_new(agent, key, *loopback, out, error));
            }
            Call::IdentitySign { identity, request, now, at_now, nonce } => {
                let (identity, request) =
                    (caller.handle(Identity, *identity), caller.handle(SignRequest, *request));
                let (now, nonce) = (caller.time(*now, *at_now), caller.slice(nonce));
                caller.make(Headers, |out, error| {
                    imagxp_identity_sign(identity, request, now, nonce, out, error)
                });
            }
            Call::IdentityManifest { identity, contact } => {
                let (identity, contact) = (caller.handle(Identity, *identity), caller.slice(contact));
                caller.make(Manifest, |out, error| imagxp_identity_manifest(identity, contact, out, error));
            }
            Call::NewSignRequest { method, url, purpose } => {
                let (method, url) = (caller.slice(method), caller.slice(url));
                caller.make(SignRequest, |out, error| {
                    imagxp_sign_request_new(method, url, purpose % 7, out, error)
                });
            }
            Call::SignFlags { request, displayed, compatible } => {
                let request = caller.handle(SignRequest, *request);
                caller.call(|error| imagxp_sign_request_set_ads_displayed(request, *displayed, error));
                caller.call(|error| imagxp_sign_request_set_compatible(request, *compatible, error));
            }
            Call::ParseManifest { agent, loopback, json } => {
                let (agent, json) = (caller.slice(agent), caller.slice(json));
                caller.make(Manifest, |out, error| imagxp_manifest_parse(agent, *loopback, json, out, error));
            }
            Call::AddKey { manifest, public, from, to } => {
                let (manifest, public) =
                    (caller.handle(Manifest, *manifest), caller.handle(PublicKey, *public));
                caller.call(|error| imagxp_manifest_add_key(manifest, public, *from, *to, error));
            }
            Call::ManifestKey { manifest, index, now } => {
                let manifest = caller.handle(Manifest, *manifest);
                let count = imagxp_manifest_key_count(manifest);
                let index = if index % 2 == 0 { *index } else { index % (count + 1) };
                imagxp_manifest_key_exists(manifest, index, *now);
                caller.make(PublicKey, |out, error| imagxp_manifest_key(manifest, index, out, error));
            }
            Call::MemoryStore { entries, per_agent } => {
                let entries = usize::from(*entries);
                caller.make(Store, |out, error| imagxp_replay_store_memory(entries, *per_agent, out, error));
            }
            Call::OwnStore { insert: with_insert, seen: with_seen, horizon: with_horizon } => {
                let insert: Option<InsertFn> = if *with_insert { Some(insert) } else { None };
                let seen: Option<SeenFn> = if *with_seen { Some(seen) } else { None };
                let horizon: Option<HorizonFn> = if *with_horizon { Some(horizon) } else { None };
                caller.make(Store, |out, error| {
                    imagxp_replay_store_new(null_mut(), insert, seen, horizon, out, error)
                });
            }
            Call::StoreAnswer(answer) => ANSWER.store(answer % 6, Ordering::Relaxed),
            Call::Options => caller.make(Options, |out, error| imagxp_publisher_options_new(out, error)),
            Call::UseStore { options, store } => {
                let (options, store) = (caller.handle(Options, *options), caller.handle(Store, *store));
                caller.call(|error| imagxp_publisher_options_set_replay_store(options, store, error));
            }
            Call::Limit { options, limit, value } => {
                let options = caller.handle(Options, *options);
                caller.call(|error| imagxp_publisher_options_set_limit(options, limit % 12, *value, error));
            }
            Call::Publisher { policy, secret, options } => {
                // Making one compiles the list of bots; a handful is enough.
                if caller.handles.get(&Publisher).is_some_and(|all| all.len() >= 2) {
                    return;
                }
                let (policy, options) = (caller.handle(Policy, *policy), caller.handle(Options, *options));
                let secret = caller.slice(secret);
                caller
                    .make(Publisher, |out, error| imagxp_publisher_new(policy, secret, options, out, error));
            }
            Call::Request { method, url, lines } => {
                let mut slices: Vec<Slice> = lines.iter().map(|blob| caller.slice(blob)).collect();
                slices.truncate(slices.len() / 2 * 2);
                let (method, url) = (caller.slice(method), caller.slice(url));
                let (lines, count) =
                    if slices.is_empty() { (null(), 0) } else { (slices.as_ptr(), slices.len() / 2) };
                caller.make(Request, |out, error| imagxp_request_new(method, url, lines, count, out, error));
            }
            Call::SignedRequest { headers, url } => {
                let headers = caller.handle(Headers, *headers);
                let slices: Vec<Slice> = (0..imagxp_headers_count(headers))
                    .flat_map(|index| {
                        [imagxp_headers_name(headers, index), imagxp_headers_value(headers, index)]
                    })
                    .collect();
                let method = Slice { ptr: b"GET".as_ptr(), len: 3 };
                let url = caller.slice(url);
                caller.make(Request, |out, error| {
                    imagxp_request_new(method, url, slices.as_ptr(), slices.len() / 2, out, error)
                });
            }
            Call::Verify { publisher, request, now, at_now } => {
                let (publisher, request) =
                    (caller.handle(Publisher, *publisher), caller.handle(Request, *request));
                let now = caller.time(*now, *at_now);
                caller
                    .make(Verdict, |out, error| imagxp_publisher_verify(publisher, request, now, out, error));
            }
            Call::Resume { publisher, verdict, now, at_now } => {
                let (publisher, verdict) =
                    (caller.handle(Publisher, *publisher), caller.handle(Verdict, *verdict));
                let now = caller.time(*now, *at_now);
                caller
                    .make(Verdict, |out, error| imagxp_publisher_resume(publisher, verdict, now, out, error));
            }
            Call::Explain { publisher, request, now, format } => {
                let (publisher, request) =
                    (caller.handle(Publisher, *publisher), caller.handle(Request, *request));
                caller.bytes(|out, error| {
                    imagxp_publisher_explain(publisher, request, *now, format % 4, out, error)
                });
            }
            Call::Supply { publisher, url, body, max_age, now, at_now } => {
                let (publisher, url, body) =
                    (caller.handle(Publisher, *publisher), caller.slice(url), caller.slice(body));
                let now = caller.time(*now, *at_now);
                caller.call(|error| imagxp_publisher_supply(publisher, url, body, *max_age, now, error));
            }
            Call::SupplyFailure { publisher, url, failure, now } => {
                let (publisher, url) = (caller.handle(Publisher, *publisher), caller.slice(url));
                caller
                    .call(|error| imagxp_publisher_supply_failure(publisher, url, failure % 8, *now, error));
            }
            Call::Redeemed { publisher, verdict, answer, status, said, now } => {
                let (publisher, verdict) =
                    (caller.handle(Publisher, *publisher), caller.handle(Verdict, *verdict));
                caller.bytes(|out, error| imagxp_publisher_redemption(publisher, verdict, *now, out, error));
                let said = caller.slice(said);
                assert!((1..=3).contains(&imagxp_redemption_read(*status, said)), "an answer is read as one");
                caller.call(|error| imagxp_verdict_redeemed(verdict, answer % 5, error));
            }
            Call::Need { verdict, index } => {
                let verdict = caller.handle(Verdict, *verdict);
                assert_eq!(imagxp_verdict_need(verdict, *index | 1 << 32), 0, "there are not so many needs");
                let counts = [
                    imagxp_verdict_need_count(verdict),
                    imagxp_verdict_warning_count(verdict),
                    imagxp_verdict_response_header_count(verdict),
                ];
                assert!(counts.iter().all(|count| *count < 100));
                if imagxp_verdict_is_allowed(verdict) {
                    assert_eq!(imagxp_verdict_outcome(verdict), 1);
                }
                core::hint::black_box((
                    imagxp_verdict_is_pending(verdict),
                    imagxp_verdict_would_deny(verdict),
                    imagxp_verdict_purpose(verdict),
                ));
            }
            Call::Token { token, jwks, expect, now } => {
                let (token, jwks, expect) = (caller.slice(token), caller.slice(jwks), caller.slice(expect));
                let none = Slice { ptr: null(), len: 0 };
                caller.bytes(|out, error| {
                    imagxp_token_verify(token, jwks, expect, none, expect, *now, out, error)
                });
            }
            Call::Visa { issuer, audience, agent, jti, amount, currency } => {
                let (issuer, audience, agent) =
                    (caller.slice(issuer), caller.slice(audience), caller.slice(agent));
                let (jti, amount, currency) =
                    (caller.slice(jti), caller.slice(amount), caller.slice(currency));
                caller.make(Visa, |out, error| {
                    imagxp_visa_new(issuer, audience, agent, jti, amount, currency, out, error)
                });
            }
            Call::VisaNumbers { visa, purpose, seconds, uses } => {
                let visa = caller.handle(Visa, *visa);
                caller.call(|error| imagxp_visa_add_purpose(visa, purpose % 7, error));
                caller.call(|error| imagxp_visa_set_lifetime(visa, *seconds, error));
                caller.call(|error| imagxp_visa_set_max_uses(visa, *uses, error));
            }
            Call::IssueVisa { visa, key, now } => {
                let (visa, key) = (caller.handle(Visa, *visa), caller.handle(Key, *key));
                caller.bytes(|out, error| imagxp_visa_issue(visa, key, *now, out, error));
            }
            Call::Status { status, name } => {
                let named = imagxp_status_name(*status);
                touch(named);
                if named.len > 0 {
                    assert_eq!(imagxp_status_from_name(named), *status);
                }
                touch(imagxp_status_message(*status));
                touch(imagxp_status_hint(*status));
                assert!((200..600).contains(&imagxp_status_http(*status)));
                let name = caller.slice(name);
                core::hint::black_box((imagxp_status_from_name(name), imagxp_purpose_from_name(name)));
                touch(imagxp_purpose_name(*status));
            }
            Call::AgentId { text, loopback } => {
                let text = caller.slice(text);
                core::hint::black_box(imagxp_address_allowed(text));
                imagxp_agent_id_is_valid(text, *loopback);
                caller.bytes(|out, error| imagxp_agent_id_manifest_url(text, *loopback, out, error));
            }
            Call::OwnRates { arrival: with_arrival, replace: with_replace } => {
                let arrival: Option<RateArrivalFn> = if *with_arrival { Some(arrival) } else { None };
                let replace: Option<RateReplaceFn> = if *with_replace { Some(replace) } else { None };
                caller.make(Rates, |out, error| {
                    imagxp_rate_store_new(null_mut(), arrival, replace, out, error)
                });
            }
            Call::UseRates { options, store } => {
                let (options, store) = (caller.handle(Options, *options), caller.handle(Rates, *store));
                caller.call(|error| imagxp_publisher_options_set_rate_store(options, store, error));
            }
            Call::Audit { options, own, unsigned_too } => {
                let options = caller.handle(Options, *options);
                let record: Option<AuditFn> = if *own { Some(record) } else { None };
                caller.call(|error| {
                    imagxp_publisher_options_set_audit(options, null_mut(), record, *unsigned_too, error)
                });
            }
            Call::Mode { options, mode, first_trace } => {
                let options = caller.handle(Options, *options);
                caller.call(|error| imagxp_publisher_options_set_mode(options, mode % 4, error));
                caller.call(|error| imagxp_publisher_options_set_first_trace(options, *first_trace, error));
            }
            Call::PolicyText { text, file } => {
                let (text, file) = (caller.slice(text), caller.slice(file));
                caller.make(Policy, |out, error| imagxp_policy_from_text(text, file, out, error));
            }
            Call::Constant { index } => {
                assert_ne!(imagxp_abi_version(), u32::MAX);
                touch(imagxp_slice_of(imagxp_version()));
                assert_eq!(imagxp_slice_of(null()).len, 0);
                let status = imagxp_status_at(index % 256);
                touch(imagxp_status_name(status));
                for name in [
                    imagxp_outcome_name,
                    imagxp_payment_name,
                    imagxp_visitor_name,
                    imagxp_feedback_reason_name,
                ] {
                    touch(name(index.to_le_bytes()[0].into()));
                }
                caller.bytes(|out, error| imagxp_policy_schema(out, error));
            }
            Call::Content(content) => content.run(caller),
            Call::Batch(batch) => batch.run(caller),
            Call::Ask { output, error } => (caller.output, caller.error) = (*output, *error),
        }
    }
}
