//! A broker's word on a visa.

use crate::errors::Thrown;
use crate::json::bytes;
use imagxp::publisher::Redemption;
use wasm_bindgen::prelude::*;

/// What the answer to `POST /v1/visas/redeem`, by its status and its whole body, says of the one visa that was presented: `unavailable` for everything
/// but a definite word.
#[wasm_bindgen(js_name = readRedemption, unchecked_return_type = "Redemption")]
pub fn read_redemption(
    status: u32,
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] body: JsValue,
) -> Result<String, Thrown> {
    let answer = Redemption::of_answer(u16::try_from(status).unwrap_or(0), &bytes(&body)?);
    let word = match answer {
        Redemption::Accepted => "accepted",
        Redemption::Refused => "refused",
        Redemption::Unavailable => "unavailable",
    };
    Ok(word.to_owned())
}
