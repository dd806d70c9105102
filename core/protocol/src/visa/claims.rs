//! The claims of a visa or ad proof as typed values. A wrong JSON type is a refusal, never "absent".

use crate::amount::Amount;
use crate::crypto::Thumbprint;
use crate::json::{Object, Value};
use crate::policy::PathPattern;
use crate::purpose::Purpose;
use crate::time::Timestamp;

/// The claims of a token (PROTOCOL §8), types checked, values not yet compared with anything.
#[derive(Clone, Debug)]
pub(crate) struct TokenClaims {
    /// Who issued it.
    pub(crate) iss: String,
    /// For whom; `aud` as a string is a list of one.
    pub(crate) aud: Vec<String>,
    /// Whose it is.
    pub(crate) sub: Option<String>,
    /// When it ends. Fractions of a second are cut off.
    pub(crate) exp: Timestamp,
    /// When it was issued.
    pub(crate) iat: Timestamp,
    /// From when on it is valid.
    pub(crate) nbf: Option<Timestamp>,
    /// Its name.
    pub(crate) jti: Option<String>,
    /// The thumbprint of the key it is bound to (`cnf.jkt`, RFC 9449 §6.1).
    pub(crate) jkt: Option<Thumbprint>,
    /// Absent, or `paid` if it is to be worth anything.
    pub(crate) payment_status: Option<String>,
    /// What was paid.
    pub(crate) amount: Option<Amount>,
    /// In which currency.
    pub(crate) currency: Option<String>,
    /// The purposes it is limited to.
    pub(crate) purposes: Option<Vec<Purpose>>,
    /// The paths it is limited to.
    pub(crate) paths: Option<Vec<PathPattern>>,
    /// How often it may be used.
    pub(crate) max_uses: Option<u32>,
}

/// Why the claims cannot be read: a sentence for the log.
pub(crate) type Flaw = &'static str;

impl TokenClaims {
    /// Reads the claims of a decoded token.
    pub(crate) fn read(object: &Object<'_>) -> Result<Self, Flaw> {
        let cnf = match object.get("cnf") {
            None => None,
            Some(Value::Object(cnf)) => Some(cnf),
            Some(_) => return Err("cnf is not an object"),
        };
        let jkt = match cnf.and_then(|cnf| cnf.get("jkt")) {
            None => None,
            Some(Value::String(jkt)) => Some(Thumbprint::parse(jkt).ok_or("cnf.jkt is not a thumbprint")?),
            Some(_) => return Err("cnf.jkt is not a string"),
        };
        Ok(Self {
            iss: text(object, "iss", "iss is not a string")?.ok_or("iss is missing")?,
            aud: audience(object)?,
            sub: text(object, "sub", "sub is not a string")?,
            exp: time(object, "exp", "exp is not a number")?.ok_or("exp is missing")?,
            iat: time(object, "iat", "iat is not a number")?.ok_or("iat is missing")?,
            nbf: time(object, "nbf", "nbf is not a number")?,
            jti: text(object, "jti", "jti is not a string")?,
            jkt,
            payment_status: text(object, "payment_status", "payment_status is not a string")?,
            amount: amount(object)?,
            currency: text(object, "currency", "currency is not a string")?,
            purposes: purposes(object)?,
            paths: paths(object)?,
            max_uses: max_uses(object)?,
        })
    }
}

fn text(object: &Object<'_>, name: &str, flaw: Flaw) -> Result<Option<String>, Flaw> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone().into_owned())),
        Some(_) => Err(flaw),
    }
}

/// A NumericDate (RFC 7519 §2), cut to whole seconds.
fn time(object: &Object<'_>, name: &str, flaw: Flaw) -> Result<Option<Timestamp>, Flaw> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_i64().or_else(|| {
                let value = number.as_f64();
                // In this range the conversion is exact but for the fraction, which it cuts off.
                #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
                (0.0..=4_200_000_000.0).contains(&value).then_some(value as i64)
            });
            seconds
                .filter(|s| (0..=4_200_000_000).contains(s))
                .map(|s| Some(Timestamp::from_secs(s)))
                .ok_or(flaw)
        }
        Some(_) => Err(flaw),
    }
}

fn audience(object: &Object<'_>) -> Result<Vec<String>, Flaw> {
    match object.get("aud") {
        None => Err("aud is missing"),
        Some(Value::String(aud)) => Ok(vec![aud.clone().into_owned()]),
        Some(Value::Array(list)) if list.len() <= 32 => list
            .iter()
            .map(|aud| aud.as_str().map(str::to_owned).ok_or("aud lists what is not a string"))
            .collect(),
        Some(_) => Err("aud is neither a string nor a list of strings"),
    }
}

/// A decimal string; other brokers' JSON numbers are read from their text, exactly.
fn amount(object: &Object<'_>) -> Result<Option<Amount>, Flaw> {
    let amount = match object.get("amount") {
        None => return Ok(None),
        Some(Value::String(text)) => Amount::parse(text),
        Some(Value::Number(number)) => Amount::from_json_number(number.text()),
        Some(_) => return Err("amount is neither a string nor a number"),
    };
    amount.map(Some).ok_or("amount is not a decimal amount")
}

fn purposes(object: &Object<'_>) -> Result<Option<Vec<Purpose>>, Flaw> {
    match object.get("purposes") {
        None => Ok(None),
        Some(Value::Array(list)) => {
            // A purpose from a later version limits the token to what we cannot serve; it grants nothing.
            let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            names
                .map(|names| Some(names.into_iter().filter_map(Purpose::from_name).collect()))
                .ok_or("purposes lists what is not a string")
        }
        Some(_) => Err("purposes is not a list"),
    }
}

fn paths(object: &Object<'_>) -> Result<Option<Vec<PathPattern>>, Flaw> {
    const FLAW: Flaw = "path is not a pattern or a list of patterns";
    let read = |text: &str| PathPattern::parse(text).map_err(|_| FLAW);
    match object.get("path") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![read(text)?])),
        Some(Value::Array(list)) if list.len() <= 32 => {
            list.iter().map(|item| read(item.as_str().ok_or(FLAW)?)).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(FLAW),
    }
}

fn max_uses(object: &Object<'_>) -> Result<Option<u32>, Flaw> {
    const FLAW: Flaw = "max_uses is not a whole number from 1 to 1000000";
    match object.get("max_uses") {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let uses = number.as_i64().and_then(|uses| u32::try_from(uses).ok());
            uses.filter(|uses| (1..=super::MAX_USES).contains(uses)).map(Some).ok_or(FLAW)
        }
        Some(_) => Err(FLAW),
    }
}
