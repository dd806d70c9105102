//! A stranger's public policy, read before anything is asked (PROTOCOL §7, §9).
//!
//! Strict about what is understood: JSON, types, prices, purposes. Tolerant forward: members, purposes and rules that a later
//! version may add are passed over, a later `version` is not.

use super::finding::quoted;
use crate::amount::Amount;
use crate::error::{Error, ErrorKind, Result};
use crate::held::Held;
use crate::json::{self, Limits, Object, Value};
use crate::policy::{MAX_LIST, Money, PathPattern};
use crate::purpose::Purpose;
use crate::resource::{Origin, Resource, path_readings};
use std::collections::BTreeMap;

/// What a publisher says in public about its terms.
#[derive(Clone, Debug)]
pub struct PublicPolicy {
    /// The origins it speaks for.
    pub origins: Vec<Origin>,
    /// Whether the agent's domain must vouch for its key; `false` for `key_only`.
    pub identity_bound: bool,
    /// What visitors without a signature may read: `allow`, `browsers` or `deny`, as far as it is said.
    pub unsigned: Option<String>,
    /// The methods that agents may use.
    pub methods: Vec<String>,
    /// The rules by purpose; a purpose that is missing is denied, EMBEDDING falls under CRAWL_TRAINING's unless listed.
    pub purposes: BTreeMap<Purpose, PublicRule>,
    /// The price where no narrower rule names one.
    pub price: Option<Money>,
    /// Rules for parts of the site.
    pub paths: Vec<PublicPath>,
    /// Whether a payment is needed even where no price is set.
    pub payment_required: bool,
    /// Whether an ad-impression proof is accepted in the place of a visa.
    pub accept_ads: bool,
    /// The brokers whose visas are accepted.
    pub brokers: Vec<PublicBroker>,
    /// Whether readers must attribute the content.
    pub attribution_required: bool,
}

/// A rule for a purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicRule {
    /// Whether it is allowed.
    pub allow: bool,
    /// Its price.
    pub price: Option<Money>,
}

/// A rule for a part of the site.
#[derive(Clone, Debug)]
pub struct PublicPath {
    /// The pattern.
    pub pattern: PathPattern,
    /// The rules by purpose.
    pub purposes: BTreeMap<Purpose, PublicRule>,
    /// The price here.
    pub price: Option<Money>,
}

/// A broker whose visas are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicBroker {
    /// The `iss` of its visas.
    pub issuer: String,
    /// Where an agent asks for a visa.
    pub token_endpoint: String,
}

/// What a public policy says about one purpose and one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicTerms {
    /// Whether it is allowed. The publisher may have further rules for single agents.
    pub allow: bool,
    /// What is to be paid, when anything is.
    pub price: Option<Money>,
    /// Whether a payment is needed.
    pub payment_needed: bool,
}

