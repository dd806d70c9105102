//! Sequences of C calls: any order, any argument that C is allowed to pass (NULL, hostile lengths, rubbish text), every handle freed.
//!
//! Only what the header forbids is left out: freed handles and handles of another kind. AddressSanitizer watches the memory, and
//! LeakSanitizer that everything which was made can be freed.
#![no_main]

use arbitrary::Arbitrary;
use core::ffi::{c_int, c_void};
use imagxp_fuzz::c::*;
use imagxp_fuzz::{AGENT, NOW, ORIGIN, identity};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::ptr::{null, null_mut};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Headers,
    Identity,
    Key,
    Manifest,
    Policy,
    PublicKey,
    Publisher,
    Options,
    Store,
    Request,
    SignRequest,
    Verdict,
    Visa,
}
use Kind::*;

type Read = unsafe extern "C" fn(Slice, *mut Handle, Err) -> Status;
type Write = unsafe extern "C" fn(Handle, *mut Bytes, Err) -> Status;
type Set = unsafe extern "C" fn(Handle, Slice, Err) -> Status;
type Convert = unsafe extern "C" fn(Slice, *mut Bytes, Err) -> Status;

const READ: [(Kind, Read); 8] = [
    (Key, imagxp_key_from_pem),
    (Key, imagxp_key_from_pkcs8),
    (Key, imagxp_key_from_jwk),
    (PublicKey, imagxp_public_key_from_pem),
    (PublicKey, imagxp_public_key_from_spki),
    (PublicKey, imagxp_public_key_from_spki_base64),
    (PublicKey, imagxp_public_key_from_jwk),
    (Policy, imagxp_policy_from_json),
];
const WRITE: [(Kind, Write); 9] = [
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
const SET: [(Kind, Set); 6] = [
    (SignRequest, imagxp_sign_request_set_context),
    (SignRequest, imagxp_sign_request_set_content_digest),
    (SignRequest, imagxp_sign_request_set_payment),
    (SignRequest, imagxp_sign_request_set_proof),
    (Request, imagxp_request_set_body_digest),
    (Visa, imagxp_visa_set_holder),
];
const CONVERT: [Convert; 3] = [imagxp_json_canonicalize, imagxp_content_digest, imagxp_user_agent];
const TEXT: [(Kind, unsafe extern "C" fn(Handle) -> Slice); 16] = [
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
const TEXT_AT: [(Kind, unsafe extern "C" fn(Handle, usize) -> Slice); 7] = [
    (Headers, imagxp_headers_name),
    (Headers, imagxp_headers_value),
    (Policy, imagxp_policy_remark),
    (Verdict, imagxp_verdict_warning),
    (Verdict, imagxp_verdict_need_url),
    (Verdict, imagxp_verdict_response_header_name),
    (Verdict, imagxp_verdict_response_header_value),
];
const NUMBER: [(Kind, unsafe extern "C" fn(Handle) -> u32); 9] = [
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
const FREE: [(Kind, unsafe extern "C" fn(Handle)); 13] = [
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

/// Good documents, so that sequences get past the first check.
static GOOD: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let identity = identity();
    let key = imagxp_fuzz::key(imagxp::crypto::Algorithm::Es256, 7);
    let manifest = identity.manifest(None, &[]).expect("a good manifest");
    let policy = format!(
        r#"{{"version":1,"origins":["{ORIGIN}"],"unsigned":"deny","purposes":{{"RAG_RETRIEVAL":{{"allow":true}}}}}}"#
    );
    let jwks = r#"{"keys":[]}"#;
    [
        policy.as_str(),
        &key.to_pem(),
        &key.public_key().to_pem(),
        &key.public_key().to_spki_base64(),
        &manifest.agent_id().manifest_url(),
        core::str::from_utf8(&manifest.to_json()).expect("JSON"),
        AGENT,
        "GET",
        "https://example.org/a?b=c",
        "6f8a2c3e-0000-4000-8000-000000000001",
        "0.05",
        "USD",
        jwks,
        "0123456789abcdef",
        key.public_key().thumbprint().as_str(),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
});

#[derive(Arbitrary, Debug)]
enum Blob<'a> {
    Good(u8),
    Any(&'a [u8]),
    /// What the last call wrote.
    Last,
    Absent,
    NullWithLength(usize),
    /// A length that no object can have.
    TooLong,
}

/// Which handle of the kind; when there are fewer, NULL.
type Pick = u8;

#[rustfmt::skip] // a line for each call
#[derive(Arbitrary, Debug)]
enum Call<'a> {
    Read { which: u8, blob: Blob<'a> },
    Write { which: u8, pick: Pick },
    Set { which: u8, pick: Pick, blob: Blob<'a> },
    Convert { which: u8, blob: Blob<'a> },
    Text { which: u8, pick: Pick },
    TextAt { which: u8, pick: Pick, index: usize },
    Number { which: u8, pick: Pick },
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
    Redeemed { verdict: Pick, answer: u32 },
    Need { verdict: Pick, index: usize },
    Token { token: Blob<'a>, jwks: Blob<'a>, expect: Blob<'a>, now: i64 },
    Visa { issuer: Blob<'a>, audience: Blob<'a>, agent: Blob<'a>, jti: Blob<'a>, amount: Blob<'a>, currency: Blob<'a> },
    VisaNumbers { visa: Pick, purpose: u32, seconds: u32, uses: u32 },
    IssueVisa { visa: Pick, key: Pick, now: i64 },
    Status { status: u32, name: Blob<'a> },
    AgentId { text: Blob<'a>, loopback: bool },
    /// From here on, whether outputs and the error are asked for.
    Ask { output: bool, error: bool },
}

/// What the replay store of the sequence answers.
static ANSWER: AtomicU8 = AtomicU8::new(1);

unsafe extern "C" fn insert(_: *mut c_void, key: *const u8, agent: *const u8, _: i64, _: i64) -> c_int {
    // SAFETY: the header promises 16 readable bytes at both.
    core::hint::black_box(unsafe { *key.add(15) ^ *agent.add(15) });
    c_int::from(ANSWER.load(Ordering::Relaxed))
}

unsafe extern "C" fn seen(_: *mut c_void, key: *const u8, _: i64) -> c_int {
    // SAFETY: the header promises 16 readable bytes.
    core::hint::black_box(unsafe { *key.add(15) });
    c_int::from(ANSWER.load(Ordering::Relaxed))
}

unsafe extern "C" fn horizon(_: *mut c_void) -> i64 {
    i64::from(ANSWER.load(Ordering::Relaxed)) - 1
}

unsafe extern "C" fn fill(_: *mut c_void, buffer: *mut u8, len: usize) -> c_int {
    // SAFETY: the header promises `len` writable bytes.
    unsafe { buffer.write_bytes(ANSWER.load(Ordering::Relaxed), len) };
    0
}

/// A signer that writes nonsense.
unsafe extern "C" fn sign(_: *mut c_void, _: *const u8, _: usize, signature: *mut u8) -> c_int {
    // SAFETY: the header promises 64 writable bytes.
    unsafe { signature.write_bytes(7, 64) };
    c_int::from(ANSWER.load(Ordering::Relaxed) == 0)
}

/// The caller: it holds handles, and gives the library what it likes.
struct Caller {
    handles: BTreeMap<Kind, Vec<Handle>>,
    last: Vec<u8>,
    output: bool,
    error: bool,
}

impl Caller {
    fn handle(&self, kind: Kind, pick: Pick) -> Handle {
        let handles = self.handles.get(&kind).map(Vec::as_slice).unwrap_or_default();
        handles.get(usize::from(pick) % (handles.len() + 1)).copied().unwrap_or(null_mut())
    }

    fn slice(&self, blob: &Blob<'_>) -> Slice {
        let of = |bytes: &[u8]| Slice { ptr: bytes.as_ptr(), len: bytes.len() };
        match blob {
            Blob::Good(index) => of(&GOOD[usize::from(*index) % GOOD.len()]),
            Blob::Any(bytes) => of(bytes),
            Blob::Last => of(&self.last),
            Blob::Absent => Slice { ptr: null(), len: 0 },
            Blob::NullWithLength(len) => Slice { ptr: null(), len: *len },
            Blob::TooLong => Slice { ptr: GOOD[0].as_ptr(), len: usize::MAX },
        }
    }

    fn time(&self, now: i64, at_now: bool) -> i64 {
        if at_now { NOW.as_millis() } else { now }
    }

    /// Makes a call that may fail, and checks that status, error and output agree.
    fn call(&self, call: impl FnOnce(Err) -> Status) -> bool {
        let mut error: Handle = null_mut();
        let status = call(if self.error { &mut error } else { null_mut() });
        assert_ne!(status, 1200, "a panic was caught");
        assert_eq!(!error.is_null(), self.error && status != 0, "status and error disagree");
        // SAFETY: the error is NULL or was just made.
        unsafe {
            assert_eq!(imagxp_error_status(error), if error.is_null() { 0 } else { status });
            touch(imagxp_error_message(error));
            imagxp_error_free(error);
        }
        status == 0
    }

    fn make(&mut self, kind: Kind, call: impl FnOnce(*mut Handle, Err) -> Status) {
        let mut handle: Handle = null_mut();
        let out: *mut Handle = if self.output { &mut handle } else { null_mut() };
        let good = self.call(|error| call(out, error));
        assert_eq!(
            !handle.is_null(),
            good,
            "the output is written on success only, and success needs an output"
        );
        if good {
            self.handles.entry(kind).or_default().push(handle);
        }
    }

    fn bytes(&mut self, call: impl FnOnce(*mut Bytes, Err) -> Status) {
        let mut bytes = Bytes { ptr: null_mut(), len: 0 };
        let out: *mut Bytes = if self.output { &mut bytes } else { null_mut() };
        let good = self.call(|error| call(out, error));
        assert_eq!(
            !bytes.ptr.is_null(),
            good,
            "the output is written on success only, and success needs an output"
        );
        if good {
            // SAFETY: just written, with its terminator.
            self.last = unsafe { core::slice::from_raw_parts(bytes.ptr, bytes.len + 1) }.to_vec();
            assert_eq!(self.last.pop(), Some(0), "the terminator is missing");
        }
        // SAFETY: empty, or just written; twice is allowed.
        unsafe {
            imagxp_bytes_free(&mut bytes);
            imagxp_bytes_free(&mut bytes);
        }
    }

    fn free(&mut self, kind: Kind, pick: Pick) {
        let free = FREE.iter().find(|(other, _)| *other == kind).expect("every kind can be freed").1;
        let handle = self.handle(kind, pick);
        self.handles.entry(kind).or_default().retain(|other| *other != handle);
        // SAFETY: NULL, or alive and forgotten from here on.
        unsafe { free(handle) };
    }

    #[expect(clippy::too_many_lines, reason = "one arm per shape of call")]
    fn run(&mut self, call: &Call<'_>) {
        // SAFETY (all of them): handles are alive and of the right kind or NULL; slices are readable, or refused before they are read;
        // outputs are writable or NULL.
        unsafe {
            match call {
                Call::Read { which, blob } => {
                    let (kind, read) = READ[usize::from(*which) % READ.len()];
                    let blob = self.slice(blob);
                    self.make(kind, |out, error| read(blob, out, error));
                }
                Call::Write { which, pick } => {
                    let (kind, write) = WRITE[usize::from(*which) % WRITE.len()];
                    let handle = self.handle(kind, *pick);
                    self.bytes(|out, error| write(handle, out, error));
                }
                Call::Set { which, pick, blob } => {
                    let (kind, set) = SET[usize::from(*which) % SET.len()];
                    self.call(|error| set(self.handle(kind, *pick), self.slice(blob), error));
                }
                Call::Convert { which, blob } => {
                    let blob = self.slice(blob);
                    self.bytes(|out, error| CONVERT[usize::from(*which) % CONVERT.len()](blob, out, error));
                }
                Call::Text { which, pick } => {
                    let (kind, text) = TEXT[usize::from(*which) % TEXT.len()];
                    touch(text(self.handle(kind, *pick)));
                }
                Call::TextAt { which, pick, index } => {
                    let (kind, text) = TEXT_AT[usize::from(*which) % TEXT_AT.len()];
                    touch(text(self.handle(kind, *pick), *index));
                    touch(text(self.handle(kind, *pick), 0));
                }
                Call::Number { which, pick } => {
                    let (kind, number) = NUMBER[usize::from(*which) % NUMBER.len()];
                    core::hint::black_box(number(self.handle(kind, *pick)));
                }
                Call::Free { kind, pick } => self.free(FREE[usize::from(*kind) % FREE.len()].0, *pick),
                Call::Generate { algorithm, own_fill } => {
                    let fill: Option<FillFn> = if *own_fill { Some(fill) } else { None };
                    self.make(Key, |out, error| {
                        imagxp_key_generate(algorithm % 4, fill, null_mut(), out, error)
                    });
                }
                Call::External { public } => {
                    let public = self.handle(PublicKey, *public);
                    self.make(Key, |out, error| {
                        imagxp_key_external(public, Some(sign), null_mut(), out, error)
                    });
                }
                Call::Sign { key, message } => {
                    let (key, message) = (self.handle(Key, *key), self.slice(message));
                    self.bytes(|out, error| imagxp_key_sign(key, message, out, error));
                }
                Call::Public { key } => {
                    let key = self.handle(Key, *key);
                    self.make(PublicKey, |out, error| imagxp_key_public(key, out, error));
                }
                Call::VerifySignature { public, message, signature } => {
                    let mut valid = false;
                    let out: *mut bool = if self.output { &mut valid } else { null_mut() };
                    let (message, signature) = (self.slice(message), self.slice(signature));
                    let public = self.handle(PublicKey, *public);
                    self.call(|error| imagxp_public_key_verify(public, message, signature, out, error));
                }
                Call::Identity { agent, key, loopback } => {
                    let (agent, key) = (self.slice(agent), self.handle(Key, *key));
                    self.make(Identity, |out, error| imagxp_identity_new(agent, key, *loopback, out, error));
                }
                Call::IdentitySign { identity, request, now, at_now, nonce } => {
                    let (identity, request) =
                        (self.handle(Identity, *identity), self.handle(SignRequest, *request));
                    let (now, nonce) = (self.time(*now, *at_now), self.slice(nonce));
                    self.make(Headers, |out, error| {
                        imagxp_identity_sign(identity, request, now, nonce, out, error)
                    });
                }
                Call::IdentityManifest { identity, contact } => {
                    let (identity, contact) = (self.handle(Identity, *identity), self.slice(contact));
                    self.make(Manifest, |out, error| imagxp_identity_manifest(identity, contact, out, error));
                }
                Call::NewSignRequest { method, url, purpose } => {
                    let (method, url) = (self.slice(method), self.slice(url));
                    self.make(SignRequest, |out, error| {
                        imagxp_sign_request_new(method, url, purpose % 7, out, error)
                    });
                }
                Call::SignFlags { request, displayed, compatible } => {
                    let request = self.handle(SignRequest, *request);
                    self.call(|error| imagxp_sign_request_set_ads_displayed(request, *displayed, error));
                    self.call(|error| imagxp_sign_request_set_compatible(request, *compatible, error));
                }
                Call::ParseManifest { agent, loopback, json } => {
                    let (agent, json) = (self.slice(agent), self.slice(json));
                    self.make(Manifest, |out, error| {
                        imagxp_manifest_parse(agent, *loopback, json, out, error)
                    });
                }
                Call::AddKey { manifest, public, from, to } => {
                    let (manifest, public) =
                        (self.handle(Manifest, *manifest), self.handle(PublicKey, *public));
                    self.call(|error| imagxp_manifest_add_key(manifest, public, *from, *to, error));
                }
                Call::ManifestKey { manifest, index, now } => {
                    let manifest = self.handle(Manifest, *manifest);
                    let count = imagxp_manifest_key_count(manifest);
                    let index = if index % 2 == 0 { *index } else { index % (count + 1) };
                    imagxp_manifest_key_exists(manifest, index, *now);
                    self.make(PublicKey, |out, error| imagxp_manifest_key(manifest, index, out, error));
                }
                Call::MemoryStore { entries, per_agent } => {
                    let entries = usize::from(*entries);
                    self.make(Store, |out, error| {
                        imagxp_replay_store_memory(entries, *per_agent, out, error)
                    });
                }
                Call::OwnStore { insert: with_insert, seen: with_seen, horizon: with_horizon } => {
                    let insert: Option<InsertFn> = if *with_insert { Some(insert) } else { None };
                    let seen: Option<SeenFn> = if *with_seen { Some(seen) } else { None };
                    let horizon: Option<HorizonFn> = if *with_horizon { Some(horizon) } else { None };
                    self.make(Store, |out, error| {
                        imagxp_replay_store_new(null_mut(), insert, seen, horizon, out, error)
                    });
                }
                Call::StoreAnswer(answer) => ANSWER.store(answer % 6, Ordering::Relaxed),
                Call::Options => self.make(Options, |out, error| imagxp_publisher_options_new(out, error)),
                Call::UseStore { options, store } => {
                    let (options, store) = (self.handle(Options, *options), self.handle(Store, *store));
                    self.call(|error| imagxp_publisher_options_set_replay_store(options, store, error));
                }
                Call::Limit { options, limit, value } => {
                    let options = self.handle(Options, *options);
                    self.call(|error| imagxp_publisher_options_set_limit(options, limit % 12, *value, error));
                }
                Call::Publisher { policy, secret, options } => {
                    // Making one compiles the list of bots; a handful is enough.
                    if self.handles.get(&Publisher).is_some_and(|all| all.len() >= 2) {
                        return;
                    }
                    let (policy, options) = (self.handle(Policy, *policy), self.handle(Options, *options));
                    let secret = self.slice(secret);
                    self.make(Publisher, |out, error| {
                        imagxp_publisher_new(policy, secret, options, out, error)
                    });
                }
                Call::Request { method, url, lines } => {
                    let mut slices: Vec<Slice> = lines.iter().map(|blob| self.slice(blob)).collect();
                    slices.truncate(slices.len() / 2 * 2);
                    let (method, url) = (self.slice(method), self.slice(url));
                    let (lines, count) =
                        if slices.is_empty() { (null(), 0) } else { (slices.as_ptr(), slices.len() / 2) };
                    self.make(Request, |out, error| {
                        imagxp_request_new(method, url, lines, count, out, error)
                    });
                }
                Call::SignedRequest { headers, url } => {
                    let headers = self.handle(Headers, *headers);
                    let slices: Vec<Slice> = (0..imagxp_headers_count(headers))
                        .flat_map(|index| {
                            [imagxp_headers_name(headers, index), imagxp_headers_value(headers, index)]
                        })
                        .collect();
                    let method = Slice { ptr: b"GET".as_ptr(), len: 3 };
                    let url = self.slice(url);
                    self.make(Request, |out, error| {
                        imagxp_request_new(method, url, slices.as_ptr(), slices.len() / 2, out, error)
                    });
                }
                Call::Verify { publisher, request, now, at_now } => {
                    let (publisher, request) =
                        (self.handle(Publisher, *publisher), self.handle(Request, *request));
                    let now = self.time(*now, *at_now);
                    self.make(Verdict, |out, error| {
                        imagxp_publisher_verify(publisher, request, now, out, error)
                    });
                }
                Call::Resume { publisher, verdict, now, at_now } => {
                    let (publisher, verdict) =
                        (self.handle(Publisher, *publisher), self.handle(Verdict, *verdict));
                    let now = self.time(*now, *at_now);
                    self.make(Verdict, |out, error| {
                        imagxp_publisher_resume(publisher, verdict, now, out, error)
                    });
                }
                Call::Explain { publisher, request, now, format } => {
                    let (publisher, request) =
                        (self.handle(Publisher, *publisher), self.handle(Request, *request));
                    self.bytes(|out, error| {
                        imagxp_publisher_explain(publisher, request, *now, format % 4, out, error)
                    });
                }
                Call::Supply { publisher, url, body, max_age, now, at_now } => {
                    let (publisher, url, body) =
                        (self.handle(Publisher, *publisher), self.slice(url), self.slice(body));
                    let now = self.time(*now, *at_now);
                    self.call(|error| imagxp_publisher_supply(publisher, url, body, *max_age, now, error));
                }
                Call::SupplyFailure { publisher, url, failure, now } => {
                    let (publisher, url) = (self.handle(Publisher, *publisher), self.slice(url));
                    self.call(|error| {
                        imagxp_publisher_supply_failure(publisher, url, failure % 8, *now, error)
                    });
                }
                Call::Redeemed { verdict, answer } => {
                    let verdict = self.handle(Verdict, *verdict);
                    self.call(|error| imagxp_verdict_redeemed(verdict, answer % 5, error));
                }
                Call::Need { verdict, index } => {
                    let verdict = self.handle(Verdict, *verdict);
                    assert_eq!(
                        imagxp_verdict_need(verdict, *index | 1 << 32),
                        0,
                        "there are not so many needs"
                    );
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
                    let (token, jwks, expect) = (self.slice(token), self.slice(jwks), self.slice(expect));
                    let none = Slice { ptr: null(), len: 0 };
                    self.bytes(|out, error| {
                        imagxp_token_verify(token, jwks, expect, none, expect, *now, out, error)
                    });
                }
                Call::Visa { issuer, audience, agent, jti, amount, currency } => {
                    let (issuer, audience, agent) =
                        (self.slice(issuer), self.slice(audience), self.slice(agent));
                    let (jti, amount, currency) = (self.slice(jti), self.slice(amount), self.slice(currency));
                    self.make(Visa, |out, error| {
                        imagxp_visa_new(issuer, audience, agent, jti, amount, currency, out, error)
                    });
                }
                Call::VisaNumbers { visa, purpose, seconds, uses } => {
                    let visa = self.handle(Visa, *visa);
                    self.call(|error| imagxp_visa_add_purpose(visa, purpose % 7, error));
                    self.call(|error| imagxp_visa_set_lifetime(visa, *seconds, error));
                    self.call(|error| imagxp_visa_set_max_uses(visa, *uses, error));
                }
                Call::IssueVisa { visa, key, now } => {
                    let (visa, key) = (self.handle(Visa, *visa), self.handle(Key, *key));
                    self.bytes(|out, error| imagxp_visa_issue(visa, key, *now, out, error));
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
                    let name = self.slice(name);
                    core::hint::black_box((imagxp_status_from_name(name), imagxp_purpose_from_name(name)));
                    touch(imagxp_purpose_name(*status));
                }
                Call::AgentId { text, loopback } => {
                    let text = self.slice(text);
                    core::hint::black_box(imagxp_address_allowed(text));
                    imagxp_agent_id_is_valid(text, *loopback);
                    self.bytes(|out, error| imagxp_agent_id_manifest_url(text, *loopback, out, error));
                }
                Call::Ask { output, error } => (self.output, self.error) = (*output, *error),
            }
        }
    }
}

/// Reads every byte, as a caller would.
///
/// # Safety
/// The slice is one that the library returned and whose owner is alive.
unsafe fn touch(slice: Slice) {
    if slice.len > 0 {
        // SAFETY: as above.
        let bytes = unsafe { core::slice::from_raw_parts(slice.ptr, slice.len) };
        core::hint::black_box(bytes.iter().fold(0_u8, |sum, byte| sum ^ byte));
    }
}

fuzz_target!(|calls: Vec<Call<'_>>| {
    ANSWER.store(1, Ordering::Relaxed);
    let mut caller = Caller { handles: BTreeMap::new(), last: Vec::new(), output: true, error: true };
    for call in calls.iter().take(64) {
        caller.run(call);
    }
    for (kind, _) in FREE {
        while caller.handles.get(&kind).is_some_and(|handles| !handles.is_empty()) {
            caller.free(kind, 0);
        }
        // SAFETY: NULL is accepted.
        unsafe { FREE.iter().for_each(|(_, free)| free(null_mut())) };
    }
});
