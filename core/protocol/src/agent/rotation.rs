//! Key rotation as operations with a state that refuses unsafe orders (PROTOCOL §4).
//!
//! The rule is: publish the old key and the new one, wait until nobody holds a manifest without the new one, sign with the new one, wait
//! until nobody holds a request signed with the old one, leave the old one out. [`Rotation`] keeps the order and the waits:
//!
//! | stage | signs with | the manifest lists | next |
//! | --- | --- | --- | --- |
//! | [`Stage::Settled`] | current | current | [`Rotation::prepare`] |
//! | [`Stage::Prepared`] | current | current | [`Rotation::publish`] |
//! | [`Stage::Published`] | current | current, next | after a cache lifetime: [`Rotation::switch`] |
//! | [`Stage::Switched`] | the new current | current, the old one | after an hour: [`Rotation::retire`] |
//!
//! An operation gives the next state and leaves the one it was asked on as it is: write the new one down, then act on it. Time is an
//! argument. A clock that went back to before the last step makes no wait shorter, and repeating that step restarts its wait; what a
//! clock that was set forward between two steps claims to have waited is believed.
//!
//! ```
//! use imagxp::Timestamp;
//! use imagxp::agent::rotation::Rotation;
//! # use imagxp::crypto::{Algorithm, PrivateKey};
//! # let new_key = |seed| PrivateKey::generate(Algorithm::Es256, &mut |bytes| { bytes.fill(seed); Ok(()) }).unwrap();
//!
//! let (old, new) = (new_key(1), new_key(2));
//! let monday = Timestamp::parse("2026-03-02T08:00:00Z").unwrap();
//! let published = Rotation::new(old.public_key().clone()).prepare(new.public_key().clone())?.publish(monday, Some(300))?;
//! assert_eq!(published.signing_key(), old.public_key());
//! assert_eq!(published.switch(monday.saturating_add_secs(300)).unwrap_err().code(), "rotation.order");
//! let switched = published.switch(monday.saturating_add_secs(360))?;
//! assert_eq!(switched.signing_key(), new.public_key());
//! # Ok::<(), imagxp::Error>(())
//! ```

mod state;

use crate::agent_id::AgentId;
use crate::crypto::{PublicKey, Thumbprint};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Manifest, ManifestKey};
use crate::time::Timestamp;

/// Seconds for which a publisher may keep a manifest, whatever `max-age` it came with (PROTOCOL §4: fresh for 60 min at most, and kept
/// for 1 h after the last success while refreshing fails).
pub const LONGEST_LIFETIME_S: i64 = 3600;

/// Seconds for which a manifest is fresh at least, however short its `max-age`.
pub const SHORTEST_LIFETIME_S: i64 = 60;

/// Seconds on top of a lifetime: fetches that were under way when the new manifest came, and clocks that are stepped back a little.
pub const MARGIN_S: i64 = 60;

/// Seconds from switching to retiring: longer than the 300 s for which a signed request may be presented, the 300 s by which clocks may
/// differ, and what other machines that sign with the same keys take to notice.
pub const RETIRE_WAIT_S: i64 = 3600;

/// How many revoked keys are remembered, so that none comes back by mistake. The oldest leaves.
pub const MAX_REVOKED: usize = 64;

/// Where a rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// One key, and no other in sight.
    Settled,
    /// A next key is made, and nobody knows of it.
    Prepared,
    /// The manifest lists the next key; the current one signs.
    Published,
    /// The new key signs; the manifest still lists the old one.
    Switched,
}

impl Stage {
    /// The name in the state, in JSON and in every language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Prepared => "prepared",
            Self::Published => "published",
            Self::Switched => "switched",
        }
    }
}

impl core::fmt::Display for Stage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An agent's keys and where their rotation stands. It holds public keys only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    current: PublicKey,
    other: Other,
    /// Oldest first.
    revoked: Vec<Thumbprint>,
}

/// The second key, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Other {
    None,
    Prepared { next: PublicKey },
    Published { next: PublicKey, at: Timestamp, lifetime_s: i64 },
    Switched { old: PublicKey, at: Timestamp },
}

impl Rotation {
    /// The state of an agent with one key, which its manifest lists.
    pub fn new(current: PublicKey) -> Self {
        Self { current, other: Other::None, revoked: Vec::new() }
    }

    /// Where the rotation stands.
    pub fn stage(&self) -> Stage {
        match self.other {
            Other::None => Stage::Settled,
            Other::Prepared { .. } => Stage::Prepared,
            Other::Published { .. } => Stage::Published,
            Other::Switched { .. } => Stage::Switched,
        }
    }

    /// The key to sign with now.
    pub fn signing_key(&self) -> &PublicKey {
        &self.current
    }

