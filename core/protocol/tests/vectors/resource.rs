//! What a claim asks for, compared with what is requested (PROTOCOL §5 step 6).

use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    let allow = || json!({ "outcome": "allow", "code": null, "http": 200 });
    let differs = || deny(imagxp::Code::ClaimResourceMismatch);
    let cases: Vec<(&str, &str, &'static str, &str, Value)> = vec![
        ("apostrophe", "as it was signed", "/posts/1?q='a'", "/posts/1?q='a'", allow()),
        (
            "apostrophe-escaped",
            "parsers of the URL Standard escape it in a query",
            "/posts/1?q='a'",
            "/posts/1?q=%27a%27",
            allow(),
        ),
        (
            "apostrophe-signed-escaped",
            "others send it as it is",
            "/posts/1?q=%27a%27",
            "/posts/1?q='a%27",
            allow(),
        ),
        ("apostrophe-missing", "and it is a character", "/posts/1?q='a'", "/posts/1?q=a", differs()),
        ("apostrophe-path", "in a path the two differ", "/posts/o'clock", "/posts/o%27clock", differs()),
        ("empty-query", "an empty query is one", "/posts/1?", "/posts/1?", allow()),
        ("no-query", "and none is none", "/posts/1?", "/posts/1", differs()),
    ];
    cases
        .into_iter()
        .enumerate()
        .map(|(number, (id, why, claimed, requested, expect))| {
            let url = format!("https://pub.example{claimed}");
            let mut sent = signed(u32::try_from(number).unwrap(), |request| request.url = url.clone().leak());
            sent.url = format!("https://pub.example{requested}");
            verify_case(&format!("resource-{id}"), why, policy_with(json!({ "paths": [] })), &sent, expect)
        })
        .collect()
}
