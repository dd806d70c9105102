//! The guarded client.

#![expect(
    clippy::too_many_arguments,
    reason = "header lines cross as three arguments, and are one in JavaScript"
)]

use crate::headers::Joined;
use crate::js::{Bytes, JsBoolean, JsNumber, JsString, List, Text};
use crate::options::options;
use crate::{boundary, errors, worker};
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp_fetch::{Call, FetchError, Options, Profile};
use napi::bindgen_prelude::{Buffer, PromiseRaw};
use napi::{Env, Result};
use napi_derive::napi;

options! {
    /// What a fetcher may do beyond the rules of the protocol.
    FetcherOptions {
        /// Development: admits http to this machine.
        allow_loopback: Option<JsBoolean>,
        /// PEM certificates of further authorities.
        roots: Option<Text>,
        /// `roots` are the only ones.
        only_given_roots: Option<JsBoolean>,
        /// `address:port` each; the system's when there are none.
        nameservers: Option<List<JsString>>,
        /// Ports besides 443.
        ports: Option<List<JsNumber>>,
        /// What is sent as `User-Agent`.
        user_agent: Option<JsString>,
        /// Development and tests: addresses that are admitted although they are not public.
        allow_addresses: Option<List<JsString>>,
        /// The port that is connected to there.
        allowed_port: Option<JsNumber>,
    }
}

options! {
    /// What `Fetcher.send` also takes.
    SendOptions {
        /// The body to send.
        body: Option<Bytes>,
        /// The bounds; those of a page unless given.
        #[napi(ts_type = "FetchProfile")]
        profile: Option<JsString>,
    }
}

/// A client that keeps the fetch rules of the protocol: https only, checked addresses, no redirects, one deadline, limits.
#[napi]
pub struct Fetcher(pub(crate) imagxp_fetch::Fetcher);

#[napi]
impl Fetcher {
    /// A fetcher.
    #[napi(constructor)]
    pub fn new(options: Option<FetcherOptions>) -> Result<Self> {
        let Some(given) = options else {
            return boundary::call(|| Ok(Self(imagxp_fetch::Fetcher::new(Options::default())?)));
        };
        let flag = |flag: Option<JsBoolean>| flag.is_some_and(|flag| flag.0);
        let nameservers = given.nameservers.unwrap_or_default().0;
        let nameservers = nameservers.iter().map(|text| {
            text.parse()
                .map_err(|_| errors::argument(&format!("`{}` is not an address with a port", &**text)))
        });
        let allow_addresses = given.allow_addresses.unwrap_or_default().0;
        let allow_addresses = allow_addresses.iter().map(|text| {
            text.parse().map_err(|_| errors::argument(&format!("`{}` is not an address", &**text)))
        });
        let ports = given.ports.unwrap_or_default().0.into_iter().map(|port| port.whole::<u16>("ports"));
        let mut options = Options {
            allow_loopback: flag(given.allow_loopback),
            only_given_roots: flag(given.only_given_roots),
            nameservers: nameservers.collect::<Result<_>>()?,
            ports: ports.collect::<Result<_>>()?,
            user_agent: given.user_agent.map(|text| text.0),
            allow_addresses: allow_addresses.collect::<Result<_>>()?,
            allowed_port: given.allowed_port.map(|port| port.whole::<u16>("allowedPort")).transpose()?,
            ..Options::default()
        };
        boundary::call(|| {
            if let Some(roots) = given.roots {
                options.add_roots_pem(&roots.0)?;
            }
            Ok(Self(imagxp_fetch::Fetcher::new(options)?))
        })
    }

    /// Fetches one document; a status other than 200 rejects with a `FetchError`. One fetch per URL at a time, failures remembered for 60 s.
    ///
    /// `profile`: `manifest` (1.5 s, 16 KiB), `jwks` (3 s, 64 KiB), `document` (5 s, 512 KiB; the default), `token` (10 s,
    /// 32 KiB, any port: a broker's token endpoint) or `page` (30 s, 32 MiB).
    #[napi(ts_args_type = "url: string, profile?: FetchProfile", ts_return_type = "Promise<Answer>")]
    pub fn get(
        &self,
        env: Env,
        url: JsString,
        profile: Option<JsString>,
    ) -> Result<PromiseRaw<'static, Answer>> {
        let profile = bounds(profile.as_deref().unwrap_or("document"))?;
        let fetcher = self.0.clone();
        worker::run(&env, move || fetcher.get(&url, profile), finish)
    }

    /// Sends one request and gives whatever the answer is, redirects too. Nothing is shared, remembered or repeated.
    #[napi(
        ts_args_type = "method: string, url: string, headers?: Headers | null, options?: SendOptions",
        ts_return_type = "Promise<Answer>"
    )]
    pub fn send(
        &self,
        env: Env,
        method: JsString,
        url: JsString,
        headers: Joined,
        count: u32,
        separator: u32,
        options: Option<SendOptions>,
    ) -> Result<Option<PromiseRaw<'static, Answer>>> {
        let Some(lines) = headers.lines(count, separator) else { return Ok(None) };
        let (body, profile) = options.map_or((None, None), |options| (options.body, options.profile));
        let profile = bounds(profile.as_deref().unwrap_or("page"))?;
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| errors::argument("a header is not UTF-8"))
        };
        let headers = lines.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
        let call = Call {
            method: method.0,
            url: url.0,
            headers: headers.collect::<Result<_>>()?,
            body: body.map(|body| body.0).unwrap_or_default(),
        };
        let fetcher = self.0.clone();
        worker::run(&env, move || fetcher.send(&call, profile), finish).map(Some)
    }
}

/// What came back.
#[napi]
pub struct Answer(imagxp_fetch::Answer);

#[napi]
impl Answer {
    /// The status: 200 from `get`, any from `send`.
    #[napi(getter)]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Pairs of name (lower case) and value, duplicates included.
    #[napi(getter)]
    pub fn headers(&self) -> Vec<(String, String)> {
        self.0.headers.clone()
    }

    /// The body.
    #[napi(getter)]
    pub fn body(&self) -> Buffer {
        self.0.body.clone().into()
    }

    /// The address that was checked and connected to.
    #[napi(getter)]
    pub fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// The seconds of `Cache-Control: max-age`; 0 for what must not be stored.
    #[napi(getter)]
    pub fn max_age(&self) -> Option<u32> {
        self.0.max_age()
    }

    /// The first header line of this name.
    #[napi]
    pub fn header(&self, name: JsString) -> Option<String> {
        self.0.header(&name).map(ToOwned::to_owned)
    }
}

fn bounds(name: &str) -> Result<Profile> {
    Profile::from_name(name).ok_or_else(|| {
        errors::argument(&format!("`{name}` is not one of manifest, jwks, document, token, page"))
    })
}

fn finish(result: core::result::Result<imagxp_fetch::Answer, FetchError>) -> Result<Answer> {
    result.map(Answer).map_err(|error| {
        let mut members = Object::new();
        members.insert("failure", error.failure.as_str());
        members.insert("sent", error.sent);
        members.insert("status", error.status.map_or(Value::Null, |status| i32::from(status).into()));
        let members = String::from_utf8_lossy(&object_to_canonical(&members)).into_owned();
        errors::with_members("fetch", error.failure.code().as_str(), &error.detail, members)
    })
}
