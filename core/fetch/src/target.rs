//! Where a URL leads, before any name is resolved.

use crate::{FetchError, Profile};
use hyper::Uri;
use imagxp::publisher::FetchFailure;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest URL, in bytes.
const MAX_URL: usize = 8 * 1024;

/// A URL that may be asked for, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) secure: bool,
    /// A lower-case domain name, or a loopback host without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) path: String,
    /// What `Host` says.
    pub(crate) authority: String,
    /// The host is this machine, and that is allowed.
    pub(crate) loopback: bool,
}

impl Target {
    /// Reads an absolute URL. `address_denied`: a scheme, host or port that is never asked; `invalid`: not a URL.
    pub(crate) fn parse(
        url: &str,
        profile: &Profile,
        allow_loopback: bool,
        ports: &[u16],
    ) -> Result<Self, FetchError> {
        let uri = Some(url)
            .filter(|url| url.len() <= MAX_URL && !url.contains('#'))
            .and_then(|url| url.parse::<Uri>().ok())
            .ok_or_else(|| invalid("not an absolute URL without fragment"))?;
        let (scheme, authority) =
            uri.scheme_str().zip(uri.authority()).ok_or_else(|| invalid("not an absolute URL"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("the URL has user information"));
        }
        let host = authority.host().to_ascii_lowercase();
        let loopback = allow_loopback && matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        let secure = match scheme {
            "https" => true,
            "http" if loopback => false,
            _ => return Err(denied("not https")),
        };
        let default = if secure { 443 } else { 80 };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default,
            _ => authority
                .port_u16()
                .filter(|port| *port != 0)
                .ok_or_else(|| invalid("the port is not a number"))?,
        };
        if !loopback {
            check_name(&host)?;
            if port != 443 && !profile.any_port && !ports.contains(&port) {
                return Err(denied(format!("port {port} is not allowed")));
            }
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            secure,
            authority: if port == default { host.clone() } else { format!("{host}:{port}") },
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            loopback,
        })
    }

    /// The addresses of a loopback host, which no name server is asked about.
    pub(crate) fn loopback_addresses(&self) -> Vec<IpAddr> {
        match self.host.as_str() {
            "127.0.0.1" => vec![Ipv4Addr::LOCALHOST.into()],
            "::1" => vec![Ipv6Addr::LOCALHOST.into()],
            _ => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }
}

/// A domain name of letters, digits, hyphens and underscores; no IP address in any notation (WHATWG URL §3.5).
fn check_name(host: &str) -> Result<(), FetchError> {
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return Err(denied("the host is an IP address"));
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    if hex || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(denied("the host ends in a number, as IP addresses do"));
    }
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    if host.len() > 253 || !host.split('.').all(label_ok) {
        return Err(invalid("the host is not a domain name"));
    }
    Ok(())
}

fn denied(detail: impl Into<String>) -> FetchError {
    FetchError::new(FetchFailure::AddressDenied, detail)
}

fn invalid(detail: &str) -> FetchError {
    FetchError::new(FetchFailure::Invalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, loopback: bool) -> Result<Target, FetchFailure> {
        Target::parse(url, &Profile::MANIFEST, loopback, &[8443]).map_err(|error| error.failure)
    }

    #[test]
    fn urls_that_may_be_asked_for() {
        for (url, host, port, path, authority) in [
            ("https://Bot.Example.com", "bot.example.com", 443, "/", "bot.example.com"),
            ("https://bot.example.com:443/a?b=c", "bot.example.com", 443, "/a?b=c", "bot.example.com"),
            ("https://bot.example.com:8443?q", "bot.example.com", 8443, "/?q", "bot.example.com:8443"),
            ("https://a_b.example/%20", "a_b.example", 443, "/%20", "a_b.example"),
        ] {
            let target = parse(url, false).unwrap();
            assert_eq!(
                (target.host.as_str(), target.port, target.authority.as_str()),
                (host, port, authority),
                "{url}"
            );
            assert_eq!(
                (target.path.trim_start_matches('/'), target.secure),
                (path.trim_start_matches('/'), true),
                "{url}"
            );
        }
    }

    #[test]
    fn schemes_hosts_and_ports_that_are_denied() {
        for url in [
            "http://bot.example.com/",
            "ftp://bot.example.com/",
            "https://127.0.0.1/",
            "https://93.184.216.34/",
            "https://[2606:4700::1111]/",
            "https://[::1]/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.0x1/",
            "https://1.2.3.4.5/",
            "https://bot.example.com:80/",
            "https://bot.example.com:22/",
            "http://localhost/",
        ] {
            assert_eq!(parse(url, false), Err(FetchFailure::AddressDenied), "{url}");
        }
    }

    #[test]
    fn what_is_no_url() {
        for url in [
            "",
            "nonsense",
            "/path",
            "https://",
            "https:///m",
            "//bot.example.com/",
            "https://user@bot.example.com/",
            "https://a:b@bot.example.com/",
            "https://bot.example.com/#f",
            "https://bot..example.com/",
            "https://bot.example.com./",
            "https://bot.example.com:/",
            "https://bot.example.com:0/",
            "https://bot.example.com:65536/",
            "https://bot.example.com:x/",
            "https://bücher.example/",
            "https://bot.example.com\\@evil.example/",
            "https://bot.example.com\r\nHost: x/",
            "https://a b.example/",
            "https://[::1%25eth0]/",
            "https://%31.example/",
        ] {
            let failure = parse(url, false).unwrap_err();
            assert!(matches!(failure, FetchFailure::Invalid | FetchFailure::AddressDenied), "{url}");
        }
        let long = format!("https://bot.example.com/{}", "a".repeat(MAX_URL));
        assert_eq!(parse(&long, false), Err(FetchFailure::Invalid));
    }

    #[test]
    fn loopback_needs_the_switch() {
        for (url, host, port, secure) in [
            ("http://localhost:8080/m", "localhost", 8080, false),
            ("http://127.0.0.1/m", "127.0.0.1", 80, false),
            ("https://[::1]:9/m", "::1", 9, true),
        ] {
            let target = parse(url, true).unwrap();
            assert_eq!((target.host.as_str(), target.port, target.secure), (host, port, secure));
            assert!(target.loopback_addresses().iter().all(IpAddr::is_loopback));
            assert_eq!(parse(url, false), Err(FetchFailure::AddressDenied));
        }
        assert_eq!(parse("http://127.0.0.2/m", true), Err(FetchFailure::AddressDenied));
        assert_eq!(parse("http://localhost.evil.example/m", true), Err(FetchFailure::AddressDenied));
    }
}
