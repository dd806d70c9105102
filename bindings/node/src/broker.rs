//! A broker's client.

use crate::feedback::Feedback;
use crate::fetcher::Fetcher;
use crate::identity::Identity;
use crate::js::{ClassInstance, JsBoolean, JsNumber, JsString, List};
use crate::json::JsonObject;
use crate::options::options;
use crate::presented::Presented;
use crate::{boundary, errors, purpose, redemption, worker};
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp_fetch::Options;
use imagxp_fetch::broker::{self, BrokerError, Period, Want};
use napi::bindgen_prelude::PromiseRaw;
use napi::{Env, Result};
use napi_derive::napi;

options! {
    /// How a broker is asked.
    BrokerOptions {
        /// What asks; one of its own unless given.
        fetcher: Option<ClassInstance<Fetcher>>,
        /// How often something is sent at most, under one key; 5 unless given.
        attempts: Option<JsNumber>,
        /// Development: admits http to this machine.
        allow_loopback: Option<JsBoolean>,
    }
}

options! {
    /// What everything that changes something also takes.
    KeyOptions {
        /// Names what is done, 16 to 128 characters: asked again, the same is answered and nothing is done twice. Random unless given.
        key: Option<JsString>,
    }
}

options! {
    /// Which visas.
    VisasOptions {
        /// In this state, for example `WITHHELD`.
        state: Option<JsString>,
        /// Where the last page ended.
        cursor: Option<JsString>,
        /// 1 to 500.
        limit: Option<JsNumber>,
    }
}

options! {
    /// Which transfers.
    TransfersOptions {
        /// Whose; one's own unless given.
        owner: Option<JsString>,
        /// Where the last page ended.
        cursor: Option<JsString>,
        /// 1 to 500.
        limit: Option<JsNumber>,
    }
}

options! {
    /// Which period of whose account.
    StatementOptions {
        /// Whose; one's own unless given.
        owner: Option<JsString>,
        /// In which asset; the broker's first unless given.
        asset: Option<JsString>,
        /// From when on, RFC 3339.
        since: Option<JsString>,
        /// Until when, exclusive, RFC 3339.
        until: Option<JsString>,
    }
}

options! {
    /// How a dispute ends.
    DecideOptions {
        /// The publisher's part of a split.
        amount: Option<JsString>,
        /// Why.
        memo: Option<JsString>,
        /// As in `KeyOptions`.
        key: Option<JsString>,
    }
}

options! {
    /// What a deposit also says.
    DepositOptions {
        /// What the bank calls it: counts once, for ever.
        reference: JsString,
        /// In which asset; the broker's first unless given.
        asset: Option<JsString>,
        /// A note.
        memo: Option<JsString>,
        /// As in `KeyOptions`.
        key: Option<JsString>,
    }
}

/// A client of one broker: an agent buys visas and says what they were worth, a publisher redeems them, both read their accounts.
///
/// Each request is signed by the identity, whose manifest must be where the broker can fetch it. What changes something carries an
/// idempotency key that stays the same over `attempts`: a lost answer is never paid twice. Promises reject with a `BrokerError`.
#[napi]
pub struct BrokerClient(pub(crate) broker::BrokerClient);

#[napi]
impl BrokerClient {
    /// A client for an agent or a publisher. `issuer` is the broker's origin.
    #[napi(constructor, ts_args_type = "issuer: string, identity: Identity, options?: BrokerOptions")]
    pub fn new(
        issuer: JsString,
        identity: ClassInstance<Identity>,
        options: Option<BrokerOptions>,
    ) -> Result<Self> {
        let (fetcher, attempts) = means(options)?;
        let client = broker::BrokerClient::new(&issuer, identity.inner.clone(), fetcher);
        client.map(|client| Self(client.with_attempts(attempts))).map_err(|error| raise(&error))
    }

