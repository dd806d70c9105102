//! What a verdict needs before it can be taken up again.

use crate::boundary::{accessor, boundary};
use crate::bytes::imagxp_slice;
use crate::error::imagxp_error;
use crate::handle::need;
use crate::status::imagxp_status;
use crate::verdict::{imagxp_verdict, text};
use core::mem::MaybeUninit;
use imagxp::Error;
use imagxp::publisher::{NeedKind, Redemption};

/// What the caller may fetch and hand back.
pub type imagxp_need = u32;

/// An agent's manifest: GET the URL, then `imagxp_publisher_supply`.
pub const IMAGXP_NEED_MANIFEST: imagxp_need = 1;
/// An issuer's key set: GET the URL, then `imagxp_publisher_supply`.
pub const IMAGXP_NEED_JWKS: imagxp_need = 2;
/// A broker's word on a visa: POST to the URL, then `imagxp_verdict_redeemed`.
pub const IMAGXP_NEED_REDEEM: imagxp_need = 3;

/// A broker's answer about a visa.
pub type imagxp_redemption = u32;

/// The money stands behind the visa.
pub const IMAGXP_REDEMPTION_ACCEPTED: imagxp_redemption = 1;
/// The broker refuses the visa.
pub const IMAGXP_REDEMPTION_REFUSED: imagxp_redemption = 2;
/// The broker cannot be asked.
pub const IMAGXP_REDEMPTION_UNAVAILABLE: imagxp_redemption = 3;

/// How many documents the verdict needs.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_need_count(verdict: Option<&imagxp_verdict>) -> usize {
    accessor(0, || verdict.map_or(0, |this| this.verdict.needs.len()))
}

/// What the n-th need is, counted from 0. 0 beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_need(verdict: Option<&imagxp_verdict>, index: usize) -> imagxp_need {
    accessor(0, || {
        verdict.and_then(|this| this.verdict.needs.get(index)).map_or(0, |need| match need.kind {
            NeedKind::Manifest => IMAGXP_NEED_MANIFEST,
            NeedKind::Jwks => IMAGXP_NEED_JWKS,
            NeedKind::Redeem => IMAGXP_NEED_REDEEM,
            // Stores written in C answer at once.
            NeedKind::Replay => 0,
        })
    })
}

/// The URL of the n-th need. Empty beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_need_url(
    verdict: Option<&imagxp_verdict>,
    index: usize,
) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.needs.get(index).map(|need| need.url.as_str()))
}

/// Records the broker's answer to an `IMAGXP_NEED_REDEEM`; then resume. `usage.argument` when the verdict is not pending.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_redeemed(
    verdict: Option<&mut imagxp_verdict>,
    answer: imagxp_redemption,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let answer = match answer {
            IMAGXP_REDEMPTION_ACCEPTED => Redemption::Accepted,
            IMAGXP_REDEMPTION_REFUSED => Redemption::Refused,
            IMAGXP_REDEMPTION_UNAVAILABLE => Redemption::Unavailable,
            other => return Err(Error::argument(format!("{other} is not a redemption"))),
        };
        let pending = need(verdict, "verdict")?.pending.as_mut();
        pending.ok_or_else(|| Error::argument("the verdict is not pending"))?.redeemed(answer);
        Ok(())
    })
}
