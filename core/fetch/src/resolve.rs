//! Names to addresses, every one of them checked (PROTOCOL §4).

use crate::{Dnssec, FetchError, Options};
use core::time::Duration;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{TokioResolver, system_conf};
use imagxp::address;
use imagxp::publisher::FetchFailure;
use std::net::IpAddr;

/// How many of a name's addresses are tried. All of them are checked.
const MAX_TRIED: usize = 8;
/// The longest that one question to a name server may take; it is asked once more, so both must fit into a manifest's deadline.
const MAX_QUESTION: Duration = Duration::from_millis(600);

/// Addresses that may be connected to.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) dnssec: Dnssec,
}

/// Asks for A and AAAA of a name. One address that is not public spoils the name: which of them is used must not be the choice of
/// the name's owner.
pub(crate) async fn resolve(host: &str, options: &Options) -> Result<Resolved, FetchError> {
    // A resolver of its own for each exchange: it keeps no socket, no task and no cache that could outlive the run-time or a fork,
    // and follows changes of /etc/resolv.conf as the system's does.
    let resolver = resolver(options).map_err(|error| failed(format!("no name server: {error}")))?;
    let mut name = Name::from_ascii(host).map_err(|_| failed("the host is not a name"))?;
    // No search domains: they belong to users' shells.
    name.set_fqdn(true);
    let (first, second) =
        both(resolver.lookup(name.clone(), RecordType::A), resolver.lookup(name, RecordType::AAAA)).await;
    let mut found = Resolved { addresses: Vec::new(), dnssec: Dnssec::Unchecked };
    let mut error = None;
    for answer in [first, second] {
        match answer {
            Ok(lookup) => found.add(&lookup, options)?,
            Err(failure) if is_bogus(&failure) => return Err(failed("dnssec: the answer is bogus")),
            // No records of one type is ordinary; the other's may do.
            Err(failure) => error = Some(failure),
        }
    }
    if found.addresses.is_empty() {
        let reason = error.map_or_else(|| "no records".to_owned(), |error| error.to_string());
        return Err(failed(format!("`{host}` has no address: {reason}")));
    }
    found.addresses.truncate(MAX_TRIED);
    Ok(found)
}

impl Resolved {
    fn add(&mut self, lookup: &Lookup, options: &Options) -> Result<(), FetchError> {
        let addresses = lookup.answers().iter().filter_map(|record| record.data.ip_addr());
        for address in addresses {
            if !may_connect(address, options) {
                return Err(FetchError::new(
                    FetchFailure::AddressDenied,
                    format!("the name resolves to {address}, which is not public"),
                ));
            }
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        if options.dnssec && !lookup.answers().is_empty() {
            self.dnssec = match (self.dnssec, is_secure(lookup)) {
                (Dnssec::Unchecked | Dnssec::Secure, true) => Dnssec::Secure,
                _ => Dnssec::Insecure,
            };
        }
        Ok(())
    }
}

/// Global unicast, or named in the options.
pub(crate) fn may_connect(address: IpAddr, options: &Options) -> bool {
    address::is_public(address) || options.allow_addresses.contains(&address)
}

fn resolver(options: &Options) -> Result<TokioResolver, NetError> {
    let (config, mut settings) = if options.nameservers.is_empty() {
        system_conf::read_system_conf()?
    } else {
        let servers = options.nameservers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let mut settings = ResolverOpts::default();
        settings.use_hosts_file = ResolveHosts::Never;
        (ResolverConfig::from_parts(None, Vec::new(), servers.collect()), settings)
    };
    settings.cache_size = 0;
    settings.attempts = 1;
    settings.timeout = settings.timeout.min(MAX_QUESTION);
    settings.try_tcp_on_error = true;
    #[cfg(feature = "dnssec")]
    {
        settings.validate = options.dnssec;
        settings.trust_anchor.clone_from(&options.trust_anchor);
    }
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = settings;
    builder.build()
}

/// Two answers, asked for at the same time.
async fn both<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (core::pin::pin!(first), core::pin::pin!(second));
    let (mut one, mut two) = (None, None);
    core::future::poll_fn(|context| {
        use core::task::Poll;
        if one.is_none()
            && let Poll::Ready(value) = first.as_mut().poll(context)
        {
            one = Some(value);
        }
        if two.is_none()
            && let Poll::Ready(value) = second.as_mut().poll(context)
        {
            two = Some(value);
        }
        match (one.take(), two.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            (first, second) => {
                (one, two) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}

#[cfg(feature = "dnssec")]
fn is_secure(lookup: &Lookup) -> bool {
    lookup.answers().iter().all(|record| record.proof.is_secure())
}

#[cfg(not(feature = "dnssec"))]
fn is_secure(_: &Lookup) -> bool {
    false
}

#[cfg(feature = "dnssec")]
fn is_bogus(error: &NetError) -> bool {
    match error {
        NetError::Dns(DnsError::DnssecBogus) => true,
        NetError::Dns(DnsError::Nsec { proof, .. }) => proof.is_bogus(),
        _ => false,
    }
}

#[cfg(not(feature = "dnssec"))]
fn is_bogus(error: &NetError) -> bool {
    let NetError::Dns(DnsError::ResponseCode(_) | DnsError::NoRecordsFound(_)) = error else { return false };
    false
}

fn failed(detail: impl Into<String>) -> FetchError {
    FetchError::new(FetchFailure::Failed, detail)
}