    /// A client for an operator with a token.
    #[napi(factory, ts_args_type = "issuer: string, token: string, options?: BrokerOptions")]
    pub fn operator(issuer: JsString, token: JsString, options: Option<BrokerOptions>) -> Result<Self> {
        let (fetcher, attempts) = means(options)?;
        let client = broker::BrokerClient::operator(&issuer, &token, fetcher);
        client.map(|client| Self(client.with_attempts(attempts))).map_err(|error| raise(&error))
    }

    /// The broker's origin.
    #[napi(getter)]
    pub fn issuer(&self) -> &str {
        self.0.issuer()
    }

    /// Whether the broker pays this client for the page at this URL: it pays each host by its own name.
    #[napi(ts_args_type = "url: string")]
    pub fn is_paid_for(&self, url: JsString) -> Result<bool> {
        boundary::compute(|| self.0.is_paid_for(&url))
    }

    /// What the broker says of itself (OpenID Connect Discovery): asked once.
    #[napi(ts_return_type = "Promise<JsonObject>")]
    pub fn metadata(&self, env: Env) -> Result<PromiseRaw<'static, JsonObject>> {
        self.ask(env, |client| client.endpoints().map(|endpoints| endpoints.document))
    }

    /// Buys a visa: `{token, jti, amount, currency, expires_at}`. The same key again is answered with the same visa.
    #[napi(
        ts_args_type = "resource: string, amount: string, currency: string, purpose: Purpose, options?: KeyOptions",
        ts_return_type = "Promise<JsonObject>"
    )]
    pub fn issue(
        &self,
        env: Env,
        resource: JsString,
        amount: JsString,
        currency: JsString,
        purpose: JsString,
        options: Option<KeyOptions>,
    ) -> Result<PromiseRaw<'static, JsonObject>> {
        let purpose = purpose::parse(&purpose)?;
        let want = Want { resource: resource.0, amount: amount.0, currency: currency.0, purpose };
        let key = key(options);
        self.ask(env, move |client| {
            let visa = client.issue(&want, key.as_deref())?;
            let mut object = Object::new();
            object.insert("token", visa.token().to_owned());
            object.insert("jti", visa.jti().to_owned());
            object.insert("amount", visa.price().amount.to_string());
            object.insert("currency", visa.price().currency.clone());
            object.insert("expires_at", visa.exp().to_string());
            Ok(object)
        })
    }

    /// One visa, as those whom it concerns see it.
    #[napi(ts_args_type = "jti: string", ts_return_type = "Promise<JsonObject>")]
    pub fn visa(&self, env: Env, jti: JsString) -> Result<PromiseRaw<'static, JsonObject>> {
        self.ask(env, move |client| client.visa(&jti))
    }

    /// A page of visas, newest first: `{visas, next_cursor}`.
    #[napi(ts_args_type = "options?: VisasOptions", ts_return_type = "Promise<JsonObject>")]
    pub fn visas(&self, env: Env, options: Option<VisasOptions>) -> Result<PromiseRaw<'static, JsonObject>> {
        let (state, cursor, limit) =
            options.map_or((None, None, None), |given| (text(given.state), text(given.cursor), given.limit));
        let limit = limit.map(|limit| limit.whole::<u32>("limit")).transpose()?;
        self.ask(env, move |client| client.visas(state.as_deref(), cursor.as_deref(), limit))
    }

    /// Redeems up to 1000 visas, of 2 MiB in all; one result for each, in their order: `{jti, accepted, amount, asset, repeated, error}`.
    #[napi(
        ts_args_type = "visas: readonly Presented[], options?: KeyOptions",
        ts_return_type = "Promise<JsonObject[]>"
    )]
    pub fn redeem(
        &self,
        env: Env,
        visas: List<ClassInstance<Presented>>,
        options: Option<KeyOptions>,
    ) -> Result<PromiseRaw<'static, Vec<JsonObject>>> {
        let visas: Vec<_> = visas.0.iter().map(|visa| visa.0.clone()).collect();
        let (client, key) = (self.0.clone(), key(options));
        worker::run(
            &env,
            move || client.redeem(&visas, key.as_deref()),
            |asked| {
                let results = asked.map_err(|error| raise(&error))?;
                Ok(results.iter().map(|result| JsonObject(result.to_json())).collect())
            },
        )
    }

    /// The broker's word on one visa, for `Pending.redeemed`: asked for twice at most, within five seconds. 16 visas are asked about at once
    /// in a process, and 64 wait for their turn; for others it is `unavailable` at once.
    #[napi(
        ts_args_type = "visa: Presented",
        ts_return_type = "Promise<'accepted' | 'refused' | 'unavailable'>"
    )]
    pub fn confirm(
        &self,
        env: Env,
        visa: ClassInstance<Presented>,
    ) -> Result<PromiseRaw<'static, &'static str>> {
        redemption::ask(&env, self.0.clone(), visa.0.clone())
    }

    /// Says what a visa was worth: 0.5 and better releases the money, less withholds it. Signs the feedback, which names the visa (`jti`)
    /// and a page of its publisher. Gives the visa.
    #[napi(ts_args_type = "feedback: Feedback, options?: KeyOptions", ts_return_type = "Promise<JsonObject>")]
    pub fn feedback(
        &self,
        env: Env,
        feedback: ClassInstance<Feedback>,
        options: Option<KeyOptions>,
    ) -> Result<PromiseRaw<'static, JsonObject>> {
        let (feedback, key) = (feedback.as_core().clone(), key(options));
        self.ask(env, move |client| client.feedback(&feedback, key.as_deref()))
    }

    /// Contests, as the publisher, that the money of a visa is withheld. Gives the visa.
    #[napi(
        ts_args_type = "jti: string, statement: string, options?: KeyOptions",
        ts_return_type = "Promise<JsonObject>"
    )]
    pub fn contest(
        &self,
        env: Env,
        jti: JsString,
        statement: JsString,
        options: Option<KeyOptions>,
    ) -> Result<PromiseRaw<'static, JsonObject>> {
        let key = key(options);
        self.ask(env, move |client| client.contest(&jti, &statement, key.as_deref()))
    }

    /// Decides a dispute, as an operator. Gives the visa.
    #[napi(
        ts_args_type = "jti: string, decision: 'release' | 'refund' | 'split', options?: DecideOptions",
        ts_return_type = "Promise<JsonObject>"
    )]
    pub fn decide(
        &self,
        env: Env,
        jti: JsString,
        decision: JsString,
        options: Option<DecideOptions>,
    ) -> Result<PromiseRaw<'static, JsonObject>> {
        let (amount, memo, key) = options
            .map_or((None, None, None), |given| (text(given.amount), text(given.memo), text(given.key)));
        self.ask(env, move |client| {
            client.decide(&jti, &decision, amount.as_deref(), memo.as_deref(), key.as_deref())
        })
    }

    /// The accounts of an owner, one's own without one: `{accounts}`, none as long as no money has moved.
    #[napi(ts_args_type = "owner?: string", ts_return_type = "Promise<JsonObject>")]
    pub fn account(&self, env: Env, owner: Option<JsString>) -> Result<PromiseRaw<'static, JsonObject>> {
        self.ask(env, move |client| client.account(owner.as_deref()))
    }

    /// A page of transfers, newest first: `{transfers, next_cursor}`.
    #[napi(ts_args_type = "options?: TransfersOptions", ts_return_type = "Promise<JsonObject>")]
    pub fn transfers(
        &self,
        env: Env,
        options: Option<TransfersOptions>,
    ) -> Result<PromiseRaw<'static, JsonObject>> {
        let (owner, cursor, limit) =
            options.map_or((None, None, None), |given| (text(given.owner), text(given.cursor), given.limit));
        let limit = limit.map(|limit| limit.whole::<u32>("limit")).transpose()?;
        self.ask(env, move |client| client.transfers(owner.as_deref(), cursor.as_deref(), limit))
    }

    /// A statement that adds up: `{account, from, until, opening, closing, transfers}`.
    #[napi(ts_args_type = "options?: StatementOptions", ts_return_type = "Promise<JsonObject>")]
    pub fn statement(
        &self,
        env: Env,
        options: Option<StatementOptions>,
    ) -> Result<PromiseRaw<'static, JsonObject>> {
        let (owner, asset, since, until) = options.map_or((None, None, None, None), |given| {
            (text(given.owner), text(given.asset), text(given.since), text(given.until))
        });
        self.ask(env, move |client| {
            let period = Period { asset: asset.as_deref(), from: since.as_deref(), until: until.as_deref() };
            client.statement(owner.as_deref(), &period)
        })
    }

    /// Books a deposit, as an operator. Gives the transfer.
    #[napi(
        ts_args_type = "owner: string, amount: string, options: DepositOptions",
        ts_return_type = "Promise<JsonObject>"
    )]
    pub fn deposit(
        &self,
        env: Env,
        owner: JsString,
        amount: JsString,
        options: DepositOptions,
    ) -> Result<PromiseRaw<'static, JsonObject>> {
        let (reference, asset, memo, key) =
            (options.reference.0, text(options.asset), text(options.memo), text(options.key));
        self.ask(env, move |client| {
            client.deposit(&owner, &amount, asset.as_deref(), &reference, memo.as_deref(), key.as_deref())
        })
    }
}

