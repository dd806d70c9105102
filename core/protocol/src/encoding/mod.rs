//! Base64 and hex, in exactly the forms the protocol admits (PROTOCOL §2 and §3).
//!
//! A value that can be written in two ways invites two parties to read two things, so the decoders refuse whatever
//! is not one of the named forms. For bytes *in* they never panic; nothing here is constant-time, because nothing
//! secret passes through but the `d` of a private JWK, which its reader wipes.

mod base64;
mod hex;
mod uuid;

pub use base64::{base64_decode, base64_encode, base64url_decode, base64url_encode};
pub(crate) use hex::{NO_NIBBLE, hex_digit, hex_value, nibble};
pub use hex::{hex_decode, hex_encode};
pub use uuid::uuid_v4;
