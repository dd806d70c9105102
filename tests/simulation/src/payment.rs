//! Who is paid: what publishers let in for a visa, and what became of it.

use crate::message::Node;
use imagxp_broker::{Id, Visa};
use std::collections::BTreeMap;

/// How long after its end a visa may be presented (BROKER §2), in milliseconds.
const GRACE: i64 = 60_000;

/// A visa for which a publisher let somebody in.
#[derive(Clone, Copy, Debug)]
struct Taken {
    publisher: Node,
    /// `exp`, in milliseconds since 1970.
    ends: i64,
    /// Whether its first presentation that the broker answered came before the visa had gone back to the agent.
    in_time: Option<bool>,
}

/// What has to be paid.
#[derive(Debug, Default)]
pub(crate) struct Payments {
    /// How often the broker had settled when it first sold a visa.
    sold: BTreeMap<Id, usize>,
    taken: BTreeMap<Id, Taken>,
}

impl Payments {
    /// The broker sold a visa, after so many settlements.
    pub(crate) fn sold(&mut self, jti: Id, settled: usize) {
        self.sold.entry(jti).or_insert(settled);
    }

    /// A publisher let somebody in for a visa. For whom it does so twice, because it lost its nonces with its memory, is paid once.
    pub(crate) fn taken(&mut self, jti: Id, publisher: Node, ends: i64) {
        self.taken.entry(jti).or_insert(Taken { publisher, ends, in_time: None });
    }

    /// The broker answered a presentation in this name, at this time of its clock. It has settled at these.
    ///
    /// Only time excuses a broker (BROKER §2): what is first presented more than 60 s after the visa's end goes back to the agent, and what has
    /// gone back does not return. The broker's own clock decides that, also one that is wrong and put right afterwards; so does the publisher's
    /// whether a visa has ended, which is why one whose clock is far behind the broker's is not paid. A presentation that was lost on its
    /// way, or that the broker could not answer, does not count: the publisher presents until it is answered.
    pub(crate) fn presented(&mut self, jti: Id, name: Node, now_ms: i64, settled: &[i64]) {
        let before = self.sold.get(&jti).copied().unwrap_or(0);
        if let Some(taken) = self.taken.get_mut(&jti)
            && taken.publisher == name
            && taken.in_time.is_none()
        {
            let latest = settled.iter().skip(before).copied().fold(now_ms, i64::max);
            taken.in_time = Some(latest < taken.ends.saturating_add(GRACE));
        }
    }

    /// In the end: each visa that was taken has been redeemed, so that nobody read for free. How many were paid, and how many came too late.
    pub(crate) fn end(&self, visas: &[Visa]) -> Result<(u64, u64), String> {
        let (mut paid, mut late) = (0, 0);
        for (jti, taken) in &self.taken {
            let is_redeemed = visas.iter().any(|visa| visa.jti == *jti && visa.redeemed_at.is_some());
            match (taken.in_time, is_redeemed) {
                (_, true) => paid += 1,
                (Some(false), false) => late += 1,
                (None, false) => {
                    return Err(format!(
                        "{:?} let somebody in for {jti}, and never presented it",
                        taken.publisher
                    ));
                }
                (Some(true), false) => {
                    return Err(format!(
                        "{:?} let somebody in for {jti}, presented it in time and was not paid",
                        taken.publisher
                    ));
                }
            }
        }
        Ok((paid, late))
    }
}