impl BrokerClient {
    fn ask(
        &self,
        env: Env,
        act: impl FnOnce(&broker::BrokerClient) -> core::result::Result<Object<'static>, BrokerError>
        + Send
        + 'static,
    ) -> Result<PromiseRaw<'static, JsonObject>> {
        let client = self.0.clone();
        worker::run(&env, move || act(&client), |asked| asked.map(JsonObject).map_err(|error| raise(&error)))
    }
}

fn text(given: Option<JsString>) -> Option<String> {
    given.map(|text| text.0)
}

fn key(options: Option<KeyOptions>) -> Option<String> {
    options.and_then(|options| text(options.key))
}

/// What asks, and how often.
fn means(options: Option<BrokerOptions>) -> Result<(imagxp_fetch::Fetcher, u32)> {
    let (fetcher, attempts, loopback) =
        options.map_or((None, None, None), |given| (given.fetcher, given.attempts, given.allow_loopback));
    let attempts = attempts.map_or(Ok(5), |attempts| attempts.whole::<u32>("attempts"))?;
    let allow_loopback = loopback.is_some_and(|flag| flag.0);
    let fetcher = match fetcher {
        Some(_) if allow_loopback => {
            return Err(errors::argument("allowLoopback belongs to the fetcher that was given"));
        }
        Some(fetcher) => fetcher.0.clone(),
        None => {
            boundary::call(|| imagxp_fetch::Fetcher::new(Options { allow_loopback, ..Options::default() }))?
        }
    };
    Ok((fetcher, attempts))
}

/// `usage.*` for misuse, `BrokerError` for everything else.
pub(crate) fn raise(error: &BrokerError) -> napi::Error {
    if error.code().starts_with("usage.") || error.code() == "io.failed" {
        return errors::with_code(error.code(), error.message());
    }
    let mut members = Object::new();
    let text = |text: Option<&str>| text.map_or(Value::Null, |text| text.to_owned().into());
    members.insert("status", error.status().map_or(Value::Null, |status| i32::from(status).into()));
    members.insert("requestId", text(error.request_id()));
    members.insert("idempotencyKey", text(error.idempotency_key()));
    members.insert("unknown", error.is_unknown());
    members.insert("transient", error.is_transient());
    let members = String::from_utf8_lossy(&object_to_canonical(&members)).into_owned();
    errors::with_members("broker", error.code(), error.message(), members)
}
