//! JSON objects.

use super::canonical::utf16_order;
use super::value::Value;
use std::borrow::Cow;

/// One member: name and value.
pub(super) type Member<'a> = (Cow<'a, str>, Value<'a>);

/// A JSON object: members in the order they were written, each name once.
///
/// Looking a name up takes time in proportion to the number of members, which is small here (64 in a claim). Two
/// objects are equal when they have the same members in whatever order.
#[derive(Clone, Debug, Default)]
pub struct Object<'a> {
    members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// An object without members.
    pub const fn new() -> Self {
        Self { members: Vec::new() }
    }

    /// For the parser, which has made sure that no name occurs twice.
    pub(super) const fn from_members(members: Vec<Member<'a>>) -> Self {
        Self { members }
    }

    pub(super) fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// The value of the member with this name.
    #[inline(never)]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Whether there is a member with this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a member, or replaces the value of the one with this name and returns what it was.
    pub fn insert(
        &mut self,
        name: impl Into<Cow<'a, str>>,
        value: impl Into<Value<'a>>,
    ) -> Option<Value<'a>> {
        let (name, value) = (name.into(), value.into());
        match self.members.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => Some(core::mem::replace(own, value)),
            None => {
                self.members.push((name, value));
                None
            }
        }
    }

    /// Takes the member with this name out and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value<'a>> {
        let index = self.members.iter().position(|(own, _)| own == name)?;
        Some(self.members.remove(index).1)
    }

    /// Names and values in the order they were written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value<'a>)> {
        self.members.iter().map(|(name, value)| (&**name, value))
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Makes the object independent of the document it was read from.
    pub fn into_owned(self) -> Object<'static> {
        let own = |(name, value): Member<'a>| (Cow::Owned(name.into_owned()), value.into_owned());
        Object { members: self.members.into_iter().map(own).collect() }
    }

    /// The members in the order of RFC 8785, for writing and for comparison: one sort, since each that the compiler makes is 8 KB.
    #[inline(never)]
    pub(super) fn sorted(&self) -> Vec<&Member<'a>> {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_unstable_by(|(left, _), (right, _)| utf16_order(left, right));
        members
    }
}

impl PartialEq for Object<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.members.len() == other.members.len()
            && (self.members == other.members || self.sorted() == other.sorted())
    }
}

/// Gives the members up, in the order they were written.
impl<'a> IntoIterator for Object<'a> {
    type Item = (Cow<'a, str>, Value<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Object<'static> {
        let mut object = Object::new();
        for (name, value) in [("b", 1), ("a", 2), ("c", 3)] {
            assert_eq!(object.insert(name, value), None);
        }
        object
    }

    #[test]
    fn keeps_the_order_of_insertion() {
        let mut object = sample();
        assert_eq!(object.insert("a", "new"), Some(Value::from(2)));
        assert_eq!(object.iter().map(|(name, _)| name).collect::<String>(), "bac");
        assert_eq!(object.get("a").and_then(Value::as_str), Some("new"));
        assert!(object.contains("c") && !object.contains("d"));
        assert_eq!(object.remove("b"), Some(Value::from(1)));
        assert_eq!(object.remove("b"), None);
        assert_eq!((object.len(), object.is_empty()), (2, false));
        assert_eq!(object.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn equal_in_any_order() {
        let mut reordered = sample();
        let value = reordered.remove("b").unwrap();
        reordered.insert(String::from("b"), value);
        assert_eq!(sample(), reordered);
        assert_eq!(sample().into_owned(), reordered);
        reordered.insert("a", true);
        assert_ne!(sample(), reordered);
        reordered.remove("a");
        assert_ne!(sample(), reordered);
    }
}
