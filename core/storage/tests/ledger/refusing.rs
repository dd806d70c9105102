//! Two reasons to refuse writes at once.

use crate::NOW;
use crate::place::everywhere;
use crate::requests::*;
use imagxp_broker::*;

/// An operator accepts that the log has gone back: that does not open a ledger of which an invariant does not hold.
#[test]
fn a_broken_ledger_stays_broken_when_its_log_has_gone_back_too() {
    let reasons = [RefusalCode::LedgerBroken, RefusalCode::LogRewound];
    for order in [reasons, [reasons[1], reasons[0]]] {
        everywhere(|place| {
            let ledger = place.open();
            ledger.submit_and_wait(deposit("a", 1, "d1")).unwrap();
            for code in order {
                ledger.refuse_writes(code.into());
            }
            assert_eq!(ledger.refusal().map(|refusal| refusal.code()), Some(RefusalCode::LedgerBroken));
            let missing = Some(Beginning { size: 9, root: [7; 32] });
            let accept = AcceptLog { memo: Memo::parse("the disk was lost").unwrap(), missing };
            let refused = ledger.submit_and_wait(Request::new(accept, operator(), NOW)).unwrap_err();
            assert_eq!(refused.code(), RefusalCode::LedgerBroken, "{order:?}");
            let late = ledger.submit_and_wait(deposit("a", 1, "d2")).unwrap_err();
            assert_eq!(late.code(), RefusalCode::LedgerBroken);
            ledger.close();
        });
    }
}
