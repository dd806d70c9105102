//! The agent as a client.

use crate::identity::Identity;
use crate::js::{Anything, ClassInstance, JsBoolean, JsString, List};
use crate::json::JsonObject;
use crate::options::options;
use crate::visit::{Visit, refused};
use crate::wallet::Wallet;
use crate::{boundary, errors, js, purpose, worker};
use imagxp::agent::offer::TrustedBroker;
use imagxp::agent::reader::{Purse, ReaderOptions, Receipts, Redirects};
use imagxp_fetch::agent as client;
use imagxp_fetch::{Fetcher, Options};
use napi::bindgen_prelude::{Buffer, PromiseRaw};
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::Arc;

options! {
    /// How an agent reads.
    AgentOptions {
        /// What it may spend; nothing unless given.
        wallet: Option<ClassInstance<Wallet>>,
        /// Whom it may pay: issuer URLs, or pairs of issuer and token endpoint.
        #[napi(ts_type = "readonly (string | readonly [issuer: string, tokenEndpoint: string])[]")]
        brokers: Option<List<Anything>>,
        /// Its own words in `User-Agent`.
        user_agent: Option<JsString>,
        /// `false` asks neither robots.txt nor the policy, for callers that do so themselves.
        discover: Option<JsBoolean>,
        /// Which redirects are followed; those of one origin unless given.
        #[napi(ts_type = "'same_origin' | 'any_origin' | 'return'")]
        redirects: Option<JsString>,
        /// What becomes of receipts; they are verified unless given.
        #[napi(ts_type = "'verify' | 'require' | 'ignore'")]
        receipts: Option<JsString>,
        /// Also sends the header names of the reference SDK.
        compatible: Option<JsBoolean>,
        /// Also reads from this machine: for development.
        allow_loopback: Option<JsBoolean>,
    }
}

options! {
    /// What `Agent.read` also takes.
    ReadOptions {
        /// GET unless given.
        #[napi(ts_type = "'GET' | 'HEAD'")]
        method: Option<JsString>,
    }
}

options! {
    /// What `Agent.visit` also takes.
    VisitOptions {
        /// `contentDigest(body)` when there is a body.
        content_digest: Option<JsString>,
    }
}

/// An agent that reads pages: robots.txt, signature, payment within the wallet's caps, receipt.
#[napi]
pub struct Agent(client::Agent);

#[napi]
impl Agent {
    /// An agent. `product` is the token that robots.txt may name.
    #[napi(
        constructor,
        ts_args_type = "identity: Identity, purpose: Purpose, product: string, options?: AgentOptions"
    )]
    pub fn new(
        identity: ClassInstance<Identity>,
        purpose: JsString,
        product: JsString,
        options: Option<AgentOptions>,
    ) -> Result<Self> {
        let mut reader = ReaderOptions::new(purpose::parse(&purpose)?, &*product);
        let mut wallet = None;
        if let Some(options) = options {
            let flag = |flag: Option<JsBoolean>, default| flag.map_or(default, |flag: JsBoolean| flag.0);
            reader.allow_loopback = flag(options.allow_loopback, false);
            reader.compatible = flag(options.compatible, false);
            reader.discover = flag(options.discover, true);
            reader.user_agent = options.user_agent.map(|text| text.0).unwrap_or_default();
            reader.redirects = match options.redirects.as_deref().unwrap_or("same_origin") {
                "same_origin" => Redirects::SameOrigin,
                "any_origin" => Redirects::AnyOrigin,
                "return" => Redirects::Return,
                _ => return Err(errors::argument("redirects is same_origin, any_origin or return")),
            };
            reader.receipts = match options.receipts.as_deref().unwrap_or("verify") {
                "verify" => Receipts::Verify,
                "require" => Receipts::Require,
                "ignore" => Receipts::Ignore,
                _ => return Err(errors::argument("receipts is verify, require or ignore")),
            };
            let brokers = options.brokers.unwrap_or_default().0;
            let brokers = brokers.iter().map(|broker| trusted(broker, reader.allow_loopback));
            reader.brokers = brokers.collect::<Result<_>>()?;
            wallet = options.wallet;
        }
        let purse = wallet.map_or_else(|| Arc::new(Purse::in_memory([])), |wallet| Arc::clone(&wallet.0));
        let allow_loopback = reader.allow_loopback;
        boundary::call(|| {
            let fetcher = Fetcher::new(Options { allow_loopback, ..Options::default() })?;
            client::Agent::new(identity.inner.clone(), reader, purse, fetcher).map(Self)
        })
    }

    /// Reads one page. Pays at most once. Rejects with a `ReadError`, whose `report` tells what happened before.
    #[napi(ts_return_type = "Promise<Page>")]
    pub fn read(
        &self,
        env: Env,
        url: JsString,
        options: Option<ReadOptions>,
    ) -> Result<PromiseRaw<'static, Page>> {
        let method =
            options.and_then(|options| options.method).map_or_else(|| "GET".to_owned(), |method| method.0);
        let agent = self.0.clone();
        let work = move || agent.request(&method, &url);
        worker::run(&env, work, |read| read.map(Page).map_err(|refusal| refused(&refusal)))
    }

    /// Begins one read without I/O: `Visit.start` and its answers say what to send.
    #[napi]
    pub fn visit(&self, method: JsString, url: JsString, options: Option<VisitOptions>) -> Result<Visit> {
        let digest = options.and_then(|options| options.content_digest);
        let reader = self.0.reader();
        let visit = boundary::call(|| reader.visit(&method, &url, digest.as_deref()))?;
        Ok(Visit::new(visit))
    }
}

/// An issuer, or an issuer and its token endpoint.
fn trusted(broker: &Anything, allow_loopback: bool) -> Result<TrustedBroker> {
    if let Ok(issuer) = broker.read::<JsString>() {
        return boundary::call(|| TrustedBroker::new(&issuer, allow_loopback));
    }
    let pair = broker.read::<List<JsString>>().ok().map(|pair| <[JsString; 2]>::try_from(pair.0));
    let Some(Ok([issuer, endpoint])) = pair else {
        return js::named("brokers", || Err(js::expected("issuers, or pairs of issuer and endpoint")));
    };
    boundary::call(|| {
        TrustedBroker::new(&issuer, allow_loopback)?.with_token_endpoint(&endpoint, allow_loopback)
    })
}

/// What was read.
#[napi]
pub struct Page(client::Page);

#[napi]
impl Page {
    /// The status.
    #[napi(getter)]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Header lines in their order, names in lower case.
    #[napi(getter)]
    pub fn headers(&self) -> Vec<(String, String)> {
        self.0.headers.clone()
    }

    /// The body.
    #[napi(getter)]
    pub fn body(&self) -> Buffer {
        self.0.body.clone().into()
    }

    /// The URL that was read last.
    #[napi(getter)]
    pub fn url(&self) -> &str {
        &self.0.report.url
    }

    /// What happened: `url`, `status`, `offer`, `payment`, `receipt` and each of the `steps`.
    #[napi(getter, ts_return_type = "JsonObject")]
    pub fn report(&self) -> JsonObject {
        JsonObject(self.0.report.to_json())
    }
}
