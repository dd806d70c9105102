//! Addresses that a fetch may connect to (PROTOCOL §4).

use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    [
        ("9.255.255.255", true, "next to 10.0.0.0/8"),
        ("10.0.0.0", false, "private use"),
        ("100.64.0.0", false, "CGNAT"),
        ("168.63.129.16", false, "a cloud's inner service"),
        ("192.0.0.170", false, "IETF protocol assignments"),
        ("192.31.196.1", false, "AS112"),
        ("198.18.0.1", false, "benchmarking"),
        ("224.0.0.251", false, "multicast"),
        ("240.0.0.1", false, "reserved"),
        ("255.255.255.255", false, "broadcast"),
        ("2003::1", true, "global unicast"),
        ("2001:0:808:808::1", false, "Teredo"),
        ("2001:20::1", false, "ORCHIDv2"),
        ("2002:808:808::1", false, "6to4"),
        ("3ffe::1", false, "the 6bone"),
        ("4000::1", false, "not allocated"),
        ("64:ff9b::8.8.8.8", true, "NAT64 of a public address"),
        ("64:ff9b::10.0.0.1", false, "NAT64 of a private one"),
        ("64:ff9b:1::8.8.8.8", false, "local NAT64"),
        ("::ffff:8.8.8.8", false, "mapped"),
        ("::8.8.8.8", false, "compatible"),
        ("2606:4700::5efe:808:808", false, "ISATAP"),
        ("fe80::1", false, "link-local"),
        ("fec0::1", false, "site-local"),
        ("fd00::1", false, "unique local"),
        ("ff02::1", false, "multicast"),
        ("fe80::1%eth0", false, "a zone is for this machine"),
        ("[2606:4700::1111]", false, "not an address but a part of a URL"),
        ("0177.0.0.1", false, "octal"),
        ("2130706433", false, "one number"),
        ("localhost", false, "a name"),
        ("", false, "nothing"),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (ip, allowed, why))| {
        assert_eq!(imagxp::address::is_public_text(ip), allowed, "{ip}");
        json!({ "id": format!("address-{number}"), "why": why, "op": "address", "ip": ip, "expect": { "allowed": allowed } })
    })
    .collect()
}
