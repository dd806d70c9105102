//! What must be there once only.

use super::report::{FindingKind, Report};
use crate::code::TransferCode;
use crate::deposit::once_key;
use crate::log::{Entry, Leaf};
use crate::store::Reader;
use std::collections::{BTreeMap, BTreeSet};

/// Checks that each transfer of the page is the only one with its id, and each deposit the one that its reference counts for.
pub(super) fn check<R: Reader>(
    reader: &mut R,
    page: &[(Entry, Leaf)],
    report: &mut Report,
) -> Result<(), R::Error> {
    let transfers = || {
        page.iter().filter_map(|(entry, _)| match entry {
            Entry::Transfer(transfer) => Some(transfer),
            Entry::Event(_) => None,
        })
    };
    let mut places: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for (id, seq) in reader.transfers_named(&transfers().map(|transfer| transfer.id).collect())? {
        places.entry(id).or_default().push(seq);
    }
    for transfer in transfers() {
        let id = transfer.id;
        let once = places.get(&id).is_some_and(|places| *places == [transfer.seq]);
        report.expect(once, FindingKind::Id, || format!("two transfers have the id {id}"));
    }
    let deposits: BTreeMap<_, _> = transfers()
        .filter(|transfer| transfer.code == TransferCode::Deposit)
        .map(|transfer| (transfer.id, transfer.reference.as_ref().map(|text| once_key(transfer.asset, text))))
        .collect();
    let keys: BTreeSet<_> = deposits.values().flatten().cloned().collect();
    let rows = reader.once_named(&keys)?;
    let booked: BTreeMap<_, _> =
        rows.iter().filter(|once| once.expires_at.is_none()).map(|once| (&once.key, once.transfer)).collect();
    for (id, key) in &deposits {
        let counts = key.as_ref().and_then(|key| booked.get(key)).copied().flatten() == Some(*id);
        report.expect(counts, FindingKind::Id, || {
            format!("the reference of deposit {id} counts for another, or could be used again")
        });
    }
    Ok(())
}
