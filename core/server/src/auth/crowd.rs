//! How many requests of one tenant are at work at one time, and how many commands it may give in a second: nobody crowds the others out.

use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Tenants whose spending is remembered.
const TENANTS: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
/// Seconds of the rate that may be spent at once: a batch of a thousand visas is no attack.
const BURST_S: f64 = 4.0;

/// The tenants whose requests are at work.
#[derive(Clone, Debug)]
pub(crate) struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: u32,
    inside: Mutex<HashMap<String, u32>>,
    per_s: f64,
    spent: Mutex<LruCache<String, Spent>>,
}

/// What a tenant has spent and not regained, in commands.
#[derive(Clone, Copy, Debug)]
struct Spent {
    commands: f64,
    at: Instant,
}

/// One request at work; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Crowd,
    tenant: String,
}

impl Crowd {
    pub(crate) fn new(most: usize, per_s: u32) -> Self {
        let most = u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        let spent = Mutex::new(LruCache::new(TENANTS));
        Self(Arc::new(Inner { most, inside: Mutex::default(), per_s: f64::from(per_s), spent }))
    }

    /// Lets a tenant give so many commands now; else the seconds after which it may. A batch that is larger than what may ever be spent at once
    /// waits until all of that has been regained, but for the command that its request was let in as.
    pub(crate) fn spend(&self, tenant: &str, commands: usize, now: Instant) -> Result<(), u64> {
        let most = self.0.per_s * BURST_S;
        let commands = f64::from(u32::try_from(commands).unwrap_or(u32::MAX)).min(most - 1.0);
        let mut spent = self.0.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let one = spent.get_or_insert_mut(tenant.to_owned(), || Spent { commands: 0.0, at: now });
        let regained = now.saturating_duration_since(one.at).as_secs_f64() * self.0.per_s;
        *one = Spent { commands: (one.commands - regained).max(0.0), at: now };
        let over = one.commands + commands - most;
        if over > 0.0 {
            let seconds = std::time::Duration::try_from_secs_f64(over / self.0.per_s).unwrap_or_default();
            return Err(seconds.as_secs().saturating_add(1));
        }
        one.commands += commands;
        Ok(())
    }

    /// A place for a request of this tenant; none when it has too many already.
    pub(crate) fn enter(&self, tenant: &str) -> Option<Place> {
        let mut inside = self.0.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inside.entry(tenant.to_owned()).or_default();
        if *count >= self.0.most {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Place { crowd: self.clone(), tenant: tenant.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.crowd.0.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inside.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_by_tenant_and_regained_with_time() {
        let crowd = Crowd::new(2, 10);
        let start = Instant::now();
        assert_eq!((crowd.spend("a", 1, start), crowd.spend("a", 39, start)), (Ok(()), Ok(())));
        assert_eq!(crowd.spend("a", 1, start), Err(1));
        assert_eq!(crowd.spend("a", 25, start), Err(3));
        // As a request does that brings a batch: let in as one command, it gives the others.
        assert_eq!((crowd.spend("b", 1, start), crowd.spend("b", 1000, start)), (Ok(()), Ok(())));
        assert_eq!(crowd.spend("b", 1, start), Err(1), "more than ever fits is what fits");
        let later = start + std::time::Duration::from_secs(2);
        assert_eq!(crowd.spend("a", 20, later), Ok(()));
        assert_eq!(crowd.spend("a", 1, later), Err(1));
    }

    #[test]
    fn nobody_crowds_the_others_out() {
        let crowd = Crowd::new(2, 10);
        let (first, second) = (crowd.enter("a").unwrap(), crowd.enter("a").unwrap());
        assert!(crowd.enter("a").is_none());
        let other = crowd.enter("b").unwrap();
        drop(first);
        assert!(crowd.enter("a").is_some());
        drop((second, other));
        assert!(crowd.0.inside.lock().unwrap().is_empty(), "names of tenants are kept");
    }
}
