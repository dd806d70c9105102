//! The broker's word on one visa, for which a visitor waits.

use crate::lane::Lane;
use crate::worker;
use imagxp::publisher::Redemption;
use imagxp::visa::Presented;
use imagxp_fetch::broker::BrokerClient;
use napi::bindgen_prelude::PromiseRaw;
use napi::{Env, Result};
use std::time::{Duration, Instant};

/// A broker that stalls keeps a quarter of the threads.
static LANE: Lane = Lane::new(16, 64);
/// So long a visitor waits, and the turn counts.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks, when it is its turn: `accepted`, `refused` or `unavailable`.
pub(crate) fn ask(
    env: &Env,
    client: BrokerClient,
    visa: Presented,
) -> Result<PromiseRaw<'static, &'static str>> {
    let begun = Instant::now();
    let work = move |has_turn| match has_turn {
        true => client.confirm_within(&visa, PATIENCE.saturating_sub(begun.elapsed())),
        false => Redemption::Unavailable,
    };
    worker::run_in(&LANE, env, work, |said| {
        Ok(match said {
            Redemption::Accepted => "accepted",
            Redemption::Refused => "refused",
            Redemption::Unavailable => "unavailable",
        })
    })
}
