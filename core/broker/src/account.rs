//! Accounts: (asset, kind, owner, ref) with what is pending and what is posted (BROKER §1).

use crate::amount::Amount;
use crate::asset::Asset;
use crate::refusal::{Refusal, RefusalCode};
use crate::text::{Owner, Reference};
use core::fmt;
use imagxp::encoding::{hex_decode, hex_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// The world: the bank, mint and burn. One per asset; the only kind whose balance may be negative.
    Outside,
    /// What an owner can spend.
    Available,
    /// An owner's bonds and stakes, one account per reference.
    Locked,
    /// The broker's fees. One per asset.
    Treasury,
    /// What is to be given out. One per asset.
    Rewards,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Outside, Self::Available, Self::Locked, Self::Treasury, Self::Rewards];

    /// The name, for example `AVAILABLE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outside => "OUTSIDE",
            Self::Available => "AVAILABLE",
            Self::Locked => "LOCKED",
            Self::Treasury => "TREASURY",
            Self::Rewards => "REWARDS",
        }
    }

    /// The kind with this exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The name of an account: the first 16 bytes of the SHA-256 of its key, so that it can be known without looking it up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId([u8; 16]);

impl AccountId {
    /// The id of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Reads 32 lower-case hex digits. Refusal: `id.malformed`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        hex_decode(text.as_bytes()).map(Self).filter(|id| id.to_string() == text).ok_or_else(|| {
            Refusal::new(RefusalCode::IdMalformed, "an account's id is 32 lower-case hex digits")
        })
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex_encode(&self.0))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::text::by_text!(AccountId);

/// What makes an account the one it is. Only keys that make sense can be built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    asset: Asset,
    kind: Kind,
    owner: Option<Owner>,
    reference: Option<Reference>,
}

impl AccountKey {
    /// Any key: `AVAILABLE` has an owner, `LOCKED` an owner and a reference, the others neither. Refusal: `transfer.illegal`.
    pub fn new(
        asset: Asset,
        kind: Kind,
        owner: Option<Owner>,
        reference: Option<Reference>,
    ) -> Result<Self, Refusal> {
        let needs = match kind {
            Kind::Available => (true, false),
            Kind::Locked => (true, true),
            Kind::Outside | Kind::Treasury | Kind::Rewards => (false, false),
        };
        if (owner.is_some(), reference.is_some()) != needs {
            return Err(Refusal::new(
                RefusalCode::TransferIllegal,
                format!("an account of the kind {} has no such owner or reference", kind.as_str()),
            ));
        }
        Ok(Self { asset, kind, owner, reference })
    }

    /// The world.
    pub const fn outside(asset: Asset) -> Self {
        Self { asset, kind: Kind::Outside, owner: None, reference: None }
    }

    /// What an owner can spend.
    pub const fn available(asset: Asset, owner: Owner) -> Self {
        Self { asset, kind: Kind::Available, owner: Some(owner), reference: None }
    }

    /// One bond of an owner.
    pub const fn locked(asset: Asset, owner: Owner, reference: Reference) -> Self {
        Self { asset, kind: Kind::Locked, owner: Some(owner), reference: Some(reference) }
    }

    /// The broker's fees.
    pub const fn treasury(asset: Asset) -> Self {
        Self { asset, kind: Kind::Treasury, owner: None, reference: None }
    }

    /// What is to be given out.
    pub const fn rewards(asset: Asset) -> Self {
        Self { asset, kind: Kind::Rewards, owner: None, reference: None }
    }

    /// In which asset.
    pub const fn asset(&self) -> Asset {
        self.asset
    }

    /// For what.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whose.
    pub const fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// Which one of the owner's.
    pub const fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// The account's id: each part preceded by its length, so that no two keys run together.
    pub fn id(&self) -> AccountId {
        let mut hash = Sha256::new();
        let parts = [
            Some(self.asset.as_str()),
            Some(self.kind.as_str()),
            self.owner.as_ref().map(Owner::as_str),
            self.reference.as_ref().map(Reference::as_str),
        ];
        for part in parts.map(Option::unwrap_or_default) {
            // No part is longer than 255 bytes.
            hash.update(u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let (start, _) = digest.split_at(16);
        AccountId(start.try_into().unwrap_or_default())
    }
}

/// An account as it stands: one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// [`AccountKey::id`] of the next four.
    pub id: AccountId,
    /// In which asset.
    pub asset: Asset,
    /// For what.
    pub kind: Kind,
    /// Whose, for `AVAILABLE` and `LOCKED`.
    pub owner: Option<Owner>,
    /// Which one, for `LOCKED`.
    pub reference: Option<Reference>,
    /// What pending transfers would take.
    pub debits_pending: Amount,
    /// What has been taken.
    pub debits_posted: Amount,
    /// What pending transfers would bring.
    pub credits_pending: Amount,
    /// What has been brought.
    pub credits_posted: Amount,
    /// Nothing new is taken from it; what is pending goes on.
    pub frozen: bool,
    /// Nothing is taken from it or brought to it any more.
    pub closed: bool,
    /// When the first transfer named it, in milliseconds since 1970.
    pub created_at: i64,
    /// The log's size after the last change: grows with each.
    pub version: u64,
}

impl Account {
    /// An account that nothing has happened to.
    pub fn new(key: &AccountKey, created_at: i64) -> Self {
        Self {
            id: key.id(),
            asset: key.asset,
            kind: key.kind,
            owner: key.owner.clone(),
            reference: key.reference.clone(),
            debits_pending: Amount::ZERO,
            debits_posted: Amount::ZERO,
            credits_pending: Amount::ZERO,
            credits_posted: Amount::ZERO,
            frozen: false,
            closed: false,
            created_at,
            version: 0,
        }
    }

