//! Addresses and networks of callers that are trusted.

use crate::config::invalid;
use crate::error::SetupError;
use std::net::IpAddr;

/// A list of addresses and networks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks(Vec<(u128, u128)>);

impl Networks {
    /// Everybody (`0.0.0.0/0`) is no network of proxies.
    ///
    /// Reads `10.0.0.1`, `10.0.0.0/8`, `::1`, `fd00::/8`. Error: `config.invalid`, naming the option.
    pub(crate) fn parse(option: &str, items: &[String]) -> Result<Self, SetupError> {
        let read = |item: &String| {
            let (address, bits) =
                item.split_once('/').map_or((item.as_str(), None), |(address, bits)| (address, Some(bits)));
            let address: IpAddr = address.parse().ok()?;
            let width = if address.is_ipv4() { 32 } else { 128 };
            let bits =
                bits.map_or(Some(width), |bits| bits.parse().ok().filter(|bits| (1..=width).contains(bits)))?;
            let mask =
                u128::MAX.checked_shl(width - bits).unwrap_or(0) | if width == 32 { !0 << 32 } else { 0 };
            let number = number(address);
            (number & mask == number).then_some((number, mask))
        };
        let list = items.iter().map(|item| {
            read(item).ok_or_else(|| invalid(option, &format!("`{item}` is no address or network")))
        });
        list.collect::<Result<_, _>>().map(Self)
    }

    /// Whether the address is in one of them. An IPv4 address is the same however the socket writes it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = number(address);
        self.0.iter().any(|(network, mask)| address & mask == *network)
    }
}

/// An address as a number; IPv4 as it is mapped into IPv6 (RFC 4291 §2.5.5.2).
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let list = |items: &[&str]| {
            Networks::parse(
                "verify.trusted",
                &items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>(),
            )
        };
        let some = list(&["10.0.0.0/8", "127.0.0.1", "fd00::/8", "0:0::1"]).unwrap();
        for (address, inside) in [
            ("10.255.1.2", true),
            ("11.0.0.0", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("::ffff:10.1.1.1", true),
            ("::ffff:11.1.1.1", false),
            ("::1", true),
            ("::2", false),
            ("fdff::1", true),
            ("fe00::1", false),
        ] {
            assert_eq!(some.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(list(&["128.0.0.0/1"]).unwrap().contains("129.9.9.9".parse().unwrap()));
        assert!(!list(&["128.0.0.0/1"]).unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!(!list(&[]).unwrap().contains("127.0.0.1".parse().unwrap()));
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "x", "10.0.0.0/", "/8", "", "0.0.0.0/0", "::/0"] {
            assert!(list(&[bad]).is_err(), "{bad}");
        }
    }
}
