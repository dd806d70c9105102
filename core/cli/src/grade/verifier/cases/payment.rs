//! Step 11: what a visa must say to be worth something here.

use super::Case;
use crate::grade::verifier::World;
use crate::grade::verifier::again;
use crate::grade::verifier::cast::Role;
use crate::grade::verifier::request::{passed, refused};
use crate::grade::verifier::site::PRICE;
use crate::grade::verifier::visa::Visa;
use imagxp::Code;
use imagxp::json::{Object, Value};

pub(super) const CASES: &[Case] = &[
    Case::payment("payment.required", "§8", "402 with a machine-readable offer", |world| {
        let answer = world.send(&world.claim(Role::Reader, "premium/page")?.sign())?;
        refused(&answer, Code::PaymentRequired)?;
        let body = answer.json().ok_or("expected a JSON object")?;
        let offer = body.get("offer").and_then(Value::as_object).ok_or("expected an `offer`")?;
        let price = offer
            .get("price")
            .map(|price| price.as_object().and_then(|price| price.get("amount")).unwrap_or(price));
        if price.and_then(Value::as_str) != Some(PRICE.0) {
            return Err(format!("expected a price of {}", PRICE.0));
        }
        let issuer = world.cast.place.origin(Role::Broker);
        let brokers = offer.get("brokers").and_then(Value::as_array).unwrap_or_default();
        let named = |broker: &Value<'_>| {
            broker.as_object().and_then(|broker| broker.get("issuer")).and_then(Value::as_str)
                == Some(issuer.as_str())
        };
        if brokers.iter().any(named) { Ok(()) } else { Err(format!("expected the broker {issuer} in it")) }
    }),
    Case::payment("payment.visa", "§8", "a good visa", |world| {
        let ask = || world.send(&world.paid(&world.visa()?.sign())?);
        let earlier = [Code::PaymentInvalidToken, Code::PaymentJwksUnavailable];
        passed(&World::once_more(again::BROKER, &earlier, ask)?)
    }),
    Case::payment("payment.credential", "§1", "a visa under its other name", |world| {
        let claim = world.claim(Role::Reader, "premium/page")?.sign();
        world.allow(&claim.with("x-imagxp-credential", &world.visa()?.sign()))
    }),
    Case::payment("payment.bare_host", "§8", "an audience as a bare host, or in a list", |world| {
        let origin = world.site.origin().to_owned();
        let bare = origin.split_once("://").map_or("", |(_, host)| host).to_owned();
        good(world, world.visa()?.set("aud", bare))?;
        good(world, world.visa()?.set("aud", vec![Value::from("https://other.example"), origin.into()]))
    }),
    Case::payment("payment.not_bound_to_a_key", "§8", "cnf is optional", |world| {
        good(world, world.visa()?.without("cnf"))
    }),
    Case::payment("payment.amount_as_number", "§8", "other brokers' amounts are numbers", |world| {
        good(world, world.visa()?.set("amount", 1_u32))
    }),
    Case::payment("payment.used", "§8", "a second use, by a new request", |world| {
        let visa = world.visa()?.sign();
        world.allow(&world.paid(&visa)?)?;
        world.refuse(&world.paid(&visa)?, Code::PaymentAlreadyUsed)
    }),
    Case::payment("payment.max_uses", "§8", "two uses where the visa says two", |world| {
        let visa = world.visa()?.set("max_uses", 2_u32).sign();
        world.allow(&world.paid(&visa)?)?;
        world.allow(&world.paid(&visa)?)?;
        world.refuse(&world.paid(&visa)?, Code::PaymentAlreadyUsed)
    }),
    Case::payment("payment.expired", "§8", "a visa that has ended", |world| {
        let visa = world.visa()?.at("iat", world, -700)?.at("exp", world, -100)?;
        bad(world, visa, Code::PaymentExpired)
    }),
    Case::payment("payment.other_audience", "§8", "a visa for another publisher", |world| {
        bad(world, world.visa()?.set("aud", "https://other.example"), Code::PaymentWrongAudience)?;
        let look_alike = format!("{}.evil.example", world.site.origin());
        bad(world, world.visa()?.set("aud", look_alike), Code::PaymentWrongAudience)
    }),
    Case::payment("payment.stolen", "§8", "a visa of another agent", |world| {
        bad(world, world.visa()?.set("sub", world.cast.agent_id(Role::Edwards)), Code::PaymentWrongHolder)
    }),
    Case::payment("payment.other_key", "§8", "a visa that is bound to another key", |world| {
        let mut cnf = Object::new();
        let other = world.cast.keys(Role::Reader).other.public_key().thumbprint();
        cnf.insert("jkt", other.as_str().to_owned());
        bad(world, world.visa()?.set("cnf", cnf), Code::PaymentWrongHolder)
    }),
    Case::payment("payment.too_little", "§8", "less than the price, or nothing", |world| {
        for amount in ["0.049999", "0", "0.0"] {
            bad(world, world.visa()?.set("amount", amount), Code::PaymentInsufficient)?;
        }
        Ok(())
    }),
    Case::payment("payment.other_currency", "§8", "another currency", |world| {
        bad(world, world.visa()?.set("currency", "EUR"), Code::PaymentInsufficient)
    }),
    Case::payment(
        "payment.broker_out_of_order",
        "§13",
        "a broker whose keys cannot be had is undecided",
        |world| {
            let issuer = world.cast.place.origin(Role::Bankrupt);
            bad(world, world.visa()?.set("iss", issuer), Code::PaymentJwksUnavailable)
        },
    ),
];

/// The visa must be accepted.
pub(super) fn good(world: &World, visa: Visa<'_>) -> Result<(), String> {
    world.allow(&world.paid(&visa.sign())?)
}

/// The visa must be refused with this code.
pub(super) fn bad(world: &World, visa: Visa<'_>, code: Code) -> Result<(), String> {
    world.refuse(&world.paid(&visa.sign())?, code)
}
