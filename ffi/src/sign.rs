//! What an agent signs.

use crate::boundary::{accessor, boundary};
use crate::bytes::imagxp_slice;
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::purpose::{from_number, imagxp_purpose};
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::agent::SignRequestOf;

/// What is to be signed: method, URL, purpose and options. It holds copies, and may be signed as often as you like.
pub struct imagxp_sign_request {
    pub(crate) request: SignRequestOf<String>,
}

/// Begins a request: an upper-case method such as `GET`, the absolute URL, and why. Free it with `imagxp_sign_request_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_sign_request_new(
    method: imagxp_slice<'_>,
    url: imagxp_slice<'_>,
    purpose: imagxp_purpose,
    request: Option<&mut MaybeUninit<*mut imagxp_sign_request>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(request, || {
            let (method, url) = (method.text("method")?.to_owned(), url.text("url")?.to_owned());
            Ok(imagxp_sign_request { request: SignRequestOf::new(method, url, from_number(purpose)?) })
        })
    })
}

/// Claims whether ads were displayed, as `context.ads_displayed`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_sign_request_set_ads_displayed(
    request: Option<&mut imagxp_sign_request>,
    displayed: bool,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(request, "request")?.request.ads_displayed = Some(displayed);
        Ok(())
    })
}

/// Sets the claim's `context`: JSON text of an object, checked when it is signed. Empty: none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_sign_request_set_context(
    request: Option<&mut imagxp_sign_request>,
    json: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    set(request, json, "json", err, |request| &mut request.context)
}

/// Sets the body's digest, from `imagxp_content_digest`. Empty: none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_sign_request_set_content_digest(
    request: Option<&mut imagxp_sign_request>,
    digest: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    set(request, digest, "digest", err, |request| &mut request.content_digest)
}

/// Sets the visa, sent as `x-imagxp-payment`. Empty: none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_sign_request_set_payment(
    request: Option<&mut imagxp_sign_request>,
    visa: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    set(request, visa, "visa", err, |request| &mut request.payment)
}

/// Sets the ad proof, sent as `x-imagxp-proof`. Empty: none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_sign_request_set_proof(
    request: Option<&mut imagxp_sign_request>,
    proof: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    set(request, proof, "proof", err, |request| &mut request.proof)
}

/// Whether the visa is also sent as `x-imagxp-credential`, for publishers that run the reference SDK. Off by default.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_sign_request_set_compatible(
    request: Option<&mut imagxp_sign_request>,
    compatible: bool,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(request, "request")?.request.compatible = compatible;
        Ok(())
    })
}

/// Frees the request. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_sign_request_free(request: Option<Box<imagxp_sign_request>>) {
    accessor((), || drop(request));
}

fn set(
    request: Option<&mut imagxp_sign_request>,
    value: imagxp_slice<'_>,
    name: &'static str,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
    field: impl FnOnce(&mut SignRequestOf<String>) -> &mut Option<String>,
) -> imagxp_status {
    boundary(err, || {
        let value = value.optional(name)?.map(str::to_owned);
        *field(&mut need(request, "request")?.request) = value;
        Ok(())
    })
}
