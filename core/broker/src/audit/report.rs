//! What an audit has found.

use crate::asset::Asset;
use crate::log::Head;
use core::fmt;
use std::collections::BTreeMap;

/// How many findings are kept; all are counted.
const MAX_FINDINGS: usize = 100;

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        /// What kind of invariant does not hold.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingKind {
            $($(#[$meta])* #[doc = concat!(" (`", $text, "`)")] $name,)*
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The dotted code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The debits of an asset are not its credits.
    Unbalanced = "ledger.unbalanced";
    /// An account is negative.
    Overdrawn = "ledger.overdrawn";
    /// An account is not what its transfers and events make it.
    Account = "ledger.account";
    /// A transfer of a shape that its code does not allow, or of nothing.
    Transfer = "ledger.transfer";
    /// A post or void that ends nothing, ends it twice, or posts more than was pending.
    Resolution = "ledger.resolution";
    /// An id that names two transfers.
    Id = "ledger.id";
    /// A visa is not what its money and events make it.
    Visa = "ledger.visa";
    /// An entry of the log was altered, removed or added, or the head is of another log.
    Log = "ledger.log";
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which invariant.
    pub kind: FindingKind,
    /// What and where, for people.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.message)
    }
}

/// The sums over all accounts of an asset, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Pending debits.
    pub debits_pending: Wide,
    /// Posted debits.
    pub debits_posted: Wide,
    /// Pending credits.
    pub credits_pending: Wide,
    /// Posted credits.
    pub credits_posted: Wide,
}

/// A sum of amounts, which may pass 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wide {
    /// How often 2^128.
    pub high: u64,
    /// The rest.
    pub low: u128,
}

impl Wide {
    pub(super) const fn add(&mut self, amount: u128) {
        let (low, carry) = self.low.overflowing_add(amount);
        self.low = low;
        if carry {
            self.high = self.high.saturating_add(1);
        }
    }
}

/// What an audit has found and how much it has looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong: the first hundred.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub wrong: u64,
    /// How many accounts there are.
    pub accounts: u64,
    /// How many transfers were looked at.
    pub transfers: u64,
    /// How many events were looked at.
    pub events: u64,
    /// How many visas were looked at.
    pub visas: u64,
    /// Sums per asset.
    pub totals: BTreeMap<Asset, Totals>,
    /// The head of the log.
    pub head: Head,
}

impl Report {
    /// Whether every invariant holds.
    pub const fn is_sound(&self) -> bool {
        self.wrong == 0
    }

    pub(super) fn find(&mut self, kind: FindingKind, message: impl FnOnce() -> String) {
        self.wrong = self.wrong.saturating_add(1);
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { kind, message: message() });
        }
    }

    /// Notes a finding unless it holds.
    pub(super) fn expect(&mut self, holds: bool, kind: FindingKind, message: impl FnOnce() -> String) {
        if !holds {
            self.find(kind, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_pass_128_bits() {
        let mut sum = Wide::default();
        sum.add(u128::MAX);
        sum.add(u128::MAX);
        sum.add(3);
        assert_eq!(sum, Wide { high: 2, low: 1 });
    }

    #[test]
    fn findings_are_counted_and_bounded() {
        let mut report = Report::default();
        for number in 0..250 {
            report.expect(number % 2 == 0, FindingKind::Log, || number.to_string());
        }
        assert_eq!((report.wrong, report.findings.len(), report.is_sound()), (125, 100, false));
        assert_eq!(report.findings[0].to_string(), "ledger.log: 1");
        assert!(FindingKind::ALL.iter().all(|kind| kind.as_str().starts_with("ledger.")));
    }
}
