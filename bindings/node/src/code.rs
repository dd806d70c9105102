//! The table of refusal codes.

use imagxp::Code;
use napi_derive::napi;

/// Name, number, status, retry, message, hint.
type Row = (&'static str, u32, u16, String, &'static str, &'static str);

/// Every code, of which `index.cjs` makes the table `codes`.
#[napi(js_name = "_codes", skip_typescript)]
pub fn codes() -> Vec<Row> {
    let row = |code: &Code| {
        let retry = code.retry().to_string();
        (code.as_str(), code.number(), code.http(), retry, code.message(), code.hint())
    };
    Code::ALL.iter().map(row).collect()
}
