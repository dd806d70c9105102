//! Step 6: the claim is for this very request, its URL, method and body.

use super::refusal::Refusal;
use super::verify::Run;
use crate::claim::Claim;
use crate::code::Code;
use crate::digest::digests_agree;
use crate::policy::ResourceMatch;
use crate::resource::{ReadResource, Resource};
use std::borrow::Cow;

impl Run<'_> {
    /// Step 6.
    pub(super) fn bind(&mut self, claim: &Claim) -> Result<(), Refusal> {
        let policy = &self.publisher.policy;
        let document = policy.document();
        let mismatch = |detail: &'static str| Some(Refusal::new(Code::ClaimResourceMismatch).detail(detail));
        let claimed = claim.read_resource();
        let requested = if claim.asks_for(self.request.url) {
            claimed.clone()
        } else {
            ReadResource::parse(self.request.url)
        };
        let refusal = match (&claimed, &requested) {
            (_, None) => mismatch("the request's own URL cannot be read"),
            (None, _) if document.require_resource => {
                Some(Refusal::new(Code::ClaimResourceInvalid).detail("the claim names no resource"))
            }
            (None, _) => None,
            (Some(_), _) if document.resource_match == ResourceMatch::Off => None,
            (Some(claimed), Some(requested)) => {
                let (claimed, requested) = (claimed.view(), requested.view());
                match (claimed.origin, requested.origin) {
                    _ if !claimed.same_target(&requested) => mismatch("path or query differ"),
                    (Some(origin), _) if !policy.origins().iter().any(|ours| origin.is(ours)) => {
                        mismatch("the claim names another site")
                    }
                    _ if document.resource_match == ResourceMatch::Path => None,
                    (None, _) => mismatch("the claim names no origin"),
                    (Some(origin), Some(other)) if origin != other => {
                        mismatch("the request came to another origin")
                    }
                    (Some(_), _) => None,
                }
            }
        };
        let shown = |text: Option<String>| text.unwrap_or_else(|| "none".into());
        self.check(6, "claim: resource", refusal, || {
            let requested = Resource::parse(self.request.url).map(|resource| resource.to_string());
            (shown(requested), shown(claim.resource_text().map(Cow::into_owned)))
        })?;

        let method = self.request.method;
        let refusal = claim
            .method()
            .filter(|signed| *signed != method)
            .map(|_| Refusal::new(Code::ClaimMethodMismatch));
        self.check(6, "claim: method", refusal, || {
            (method.into(), claim.method().unwrap_or("none, which fits any").into())
        })?;
        let refusal = (!document.methods.iter().any(|allowed| allowed == method))
            .then(|| Refusal::new(Code::MethodNotAllowed));
        self.check(6, "request: method", refusal, || (document.methods.join(", "), method.into()))?;

        if let Some(claimed) = claim.content_digest() {
            let actual = self.request.body_digest;
            let agree = actual.is_some_and(|actual| digests_agree(claimed, actual));
            let refusal = (!agree).then(|| Refusal::new(Code::ClaimDigestMismatch));
            self.check(6, "claim: body digest", refusal, || {
                (actual.unwrap_or("none: the caller passed no digest").into(), claimed.into())
            })?;
        }
        Ok(())
    }
}
