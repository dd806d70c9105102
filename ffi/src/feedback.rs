//! Feedback: signed by an agent, taken by a publisher.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{hand_out, need};
use crate::identity::{imagxp_identity, nonce_or_random};
use crate::provenance::sha256;
use crate::publisher::imagxp_publisher;
use crate::status::imagxp_status;
use crate::verdict::imagxp_verdict;
use core::mem::MaybeUninit;
use imagxp::feedback::{Feedback, Reason, Score, header_value};
use imagxp::publisher::Verification;
use imagxp::{Error, Timestamp};

/// Why a score is what it is. 0 is none of them.
pub type imagxp_feedback_reason = u32;

/// `LOW_QUALITY_SPAM`.
pub const IMAGXP_FEEDBACK_LOW_QUALITY_SPAM: imagxp_feedback_reason = 1;
/// `SEO_SPAM`.
pub const IMAGXP_FEEDBACK_SEO_SPAM: imagxp_feedback_reason = 2;
/// `INACCURATE`.
pub const IMAGXP_FEEDBACK_INACCURATE: imagxp_feedback_reason = 3;
/// `HATE_SPEECH`.
pub const IMAGXP_FEEDBACK_HATE_SPEECH: imagxp_feedback_reason = 4;
/// `HIGH_QUALITY`.
pub const IMAGXP_FEEDBACK_HIGH_QUALITY: imagxp_feedback_reason = 5;
/// `OTHER`.
pub const IMAGXP_FEEDBACK_OTHER: imagxp_feedback_reason = 6;

/// Feedback that a publisher has accepted. Slices that its accessors return live as long as it does.
pub struct imagxp_feedback {
    feedback: Feedback,
}

const fn reason_number(reason: Reason) -> imagxp_feedback_reason {
    match reason {
        Reason::LowQualitySpam => IMAGXP_FEEDBACK_LOW_QUALITY_SPAM,
        Reason::SeoSpam => IMAGXP_FEEDBACK_SEO_SPAM,
        Reason::Inaccurate => IMAGXP_FEEDBACK_INACCURATE,
        Reason::HateSpeech => IMAGXP_FEEDBACK_HATE_SPEECH,
        Reason::HighQuality => IMAGXP_FEEDBACK_HIGH_QUALITY,
        Reason::Other => IMAGXP_FEEDBACK_OTHER,
    }
}

/// Signs feedback in the identity's name: the value of the request header `x-imagxp-feedback`, and in base64 what a broker takes.
///
/// `url` is the absolute URL that was read, `score_millionths` 0 to 1 000 000, `jti` the visa that paid or empty, `content_sha256` 32 bytes or
/// empty, `nonce` as for `imagxp_identity_sign`. Errors: `usage.argument`, `usage.signer`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_identity_feedback(
    identity: Option<&imagxp_identity>,
    url: imagxp_slice<'_>,
    score_millionths: u32,
    reason: imagxp_feedback_reason,
    jti: imagxp_slice<'_>,
    content_sha256: imagxp_slice<'_>,
    now_ms: i64,
    nonce: imagxp_slice<'_>,
    value: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(value, || {
            let score = Score::from_millionths(score_millionths)
                .ok_or_else(|| Error::argument(format!("{score_millionths} is above 1000000 millionths")))?;
            let reason = Reason::ALL
                .into_iter()
                .find(|candidate| reason_number(*candidate) == reason)
                .ok_or_else(|| Error::argument(format!("{reason} is not a reason")))?;
            let mut feedback = Feedback::new(url.text("url")?, score, reason);
            feedback.jti = jti.optional("jti")?.map(str::to_owned);
            if !content_sha256.bytes()?.is_empty() {
                feedback.content_sha256 = Some(sha256(content_sha256)?);
            }
            let identity = need(identity, "identity")?.identity();
            let nonce = nonce_or_random(nonce)?;
            feedback.sign(identity, Timestamp::from_millis(now_ms), &nonce).map(|json| header_value(&json))
        })
    })
}

/// Verifies the value of `x-imagxp-feedback`, or the body of a POST. A refusal is a verdict, not an error. Free the verdict with
/// `imagxp_verdict_free` and the feedback with `imagxp_feedback_free`.
///
/// `carrier` is the verdict on the request that carried it, or NULL: without it the feedback must name its agent, time and nonce. `feedback` is
/// written when the call succeeds: NULL unless the verdict allows. When the verdict has needs, fetch the manifest, hand it in by
/// `imagxp_publisher_supply` and call this again; nothing has been spent.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_feedback(
    publisher: Option<&imagxp_publisher>,
    value: imagxp_slice<'_>,
    carrier: Option<&imagxp_verdict>,
    now_ms: i64,
    verdict: Option<&mut MaybeUninit<*mut imagxp_verdict>>,
    feedback: Option<&mut MaybeUninit<*mut imagxp_feedback>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let publisher = need(publisher, "publisher")?.publisher();
        let (verdict, feedback) = (need(verdict, "verdict")?, need(feedback, "feedback")?);
        let carrier = carrier.map(|carrier| &carrier.verdict);
        let taken = publisher.feedback(value.bytes()?, carrier, Timestamp::from_millis(now_ms));
        verdict.write(hand_out(imagxp_verdict::new(Verification { verdict: taken.verdict, pending: None })));
        let none = core::ptr::null_mut();
        feedback.write(taken.feedback.map_or(none, |feedback| hand_out(imagxp_feedback { feedback })));
        Ok(())
    })
}

fn field<'a>(
    feedback: Option<&'a imagxp_feedback>,
    field: impl FnOnce(&'a Feedback) -> Option<&'a str>,
) -> imagxp_slice<'a> {
    accessor(imagxp_slice::NONE, || feedback.and_then(|this| field(&this.feedback)).into())
}

/// The URL that was read.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_feedback_url(feedback: Option<&imagxp_feedback>) -> imagxp_slice<'_> {
    field(feedback, |feedback| Some(&feedback.url))
}

/// The visa that paid; empty when the feedback names none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_feedback_jti(feedback: Option<&imagxp_feedback>) -> imagxp_slice<'_> {
    field(feedback, |feedback| feedback.jti.as_deref())
}

/// The 32 bytes of the SHA-256 of what was read; empty when the feedback names none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_feedback_content_sha256(feedback: Option<&imagxp_feedback>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || {
        let hash = feedback.and_then(|this| this.feedback.content_sha256.as_ref());
        hash.map_or(imagxp_slice::NONE, |hash| hash.as_slice().into())
    })
}

/// The score in millionths, 0 to 1 000 000. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_feedback_score_millionths(feedback: Option<&imagxp_feedback>) -> u32 {
    accessor(0, || feedback.map_or(0, |this| this.feedback.quality_score.millionths()))
}

/// Why. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_feedback_reason_of(feedback: Option<&imagxp_feedback>) -> imagxp_feedback_reason {
    accessor(0, || feedback.map_or(0, |this| reason_number(this.feedback.reason)))
}

/// The wire name of a reason, for example `SEO_SPAM`; it lives forever. Empty for unknown numbers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_feedback_reason_name(reason: imagxp_feedback_reason) -> imagxp_slice<'static> {
    accessor(imagxp_slice::NONE, || {
        let found = Reason::ALL.into_iter().find(|candidate| reason_number(*candidate) == reason);
        found.map(Reason::as_str).into()
    })
}

/// Frees the feedback. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_feedback_free(feedback: Option<Box<imagxp_feedback>>) {
    accessor((), || drop(feedback));
}
