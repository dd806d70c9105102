//! Buying a visa.

use super::settle::{note, time};
use super::{Visa, VisaState};
use crate::account::AccountKey;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::code::{Phase, TransferCode};
use crate::command::{Act, name_accounts};
use crate::draft::{Draft, Made};
use crate::event::EventKind;
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::rules::{EXPIRY_GRACE_MS, MAX_LIFETIME_S};
use crate::store::{Keys, Loaded};
use crate::text::Owner;
use imagxp::Purpose;
use imagxp::crypto::Thumbprint;
use imagxp::policy::PathPattern;

const MAX_PATHS: usize = 32;

/// An agent buys a visa: the money is reserved, and the server signs the claims of the visa that comes back. The agent or an operator.
///
/// The outcome's visa says `iat` and `exp`; sign no others. Refusals: `actor.denied`, `visa.lifetime`, `text.malformed` for paths,
/// `account.*`, `amount.range`, `asset.unknown`, `transfer.illegal` for a visa to oneself, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueVisa {
    /// The name that the visa gets; a new one when absent.
    pub jti: Option<Id>,
    /// Who buys: `sub`.
    pub agent: Owner,
    /// For whom: `aud`.
    pub publisher: Owner,
    /// In which asset.
    pub asset: Asset,
    /// For how much.
    pub amount: Amount,
    /// The key to bind it to.
    pub jkt: Option<Thumbprint>,
    /// The purposes to limit it to.
    pub purposes: Option<Vec<Purpose>>,
    /// The path patterns to limit it to, 32 at most.
    pub paths: Option<Vec<String>>,
    /// How long it lives, in seconds, 3600 at most.
    pub lifetime_s: u32,
}

impl IssueVisa {
    fn draft(&self) -> Draft {
        Draft {
            id: self.jti,
            code: TransferCode::Visa,
            phase: Phase::Pending,
            debit: AccountKey::available(self.asset, self.agent.clone()),
            credit: AccountKey::available(self.asset, self.publisher.clone()),
            amount: self.amount,
            reference: None,
            memo: None,
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        if !(1..=MAX_LIFETIME_S).contains(&self.lifetime_s) {
            return Err(RefusalCode::VisaLifetime.into());
        }
        let paths = self.paths.as_deref().unwrap_or_default();
        let readable = |path: &String| PathPattern::parse(path).is_ok();
        if paths.len() > MAX_PATHS || !paths.iter().all(readable) {
            return Err(Refusal::new(RefusalCode::TextMalformed, "the paths are too many or no patterns"));
        }
        Ok(())
    }

    fn asks_for(&self, visa: &Visa) -> bool {
        let lifetime_ms = i64::from(self.lifetime_s).saturating_mul(1000);
        (&self.agent, &self.publisher, self.asset, self.amount)
            == (&visa.agent, &visa.publisher, visa.asset, visa.amount)
            && (&self.jkt, &self.purposes, &self.paths) == (&visa.jkt, &visa.purposes, &visa.paths)
            && visa.expires_at.saturating_sub(visa.issued_at) == lifetime_ms
    }
}

impl Act for IssueVisa {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        self.draft().name(keys);
        // For a settlement in the same batch: its own keys cannot name the accounts of a visa that is not there yet.
        name_accounts(keys, [&AccountKey::treasury(self.asset)]);
        keys.visas.extend(self.jti);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_be(&self.agent)?;
        self.check()?;
        let made = ledger.make(self.draft())?;
        let jti = match made {
            Made::New(jti) => jti,
            Made::Before(transfer) => {
                let visa = ledger.visa(transfer.id)?;
                if !self.asks_for(&visa) {
                    return Err(RefusalCode::IdempotencyMismatch.into());
                }
                return Ok(Outcome {
                    transfers: vec![transfer],
                    visa: Some(visa),
                    repeated: true,
                    ..Outcome::default()
                });
            }
        };
        let issued_at = ledger.now_ms.saturating_sub(ledger.now_ms.rem_euclid(1000));
        let expires_at = issued_at.saturating_add(i64::from(self.lifetime_s).saturating_mul(1000));
        let visa = Visa {
            jti,
            agent: self.agent.clone(),
            publisher: self.publisher.clone(),
            asset: self.asset,
            amount: self.amount,
            fee_bps: ledger.rules.fee_bps,
            jkt: self.jkt,
            purposes: self.purposes.clone(),
            paths: self.paths.clone(),
            state: VisaState::Issued,
            issued_at,
            expires_at,
            due_at: Some(expires_at.saturating_add(EXPIRY_GRACE_MS)),
            redeemed_at: None,
            request_jkt: None,
            feedback: None,
            contest: None,
            settled_at: None,
            released: Amount::ZERO,
            fee: Amount::ZERO,
            version: 0,
        };
        // What was agreed: from the log alone anybody can prove the fee and the times.
        let mut terms = vec![
            ("exp", time(visa.expires_at)),
            ("fee_bps", u32::from(visa.fee_bps).into()),
            ("iat", time(visa.issued_at)),
        ];
        terms.extend(visa.jkt.map(|key| ("jkt", key.as_str().to_owned().into())));
        terms.extend(visa.limits_sha256().map(|hash| ("limits_sha256", hash.into())));
        note(ledger, &visa, EventKind::VisaIssued, terms);
        ledger.put_visa(visa.clone());
        Ok(Outcome { visa: Some(visa), ..Outcome::default() })
    }
}
