//! Steps 7 and 8: the agent's key, and the signature.

use super::read::Decoded;
use super::refusal::Refusal;
use super::verdict::{KeyBinding, Need, NeedKind, Visitor, Warning};
use super::verify::Run;
use crate::claim::Claim;
use crate::code::Code;
use crate::crypto::{Algorithm, HotKeys, PublicKey, Signature, Thumbprint};
use crate::directory::{Known, Lack, State};
use crate::explain::StepResult;
use crate::headers::{self, RequestHeaders};
use crate::policy::IdentityMode;
use std::borrow::Cow;
use std::sync::Arc;

/// The signed bytes, in the two readings of PROTOCOL §3.
struct Signed<'a> {
    canonical: &'a [u8],
    other_form: Option<&'a [u8]>,
    signature: &'a Signature,
}

impl<'a> Signed<'a> {
    fn new(claim: &'a Claim, decoded: &'a Decoded) -> Self {
        Self { canonical: claim.canonical(), other_form: claim.other_form(), signature: &decoded.signature }
    }

    /// Against the RFC 8785 form; if the received bytes are another form, then against those.
    fn verifies(&self, hot: &HotKeys, key: &PublicKey) -> bool {
        hot.verify(key, self.canonical, self.signature)
            || self.other_form.is_some_and(|bytes| hot.verify(key, bytes, self.signature))
    }
}

