//! Takes typed values out of parsed JSON: the members of an object by name, each scalar by its type.

use super::refusal::{Refusal, instead_of, out_of_range};
use crate::json::{Object, Value};

type Result<T> = core::result::Result<T, Refusal>;

/// The members of an object, taken by name.
pub(super) struct Members<'v> {
    object: &'v Object<'v>,
    /// The names that were asked for.
    known: Vec<&'static str>,
    missing: Option<&'static str>,
}

impl<'v> Members<'v> {
    pub(super) fn of(value: &'v Value<'v>, expected: &str) -> Result<Self> {
        match value {
            Value::Object(object) => Ok(Self { object, known: Vec::new(), missing: None }),
            _ => Err(instead_of(value, expected)),
        }
    }

    pub(super) fn find(&mut self, name: &'static str) -> Option<(usize, &'v Value<'v>)> {
        self.known.push(name);
        let (place, (_, value)) = self.object.iter().enumerate().find(|(_, (own, _))| *own == name)?;
        Some((place, value))
    }

    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: fn(&Value<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some((place, value)) = self.find(name) else { return Ok(None) };
        read(value).map(Some).map_err(|refusal| refusal.within(place, Some(name)))
    }

    /// A member that may also be null.
    pub(super) fn nullable<T>(
        &mut self,
        name: &'static str,
        read: fn(&Value<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.object.get(name) {
            Some(Value::Null) => {
                self.known.push(name);
                Ok(None)
            }
            _ => self.optional(name, read),
        }
    }

    pub(super) fn or<T>(
        &mut self,
        name: &'static str,
        usual: T,
        read: fn(&Value<'_>) -> Result<T>,
    ) -> Result<T> {
        Ok(self.optional(name, read)?.unwrap_or(usual))
    }

    pub(super) fn or_default<T: Default>(
        &mut self,
        name: &'static str,
        read: fn(&Value<'_>) -> Result<T>,
    ) -> Result<T> {
        Ok(self.optional(name, read)?.unwrap_or_default())
    }

    pub(super) fn required<T: Default>(
        &mut self,
        name: &'static str,
        read: fn(&Value<'_>) -> Result<T>,
    ) -> Result<T> {
        self.required_or(name, T::default(), read)
    }

    /// A member that must be there: [`Members::finish`] refuses the object without it, and nobody sees the placeholder.
    pub(super) fn required_or<T>(
        &mut self,
        name: &'static str,
        placeholder: T,
        read: fn(&Value<'_>) -> Result<T>,
    ) -> Result<T> {
        let found = self.optional(name, read)?;
        if found.is_none() {
            self.missing = self.missing.or(Some(name));
        }
        Ok(found.unwrap_or(placeholder))
    }

    /// Refuses members that nobody asked for, and the lack of one that is required.
    pub(super) fn finish(self) -> Result<()> {
        let mut members = self.object.iter().enumerate();
        match members.find(|(_, (name, _))| !self.known.contains(name)) {
            None => match self.missing {
                None => Ok(()),
                Some(name) => Err(Refusal::new(format!("missing field `{name}`"))),
            },
            Some((place, (name, _))) => {
                let message = format!("unknown field `{name}`, expected {}", one_of(&self.known));
                Err(Refusal::new(message).within(place, Some(name)))
            }
        }
    }
}

pub(super) fn list<T>(value: &Value<'_>, read: fn(&Value<'_>) -> Result<T>) -> Result<Vec<T>> {
    let Value::Array(elements) = value else { return Err(instead_of(value, "a sequence")) };
    let mut all = Vec::with_capacity(elements.len());
    for (place, element) in elements.iter().enumerate() {
        all.push(read(element).map_err(|refusal| refusal.within(place, None))?);
    }
    Ok(all)
}

#[inline(never)]
pub(super) fn texts(value: &Value<'_>) -> Result<Vec<String>> {
    list(value, text)
}

#[inline(never)]
pub(super) fn text(value: &Value<'_>) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| instead_of(value, "a string"))
}

#[inline(never)]
pub(super) fn boolean(value: &Value<'_>) -> Result<bool> {
    value.as_bool().ok_or_else(|| instead_of(value, "a boolean"))
}

pub(super) fn narrow(value: &Value<'_>) -> Result<u8> {
    integer(value, "u8")?.try_into().map_err(|_| out_of_range(value, "u8"))
}

pub(super) fn short(value: &Value<'_>) -> Result<u16> {
    integer(value, "u16")?.try_into().map_err(|_| out_of_range(value, "u16"))
}

pub(super) fn natural(value: &Value<'_>) -> Result<u32> {
    integer(value, "u32")?.try_into().map_err(|_| out_of_range(value, "u32"))
}

pub(super) fn integer(value: &Value<'_>, expected: &str) -> Result<i64> {
    value.as_number().and_then(|number| number.as_i64()).ok_or_else(|| instead_of(value, expected))
}

/// One of these names.
pub(super) fn choice<T: Copy>(value: &Value<'_>, all: &[(&str, T)]) -> Result<T> {
    let Value::String(text) = value else { return Err(instead_of(value, "a string")) };
    let found = all.iter().find(|(name, _)| text == name).map(|(_, one)| *one);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        Refusal::new(format!("unknown variant `{text}`, expected {}", one_of(&names)))
    })
}

/// `a`, `a or b`, `one of a, b, c`.
#[cold]
pub(super) fn one_of(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        0..=2 => names.join(" or "),
        _ => format!("one of {}", names.join(", ")),
    }
}
