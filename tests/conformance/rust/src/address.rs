//! The operation `address`.

use crate::answer::{Answer, text};
use imagxp::address::is_public_text;
use serde_json::{Value, json};

pub(crate) fn address(case: &Value) -> Answer {
    text(case, "ip").map(|ip| json!({ "allowed": is_public_text(ip) }))
}
