//! The codes of transfers and the one legal shape of each (BROKER §1).

use crate::account::{Account, Kind};
use crate::refusal::{Refusal, RefusalCode};
use serde::{Deserialize, Serialize};

/// How a transfer takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// At once.
    Single,
    /// Reserved, until a post or a void.
    Pending,
    /// Takes a part or all of a pending transfer; the rest goes back.
    Post,
    /// Gives a pending transfer back.
    Void,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 4] = [Self::Single, Self::Pending, Self::Post, Self::Void];

    /// The name, for example `pending`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Pending => "pending",
            Self::Post => "post",
            Self::Void => "void",
        }
    }

    /// The phase with this exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// Whether it ends a pending transfer.
    pub const fn resolves(self) -> bool {
        matches!(self, Self::Post | Self::Void)
    }
}

/// What a transfer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TransferCode {
    /// Money comes in: `OUTSIDE` → `AVAILABLE`.
    Deposit,
    /// Money goes out: `AVAILABLE` → `OUTSIDE`, pending until the bank has answered and an operator who did not ask for it says so.
    Withdraw,
    /// Between owners: `AVAILABLE` → `AVAILABLE`.
    Pay,
    /// The broker's part of what was earned: `AVAILABLE` → `TREASURY`.
    Fee,
    /// A visa: agent's `AVAILABLE` → publisher's `AVAILABLE`, pending until it is settled.
    Visa,
    /// A bond: `AVAILABLE` → `LOCKED` of the same owner.
    Lock,
    /// A bond given back: `LOCKED` → `AVAILABLE` of the same owner.
    Unlock,
    /// A bond lost: `LOCKED` → `TREASURY`.
    Slash,
    /// Whatever was wrong, between any two accounts; pending until a second operator agrees.
    Correction,
}

impl TransferCode {
    /// Every code.
    pub const ALL: [Self; 9] = [
        Self::Deposit,
        Self::Withdraw,
        Self::Pay,
        Self::Fee,
        Self::Visa,
        Self::Lock,
        Self::Unlock,
        Self::Slash,
        Self::Correction,
    ];

    /// The name, for example `DEPOSIT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "DEPOSIT",
            Self::Withdraw => "WITHDRAW",
            Self::Pay => "PAY",
            Self::Fee => "FEE",
            Self::Visa => "VISA",
            Self::Lock => "LOCK",
            Self::Unlock => "UNLOCK",
            Self::Slash => "SLASH",
            Self::Correction => "CORRECTION",
        }
    }

    /// The code with this exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// Whether its transfers wait for a decision; the others take effect at once.
    pub const fn is_two_phase(self) -> bool {
        matches!(self, Self::Withdraw | Self::Visa | Self::Correction)
    }

    /// Whether another operator than the one who asked for it has to agree before it is posted.
    pub const fn needs_second(self) -> bool {
        matches!(self, Self::Withdraw | Self::Correction)
    }

    /// Whether it may take from a frozen account: fees of what is settled, and what operators do.
    pub const fn ignores_freeze(self) -> bool {
        matches!(self, Self::Fee | Self::Slash | Self::Correction)
    }

    /// Checks the shape of a transfer. Refusal: `transfer.illegal`.
    pub fn check(self, phase: Phase, debit: &Account, credit: &Account) -> Result<(), Refusal> {
        let same_owner = debit.owner == credit.owner;
        let shape = match self {
            Self::Deposit => (debit.kind, credit.kind) == (Kind::Outside, Kind::Available),
            Self::Withdraw => (debit.kind, credit.kind) == (Kind::Available, Kind::Outside),
            Self::Pay | Self::Visa => {
                (debit.kind, credit.kind) == (Kind::Available, Kind::Available) && !same_owner
            }
            Self::Fee => (debit.kind, credit.kind) == (Kind::Available, Kind::Treasury),
            Self::Lock => (debit.kind, credit.kind) == (Kind::Available, Kind::Locked) && same_owner,
            Self::Unlock => (debit.kind, credit.kind) == (Kind::Locked, Kind::Available) && same_owner,
            Self::Slash => (debit.kind, credit.kind) == (Kind::Locked, Kind::Treasury),
            Self::Correction => true,
        };
        let legal = shape
            && (phase == Phase::Single) != self.is_two_phase()
            && debit.asset == credit.asset
            && debit.id != credit.id;
        if legal {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::TransferIllegal,
            format!(
                "no {} goes from {} to {} like this ({})",
                self.as_str(),
                debit.kind.as_str(),
                credit.kind.as_str(),
                phase.as_str()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountKey;
    use crate::asset::Asset;
    use crate::text::{Owner, Reference};

    #[test]
    fn each_code_has_one_shape() {
        let owner = |name| Owner::parse(name).unwrap();
        let bond = Reference::parse("bond").unwrap();
        let accounts = [
            AccountKey::outside(Asset::USD),
            AccountKey::available(Asset::USD, owner("a")),
            AccountKey::available(Asset::USD, owner("b")),
            AccountKey::locked(Asset::USD, owner("a"), bond),
            AccountKey::treasury(Asset::USD),
            AccountKey::rewards(Asset::USD),
            AccountKey::available(Asset::parse("EUR").unwrap(), owner("a")),
        ]
        .map(|key| Account::new(&key, 0));
        let (outside, a, b, locked, treasury) = (0, 1, 2, 3, 4);
        for code in TransferCode::ALL {
            let legal: &[(usize, usize)] = match code {
                TransferCode::Deposit => &[(outside, a), (outside, b)],
                TransferCode::Withdraw => &[(a, outside), (b, outside)],
                TransferCode::Pay | TransferCode::Visa => &[(a, b), (b, a)],
                TransferCode::Fee => &[(a, treasury), (b, treasury)],
                TransferCode::Lock => &[(a, locked)],
                TransferCode::Unlock => &[(locked, a)],
                TransferCode::Slash => &[(locked, treasury)],
                TransferCode::Correction => &[],
            };
            for (debit, credit) in (0..7).flat_map(|debit| (0..7).map(move |credit| (debit, credit))) {
                let shape = if code == TransferCode::Correction {
                    debit != credit && debit != 6 && credit != 6
                } else {
                    let other = [(6, 0), (0, 6)].contains(&(debit, credit));
                    legal.contains(&(debit, credit)) && !other
                };
                for phase in Phase::ALL {
                    let expected = shape && (phase == Phase::Single) != code.is_two_phase();
                    let checked = code.check(phase, &accounts[debit], &accounts[credit]);
                    assert_eq!(checked.is_ok(), expected, "{code:?} {phase:?} {debit} {credit}");
                }
            }
            assert_eq!(TransferCode::from_name(code.as_str()), Some(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        for phase in Phase::ALL {
            assert_eq!(Phase::from_name(phase.as_str()), Some(phase));
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
        }
    }
}
