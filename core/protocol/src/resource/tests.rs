//! Tests of `resource.rs`.

use super::*;

fn same(a: &str, b: &str) -> bool {
    let (a, b) = (Resource::parse(a).unwrap(), Resource::parse(b).unwrap());
    a.origin == b.origin && a.same_target(&b)
}

#[test]
fn what_is_longer_than_any_url_is_none() {
    let long = |bytes: usize| format!("/{}", "a/../".repeat(bytes / 5 + 1)).split_at(bytes).0.to_owned();
    assert!(Resource::parse(&long(MAX_URL_BYTES)).is_some());
    assert!(path_readings(&long(MAX_URL_BYTES)).is_some());
    assert!(Resource::parse(&long(MAX_URL_BYTES + 1)).is_none());
    assert!(path_readings(&long(MAX_URL_BYTES + 1)).is_none());
}

/// What a URL is compared as, and what no URL is, stays the same.
#[test]
fn a_uri_is_the_same_url() {
    for (url, uri) in [
        (
            "https://pub.example/caf\u{e9}/\u{1f600}?q=\u{e9}",
            "https://pub.example/caf%C3%A9/%F0%9F%98%80?q=%C3%A9",
        ),
        ("https://[::1]:8/a|b?x=[1]&y={\"^`}", "https://[::1]:8/a%7Cb?x=[1]&y=%7B%22%5E%60%7D"),
        ("https://pub.example/./a/%c3%a9/%7e//?<>", "https://pub.example/./a/%c3%a9/%7e//?%3C%3E"),
        ("https://pub.example/%4?a=b&c='d'", "https://pub.example/%4?a=b&c='d'"),
        ("a b\\#\r\n", "a b\\#\r\n"),
        ("", ""),
    ] {
        assert_eq!(to_uri(url), uri);
        assert_eq!(to_uri(uri), uri, "twice is once");
        assert_eq!(Resource::parse(url), Resource::parse(uri));
    }
}

#[test]
fn equal_after_normalisation() {
    assert!(same("https://pub.example", "https://pub.example/"));
    assert!(same("HTTPS://Pub.Example:443/", "https://pub.example/"));
    assert!(same("https://pub.example/caf%c3%a9", "https://pub.example/café"));
    assert!(same("https://pub.example/%7Euser/./a/../b", "https://pub.example/~user/b"));
    assert!(same("https://pub.example/a|b?x=|", "https://pub.example/a%7Cb?x=%7c"));
    assert!(same("https://pub.example?x", "https://pub.example/?x"));
    assert!(same("/%2e%2e/a", "/a"));
}

/// The URL Standard escapes it in a query, and nowhere else.
#[test]
fn an_apostrophe_in_a_query_has_two_spellings() {
    for (one, other) in [
        ("/a?q='", "/a?q=%27"),
        ("/a?'%27x'", "/a?%27'x%27"),
        ("https://pub.example/?o'clock", "https://pub.example/?o%27clock"),
    ] {
        assert!(same(one, other) && same(other, one), "{one}");
    }
    for (one, other) in [
        ("/a'", "/a%27"),
        ("/a?q='", "/a?q="),
        ("/a?q='", "/a?q=''"),
        ("/a?'", "/a"),
        ("/a?'b", "/a?b'"),
        ("/a?%2527", "/a?%25'"),
        ("/a?", "/a"),
    ] {
        assert!(!same(one, other) && !same(other, one), "{one}");
    }
}

#[test]
fn different_after_normalisation() {
    assert!(!same("https://pub.example/a", "https://pub.example/a/"));
    assert!(!same("https://pub.example/a%2Fb", "https://pub.example/a/b"));
    assert!(!same("https://pub.example/?", "https://pub.example/"));
    assert!(!same("https://pub.example/A", "https://pub.example/a"));
    assert!(!same("https://pub.example:8443/", "https://pub.example/"));
    assert!(!same("http://pub.example/", "https://pub.example/"));
    assert!(!same("https://pub.example/?a=1&b=2", "https://pub.example/?b=2&a=1"));
}