    /// What makes it the account it is. Refusal: `transfer.illegal` for a row that nobody could have written.
    pub fn key(&self) -> Result<AccountKey, Refusal> {
        AccountKey::new(self.asset, self.kind, self.owner.clone(), self.reference.clone())
    }

    /// What can be taken from it now: posted credits without posted and pending debits. `None` when that is negative, as only `OUTSIDE` may be.
    pub fn spendable(&self) -> Option<Amount> {
        self.credits_posted.checked_sub(self.debits_posted)?.checked_sub(self.debits_pending)
    }

    /// Whether the balances are such as the kind allows: none but `OUTSIDE` is negative, counting pending debits.
    pub fn is_sound(&self) -> bool {
        self.kind == Kind::Outside || self.spendable().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner::parse(name).unwrap()
    }

    #[test]
    fn ids_are_those_of_the_keys() {
        let bond = |name| Reference::parse(name).unwrap();
        let keys = [
            AccountKey::outside(Asset::USD),
            AccountKey::treasury(Asset::USD),
            AccountKey::rewards(Asset::USD),
            AccountKey::available(Asset::USD, owner("ab")),
            AccountKey::available(Asset::parse("EUR").unwrap(), owner("ab")),
            AccountKey::locked(Asset::USD, owner("ab"), bond("c")),
            AccountKey::locked(Asset::USD, owner("a"), bond("bc")),
        ];
        let ids: std::collections::BTreeSet<_> = keys.iter().map(AccountKey::id).collect();
        assert_eq!(ids.len(), keys.len());
        let mut expected = Sha256::new();
        for (length, part) in [(3, "USD"), (9, "AVAILABLE"), (2, "ab"), (0, "")] {
            expected.update([0, length]);
            expected.update(part);
        }
        assert_eq!(keys[3].id().to_bytes(), expected.finalize()[..16]);
        for key in keys {
            assert_eq!(Account::new(&key, 7).key().unwrap(), key);
            assert_eq!(AccountId::parse(&key.id().to_string()), Ok(key.id()));
            assert_eq!(AccountId::from_bytes(key.id().to_bytes()), key.id());
            assert_eq!(format!("{:?}", key.id()), key.id().to_string());
            let parts = (key.asset(), key.kind(), key.owner(), key.reference());
            assert_eq!(parts, (key.asset, key.kind, key.owner.as_ref(), key.reference.as_ref()));
        }
        assert!(AccountId::parse("AB").is_err());
    }

    #[test]
    fn keys_that_make_no_sense_are_refused() {
        let reference = Some(Reference::parse("r").unwrap());
        for (kind, owner, reference) in [
            (Kind::Available, None, None),
            (Kind::Available, Some(owner("a")), reference.clone()),
            (Kind::Locked, Some(owner("a")), None),
            (Kind::Treasury, Some(owner("a")), None),
            (Kind::Outside, None, reference),
        ] {
            let refusal = AccountKey::new(Asset::USD, kind, owner, reference).unwrap_err();
            assert_eq!(refusal.code(), RefusalCode::TransferIllegal);
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn pending_debits_count() {
        let mut account = Account::new(&AccountKey::available(Asset::USD, owner("a")), 0);
        account.credits_posted = Amount::from_units(10);
        account.debits_posted = Amount::from_units(4);
        account.debits_pending = Amount::from_units(6);
        account.credits_pending = Amount::from_units(99);
        assert_eq!(account.spendable(), Some(Amount::ZERO));
        account.debits_pending = Amount::from_units(7);
        assert_eq!((account.spendable(), account.is_sound()), (None, false));
        account.kind = Kind::Outside;
        assert!(account.is_sound());
    }
}