    /// The next key, or after switching the old one.
    pub fn other_key(&self) -> Option<&PublicKey> {
        match &self.other {
            Other::None => None,
            Other::Prepared { next } | Other::Published { next, .. } => Some(next),
            Other::Switched { old, .. } => Some(old),
        }
    }

    /// The keys that the manifest must list now, the signing key first.
    pub fn published_keys(&self) -> impl Iterator<Item = &PublicKey> {
        let other = self.other_key().filter(|_| self.stage() != Stage::Prepared);
        core::iter::once(&self.current).chain(other)
    }

    /// The thumbprints of keys that were revoked, the oldest first; at most [`MAX_REVOKED`].
    pub fn revoked(&self) -> &[Thumbprint] {
        &self.revoked
    }

    /// When the last step was taken that something has to wait for: publishing or switching.
    pub fn since(&self) -> Option<Timestamp> {
        match self.other {
            Other::Published { at, .. } | Other::Switched { at, .. } => Some(at),
            Other::None | Other::Prepared { .. } => None,
        }
    }

    /// From when on the next step that has to wait ([`Self::switch`] or [`Self::retire`]) is safe.
    pub fn ready_at(&self) -> Option<Timestamp> {
        match self.other {
            Other::Published { at, lifetime_s, .. } => Some(at.saturating_add_secs(lifetime_s + MARGIN_S)),
            Other::Switched { at, .. } => Some(at.saturating_add_secs(RETIRE_WAIT_S)),
            Other::None | Other::Prepared { .. } => None,
        }
    }

    /// The manifest to serve now (PROTOCOL §4).
    pub fn manifest(&self, agent_id: AgentId, contact: Option<String>) -> Result<Manifest> {
        let keys = self.published_keys().map(|key| ManifestKey::new(key.clone())).collect();
        Manifest::new(agent_id, contact, keys)
    }

    /// Takes in a next key that nobody knows of yet.
    ///
    /// `rotation.order` while another rotation is under way, and for a key that was revoked; `usage.argument` for the current key.
    pub fn prepare(&self, next: PublicKey) -> Result<Self> {
        if self.stage() != Stage::Settled {
            return Err(order(format!(
                "a rotation is under way ({}); finish or abort it before another is prepared",
                self.stage()
            )));
        }
        self.check_new(&next)?;
        Ok(self.with(Other::Prepared { next }))
    }

    /// The manifest lists the next key from now on.
    ///
    /// `max_age` is the longest `Cache-Control: max-age` in seconds with which the manifest was served in the last hour; without it, or
    /// when it is longer, an hour is assumed, which also holds when publishers cannot refresh the manifest for a while. Count what a
    /// shared cache in front of it adds. Publishing again is allowed and restarts the wait: do so when the manifest reached its place
    /// later than this was called.
    pub fn publish(&self, now: Timestamp, max_age: Option<u32>) -> Result<Self> {
        check_time(now)?;
        let next = match &self.other {
            Other::Prepared { next } | Other::Published { next, .. } => next.clone(),
            Other::None => return Err(order("there is no next key to publish; prepare one first")),
            Other::Switched { .. } => {
                return Err(order("the next key was published and signs already; retire the old one"));
            }
        };
        let lifetime_s = max_age
            .map_or(LONGEST_LIFETIME_S, |age| i64::from(age).clamp(SHORTEST_LIFETIME_S, LONGEST_LIFETIME_S));
        // Copies from before an earlier publication may have come with a longer life.
        let lifetime_s = match self.other {
            Other::Published { lifetime_s: earlier, .. } => lifetime_s.max(earlier),
            _ => lifetime_s,
        };
        Ok(self.with(Other::Published { next, at: now, lifetime_s }))
    }

    /// The next key signs from now on, and becomes the current one.
    ///
    /// `rotation.order` until nobody can hold a manifest without it: before [`Self::ready_at`], and when the clock is before the
    /// publication. Switching again is allowed and restarts the wait until the old key may go: do so when the last machine that signed
    /// with the old key has stopped.
    pub fn switch(&self, now: Timestamp) -> Result<Self> {
        check_time(now)?;
        match &self.other {
            Other::Published { next, at, .. } => {
                self.check_ready(
                    now,
                    *at,
                    "switching",
                    "publish",
                    "publishers may hold a manifest without the new key",
                )?;
                let other = Other::Switched { old: self.current.clone(), at: now };
                Ok(Self { current: next.clone(), other, revoked: self.revoked.clone() })
            }
            Other::Switched { old, .. } => Ok(self.with(Other::Switched { old: old.clone(), at: now })),
            Other::None | Other::Prepared { .. } => {
                Err(order("no next key is published; publish it and wait before signing with it"))
            }
        }
    }

