//! Step 11: tokens that are no visas of this broker.

use super::Case;
use super::payment::bad;
use crate::grade::verifier::World;
use crate::grade::verifier::cast::Role;
use crate::grade::verifier::visa::Visa;
use imagxp::Code;
use imagxp::json::Value;

pub(super) const CASES: &[Case] = &[
    Case::payment("token.malformed", "§8", "what is no compact JWS", |world| {
        for text in ["a", "a.b", "a.b.c", "e30.e30.e30.e30"] {
            world
                .refuse(&world.paid(text)?, Code::PaymentMalformed)
                .map_err(|reason| format!("`{text}`: {reason}"))?;
        }
        Ok(())
    }),
    Case::payment("token.forged", "§8", "signed by another key under the broker's kid", |world| {
        invalid(world, world.visa()?.key(&world.cast.keys(Role::Broker).other))
    }),
    Case::payment("token.changed", "§8", "a signature with one character changed", |world| {
        let token = world.visa()?.sign();
        let (rest, signature) = token.rsplit_once('.').unwrap_or_default();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        let changed = format!("{rest}.{first}{}", signature.get(1..).unwrap_or_default());
        world.refuse(&world.paid(&changed)?, Code::PaymentInvalidToken)
    }),
    Case::payment("token.algorithm", "§8", "none, HS256 and EdDSA", |world| {
        for algorithm in ["none", "HS256", "EdDSA", "es256"] {
            invalid(world, world.visa()?.header("alg", algorithm))?;
        }
        Ok(())
    }),
    Case::payment("token.type", "§8", "tokens of another kind", |world| {
        for kind in ["imagxp-adproof+jwt", "at+jwt", "dpop+jwt"] {
            invalid(world, world.visa()?.header("typ", kind))?;
        }
        Ok(())
    }),
    Case::payment("token.key_in_header", "§8", "jku, x5u, jwk, crit and b64 in the header", |world| {
        for name in ["jku", "x5u", "jwk", "crit", "b64"] {
            invalid(world, world.visa()?.header(name, "https://evil.example"))
                .map_err(|reason| format!("{name}: {reason}"))?;
        }
        Ok(())
    }),
    Case::payment("token.issuer", "§8", "another issuer", |world| {
        invalid(world, world.visa()?.set("iss", "https://other.example"))?;
        let slash = format!("{}/", world.cast.place.origin(Role::Broker));
        invalid(world, world.visa()?.set("iss", slash))
    }),
    Case::payment("token.lifetime", "§8", "more than an hour", |world| {
        invalid(world, world.visa()?.at("exp", world, 3700)?)
    }),
    Case::payment("token.from_the_future", "§8", "issued in the future", |world| {
        invalid(world, world.visa()?.at("iat", world, 120)?)
    }),
    Case::payment(
        "token.missing_claims",
        "§8",
        "without iss, aud, exp, iat, sub, jti, amount or currency",
        |world| {
            for name in ["iss", "aud", "exp", "iat", "sub", "jti", "amount", "currency"] {
                rejected(world, world.visa()?.without(name)).map_err(|reason| format!("{name}: {reason}"))?;
            }
            Ok(())
        },
    ),
    Case::payment("token.wrong_types", "§8", "a wrong JSON type is a refusal, never `absent`", |world| {
        for (name, also) in TYPED {
            let other: Value<'static> = if matches!(name, "exp" | "iat") { "1".into() } else { true.into() };
            for wrong in [other, Value::Null] {
                let request = world.paid(&world.visa()?.set(name, wrong).sign())?;
                world
                    .refuse_by(&request, &[Code::PaymentInvalidToken, also])
                    .map_err(|reason| format!("{name}: {reason}"))?;
            }
        }
        Ok(())
    }),
    Case::payment("token.not_paid", "§8", "a payment status other than paid", |world| {
        rejected(world, world.visa()?.set("payment_status", "pending"))
    }),
    Case::payment("token.other_purpose", "§8", "limited to another purpose or path", |world| {
        rejected(world, world.visa()?.set("purposes", vec![Value::from("SUMMARY")]))?;
        rejected(world, world.visa()?.set("path", "/elsewhere/*"))
    }),
];

/// The claims whose type is tried, each with the refusal that a verifier may have for what it says.
const TYPED: [(&str, Code); 13] = [
    ("iss", Code::PaymentInvalidToken),
    ("aud", Code::PaymentWrongAudience),
    ("exp", Code::PaymentExpired),
    ("iat", Code::PaymentInvalidToken),
    ("sub", Code::PaymentWrongHolder),
    ("jti", Code::PaymentInvalidToken),
    ("cnf", Code::PaymentWrongHolder),
    ("amount", Code::PaymentInsufficient),
    ("currency", Code::PaymentInsufficient),
    ("payment_status", Code::PaymentInsufficient),
    ("purposes", Code::PaymentInvalidToken),
    ("path", Code::PaymentInvalidToken),
    ("max_uses", Code::PaymentInvalidToken),
];

fn invalid(world: &World, visa: Visa<'_>) -> Result<(), String> {
    bad(world, visa, Code::PaymentInvalidToken)
}

/// Refused with 402; PROTOCOL leaves open which of its reasons comes first.
fn rejected(world: &World, visa: Visa<'_>) -> Result<(), String> {
    let answer = world.send(&world.paid(&visa.sign())?)?;
    let code = answer.code().unwrap_or_default();
    if answer.status == 402 && code.starts_with("payment.") {
        return Ok(());
    }
    Err(format!("expected 402 payment.*, got {} {code}", answer.status))
}
