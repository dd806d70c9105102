//! What a site does: one request in, one verdict out.

use crate::audit::Sink;
use crate::callback::Callback;
use crate::claim::Rule;
use crate::errors::{self, Thrown, raise};
use crate::headers::Lines;
use crate::options::{self, Options};
use crate::policy::Policy;
use crate::replay::DistantStore;
use crate::request::Received;
use crate::verification::{self, Pending};
use crate::{explain, feedback, json, key, replay, verdict};
use imagxp::Timestamp;
use imagxp::encoding::hex_decode;
use imagxp::limits::Limits;
use imagxp::publisher::{self as core_publisher, FeedbackVerification, FetchFailure};
use imagxp::replay::{MemoryReplayStore, ReplayEntry};
use js_sys::{Array, Object, Reflect};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// How many nonces are remembered unless said otherwise: an isolate has 128 MB in all.
const MAX_REPLAY_ENTRIES: u32 = 200_000;

/// A site that verifies its readers.
#[wasm_bindgen]
pub struct Publisher {
    inner: core_publisher::Publisher,
    distant: Option<Arc<DistantStore>>,
}

#[wasm_bindgen]
impl Publisher {
    /// A publisher.
    ///
    /// `replay`: `memory`, nonces are remembered in this isolate, or `later`, a store behind a network remembers them: then verdicts have
    /// `replay` needs, and `secret` (16 bytes, the same in every isolate) has to be given; otherwise it is made up. `customPolicy` is
    /// called last, before a visa is spent, with the verified claim and the path, and answers whether the request may pass; for each reading of
    /// a path that servers read differently (`/a;b`, `//`, `%2F`), and one `false` refuses. `audit` is called with each decided verdict's record. What either
    /// throws is written to the console and answered with 503.
    #[wasm_bindgen(constructor)]
    pub fn new(
        policy: &Policy,
        #[wasm_bindgen(unchecked_optional_param_type = "PublisherOptions")] options: JsValue,
    ) -> Result<Publisher, Thrown> {
        let names = ["secret", "replay", "maxReplayEntries", "customPolicy", "limits", "audit"];
        let options = Options::new(options, &names)?;
        let later = match options.text("replay")?.as_deref() {
            None | Some("memory") => false,
            Some("later") => true,
            Some(_) => return Err(errors::argument("`replay` is not one of memory, later")),
        };
        let secret = match options.bytes("secret")? {
            Some(secret) => read_secret(&secret)?,
            None if later => {
                return Err(errors::argument("a shared replay store needs a shared `secret` of 16 bytes"));
            }
            None => {
                let mut secret = [0; 16];
                key::entropy(&mut secret).map_err(raise)?;
                secret
            }
        };
        // Isolates that share a secret name their verdicts from another number on. A Worker's top level has no entropy: there all begin alike.
        let mut first = [0; 8];
        let first = key::entropy(&mut first).map_or(0, |()| u64::from_ne_bytes(first));
        let mut inner = core_publisher::Publisher::new(policy.0.clone(), secret).with_first_trace(first);
        let distant = later.then(|| Arc::new(DistantStore::new()));
        inner = if let Some(store) = &distant {
            inner.with_replay_store(Arc::<DistantStore>::clone(store))
        } else {
            let most = options.whole("maxReplayEntries")?.unwrap_or(MAX_REPLAY_ENTRIES);
            let most_entries = usize::try_from(most).unwrap_or(usize::MAX);
            inner.with_replay_store(Arc::new(MemoryReplayStore::new(most_entries, most / 5)))
        };
        if let Some(rule) = options.function("customPolicy")? {
            inner = inner.with_custom_policy(Arc::new(Rule(Callback::new(rule))));
        }
        if let Some(sink) = options.function("audit")? {
            inner = inner.with_audit(Arc::new(Sink(Callback::new(sink))));
        }
        if let Some(limits) = options.value("limits")? {
            inner = inner.with_limits(read_limits(limits)?);
        }
        Ok(Self { inner, distant })
    }

    /// Verifies one request.
    ///
    /// `url`: the request target (`/path?query`); its origin is the policy's, never a `Host` header's. `headers`: every line.
    /// `bodyDigest`: `contentDigest(body)` when there is a body.
    #[wasm_bindgen(unchecked_return_type = "Verification")]
    pub fn verify(
        &self,
        method: String,
        url: String,
        #[wasm_bindgen(unchecked_param_type = "HeaderLines")] headers: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "VerifyOptions")] options: JsValue,
    ) -> Result<JsValue, Thrown> {
        let (received, now) = read(method, url, &headers, options)?;
        self.told(self.inner.verify(&received.view(&received.lines()), now))
    }

