//! Asking a broker about the visa of a request: what to send, and what the answer says.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::need;
use crate::need::{
    IMAGXP_REDEMPTION_ACCEPTED, IMAGXP_REDEMPTION_REFUSED, IMAGXP_REDEMPTION_UNAVAILABLE, imagxp_redemption,
};
use crate::publisher::imagxp_publisher;
use crate::status::imagxp_status;
use crate::verdict::imagxp_verdict;
use core::mem::MaybeUninit;
use imagxp::publisher::Redemption;
use imagxp::visa::redeem_body;
use imagxp::{Error, Timestamp};

/// Makes the body to POST for an `IMAGXP_NEED_REDEEM`: JSON with the visa and the agent's signed request. Free it with `imagxp_bytes_free`.
///
/// Send it to the need's URL with `Content-Type: application/json`, an `Idempotency-Key` (16 to 128 characters of `A-Z a-z 0-9 - . _ ~`, the same
/// each time these bytes are sent again), and signed as the publisher, anew for each sending: `imagxp_sign_request_new`,
/// `imagxp_sign_request_set_content_digest`, `imagxp_identity_sign`. The publisher's manifest must be where the broker can fetch it.
/// `usage.argument` when the verdict waits for no broker, or the agent's manifest is not at hand any more.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_redemption(
    publisher: Option<&imagxp_publisher>,
    verdict: Option<&imagxp_verdict>,
    now_ms: i64,
    body: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(body, || {
            let (publisher, verdict) = (need(publisher, "publisher")?.publisher(), need(verdict, "verdict")?);
            let pending = verdict.pending.as_ref();
            let pending = pending.ok_or_else(|| Error::argument("the verdict is not pending"))?;
            let presented = publisher.presented(&verdict.verdict, pending, Timestamp::from_millis(now_ms))?;
            redeem_body(&[presented])
        })
    })
}

/// What the broker's answer says, for `imagxp_verdict_redeemed`: its status, and its whole body.
///
/// `IMAGXP_REDEMPTION_UNAVAILABLE` for everything but a definite word: then the broker may have decided all the same, and the same body under
/// the same `Idempotency-Key` finds out.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_redemption_read(status: u32, body: imagxp_slice<'_>) -> imagxp_redemption {
    accessor(IMAGXP_REDEMPTION_UNAVAILABLE, || {
        match Redemption::of_answer(u16::try_from(status).unwrap_or(0), body.bytes().unwrap_or_default()) {
            Redemption::Accepted => IMAGXP_REDEMPTION_ACCEPTED,
            Redemption::Refused => IMAGXP_REDEMPTION_REFUSED,
            Redemption::Unavailable => IMAGXP_REDEMPTION_UNAVAILABLE,
        }
    })
}
