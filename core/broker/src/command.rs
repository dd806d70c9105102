//! Commands: what can be asked of a broker.

use crate::account::AccountKey;
use crate::clock::{NoteTime, TrustClock};
use crate::correction::{ApproveCorrection, Correct, RejectCorrection};
use crate::deposit::Deposit;
use crate::ledger::Ledger;
use crate::lock::{Lock, Slash, Unlock};
use crate::note::{AcceptLog, NoteOperator};
use crate::once::UseAssertion;
use crate::outcome::Outcome;
use crate::pay::Pay;
use crate::refusal::Refusal;
use crate::standing::{Close, Freeze, Unfreeze};
use crate::store::{Keys, Loaded};
use crate::visa::{Contest, Decide, Due, GiveFeedback, IssueVisa, Redeem};
use crate::withdrawal::{PostWithdrawal, VoidWithdrawal, Withdraw};

/// What one kind of command does.
pub(crate) trait Act {
    /// Names the rows that it needs, as far as they can be named from what is loaded.
    fn keys(&self, loaded: &Loaded, keys: &mut Keys);

    /// Does it. What the ledger has taken in counts only when this succeeds.
    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal>;
}

macro_rules! commands {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// A command. Each is explained at its struct.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Command {
            $($(#[$meta])* $name($name),)*
        }

        impl Command {
            fn act(&self) -> &dyn Act {
                match self { $(Self::$name(command) => command,)* }
            }
        }

        $(
            impl From<$name> for Command {
                fn from(command: $name) -> Self {
                    Self::$name(command)
                }
            }
        )*
    };
}

commands! {
    /// Money comes in.
    Deposit,
    /// Money is to go out.
    Withdraw,
    /// The bank has paid it.
    PostWithdrawal,
    /// The bank has not.
    VoidWithdrawal,
    /// One owner pays another.
    Pay,
    /// A bond.
    Lock,
    /// Given back.
    Unlock,
    /// Lost.
    Slash,
    /// Something was wrong.
    Correct,
    /// A second operator agrees.
    ApproveCorrection,
    /// Or not.
    RejectCorrection,
    /// Nothing new is taken from an account.
    Freeze,
    /// It is as before.
    Unfreeze,
    /// An account ends.
    Close,
    /// An agent buys a visa.
    IssueVisa,
    /// A publisher presents it.
    Redeem,
    /// The agent says what it was worth.
    GiveFeedback,
    /// The publisher says otherwise.
    Contest,
    /// An operator decides.
    Decide,
    /// What time has made due.
    Due,
    /// A client assertion is used.
    UseAssertion,
    /// What time it is, when nothing else has happened for a day.
    NoteTime,
    /// An operator says that the clock is right.
    TrustClock,
    /// And that the log is to be gone on with, although it has gone back.
    AcceptLog,
    /// Who operates the broker has changed.
    NoteOperator,
}

impl Command {
    pub(crate) fn keys(&self, loaded: &Loaded, keys: &mut Keys) {
        self.act().keys(loaded, keys);
    }

    pub(crate) fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        self.act().apply(ledger)
    }
}

/// Names accounts.
pub(crate) fn name_accounts<'k>(keys: &mut Keys, accounts: impl IntoIterator<Item = &'k AccountKey>) {
    keys.accounts.extend(accounts.into_iter().map(AccountKey::id));
}