impl Run<'_> {
    /// Finds the key, checks the signature, and records who it is. Returns the key's thumbprint.
    pub(super) fn identify(
        &mut self,
        headers: &RequestHeaders<'_>,
        claim: &Claim,
        decoded: &Decoded,
    ) -> Result<Thumbprint, Refusal> {
        let signed = Signed::new(claim, decoded);
        let hint = decoded.hint.as_deref();
        let known = self.publisher.directory().look_up(&claim.agent_id, self.now);
        let (key, binding) = if self.publisher.policy.document().identity == IdentityMode::KeyOnly {
            self.hinted_key(&known, &signed, hint)?
        } else {
            (self.published_key(claim, &known, &signed, hint)?, KeyBinding::Domain)
        };
        self.check_alg_copy(headers, &key)?;
        // Only now: its signature is good, and it is the agent's by the rules of this site.
        self.publisher.hot.credit(&key);
        self.facts.visitor = Visitor::VerifiedAgent;
        self.facts.agent_id = Some(claim.agent_id.clone());
        self.facts.key_id = Some(*key.thumbprint());
        self.facts.purpose = Some(claim.purpose);
        self.facts.resource = claim.resource_text().map(Cow::into_owned);
        self.facts.binding = binding;
        let key_id = *key.thumbprint();
        // For the audit record, moved and not copied: who does not keep one pays nothing.
        self.facts.key = Some(key);
        if let (KeyBinding::Domain, State::Fresh(manifest) | State::Stale(manifest)) = (binding, known) {
            self.facts.manifest = Some(manifest);
        }
        Ok(key_id)
    }

    /// Whose nonces, quota and rate these are: the agent's; under `key_only`, where anyone may claim the name, the agent's with this key.
    pub(super) fn subject<'c>(
        &mut self,
        claim: &'c Claim,
        decoded: &Decoded,
    ) -> Result<Cow<'c, str>, Refusal> {
        if self.publisher.policy.document().identity == IdentityMode::Bound {
            return Ok(claim.agent_id.as_str().into());
        }
        let key = self.require_hint(decoded.hint.as_deref())?;
        Ok(format!("{} {}", claim.agent_id, key.thumbprint()).into())
    }

    /// For a claim that is refused at step 6 in any case: `sig.invalid` when its own key hint refutes it, else nothing.
    ///
    /// Reads only, fetches nothing, and checks one key, as a claim for a fitting resource would have it checked.
    pub(super) fn refute(&mut self, claim: &Claim, decoded: &Decoded) -> Result<(), Refusal> {
        let signed = Signed::new(claim, decoded);
        let hinted = decoded.hint.as_deref().and_then(|der| PublicKey::from_spki_der(der).ok());
        if hinted.is_none_or(|key| signed.verifies(&self.publisher.hot, &key)) {
            return Ok(());
        }
        self.check(8, "signature", Some(Refusal::new(Code::SigInvalid)), || {
            ("made by the key that came with it, even for another resource".into(), "it is not".into())
        })
    }

    /// Identity `bound`: one of the keys that the agent's domain publishes.
    fn published_key(
        &mut self,
        claim: &Claim,
        known: &State<Arc<Known>>,
        signed: &Signed<'_>,
        hint: Option<&[u8]>,
    ) -> Result<PublicKey, Refusal> {
        let manifest = match known {
            State::Fresh(manifest) => manifest,
            State::Stale(manifest) => {
                self.facts.warnings.push(Warning::ManifestStale);
                manifest
            }
            State::Failed(code) => {
                let refusal = Refusal::new(*code).detail("an earlier attempt to fetch the manifest failed");
                return Err(self.refuse_key(claim, refusal, "fetching it failed a moment ago"));
            }
            State::Needed => {
                // Garbage must never cause a fetch: what the hint can refute is refused first.
                if let Some(der) = hint {
                    let key = self.read_hint(der)?;
                    self.check_signature(&key, signed)?;
                }
                return Err(self.need_manifest(claim, "no manifest at hand"));
            }
        };
        self.note(7, "key: manifest", StepResult::Passed, || {
            (
                claim.agent_id.manifest_url(),
                format!("at hand, with {} listed", count(manifest.keys().len(), "key")),
            )
        });
        let received_at = self.received_at;
        let keys = || manifest.keys_at(received_at);
        if let Some(der) = hint {
            let hinted = match keys().find(|key| key.spki_der_matches(der)) {
                Some(key) => key.clone(),
                None => self.read_hint(der)?,
            };
            // A hint makes no key trusted, but it says which one signed: no other is tried.
            self.check_signature(&hinted, signed)?;
            let listed = keys().any(|key| *key == hinted);
            return if listed { Ok(hinted) } else { Err(self.unlisted_key(claim, &hinted)) };
        }
        let found = keys().find(|key| self.has_signed(key, signed)).cloned();
        if let Some(key) = found {
            self.progress.signed_by = Some(*key.thumbprint());
            self.note_signature(&key, StepResult::Passed);
            return Ok(key);
        }
        // Without a hint nobody can tell a forged signature from a new key; one refresh per 30 s settles it.
        if let Some(refusal) = self.outdated(claim, "no key of the cached manifest made this signature") {
            return Err(refusal);
        }
        let refusal = Refusal::new(Code::SigInvalid).detail("no key of the manifest made this signature");
        self.check(8, "signature", Some(refusal), || {
            ("by a key of the manifest".into(), "by none of them".into())
        })?;
        Err(Refusal::new(Code::SigInvalid))
    }

    /// Identity `key_only`: the key that came with the request; the domain's word counts when it happens to be known.
    fn hinted_key(
        &mut self,
        known: &State<Arc<Known>>,
        signed: &Signed<'_>,
        hint: Option<&[u8]>,
    ) -> Result<(PublicKey, KeyBinding), Refusal> {
        let key = self.require_hint(hint)?;
        self.check_signature(&key, signed)?;
        let listed = match known {
            State::Fresh(manifest) | State::Stale(manifest) => {
                manifest.keys_at(self.received_at).any(|other| *other == key)
            }
            State::Needed | State::Failed(_) => false,
        };
        Ok((key, if listed { KeyBinding::Domain } else { KeyBinding::KeyOnly }))
    }

    fn require_hint(&mut self, hint: Option<&[u8]>) -> Result<PublicKey, Refusal> {
        let refusal = hint.is_none().then(|| Refusal::new(Code::HeaderMissing).detail(headers::PUBLIC_KEY));
        self.check(7, "key: hint", refusal, || {
            (
                format!("{}, because identity is key_only", headers::PUBLIC_KEY),
                hint.map_or("none", |_| "present").into(),
            )
        })?;
        self.read_hint(hint.unwrap_or_default())
    }

    fn read_hint(&mut self, der: &[u8]) -> Result<PublicKey, Refusal> {
        let key = PublicKey::from_spki_der(der);
        let refusal = key
            .as_ref()
            .err()
            .map(|error| Refusal::new(Code::KeyMalformed).detail(error.message().to_owned()));
        self.check(7, "key: hint", refusal, || {
            let received = match &key {
                Ok(key) => key.thumbprint().as_str().to_owned(),
                Err(error) => error.message().to_owned(),
            };
            ("a P-256 or Ed25519 SubjectPublicKeyInfo".into(), received)
        })?;
        key.map_err(|_| Refusal::new(Code::KeyMalformed))
    }

    fn check_signature(&mut self, key: &PublicKey, signed: &Signed<'_>) -> Result<(), Refusal> {
        if self.has_signed(key, signed) {
            self.progress.signed_by = Some(*key.thumbprint());
            self.note_signature(key, StepResult::Passed);
            return Ok(());
        }
        self.note_signature(key, StepResult::Failed);
        Err(Refusal::new(Code::SigInvalid))
    }

    /// The bytes of a pending verification are its own, so what was found of them holds.
    fn has_signed(&self, key: &PublicKey, signed: &Signed<'_>) -> bool {
        self.progress.signed_by.is_some_and(|signer| signer == *key.thumbprint())
            || signed.verifies(&self.publisher.hot, key)
    }

    fn note_signature(&mut self, key: &PublicKey, result: StepResult) {
        self.note(8, "signature", result, || {
            let received = if result == StepResult::Passed { "it is" } else { "it is not" };
            (format!("made by {} {}", key.algorithm().as_str(), key.thumbprint().as_str()), received.into())
        });
    }

    /// The signature is good, but the manifest does not list its key: perhaps it does now.
    fn unlisted_key(&mut self, claim: &Claim, key: &PublicKey) -> Refusal {
        if let Some(refusal) = self.outdated(claim, "the cached manifest lacks the signing key") {
            return refusal;
        }
        let refusal = Refusal::new(Code::IdentityKeyMismatch);
        self.refuse_key(claim, refusal, &format!("it lacks the signing key {}", key.thumbprint().as_str()))
    }

    /// Undecided, when the cached manifest lacks a key that it may list by now; nothing when it was fetched a moment ago.
    fn outdated(&mut self, claim: &Claim, why: &'static str) -> Option<Refusal> {
        let lack = self.publisher.directory().lack(&claim.agent_id, self.now);
        match lack {
            Lack::Needed => Some(self.need_manifest(claim, why)),
            Lack::Failed(code) => {
                let refusal = Refusal::new(code).detail("an attempt to refresh the manifest failed");
                Some(self.refuse_key(
                    claim,
                    refusal,
                    "it lacks the key, and refreshing it failed a moment ago",
                ))
            }
            Lack::Certain => None,
        }
    }

    fn need_manifest(&mut self, claim: &Claim, why: &'static str) -> Refusal {
        let need = Need { kind: NeedKind::Manifest, url: claim.agent_id.manifest_url() };
        let refusal = Refusal::new(Code::IdentityManifestNeeded).detail(why).needing(need);
        self.refuse_key(claim, refusal, why)
    }

    fn refuse_key(&mut self, claim: &Claim, refusal: Refusal, received: &str) -> Refusal {
        let result = if refusal.code.is_undecided() { StepResult::Undecided } else { StepResult::Failed };
        self.note(7, "key: manifest", result, || (claim.agent_id.manifest_url(), received.to_owned()));
        refusal
    }

    /// The unsigned copy of the algorithm, now that the key is known.
    fn check_alg_copy(&mut self, headers: &RequestHeaders<'_>, key: &PublicKey) -> Result<(), Refusal> {
        let names: &[&str] = match key.algorithm() {
            Algorithm::Es256 => &["ES256", "ecdsa-p256-sha256", "ECDSA"],
            Algorithm::EdDsa => &["EdDSA", "Ed25519"],
        };
        let agrees = |copy: &[u8]| names.iter().any(|name| copy.eq_ignore_ascii_case(name.as_bytes()));
        match headers.alg {
            Some(copy) if !agrees(copy) => {
                let refusal = Refusal::new(Code::HeaderConflict).detail(headers::ALG);
                self.check(8, "unsigned copies", Some(refusal), || {
                    (names.join(" or "), crate::explain::shown(copy))
                })
            }
            _ => Ok(()),
        }
    }
}

/// `1 key`, `2 keys`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
