//! Sizes that a publisher accepts.

use crate::js::JsNumber;
use crate::options::options;
use imagxp::limits::Limits as CoreLimits;
use napi::Result;
use napi_derive::napi;

/// Declares each size once: the option, and the getter.
macro_rules! sizes {
    ($($(#[$note:meta])* $name:ident, $with:ident;)*) => {
        options! {
            /// Sizes in bytes and counts; what is not given has its default.
            LimitsOptions { $($(#[$note])* $name: Option<JsNumber>,)* }
        }

        fn read(options: Option<LimitsOptions>) -> Result<CoreLimits> {
            let mut limits = CoreLimits::DEFAULT;
            if let Some(options) = options {
                $(if let Some(number) = options.$name {
                    limits = limits.$with(number.whole(stringify!($name))?);
                })*
            }
            Ok(limits)
        }

        /// Sizes in bytes and counts that a publisher accepts (PROTOCOL §14). What is above the protocol's cap is lowered to it.
        #[napi]
        pub struct Limits(pub(crate) CoreLimits);

        #[napi]
        impl Limits {
            /// The protocol's limits, with some of them changed.
            #[napi(constructor)]
            pub fn new(options: Option<LimitsOptions>) -> Result<Self> {
                read(options).map(Self)
            }

            $($(#[$note])*
            #[napi(getter)]
            pub fn $name(&self) -> f64 {
                count(self.0.$name())
            })*
        }
    };
}

sizes! {
    /// Bytes of the base64 payload header.
    payload_header, with_payload_header;
    /// Bytes of the public-key header.
    key_header, with_key_header;
    /// Bytes of a visa or ad proof.
    token, with_token;
    /// Header lines in a request.
    header_lines, with_header_lines;
    /// Bytes of all header names and values together.
    header_bytes, with_header_bytes;
    /// Bytes of one string in a claim.
    string, with_string;
    /// Bytes of the claim's resource.
    resource, with_resource;
    /// Bytes of a manifest.
    manifest, with_manifest;
    /// Agents whose keys are cached.
    directory, with_directory;
}

/// A count as a number.
pub(crate) fn count(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of things in memory are far below 2^53")]
    {
        number as f64
    }
}
