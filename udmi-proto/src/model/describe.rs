//! What a type of the model says of itself: constant descriptions, which cost nothing when unused.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use super::place::Read;

/// A type that can stand as a member of a document.
pub trait Field: for<'de> Read<'de> {
    /// The JSON shape of the type.
    const KIND: Kind;

    /// Says whether the member is left out of the written document.
    fn absent(&self) -> bool {
        false
    }
}

/// A type that is a schema document of its own, or an object written in place.
pub trait Describe {
    /// The description of the type.
    const DOCUMENT: &'static Document;
}

/// The JSON shape of a member.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any JSON value.
    Any,
    /// A text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A text holding an RFC 3339 date and time.
    DateTime,
    /// A text, a boolean or a number.
    Value,
    /// An object with free content.
    FreeObject,
    /// One of a closed list of texts.
    Choice(&'static Choice),
    /// A list of one kind.
    Array(&'static Self),
    /// An object with free keys, whose values are of one kind.
    Map(&'static Self),
    /// An object with named members.
    Document(&'static Document),
}

/// A closed list of texts.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The name under the `definitions` of the common document, or nothing if written in place.
    pub name: Option<&'static str>,
    /// The doc comment of the type.
    pub doc: &'static str,
    /// The texts, in upstream's order.
    pub values: &'static [&'static str],
}

/// A document or an object written in place.
#[derive(Clone, Copy, Debug)]
pub struct Document {
    /// The upstream name, such as `config_system`, or nothing for an object written in place.
    pub name: Option<&'static str>,
    /// The doc comment of the type.
    pub doc: &'static str,
    /// What the document consists of.
    pub shape: Shape,
}

/// What a document consists of.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// An object with named members.
    Object {
        /// The members, in order of declaration.
        properties: &'static [Property],
        /// Whether other members are allowed.
        open: bool,
    },
    /// The whole document is a single value, described like a member.
    Whole(&'static Property),
    /// A text that follows exactly one of these patterns.
    Patterns(fn() -> Vec<String>),
    /// A shelf of choices for other documents.
    Definitions(&'static [&'static Choice]),
}

/// A member of a document.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// The name on the wire.
    pub name: &'static str,
    /// The doc comment of the field.
    pub doc: &'static str,
    /// The JSON shape.
    pub kind: Kind,
    /// Whether a document without it is wrong.
    pub required: bool,
    /// Bounds and other constraints.
    pub limits: Limits,
}

/// Constraints upon a member; none by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// The least number allowed.
    pub minimum: Option<i64>,
    /// The greatest number allowed.
    pub maximum: Option<i64>,
    /// Numbers are whole multiples of this.
    pub multiple_of: Option<i64>,
    /// The number that stands for an absent member.
    pub default: Option<i64>,
    /// The greatest length of a text, in characters.
    pub max_length: Option<u32>,
    /// The pattern a text follows.
    pub pattern: Option<&'static str>,
    /// The pattern each text of a list follows.
    pub items_pattern: Option<&'static str>,
    /// Whether a list has no two equal items.
    pub unique_items: bool,
    /// The pattern the keys of a map follow.
    pub keys: Option<&'static str>,
    /// Whether a map may hold anything under keys that do not follow the pattern.
    pub other_keys: bool,
    /// The greatest number of entries in a map.
    pub max_properties: Option<u32>,
}

