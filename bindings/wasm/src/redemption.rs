//! A broker's word on a visa.

use crate::errors::{Thrown, argument};
use crate::json::bytes;
use imagxp::publisher::Redemption;
use imagxp::visa::MAX_PRESENTED;
use wasm_bindgen::prelude::*;

/// What the answer to `POST /v1/visas/redeem`, by its status and its whole body, says of the one visa that was presented: `unavailable` for everything
/// but a definite word.
#[wasm_bindgen(js_name = readRedemption, unchecked_return_type = "Redemption")]
pub fn read_redemption(
    status: u32,
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] body: JsValue,
) -> Result<String, Thrown> {
    Ok(word(Redemption::of_answer(http(status), &bytes(&body)?)))
}

/// What the answer to `POST /v1/visas/redeem`, by its status and its whole body, says of each of the visas that were presented (1000 at most), in their
/// order. `unavailable` for everything but a definite word: what is `unavailable` is presented again.
#[wasm_bindgen(js_name = readRedemptions, unchecked_return_type = "Redemption[]")]
pub fn read_redemptions(
    status: u32,
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] body: JsValue,
    presented: u32,
) -> Result<Vec<String>, Thrown> {
    let presented = usize::try_from(presented).unwrap_or(usize::MAX);
    if presented > MAX_PRESENTED {
        return Err(argument("a batch has 1000 visas at most"));
    }
    let answers = Redemption::of_answers(http(status), &bytes(&body)?, presented);
    Ok(answers.into_iter().map(word).collect())
}

/// A status that is none is none of success either.
fn http(status: u32) -> u16 {
    u16::try_from(status).unwrap_or(0)
}

fn word(answer: Redemption) -> String {
    let word = match answer {
        Redemption::Accepted => "accepted",
        Redemption::Refused => "refused",
        Redemption::Unavailable => "unavailable",
    };
    word.to_owned()
}
