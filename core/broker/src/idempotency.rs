//! The same request twice has one effect (BROKER §3 `Idempotency-Key`).

use crate::actor::Actor;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::rules::CLOCK_SKEW_MS;
use crate::text::Reference;

/// How long a key is remembered, in milliseconds: 24 h, also when the clocks of two servers are wrong by 24 h, one each way.
pub const KEPT_MS: i64 = 24 * 3_600_000 + CLOCK_SKEW_MS;

/// Whose key, and which; two actors may use the same text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    /// Who asks.
    pub actor: Actor,
    /// The key.
    pub key: Reference,
}

/// What a request with a key came to: one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Whose key, and which.
    pub key: IdempotencyKey,
    /// SHA-256 of the request, as the server computes it.
    pub request_sha256: [u8; 32],
    /// What it came to, as JSON: read it with [`IdempotencyRecord::result`].
    pub result: String,
    /// When, in milliseconds since 1970.
    pub created_at: i64,
    /// From when on it no longer counts and may be deleted.
    pub expires_at: i64,
}

impl IdempotencyRecord {
    pub(crate) fn new(
        key: IdempotencyKey,
        request_sha256: [u8; 32],
        result: &Result<Outcome, Refusal>,
        now_ms: i64,
    ) -> Result<Self, Refusal> {
        let result = serde_json::to_string(result)
            .map_err(|_| Refusal::new(RefusalCode::LedgerBroken, "what came of it cannot be written"))?;
        Ok(Self {
            key,
            request_sha256,
            result,
            created_at: now_ms,
            expires_at: now_ms.saturating_add(KEPT_MS),
        })
    }

    /// What the first request came to. Refusals: the first one's, or `ledger.broken` when the record cannot be read.
    pub fn result(&self) -> Result<Outcome, Refusal> {
        serde_json::from_str::<Result<Outcome, Refusal>>(&self.result).unwrap_or_else(|_| {
            Err(Refusal::new(RefusalCode::LedgerBroken, "what came of the first request cannot be read"))
        })
    }
}