    /// Verifies many requests, in order, with the verdicts of one after the other: of two copies of one request the second is a replay.
    /// Signatures of agents that are seen often are checked together.
    ///
    /// All are held to have come `now`: collect for milliseconds, not for longer. Those that are pending are resumed one by one.
    #[wasm_bindgen(js_name = verifyBatch, unchecked_return_type = "Verification[]")]
    pub fn verify_batch(
        &self,
        #[wasm_bindgen(
            unchecked_param_type = "readonly (readonly [method: string, url: string, headers: HeaderLines, bodyDigest?: string | null])[]"
        )]
        requests: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "NowOptions")] options: JsValue,
    ) -> Result<Array, Thrown> {
        let now = Options::new(options, &["now"])?.now()?;
        let requests = options::list(&requests, Received::read)?;
        let lines: Vec<_> = requests.iter().map(Received::lines).collect();
        let requests: Vec<_> =
            requests.iter().zip(&lines).map(|(received, lines)| received.view(lines)).collect();
        let verified = self.inner.verify_batch(&requests, now);
        verified.into_iter().map(|verification| self.told(verification)).collect()
    }

    /// Takes up a pending verification where it stopped; only once.
    #[wasm_bindgen(unchecked_return_type = "Verification")]
    pub fn resume(
        &self,
        pending: &Pending,
        #[wasm_bindgen(unchecked_optional_param_type = "NowOptions")] options: JsValue,
    ) -> Result<JsValue, Thrown> {
        let now = Options::new(options, &["now"])?.now()?;
        self.told(self.inner.resume(pending.take()?, now))
    }

    /// Verifies without spending anything, and tells each step with what was expected and received.
    #[wasm_bindgen(unchecked_return_type = "Explanation")]
    pub fn explain(
        &self,
        method: String,
        url: String,
        #[wasm_bindgen(unchecked_param_type = "HeaderLines")] headers: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "VerifyOptions")] options: JsValue,
    ) -> Result<JsValue, Thrown> {
        let (received, now) = read(method, url, &headers, options)?;
        explain::to_js(&self.inner.explain(&received.view(&received.lines()), now))
    }

    /// What a broker is shown of a request: its visa and what was signed, with the key of the agent's manifest where the request did not bring it.
    ///
    /// `verdict`: of a request that waits for a broker, or that was let in with a visa; `headers`: its lines, as they were verified. Throws
    /// `usage.argument` for any other verdict, when there is no visa among the lines, or when the manifest that lists the key is not at hand any more.
    #[wasm_bindgen(unchecked_return_type = "Presented")]
    pub fn presented(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Verdict")] verdict: JsValue,
        #[wasm_bindgen(unchecked_param_type = "HeaderLines")] headers: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "NowOptions")] options: JsValue,
    ) -> Result<JsValue, Thrown> {
        let now = Options::new(options, &["now"])?.now()?;
        let (verdict, headers) = (verdict::with_visa(&verdict)?, Lines::read(&headers)?);
        let presented = self.inner.presented_of(&verdict, &headers.lines(), now).map_err(raise)?;
        json::object(&presented.to_json().map_err(raise)?)
    }

    /// Verifies the value of `x-imagxp-feedback`, or the body of a POST. A string is taken as UTF-8; the value of a header is Latin-1, one
    /// character per byte, so give its bytes where it may have others than ASCII.
    ///
    /// `carrier`: the verdict on the request that carried it; without it the feedback must name its agent, time and nonce. When the
    /// verdict needs a manifest, fetch it, `supply` it and call this again. When `insertion` is there, ask the replay store to insert it, and
    /// call this again with `inserted: [insertion, answer]`.
    #[wasm_bindgen(unchecked_return_type = "FeedbackVerification")]
    pub fn feedback(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] value: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "TakeFeedbackOptions")] options: JsValue,
    ) -> Result<JsValue, Thrown> {
        let value = json::bytes(&value)?;
        let options = Options::new(options, &["carrier", "inserted", "now"])?;
        let now = options.now()?;
        let carrier =
            options.value("carrier")?.map(|carrier| verdict::carrier(&carrier)).transpose()?.flatten();
        let inserted = options.list("inserted")?;
        let taken = match inserted.as_slice() {
            [] => self.inner.feedback(&value, carrier.as_ref(), now),
            [entry, answer] => {
                let answer = replay::answer(&answer.as_string().unwrap_or_default())?;
                let entry = read_entry(entry.clone())?;
                self.inner.feedback_inserted(&value, carrier.as_ref(), &entry, answer, now)
            }
            _ => return Err(errors::argument("`inserted` is not an entry and an answer")),
        };
        feedback_to_js(&taken)
    }

    /// Hands in what a URL of `needs` answered with, and the answer's `Cache-Control: max-age` in seconds if it had one.
    ///
    /// A body that breaks a rule is recorded as a failure and thrown as `identity.manifest_invalid` or `key.malformed`; resume either way.
    pub fn supply(
        &self,
        url: &str,
        #[wasm_bindgen(unchecked_param_type = "Document")] body: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "SupplyOptions")] options: JsValue,
    ) -> Result<(), Thrown> {
        let options = Options::new(options, &["maxAge", "now"])?;
        let body = json::document(&body)?;
        self.inner.supply(url, &body, options.whole("maxAge")?, options.now()?).map_err(raise)
    }

    /// Reports that a URL of `needs` could not be fetched: `failed`, `not_found`, `redirect`, `address_denied`, `busy`, `invalid`.
    #[wasm_bindgen(js_name = supplyFailure)]
    pub fn supply_failure(
        &self,
        url: &str,
        #[wasm_bindgen(
            unchecked_param_type = "\"failed\" | \"not_found\" | \"redirect\" | \"address_denied\" | \"busy\" | \"invalid\""
        )]
        failure: &str,
        #[wasm_bindgen(unchecked_optional_param_type = "NowOptions")] options: JsValue,
    ) -> Result<(), Thrown> {
        let failure = FetchFailure::from_name(failure)
            .ok_or_else(|| errors::argument(&format!("`{failure}` is not the name of a fetch failure")))?;
        let now = Options::new(options, &["now"])?.now()?;
        self.inner.supply_failure(url, failure, now).map_err(raise)
    }
}

