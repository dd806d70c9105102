//! Who came, when, and with what: as much of it as is judged.

use crate::grade::wire::Heard;
use imagxp::Timestamp;
use imagxp::digest::content_digest;
use std::time::Instant;

/// How many visits of one room are kept. What is judged takes two; a signer that never stops costs no more than this.
const MOST: usize = 64;

/// One request, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// Without its body, of which only the digest is judged.
    pub(super) heard: Heard,
    pub(super) digest: String,
    pub(super) at: Timestamp,
    pub(super) since: Instant,
}

/// All of them, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Visits {
    pub(super) rooms: Vec<Visit>,
    /// Whether somebody asked for robots.txt.
    pub(super) robots: bool,
}

impl Visits {
    /// How often a target was asked for, as far as it was kept.
    pub(super) fn of(&self, target: &str) -> usize {
        self.rooms.iter().filter(|visit| visit.heard.target == target).count()
    }

    /// Keeps a visit of a room.
    pub(super) fn note(&mut self, heard: &Heard, at: Timestamp) {
        if self.of(&heard.target) < MOST {
            let digest = content_digest(&heard.body);
            let heard = Heard { body: Vec::new(), ..heard.clone() };
            self.rooms.push(Visit { heard, digest, at, since: Instant::now() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_that_never_stops_is_not_remembered_for_ever() {
        let mut visits = Visits::default();
        let body = vec![0; 1024 * 1024];
        let heard = |target: &str| Heard {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: body.clone(),
        };
        for _ in 0..MOST + 10 {
            visits.note(&heard("/read/1"), Timestamp::from_secs(0));
        }
        visits.note(&heard("/read/2"), Timestamp::from_secs(0));
        assert_eq!((visits.of("/read/1"), visits.of("/read/2")), (MOST, 1));
        assert!(visits.rooms.iter().all(|visit| visit.heard.body.is_empty()));
        assert!(visits.rooms.iter().all(|visit| visit.digest == content_digest(&body)));
    }
}