impl Document {
    /// Describes an object with named members; `name` holds the document's name or nothing, `open` the
    /// word `open` or nothing.
    pub const fn object(
        name: &[&'static str],
        doc: &'static str,
        properties: &'static [Property],
        open: &[&'static str],
    ) -> Self {
        let shape = Shape::Object { properties, open: !open.is_empty() };
        Self { name: first(name), doc, shape }
    }

    /// Describes a document that is a single value; `name` holds its name or nothing.
    pub const fn whole(name: &[&'static str], doc: &'static str, value: &'static Property) -> Self {
        Self { name: first(name), doc, shape: Shape::Whole(value) }
    }
}

const fn first(names: &[&'static str]) -> Option<&'static str> {
    match names {
        [name, ..] => Some(*name),
        [] => None,
    }
}

/// The name on the wire: that of the field unless it has one of its own.
pub(crate) const fn name(field: &'static str, wire: &[&'static str]) -> &'static str {
    match wire {
        [wire, ..] => wire,
        [] => field,
    }
}

impl Property {
    /// Describes an optional member without limits; `wire` holds its name if it is not `field`.
    pub const fn new(field: &'static str, wire: &[&'static str], doc: &'static str, kind: Kind) -> Self {
        let name = name(field, wire);
        let limits = Limits {
            minimum: None,
            maximum: None,
            multiple_of: None,
            default: None,
            max_length: None,
            pattern: None,
            items_pattern: None,
            unique_items: false,
            keys: None,
            other_keys: false,
            max_properties: None,
        };
        Self { name, doc, kind, required: false, limits }
    }

    /// Makes the member required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets the least number allowed.
    #[must_use]
    pub const fn minimum(mut self, least: i64) -> Self {
        self.limits.minimum = Some(least);
        self
    }

    /// Sets the greatest number allowed.
    #[must_use]
    pub const fn maximum(mut self, greatest: i64) -> Self {
        self.limits.maximum = Some(greatest);
        self
    }

    /// Sets the number of which values are whole multiples.
    #[must_use]
    pub const fn multiple_of(mut self, step: i64) -> Self {
        self.limits.multiple_of = Some(step);
        self
    }

    /// Sets the number that stands for an absent member.
    #[must_use]
    pub const fn default(mut self, value: i64) -> Self {
        self.limits.default = Some(value);
        self
    }

    /// Sets the greatest length of a text, in characters.
    #[must_use]
    pub const fn max_length(mut self, characters: u32) -> Self {
        self.limits.max_length = Some(characters);
        self
    }

    /// Sets the pattern of a text.
    #[must_use]
    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.limits.pattern = Some(pattern);
        self
    }

    /// Sets the pattern of each text of a list.
    #[must_use]
    pub const fn items_pattern(mut self, pattern: &'static str) -> Self {
        self.limits.items_pattern = Some(pattern);
        self
    }

    /// Forbids equal items in a list.
    #[must_use]
    pub const fn unique_items(mut self) -> Self {
        self.limits.unique_items = true;
        self
    }

    /// Sets the pattern of the keys of a map.
    #[must_use]
    pub const fn keys(mut self, pattern: &'static str) -> Self {
        self.limits.keys = Some(pattern);
        self
    }

    /// Allows anything under keys that do not follow the pattern.
    #[must_use]
    pub const fn other_keys(mut self) -> Self {
        self.limits.other_keys = true;
        self
    }

    /// Sets the greatest number of entries in a map.
    #[must_use]
    pub const fn max_properties(mut self, entries: u32) -> Self {
        self.limits.max_properties = Some(entries);
        self
    }
}

impl Field for String {
    const KIND: Kind = Kind::String;
}

impl Field for bool {
    const KIND: Kind = Kind::Boolean;
}

impl Field for u32 {
    const KIND: Kind = Kind::Integer;
}

impl Field for i64 {
    const KIND: Kind = Kind::Integer;
}

impl Field for f64 {
    const KIND: Kind = Kind::Number;
}

impl Field for serde_json::Value {
    const KIND: Kind = Kind::Any;
}

impl Field for serde_json::Map<String, serde_json::Value> {
    const KIND: Kind = Kind::FreeObject;
}

impl<T: Field + Default> Field for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);
}

impl<T: Field + Default> Field for Map<String, T> {
    const KIND: Kind = Kind::Map(&T::KIND);
}

impl<T: Field + Default> Field for Option<T> {
    const KIND: Kind = T::KIND;

    fn absent(&self) -> bool {
        self.as_ref().is_none_or(T::absent)
    }
}
