//! A fetcher joined with the core: verification that fetches what it lacks.

use crate::fetcher::Fetcher;
use crate::js::{ClassInstance, JsString};
use crate::publisher::{NowOptions, Publisher};
use crate::{boundary, errors, time, worker};
use imagxp::publisher::{Need, NeedKind};
use napi::bindgen_prelude::PromiseRaw;
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::Arc;

/// Verifies, fetching the manifests and key sets that verdicts need. A known agent's request fetches nothing.
///
/// Verifying itself happens on the thread that called, where the publisher's own functions belong; only fetching happens elsewhere.
#[napi]
pub struct Resolver(imagxp_fetch::Resolver);

#[napi]
impl Resolver {
    /// A resolver that fetches with this fetcher, or with one of its own.
    #[napi(constructor, ts_args_type = "fetcher?: Fetcher | null")]
    pub fn new(fetcher: Option<ClassInstance<Fetcher>>) -> Result<Self> {
        let fetcher = match fetcher {
            Some(fetcher) => fetcher.0.clone(),
            None => boundary::call(|| imagxp_fetch::Fetcher::new(imagxp_fetch::Options::default()))?,
        };
        Ok(Self(imagxp_fetch::Resolver::new(fetcher)))
    }

    /// Fetches one need and hands it to the publisher; then resume.
    ///
    /// What goes wrong is recorded, so that the next verdict tells it, and rejects.
    #[napi(
        ts_args_type = "publisher: Publisher, need: Pick<Need, 'kind' | 'url'>, options?: NowOptions",
        ts_return_type = "Promise<void>"
    )]
    pub fn supply(
        &self,
        env: Env,
        publisher: ClassInstance<Publisher>,
        need: NeedArgument,
        options: Option<NowOptions>,
    ) -> Result<PromiseRaw<'static, ()>> {
        let kind = match &*need.kind {
            "manifest" => NeedKind::Manifest,
            "jwks" => NeedKind::Jwks,
            "redeem" => NeedKind::Redeem,
            "replay" => NeedKind::Replay,
            _ => return Err(errors::argument("the need is none of manifest, jwks, redeem, replay")),
        };
        let need = Need { kind, url: need.url.0 };
        let now = time::or_now(options.and_then(|options| options.now));
        let (resolver, publisher) = (self.0.clone(), Arc::clone(&publisher.inner));
        let work = move || resolver.supply(&publisher, &need, now);
        worker::run(&env, work, |done| done.map_err(|error| errors::raise(&error)))
    }
}

crate::options::options! {
    /// One of a verdict's needs.
    NeedArgument {
        /// `manifest`, `jwks`, `redeem` or `replay`.
        kind: JsString,
        /// Where it is.
        url: JsString,
    }
}
