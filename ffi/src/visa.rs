//! Visas: what a broker signs.

use crate::agent_id::agent_id;
use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::key::imagxp_key;
use crate::purpose::{from_number, imagxp_purpose};
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::amount::Amount;
use imagxp::crypto::Thumbprint;
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use imagxp::{AgentId, Error, Purpose, Timestamp};

/// What a new visa says. It lives 600 s, is for one use and for any purpose unless told otherwise.
pub struct imagxp_visa {
    issuer: String,
    audience: String,
    agent_id: AgentId,
    jti: String,
    paid: Money,
    holder: Option<Thumbprint>,
    purposes: Vec<Purpose>,
    lifetime_s: u32,
    max_uses: u32,
}

/// Begins a visa: the broker's issuer URL, the publisher's origin (`https://host`), the agent's domain, the visa's unique name (8 to 128 bytes),
/// and what was paid, as a decimal string and a currency. Free it with `imagxp_visa_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_visa_new(
    issuer: imagxp_slice<'_>,
    audience: imagxp_slice<'_>,
    agent: imagxp_slice<'_>,
    jti: imagxp_slice<'_>,
    amount: imagxp_slice<'_>,
    currency: imagxp_slice<'_>,
    visa: Option<&mut MaybeUninit<*mut imagxp_visa>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(visa, || {
            let amount = Amount::parse(amount.text("amount")?)
                .ok_or_else(|| Error::argument("the amount is not a decimal"))?;
            Ok(imagxp_visa {
                issuer: issuer.text("issuer")?.to_owned(),
                audience: audience.text("audience")?.to_owned(),
                agent_id: agent_id(agent, true)?,
                jti: jti.text("jti")?.to_owned(),
                paid: Money { amount, currency: currency.text("currency")?.to_owned() },
                holder: None,
                purposes: Vec::new(),
                lifetime_s: 600,
                max_uses: 1,
            })
        })
    })
}

/// Binds the visa to the agent's key, by its thumbprint.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_visa_set_holder(
    visa: Option<&mut imagxp_visa>,
    thumbprint: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let thumbprint = Thumbprint::parse(thumbprint.text("thumbprint")?);
        let thumbprint = thumbprint
            .ok_or_else(|| Error::argument("the thumbprint is not one of RFC 7638 with SHA-256"))?;
        need(visa, "visa")?.holder = Some(thumbprint);
        Ok(())
    })
}

/// Limits the visa to this purpose, and to those added before.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_visa_add_purpose(
    visa: Option<&mut imagxp_visa>,
    purpose: imagxp_purpose,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let purpose = from_number(purpose)?;
        let purposes = &mut need(visa, "visa")?.purposes;
        if !purposes.contains(&purpose) {
            purposes.push(purpose);
        }
        Ok(())
    })
}

/// Sets how long the visa lives, 1 to 3600 s; checked when it is issued.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_visa_set_lifetime(
    visa: Option<&mut imagxp_visa>,
    seconds: u32,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(visa, "visa")?.lifetime_s = seconds;
        Ok(())
    })
}

/// Sets how often the visa may be used, 1 to 1 000 000; checked when it is issued.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_visa_set_max_uses(
    visa: Option<&mut imagxp_visa>,
    uses: u32,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(visa, "visa")?.max_uses = uses;
        Ok(())
    })
}

/// Signs the visa with the broker's ES256 key and writes the token. Whether the money is there is for the broker's ledger to know.
///
/// Errors: `usage.argument` for a value out of range or an Ed25519 key, `usage.signer`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_visa_issue(
    visa: Option<&imagxp_visa>,
    key: Option<&imagxp_key>,
    now_ms: i64,
    token: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(token, || {
            let visa = need(visa, "visa")?;
            let claims = NewVisa {
                issuer: &visa.issuer,
                audience: &visa.audience,
                agent_id: &visa.agent_id,
                key: visa.holder.as_ref(),
                jti: &visa.jti,
                issued_at: Timestamp::from_millis(now_ms),
                lifetime_s: visa.lifetime_s,
                paid: &visa.paid,
                purposes: &visa.purposes,
                max_uses: visa.max_uses,
            };
            issue(&claims, &*need(key, "key")?.signer())
        })
    })
}

/// Frees the visa. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_visa_free(visa: Option<Box<imagxp_visa>>) {
    accessor((), || drop(visa));
}
