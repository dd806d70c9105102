//! Which addresses a fetch may connect to (PROTOCOL §4): global unicast, and nothing that leads elsewhere by another way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a fetch for a stranger may connect to this address.
///
/// Global unicast only, by the special-purpose registries of IANA (RFC 6890); of IPv6 what has been allocated, which is 2000::/3. An
/// address of the well-known NAT64 prefix is judged by the IPv4 address within, since a network with DNS64 has no other for half of
/// the Internet. All others that carry an IPv4 address (mapped, compatible, local NAT64, 6to4, Teredo, ISATAP) are refused whatever
/// they carry: nothing is reached only that way, and what lies in between is not ours to guess.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// [`is_public`] of an address as text: dotted decimal or RFC 4291, without zone, brackets or port. Any other text is not allowed.
pub fn is_public_text(text: &str) -> bool {
    text.parse().is_ok_and(is_public)
}

/// Blocks of IPv4 that are not global unicast: address and length of the prefix.
const DENIED_V4: [(u32, u32); 19] = [
    // "This network", private use, shared (CGNAT), loopback, link-local, private use.
    (v4(0, 0, 0, 0), 8),
    (v4(10, 0, 0, 0), 8),
    (v4(100, 64, 0, 0), 10),
    (v4(127, 0, 0, 0), 8),
    (v4(169, 254, 0, 0), 16),
    (v4(172, 16, 0, 0), 12),
    // IETF protocol assignments, documentation, AS112, AMT, 6to4 relays, private use, AS112, benchmarking, documentation.
    (v4(192, 0, 0, 0), 24),
    (v4(192, 0, 2, 0), 24),
    (v4(192, 31, 196, 0), 24),
    (v4(192, 52, 193, 0), 24),
    (v4(192, 88, 99, 0), 24),
    (v4(192, 168, 0, 0), 16),
    (v4(192, 175, 48, 0), 24),
    (v4(198, 18, 0, 0), 15),
    (v4(198, 51, 100, 0), 24),
    (v4(203, 0, 113, 0), 24),
    // Multicast, reserved with broadcast, and the inner service address of one large cloud.
    (v4(224, 0, 0, 0), 4),
    (v4(240, 0, 0, 0), 4),
    (v4(168, 63, 129, 16), 32),
];

/// What of IPv6 has been allocated as global unicast so far.
const UNICAST: (u128, u32) = (v6(0x2000, 0, 0), 3);

/// The well-known prefix of NAT64 (RFC 6052 §2.1).
const NAT64: (u128, u32) = (v6(0x64, 0xff9b, 0), 96);

/// Blocks of IPv6 within 2000::/3 that are not global unicast.
const DENIED_V6: [(u128, u32); 6] = [
    // IETF protocol assignments (Teredo, benchmarking, AMT, AS112, ORCHID), documentation, 6to4, AS112, documentation.
    (v6(0x2001, 0, 0), 23),
    (v6(0x2001, 0xdb8, 0), 32),
    (v6(0x2002, 0, 0), 16),
    (v6(0x2620, 0x4f, 0x8000), 48),
    (v6(0x3fff, 0, 0), 20),
    // The 6bone, handed back in 2006 (RFC 3701).
    (v6(0x3ffe, 0, 0), 16),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !DENIED_V4.iter().any(|&(block, length)| (bits ^ block).checked_shr(32 - length) == Some(0))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let within = |(block, length): (u128, u32)| (bits ^ block).checked_shr(128 - length) == Some(0);
    if within(NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    within(UNICAST) && !is_isatap(address) && !DENIED_V6.iter().any(|&block| within(block))
}

/// Whether the interface identifier is one of ISATAP, which holds an IPv4 address (RFC 5214 §6.1).
const fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, flags, marker, _, _] = address.segments();
    (flags & 0xfdff) == 0 && marker == 0x5efe
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

const fn v6(a: u16, b: u16, c: u16) -> u128 {
    ((a as u128) << 112) | ((b as u128) << 96) | ((c as u128) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last address of each block, and their neighbours outside, for every block and both families.
    #[test]
    fn blocks_end_where_they_should() {
        let outside_v4 = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.31.195.255",
            "192.31.197.0",
            "192.52.192.255",
            "192.52.194.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "192.175.47.255",
            "192.175.49.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "168.63.129.15",
            "168.63.129.17",
        ];
        for text in outside_v4 {
            assert!(is_public_text(text), "{text}");
        }
        for (block, length) in DENIED_V4 {
            let last = block | u32::MAX.checked_shr(length).unwrap_or(0);
            for bits in [block, last] {
                assert!(!is_public(Ipv4Addr::from_bits(bits).into()), "{}", Ipv4Addr::from_bits(bits));
            }
        }
        for (block, length) in DENIED_V6 {
            let last = block | (u128::MAX >> length);
            for bits in [block, last] {
                assert!(!is_public(Ipv6Addr::from_bits(bits).into()), "{}", Ipv6Addr::from_bits(bits));
            }
        }
        for text in [
            "2000::",
            "2001:200::",
            "2001:db7:ffff::1",
            "2001:db9::",
            "2003::",
            "2620:4f:7fff::1",
            "3ffd:ffff::1",
        ] {
            assert!(is_public_text(text), "{text}");
        }
        for text in [
            "1fff:ffff::1",
            "4000::",
            "3fff:fff:ffff::1",
            "5f00::1",
            "100::1",
            "fec0::1",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(!is_public_text(text), "{text}");
        }
    }

    #[test]
    fn ipv4_within_ipv6() {
        for text in [
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::192.0.2.1",
            "64:ff9b:1::8.8.8.8",
            "64:ff9b:0:1::8.8.8.8",
            "2002:808:808::1",
            "2001:0:808:808::1",
            "2606:4700::5efe:808:808",
            "2606:4700::200:5efe:7f00:1",
        ] {
            assert!(!is_public_text(text), "{text}");
        }
        assert!(is_public_text("64:ff9b::8.8.8.8"), "DNS64 makes these of public IPv4 addresses");
    }

    #[test]
    fn other_texts_are_no_addresses() {
        for text in [
            "",
            "localhost",
            "1.1.1",
            "1.1.1.1.",
            "01.1.1.1",
            "0x1.1.1.1",
            "16843009",
            "1.1.1.1:443",
            "[2606:4700::1111]",
            "2606:4700::1111%eth0",
            " 1.1.1.1",
            "2606:4700::1111 ",
        ] {
            assert!(!is_public_text(text), "{text}");
        }
    }
}
