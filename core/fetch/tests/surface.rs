//! What tests/surface.json says of this crate: each name is referred to here, so it exists, and none is missing here.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use imagxp_fetch::{Fetcher, Resolver, broker};
use std::collections::BTreeSet;

macro_rules! names {
    ($($item:expr),* $(,)?) => {{
        $(let _ = $item;)*
        [$(stringify!($item)),*].map(|name| format!("imagxp_fetch::{}", name.replace(' ', ""))).into_iter().collect::<BTreeSet<String>>()
    }};
}

#[test]
fn the_rust_column_is_true_of_this_crate() {
    let here = names![
        Fetcher::new,
        Fetcher::get,
        Fetcher::send,
        Resolver::new,
        Resolver::verify,
        Resolver::resume,
        broker::BrokerClient::new,
        broker::BrokerClient::operator,
        broker::BrokerClient::endpoints,
        broker::BrokerClient::is_paid_for,
        broker::BrokerClient::issue,
        broker::BrokerClient::visa,
        broker::BrokerClient::visas,
        broker::BrokerClient::redeem,
        broker::BrokerClient::confirm,
        broker::BrokerClient::confirm_within,
        broker::Presented::of_request,
        broker::BrokerClient::feedback,
        broker::BrokerClient::contest,
        broker::BrokerClient::decide,
        broker::BrokerClient::account,
        broker::BrokerClient::transfers,
        broker::BrokerClient::statement,
        broker::BrokerClient::deposit,
        broker::Redeemer::issuer,
        broker::Redeemer::is_paid_for,
        broker::Redeemer::push,
        broker::Redeemer::tally,
        broker::Redeemer::flush,
        broker::Redeemer::close,
        broker::BrokerClient::lock,
        broker::BrokerClient::unlock,
        broker::BrokerClient::slash,
        broker::BrokerClient::verify_log,
        broker::BrokerClient::accept_log,
        broker::BrokerClient::trust_clock,
        broker::BrokerClient::money
    ];
    let file =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/surface.json")).unwrap();
    let listed: BTreeSet<String> = file
        .split('"')
        .filter(|name| name.starts_with("imagxp_fetch::") && !name.contains("::agent::"))
        .map(str::to_owned)
        .collect();
    assert_eq!(here, listed);
    // Shared between threads, and cheap to clone.
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Fetcher>();
    shared::<Resolver>();
}
