//! How many requests of one tenant are at work at one time: nobody crowds the others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The tenants whose requests are at work.
#[derive(Clone, Debug)]
pub(crate) struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: u32,
    inside: Mutex<HashMap<String, u32>>,
}

/// One request at work; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Crowd,
    tenant: String,
}

impl Crowd {
    pub(crate) fn new(most: usize) -> Self {
        let most = u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        Self(Arc::new(Inner { most, inside: Mutex::default() }))
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
    fn nobody_crowds_the_others_out() {
        let crowd = Crowd::new(2);
        let (first, second) = (crowd.enter("a").unwrap(), crowd.enter("a").unwrap());
        assert!(crowd.enter("a").is_none());
        let other = crowd.enter("b").unwrap();
        drop(first);
        assert!(crowd.enter("a").is_some());
        drop((second, other));
        assert!(crowd.0.inside.lock().unwrap().is_empty(), "names of tenants are kept");
    }
}