impl PublicPolicy {
    /// Reads a public policy of at most 256 KiB.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let object = json::parse_object(bytes, &Limits::POLICY)
            .map_err(|error| refused(format!("not acceptable JSON ({})", error.code().as_str())))?;
        if object.get("version").and_then(Value::as_number).and_then(json::Number::as_i64) != Some(1) {
            return Err(refused("`version` is not 1"));
        }
        let mut origins = Vec::new();
        for text in strings(&object, "origins")? {
            let origin = Origin::parse(&text, true)
                .map_err(|reason| refused(format!("`origins`: `{}`: {reason}", quoted(&text))))?;
            origins.push(origin);
        }
        if origins.is_empty() {
            return Err(refused("`origins` is missing"));
        }
        let nothing = Object::new();
        let payment = member(&object, "payment")?.unwrap_or(&nothing);
        let provenance = member(&object, "provenance")?.unwrap_or(&nothing);
        let mut brokers = Vec::new();
        for broker in objects(payment, "payment", "brokers")? {
            let url = |name: &str| {
                let text = broker.get(name).and_then(Value::as_str);
                text.filter(|text| super::target::absolute(text).is_ok() || is_loopback(text))
                    .map(str::to_owned)
            };
            match (url("issuer"), url("token_endpoint")) {
                (Some(issuer), Some(token_endpoint)) => brokers.push(PublicBroker { issuer, token_endpoint }),
                _ => {
                    return Err(refused(
                        "`payment.brokers`: a broker has no https `issuer` and `token_endpoint`",
                    ));
                }
            }
        }
        let mut paths = Vec::new();
        for (index, path) in objects(&object, "", "paths")?.into_iter().enumerate() {
            let place = format!("paths[{index}]");
            let pattern = path.get("match").and_then(Value::as_str).unwrap_or_default();
            paths.push(PublicPath {
                pattern: PathPattern::parse(pattern)
                    .map_err(|_| refused(format!("`{place}.match` is not a path pattern")))?,
                purposes: purposes(path, &place)?,
                price: price(path, &place)?,
            });
        }
        Ok(Self {
            origins,
            identity_bound: match object.get("identity").map(Value::as_str) {
                None | Some(Some("bound")) => true,
                Some(Some("key_only")) => false,
                // Of two unknown rules the stricter is assumed.
                Some(Some(_)) => true,
                Some(None) => return Err(refused("`identity` is not a string")),
            },
            unsigned: match object.get("unsigned") {
                None => None,
                Some(value) => {
                    Some(quoted(value.as_str().ok_or_else(|| refused("`unsigned` is not a string"))?))
                }
            },
            methods: match object.contains("methods") {
                true => strings(&object, "methods")?,
                false => vec!["GET".to_owned(), "HEAD".to_owned()],
            },
            purposes: purposes(&object, "")?,
            price: price(&object, "")?,
            paths,
            payment_required: boolean(payment, "payment.required", "required", false)?,
            accept_ads: boolean(payment, "payment.accept_ads", "accept_ads", false)?,
            brokers,
            attribution_required: boolean(
                provenance,
                "provenance.attribution_required",
                "attribution_required",
                false,
            )?,
        })
    }

    /// Whether the policy speaks for the origin of this page. One that does not says nothing, wherever a page points to it.
    pub fn speaks_for(&self, page: &str) -> bool {
        let origin = Resource::parse(page).and_then(|page| page.origin);
        origin.is_some_and(|origin| self.origins.contains(&origin))
    }

    /// What it says about a purpose and a page: as the publisher's own policy decides, less its rules for single agents.
    pub fn terms(&self, purpose: Purpose, page: &str) -> PublicTerms {
        let denied = PublicTerms { allow: false, price: None, payment_needed: false };
        let Some(readings) = path_readings(page) else { return denied };
        let exact = readings.iter().map(|path| self.terms_at(purpose, path, PathPattern::matches));
        // As the publisher's: a lax router may take the path for another one.
        let lax = readings.iter().map(|path| self.terms_at(purpose, path, PathPattern::matches_loosely));
        let stricter = |(a, rank): (PublicTerms, Rank), (b, b_rank): (PublicTerms, Rank)| {
            let dearer = match (&a.price, &b.price) {
                (Some(price), Some(candidate)) => candidate.prevails_over(price, b_rank > rank),
                (None, candidate) => candidate.is_some(),
                (Some(_), None) => false,
            };
            let (price, rank) = if dearer { (b.price, b_rank) } else { (a.price, rank) };
            let allow = a.allow && b.allow;
            let payment_needed = a.payment_needed || b.payment_needed;
            (PublicTerms { allow, price, payment_needed }, rank)
        };
        exact.chain(lax).reduce(stricter).map_or(denied, |(terms, _)| terms)
    }

    fn terms_at(
        &self,
        purpose: Purpose,
        path: &str,
        matches: fn(&PathPattern, &str) -> bool,
    ) -> (PublicTerms, Rank) {
        let own = rule(&self.purposes, purpose);
        let (mut allowed, mut denied) =
            (own.is_some_and(|rule| rule.allow), own.is_some_and(|rule| !rule.allow));
        let mut best: Option<((usize, bool), &Money)> = None;
        for place in self.paths.iter().filter(|place| matches(&place.pattern, path)) {
            let rule = rule(&place.purposes, purpose);
            allowed |= rule.is_some_and(|rule| rule.allow);
            denied |= rule.is_some_and(|rule| !rule.allow);
            let narrow = rule.and_then(|rule| rule.price.as_ref());
            let Some(price) = narrow.or(place.price.as_ref()) else { continue };
            let rank = (place.pattern.specificity(), narrow.is_some());
            if best.is_none_or(|(known, money)| {
                rank > known || (rank == known && price.prevails_over(money, false))
            }) {
                best = Some((rank, price));
            }
        }
        let price =
            best.map(|(_, price)| price).or(own.and_then(|rule| rule.price.as_ref())).or(self.price.as_ref());
        let payment_needed = price.map_or(self.payment_required, |price| !price.amount.is_zero());
        let terms = PublicTerms {
            allow: allowed && !denied,
            price: price.filter(|_| payment_needed).cloned(),
            payment_needed,
        };
        (terms, best.map(|(rank, _)| rank))
    }
}