#[test]
fn refuses_what_is_not_a_resource() {
    for bad in [
        "",
        "pub.example/",
        "ftp://pub.example/",
        "https://",
        "https:///x",
        "https://u@pub.example/",
        "//pub.example/",
        "https://pub.example:0/",
        "https://pub.example:65536/",
        "https://pub.example/%4",
        "https://pub.example/%zz",
        "https://pub.example/#x",
        "https://pub.example/a b",
        "https://pub.example/\\x",
        "https://[::g]/",
        "https://bücher.example/",
        "x:",
    ] {
        assert!(Resource::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn an_ordinary_path_has_one_reading() {
    for path in ["/", "/premium/x", "/a.b/c~d"] {
        assert_eq!(path_readings(path).unwrap(), [path]);
    }
    assert_eq!(path_readings("https://pub.example").unwrap(), ["/"]);
    assert_eq!(path_readings("/%70remium/x").unwrap(), ["/premium/x"]);
    assert!(path_readings("/%zz").is_none());
}

/// What a URL can hold in one way only is read in one way, as patterns are written.
#[test]
fn an_escape_that_is_no_choice_is_no_second_reading() {
    for (path, reading) in [
        ("/caf\u{e9}?q=//..", "/caf\u{e9}"),
        ("/caf%c3%A9/x", "/caf\u{e9}/x"),
        ("/my%20files/x", "/my files/x"),
        ("/a|b%7C", "/a|b|"),
        ("/100%25", "/100%"),
        ("/%252F", "/%2F"),
    ] {
        assert_eq!(path_readings(path).unwrap(), [reading], "{path}");
    }
    for (path, expected) in [
        ("/my%20files/a%2Fb", ["/my files/a/b", "/my files/a%2Fb"]),
        ("/caf%C3%A9%28", ["/caf\u{e9}(", "/caf\u{e9}%28"]),
        // Not UTF-8: two servers may think of two characters.
        ("/caf%E9%20", ["/caf\u{fffd} ", "/caf%E9%20"]),
    ] {
        assert_eq!(path_readings(path).unwrap(), expected, "{path}");
    }
}

#[test]
fn a_disguised_path_has_every_reading() {
    for disguise in [
        "//premium///x",
        "/premium%2Fx",
        "/a/..%2Fpremium/x",
        "/a/%2E%2e/premium/x",
        "/public//../premium/x",
        "/premium;v=1/x",
        "/free/..;/premium/x",
        "/premium%5Cx",
        "/./premium/./x",
    ] {
        let readings = path_readings(&format!("https://pub.example{disguise}")).unwrap();
        assert!(readings.iter().any(|reading| reading == "/premium/x"), "{disguise}: {readings:?}");
    }
    // A router that matches before it decodes sees the longer path.
    let readings = path_readings("/secret/5/..%2F..%2Ffree").unwrap();
    assert!(readings.iter().any(|reading| reading == "/free"), "{readings:?}");
    assert!(readings.iter().any(|reading| reading == "/secret/5/..%2F..%2Ffree"), "{readings:?}");
}

#[test]
fn origins() {
    assert_eq!(Origin::parse("https://Pub.example:443/", false).unwrap().to_string(), "https://pub.example");
    assert_eq!(Origin::parse("https://pub.example:8443", false).unwrap().authority(), "pub.example:8443");
    assert!(Origin::parse("http://pub.example", true).is_err());
    assert!(Origin::parse("http://127.0.0.1:8000", false).is_err());
    assert!(Origin::parse("http://127.0.0.1:8000", true).is_ok());
    assert!(Origin::parse("https://pub.example/x", false).is_err());
}

#[test]
fn dot_segments() {
    for (path, out) in [
        ("/a/b/c/./../../g", "/a/g"),
        ("/..", "/"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/.a/..b", "/.a/..b"),
        ("/./", "/"),
    ] {
        assert_eq!(remove_dot_segments(path), out, "{path}");
    }
}
