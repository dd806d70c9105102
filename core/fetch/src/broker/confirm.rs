//! The broker's word on one visa, for which a visitor waits (BROKER §2).

use super::retry::Effort;
use super::{BrokerClient, Presented, Redeemed};
use core::time::Duration;
use imagxp::publisher::Redemption;

/// So long, and no longer, a visitor is kept waiting.
const EFFORT: Effort = Effort { attempts: 2, deadline: Duration::from_secs(5) };

impl BrokerClient {
    /// The broker's word on one visa, for policies with `check: redeem` ([`imagxp::publisher::Pending::redeemed`]): asked for twice at most,
    /// within 5 s, however patient the client is otherwise. Visitors wait meanwhile, and a broker that stalls must not stop a site.
    pub fn confirm(&self, visa: &Presented) -> Redemption {
        self.confirm_within(visa, EFFORT.deadline)
    }

    /// The same within another time: both attempts, the pause between them, and waiting for a turn of the fetcher. The client's own effort
    /// counts where it is less. What is not known then is `unavailable`.
    pub fn confirm_within(&self, visa: &Presented, deadline: Duration) -> Redemption {
        let mut client = self.clone();
        client.effort = Effort {
            attempts: self.effort.attempts.min(EFFORT.attempts),
            deadline: self.effort.deadline.min(deadline),
        };
        match client.redeem(core::slice::from_ref(visa), None) {
            Ok(results) => results.first().map_or(Redemption::Unavailable, Redeemed::redemption),
            Err(_) => Redemption::Unavailable,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::broker::send::API;
    use crate::{Call, Fetcher, Options};
    use imagxp::agent::Identity;
    use imagxp::crypto::{Algorithm, PrivateKey};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Instant;

    /// A broker that does this with each connection, and how many there were.
    pub(in crate::broker) fn broker(
        mut act: impl FnMut(TcpStream) + Send + 'static,
    ) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                act(stream.unwrap());
            }
        });
        (issuer, taken)
    }

    /// It takes connections, and says nothing.
    fn stalled() -> (String, Arc<AtomicUsize>) {
        let mut held = Vec::new();
        broker(move |stream| held.push(stream))
    }

    pub(in crate::broker) fn client(issuer: &str) -> BrokerClient {
        let fill = &mut |bytes: &mut [u8]| {
            getrandom::fill(bytes).unwrap();
            Ok(())
        };
        let key = PrivateKey::generate(Algorithm::Es256, fill).unwrap();
        client_of(issuer, Identity::parse("pub.example", key, false).unwrap())
    }

    pub(in crate::broker) fn client_of(issuer: &str, identity: Identity) -> BrokerClient {
        let options = Options { allow_loopback: true, ..Options::default() };
        BrokerClient::new(issuer, identity, Fetcher::new(options).unwrap()).unwrap()
    }

    /// What is said, and after how long.
    fn timed(confirm: impl FnOnce(&Presented) -> Redemption) -> Duration {
        let begun = Instant::now();
        assert_eq!(confirm(&Presented::bearer("a.b.c")), Redemption::Unavailable);
        begun.elapsed()
    }

    #[test]
    fn a_broker_that_stalls_is_given_up() {
        let (issuer, taken) = stalled();
        let client = client(&issuer);
        let passed = timed(|visa| client.confirm(visa));
        assert!(passed >= Duration::from_secs(4) && passed < Duration::from_secs(8), "{passed:?}");
        let passed = timed(|visa| client.confirm_within(visa, Duration::from_millis(300)));
        assert!(passed < Duration::from_secs(3), "{passed:?}");
        let hurried = client.with_deadline(Duration::from_millis(300));
        let passed = timed(|visa| hurried.confirm(visa));
        assert!(passed < Duration::from_secs(3), "{passed:?}");
        assert!(taken.load(Ordering::Relaxed) >= 3);
    }

    #[test]
    fn a_broker_that_hangs_up_is_asked_twice() {
        let (issuer, taken) = broker(drop);
        let client = client(&issuer);
        assert!(timed(|visa| client.confirm(visa)) < Duration::from_secs(5));
        assert_eq!(taken.load(Ordering::Relaxed), 2);
        timed(|visa| client.with_attempts(1).confirm(visa));
        assert_eq!(taken.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn waiting_for_a_turn_counts() {
        let (issuer, taken) = stalled();
        let client = client(&issuer);
        for _ in 0..32 {
            let (fetcher, url) = (client.fetcher.clone(), issuer.clone());
            thread::spawn(move || fetcher.send(&Call::get(url.as_str()), API));
        }
        while taken.load(Ordering::Relaxed) < 32 {
            thread::sleep(Duration::from_millis(10));
        }
        let passed = timed(|visa| client.confirm_within(visa, Duration::from_millis(300)));
        assert!(passed < Duration::from_secs(3), "{passed:?}");
        let begun = Instant::now();
        assert!(client.with_deadline(Duration::from_millis(300)).endpoints().is_err());
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}