impl Held for PublicPolicy {
    fn held(&self) -> usize {
        let Self { origins, methods, brokers, purposes, price, paths, unsigned, .. } = self;
        let texts = origins.held() + methods.held() + brokers.held() + unsigned.held();
        texts + purposes.held() + price.held() + paths.held()
    }
}

impl Held for PublicRule {
    fn held(&self) -> usize {
        self.price.held()
    }
}

impl Held for PublicPath {
    fn held(&self) -> usize {
        self.pattern.held() + self.purposes.held() + self.price.held()
    }
}

impl Held for PublicBroker {
    fn held(&self) -> usize {
        self.issuer.held() + self.token_endpoint.held()
    }
}

/// How narrow the path rule is that names a price: its pattern, and whether it names the purpose. `None`: no path rule does.
type Rank = Option<(usize, bool)>;

fn rule(rules: &BTreeMap<Purpose, PublicRule>, purpose: Purpose) -> Option<&PublicRule> {
    let inherited = || (purpose == Purpose::Embedding).then(|| rules.get(&Purpose::CrawlTraining)).flatten();
    rules.get(&purpose).or_else(inherited)
}

fn refused(message: impl core::fmt::Display) -> Error {
    Error::new(ErrorKind::Discovery, format!("the public policy is not acceptable: {message}"))
}

fn is_loopback(text: &str) -> bool {
    Resource::parse(text).and_then(|url| url.origin).is_some_and(|origin| origin.is_loopback())
}

fn member<'o, 'a>(object: &'o Object<'a>, name: &str) -> Result<Option<&'o Object<'a>>> {
    object
        .get(name)
        .map(|value| value.as_object().ok_or_else(|| refused(format!("`{name}` is not an object"))))
        .transpose()
}

fn list<'o, 'a>(object: &'o Object<'a>, place: &str, name: &str) -> Result<&'o [Value<'a>]> {
    match object.get(name) {
        None => Ok(&[]),
        Some(value) => match value.as_array() {
            Some(list) if list.len() <= MAX_LIST => Ok(list),
            Some(_) => Err(refused(format!("`{place}{name}` has more than {MAX_LIST} elements"))),
            None => Err(refused(format!("`{place}{name}` is not an array"))),
        },
    }
}

fn objects<'o, 'a>(object: &'o Object<'a>, place: &str, name: &str) -> Result<Vec<&'o Object<'a>>> {
    let read = |value: &'o Value<'a>| {
        value.as_object().ok_or_else(|| refused(format!("`{place}{name}` holds something else than objects")))
    };
    list(object, place, name)?.iter().map(read).collect()
}

fn strings(object: &Object<'_>, name: &str) -> Result<Vec<String>> {
    let read = |value: &Value<'_>| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| refused(format!("`{name}` holds something else than strings")))
    };
    list(object, "", name)?.iter().map(read).collect()
}

fn boolean(object: &Object<'_>, place: &str, name: &str, default: bool) -> Result<bool> {
    match object.get(name) {
        None => Ok(default),
        Some(value) => value.as_bool().ok_or_else(|| refused(format!("`{place}` is not true or false"))),
    }
}

fn price(object: &Object<'_>, place: &str) -> Result<Option<Money>> {
    let Some(price) = member(object, "price")? else { return Ok(None) };
    let text = |name: &str| price.get(name).and_then(Value::as_str);
    let amount = text("amount").and_then(Amount::parse);
    let currency = text("currency").filter(|currency| {
        (2..=12).contains(&currency.len())
            && currency.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    match (amount, currency) {
        (Some(amount), Some(currency)) => Ok(Some(Money { amount, currency: currency.to_owned() })),
        _ => Err(refused(format!("`{}price` is not an amount and a currency", dotted(place)))),
    }
}

fn purposes(object: &Object<'_>, place: &str) -> Result<BTreeMap<Purpose, PublicRule>> {
    let mut rules = BTreeMap::new();
    for (name, value) in member(object, "purposes")?.iter().flat_map(|purposes| purposes.iter()) {
        // A purpose of a later version is none of ours.
        let Some(purpose) = Purpose::from_name(name) else { continue };
        let place = format!("{}purposes.{name}", dotted(place));
        let rule = value.as_object().ok_or_else(|| refused(format!("`{place}` is not an object")))?;
        let allow = boolean(rule, &format!("{place}.allow"), "allow", true)?;
        rules.insert(purpose, PublicRule { allow, price: price(rule, &place)? });
    }
    Ok(rules)
}

fn dotted(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}.") }
}