impl Publisher {
    fn told(&self, verification: core_publisher::Verification) -> Result<JsValue, Thrown> {
        verification::to_js(verification, self.distant.as_ref())
    }
}

/// The arguments of a verification, and its time.
fn read(
    method: String,
    url: String,
    headers: &JsValue,
    options: JsValue,
) -> Result<(Received, Timestamp), Thrown> {
    let options = Options::new(options, &["now", "bodyDigest"])?;
    let body_digest = options.text("bodyDigest")?;
    Ok((Received { method, url, headers: Lines::read(headers)?, body_digest }, options.now()?))
}

fn read_secret(secret: &[u8]) -> Result<[u8; 16], Thrown> {
    // Bytes, or hex: what is configured is text.
    secret
        .try_into()
        .ok()
        .or_else(|| hex_decode(secret))
        .ok_or_else(|| errors::argument("the secret is not 16 bytes, or 32 hex digits"))
}

fn read_limits(limits: JsValue) -> Result<Limits, Thrown> {
    let names = [
        "payloadHeader",
        "keyHeader",
        "token",
        "headerLines",
        "headerBytes",
        "string",
        "resource",
        "manifest",
        "directory",
    ];
    let options = Options::new(limits, &names)?;
    let size = |name: &str, default: usize| -> Result<usize, Thrown> {
        Ok(options.whole(name)?.map_or(default, |size| usize::try_from(size).unwrap_or(usize::MAX)))
    };
    let start = Limits::DEFAULT;
    Ok(start
        .with_payload_header(size("payloadHeader", start.payload_header())?)
        .with_key_header(size("keyHeader", start.key_header())?)
        .with_token(size("token", start.token())?)
        .with_header_lines(size("headerLines", start.header_lines())?)
        .with_header_bytes(size("headerBytes", start.header_bytes())?)
        .with_string(size("string", start.string())?)
        .with_resource(size("resource", start.resource())?)
        .with_manifest(size("manifest", start.manifest())?)
        .with_directory(size("directory", start.directory())?))
}

fn read_entry(entry: JsValue) -> Result<ReplayEntry, Thrown> {
    let options = Options::new(entry, &["key", "agent", "expiresAt"])?;
    let hash = |name: &str| -> Result<[u8; 16], Thrown> {
        hex_decode(options.required(name)?.as_bytes())
            .ok_or_else(|| errors::argument(&format!("`{name}` is not 16 bytes in hex")))
    };
    let expires_at = options.time("expiresAt")?.ok_or_else(|| errors::argument("`expiresAt` is missing"))?;
    Ok(ReplayEntry { key: hash("key")?, agent: hash("agent")?, expires_at })
}

fn feedback_to_js(taken: &FeedbackVerification) -> Result<JsValue, Thrown> {
    let answer = Object::new();
    let feedback = taken.feedback.as_ref().map_or(Ok(JsValue::NULL), feedback::taken)?;
    let insertion = taken.insertion.as_ref().map_or(Ok(JsValue::UNDEFINED), replay::to_js)?;
    Reflect::set(&answer, &"verdict".into(), &verdict::to_js(&taken.verdict)?)?;
    Reflect::set(&answer, &"feedback".into(), &feedback)?;
    Reflect::set(&answer, &"insertion".into(), &insertion)?;
    Ok(answer.into())
}