    /// The manifest lists the old key no more, and the rotation is done.
    ///
    /// `rotation.order` while requests signed with the old key may still be presented: before [`Self::ready_at`], and when the clock is
    /// before the switch.
    pub fn retire(&self, now: Timestamp) -> Result<Self> {
        check_time(now)?;
        match &self.other {
            Other::Switched { at, .. } => {
                self.check_ready(
                    now,
                    *at,
                    "retiring",
                    "switch",
                    "requests signed with the old key may be under way",
                )?;
                Ok(self.with(Other::None))
            }
            Other::Published { .. } => {
                Err(order("the old key still signs; switch to the next one and wait before retiring it"))
            }
            Other::None | Other::Prepared { .. } => Err(order("there is no old key to retire")),
        }
    }

    /// Goes back to the old key.
    ///
    /// Before the switch the next key is dropped: it never signed. After it, the two change places: the old key, which every manifest
    /// lists, signs again, and the new one stays in the manifest until it is retired. `rotation.order` when there is nothing to abort.
    pub fn abort(&self, now: Timestamp) -> Result<Self> {
        check_time(now)?;
        match &self.other {
            Other::None => Err(order("there is no rotation to abort")),
            Other::Prepared { .. } | Other::Published { .. } => Ok(self.with(Other::None)),
            Other::Switched { old, .. } => {
                let other = Other::Switched { old: self.current.clone(), at: now };
                Ok(Self { current: old.clone(), other, revoked: self.revoked.clone() })
            }
        }
    }

    /// Whether [`Self::revoke`] of this key needs a replacement, because no other key is there.
    pub fn needs_replacement(&self, key: &Thumbprint) -> bool {
        matches!(self.other, Other::None) && self.current.thumbprint() == key
    }

    /// Drops a key at once because somebody else may have it, and ends a rotation that is under way. The other key signs from now on, or
    /// the replacement when there is none.
    ///
    /// This does not wait, and it has its price: publishers that hold an older manifest accept the revoked key for up to an hour, and
    /// may refuse the key that signs now for up to 30 s each. `usage.argument` for a key that is neither, for a replacement that is not
    /// needed, and for a replacement that is one of the two or revoked itself; `rotation.order` when a replacement is missing.
    pub fn revoke(&self, key: &Thumbprint, replacement: Option<PublicKey>) -> Result<Self> {
        let is_other = self.other_key().is_some_and(|other| other.thumbprint() == key);
        if self.current.thumbprint() != key && !is_other {
            return Err(Error::argument(format!("`{key}` is not a key of this rotation")));
        }
        let current = match (self.other_key(), replacement) {
            (Some(_), Some(_)) => {
                return Err(Error::argument("no replacement is needed: another key is there already"));
            }
            (Some(_), None) if is_other => self.current.clone(),
            (Some(other), None) => other.clone(),
            (None, Some(replacement)) => {
                self.check_new(&replacement)?;
                replacement
            }
            (None, None) => {
                return Err(order("there is no other key; revoking the only one needs a replacement"));
            }
        };
        let mut revoked = self.revoked.clone();
        revoked.push(*key);
        let surplus = revoked.len().saturating_sub(MAX_REVOKED);
        revoked.drain(..surplus);
        Ok(Self { current, other: Other::None, revoked })
    }

    fn with(&self, other: Other) -> Self {
        Self { current: self.current.clone(), other, revoked: self.revoked.clone() }
    }

    fn check_new(&self, key: &PublicKey) -> Result<()> {
        if *key == self.current {
            return Err(Error::argument("the next key is the current one"));
        }
        if self.revoked.contains(key.thumbprint()) {
            return Err(order(format!("key `{}` was revoked", key.thumbprint())));
        }
        Ok(())
    }

    fn check_ready(&self, now: Timestamp, since: Timestamp, what: &str, step: &str, why: &str) -> Result<()> {
        if now < since {
            return Err(order(format!(
                "the clock says {now}, which is before the last step at {since}; set it right, or {step} again to restart the wait"
            )));
        }
        match self.ready_at() {
            Some(ready) if now < ready => {
                // Rounded up, so that who waits that long has waited long enough.
                let seconds = ready.millis_since(now).saturating_add(999) / 1000;
                Err(order(format!("{what} is safe from {ready} on, in {seconds} s; until then {why}")))
            }
            _ => Ok(()),
        }
    }
}

fn order(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Rotation, message)
}

/// Times outside the years that the protocol writes could not be read back.
fn check_time(now: Timestamp) -> Result<()> {
    match Timestamp::parse(&now.to_string()) {
        Some(_) => Ok(()),
        None => Err(Error::argument("the time is not in the years 2000 to 2100")),
    }
}

#[cfg(test)]
mod tests;
