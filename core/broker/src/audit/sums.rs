//! What the accounts alone can prove.

use super::replay::Replay;
use super::report::{FindingKind, Report};

/// Checks every account, and the sums per asset.
pub(super) fn check(replay: &Replay, report: &mut Report) {
    for account in replay.rows() {
        report.expect(account.is_sound(), FindingKind::Overdrawn, || {
            format!("account {} ({}) is negative", account.id, account.kind.as_str())
        });
        let known = account.key().is_ok_and(|key| key.id() == account.id);
        report.expect(known, FindingKind::Account, || {
            format!("account {} is not the one of its owner, kind and reference", account.id)
        });
        let totals = report.totals.entry(account.asset).or_default();
        totals.debits_pending.add(account.debits_pending.units());
        totals.debits_posted.add(account.debits_posted.units());
        totals.credits_pending.add(account.credits_pending.units());
        totals.credits_posted.add(account.credits_posted.units());
    }
    for (asset, totals) in report.totals.clone() {
        report.expect(totals.debits_posted == totals.credits_posted, FindingKind::Unbalanced, || {
            format!("the posted debits of {asset} are not its posted credits")
        });
        report.expect(totals.debits_pending == totals.credits_pending, FindingKind::Unbalanced, || {
            format!("the pending debits of {asset} are not its pending credits")
        });
    }
}
