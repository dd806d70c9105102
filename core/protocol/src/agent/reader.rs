//! What the visits of one agent share: who it is, what it wants, what it may pay, and what it knows about sites.

use super::Identity;
use super::offer::TrustedBroker;
use super::site::Sites;
use super::spend::{Caps, MemorySpend, Spend, SpendStore};
use super::wallet::Wallet;
use crate::crypto::Algorithm;
use crate::error::{Error, Result};
use crate::headers;
use crate::purpose::Purpose;
use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Money: the books and the visas. Shared by everything that pays for one agent.
pub struct Purse {
    spend: Arc<dyn SpendStore>,
    wallet: Mutex<Wallet>,
}

/// What to do with an answer that redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// Follow within the origin, sign anew for each hop, and refuse to leave it.
    #[default]
    SameOrigin,
    /// Follow to other origins too: each is visited as a new site, with its own robots.txt and its own signature.
    AnyOrigin,
    /// Hand the redirect to the caller.
    Return,
}

/// What to do about provenance receipts (PROTOCOL §10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Receipts {
    /// Verify those that come, and report.
    #[default]
    Verify,
    /// Verify, and refuse content without a good one.
    Require,
    /// Ignore them.
    Ignore,
}

/// How an agent reads.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// Why.
    pub purpose: Purpose,
    /// The product token for robots.txt (RFC 9309 §2.2.1), for example `ExampleBot`: letters, `-` and `_`.
    pub product: String,
    /// The `User-Agent`, before `IMAGXP/1.0` is added; the product token when empty.
    pub user_agent: String,
    /// The brokers that may be paid, the preferred one first. Without any, nothing is bought.
    pub brokers: Vec<TrustedBroker>,
    /// Whether robots.txt and the policy are asked first. Off only for a caller that does so itself.
    pub discover: bool,
    /// What to do with redirects.
    pub redirects: Redirects,
    /// What to do about receipts.
    pub receipts: Receipts,
    /// Also send `x-imagxp-credential`, for publishers that run the reference SDK.
    pub compatible: bool,
    /// Development: admits http on loopback hosts.
    pub allow_loopback: bool,
}

impl ReaderOptions {
    /// The careful defaults: robots.txt respected, redirects within the origin, receipts verified, no broker.
    pub fn new(purpose: Purpose, product: impl Into<String>) -> Self {
        Self {
            purpose,
            product: product.into(),
            user_agent: String::new(),
            brokers: Vec::new(),
            discover: true,
            redirects: Redirects::default(),
            receipts: Receipts::default(),
            compatible: false,
            allow_loopback: false,
        }
    }
}

/// An agent that reads. Shared between threads; [`Reader::visit`](super::visit) makes the state machine of one read.
pub struct Reader {
    identity: Identity,
    options: ReaderOptions,
    user_agent: String,
    purse: Arc<Purse>,
    sites: Mutex<Sites>,
}

impl Purse {
    /// Books kept in a store, and an empty wallet.
    pub fn new(spend: Arc<dyn SpendStore>) -> Self {
        Self { spend, wallet: Mutex::new(Wallet::new()) }
    }

    /// Books in memory with these caps.
    pub fn in_memory(caps: impl IntoIterator<Item = Caps>) -> Self {
        Self::new(Arc::new(MemorySpend::new(Spend::new(caps))))
    }

    /// The books.
    pub fn spend(&self) -> &dyn SpendStore {
        &*self.spend
    }

    /// The visas.
    pub fn wallet(&self) -> MutexGuard<'_, Wallet> {
        self.wallet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Joins an identity with its options and its money.
    ///
    /// Error: `usage.argument` for a product token that no robots.txt could name, and for brokers with an Ed25519 key: brokers are asked with
    /// tokens, which are ES256.
    pub fn new(identity: Identity, options: ReaderOptions, purse: Arc<Purse>) -> Result<Self> {
        let token_ok = (1..=64).contains(&options.product.len())
            && options.product.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'));
        if !token_ok {
            return Err(Error::argument(format!(
                "`{}` is not a product token: 1 to 64 letters, `-` and `_`",
                options.product
            )));
        }
        // Told now, and not with the first offer.
        if identity.public_key().algorithm() != Algorithm::Es256 && !options.brokers.is_empty() {
            return Err(Error::argument(
                "brokers are asked with ES256 tokens, which an Ed25519 key cannot sign",
            ));
        }
        let own = if options.user_agent.is_empty() { &options.product } else { &options.user_agent };
        if !own.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(Error::argument("the user agent is not visible ASCII"));
        }
        let user_agent = headers::user_agent(own);
        Ok(Self { identity, options, user_agent, purse, sites: Mutex::new(Sites::new()) })
    }

    /// Who reads.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How.
    pub fn options(&self) -> &ReaderOptions {
        &self.options
    }

    /// The whole `User-Agent`.
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// The money.
    pub fn purse(&self) -> &Arc<Purse> {
        &self.purse
    }

    pub(super) fn sites(&self) -> MutexGuard<'_, Sites> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purse").field("visas", &self.wallet().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("identity", &self.identity)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
