//! The reader of all documents, for whatever `serde` reads them from.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::place::{Place, Read, Refusal, Scalar};
use crate::json::{Text, write};

/// Reads a value.
///
/// # Errors
/// As the deserializer's: malformed content, or a value of another type.
pub fn deserialize<'de, D: Deserializer<'de>, T: Read<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let mut value = T::default();
    Reading { place: value.place(), path: &mut Path::default() }.deserialize(deserializer)?;
    Ok(value)
}

/// Makes types readable by `serde` as they are readable here.
macro_rules! readable {
    ($($type:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::model::read::deserialize(deserializer)
            }
        }
    )+};
}
pub(crate) use readable;

/// The names on the way to a value that is not as it should be: the innermost first.
#[derive(Debug, Default)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug)]
enum Step {
    Name(String),
    Index(usize),
}

impl Path {
    /// The way leads through a member.
    pub(crate) fn name(&mut self, name: Cow<'_, str>) {
        self.0.push(Step::Name(name.into_owned()));
    }

    /// The way leads through an item of a list.
    pub(crate) fn index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    /// Whether the way is none: it is about the whole.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().rev().enumerate() {
            match step {
                Step::Name(name) if at == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// One value that is about to be read.
pub(crate) struct Reading<'p, 'a, 'de> {
    /// Where it goes.
    place: Place<'a, 'de>,
    /// Where it stands, in the end, if something is wrong with it.
    path: &'p mut Path,
}

impl<'p, 'a, 'de> Reading<'p, 'a, 'de> {
    pub(crate) fn new(place: Place<'a, 'de>, path: &'p mut Path) -> Self {
        Self { place, path }
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.place {
            Place::Nowhere => IgnoredAny::deserialize(deserializer).map(|IgnoredAny| ()),
            Place::Refused(reason) => {
                IgnoredAny::deserialize(deserializer)?;
                Err(D::Error::custom(reason))
            }
            Place::Raw(raw) => {
                *raw = Some(<&RawValue>::deserialize(deserializer)?.get());
                Ok(())
            }
            Place::Leaf(_)
            | Place::Optional(_)
            | Place::List(_)
            | Place::Table(_)
            | Place::Object(_)
            | Place::Any(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Reading<'_, '_, 'de> {
    fn take<E: Error>(self, scalar: Scalar<'de>) -> Result<(), E> {
        match self.place {
            Place::Nowhere | Place::Refused(_) | Place::Raw(_) => Ok(()),
            Place::Optional(optional) if scalar == Scalar::Null => {
                optional.none();
                Ok(())
            }
            Place::Optional(optional) => Self { place: optional.some(), path: self.path }.take(scalar),
            Place::Any(any) => {
                any.scalar(scalar);
                Ok(())
            }
            Place::Leaf(leaf) => match leaf.take(scalar) {
                Ok(()) => Ok(()),
                Err(refusal) => Err(refused(&refusal, leaf.expected())),
            },
            Place::List(_) => Err(refused(&Refusal::Type(scalar), LIST)),
            Place::Table(_) => Err(refused(&Refusal::Type(scalar), TABLE)),
            Place::Object(_) => Err(refused(&Refusal::Type(scalar), OBJECT)),
        }
    }
}

/// As `serde_json` tells it, without `serde`'s own way to show numbers, which takes in the standard library's.
#[cold]
fn refused<E: Error>(refusal: &Refusal<'_>, expected: &str) -> E {
    match refusal {
        Refusal::Type(found) => {
            E::custom(format_args!("invalid type: {}, expected {expected}", Found(found)))
        }
        Refusal::Value(found) => {
            E::custom(format_args!("invalid value: {}, expected {expected}", Found(found)))
        }
        Refusal::Because(reason) => E::custom(reason),
    }
}

struct Found<'a>(&'a Scalar<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Scalar::Null => f.write_str("null"),
            Scalar::Boolean(boolean) => write!(f, "boolean `{boolean}`"),
            Scalar::Integer(whole) => write!(f, "integer `{whole}`"),
            Scalar::Natural(whole) => write!(f, "integer `{whole}`"),
            Scalar::Number(number) => {
                let mut digits = Vec::new();
                // A number cannot fail.
                let _ = write::put(&mut digits, number);
                write!(f, "floating point `{}`", String::from_utf8(digits).unwrap_or_default())
            }
            Scalar::Text(text) => write!(f, "string {text:?}"),
            Scalar::List => f.write_str("sequence"),
            Scalar::Object => f.write_str("map"),
        }
    }
}

/// What belongs into a place.
const LIST: &str = "a sequence";
const TABLE: &str = "a map";
const OBJECT: &str = "an object";

impl<'de> Visitor<'de> for Reading<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.place {
            Place::Leaf(leaf) => leaf.expected(),
            Place::List(_) => LIST,
            Place::Table(_) => TABLE,
            Place::Object(_) => OBJECT,
            Place::Nowhere | Place::Refused(_) | Place::Raw(_) | Place::Optional(_) | Place::Any(_) => {
                "anything"
            }
        })
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<(), E> {
        self.take(Scalar::Boolean(boolean))
    }

    fn visit_i64<E: Error>(self, whole: i64) -> Result<(), E> {
        self.take(Scalar::Integer(whole))
    }

    fn visit_u64<E: Error>(self, whole: u64) -> Result<(), E> {
        self.take(i64::try_from(whole).map_or(Scalar::Natural(whole), Scalar::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.take(Scalar::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.take(Scalar::Text(Cow::Owned(text.into())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<(), E> {
        self.take(Scalar::Text(Cow::Owned(text)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.take(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.take(Scalar::Null)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.take(Scalar::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { place, path } = self;
        match place {
            Place::Optional(optional) => Reading { place: optional.some(), path }.visit_seq(items),
            Place::Any(any) => Reading { place: any.list(), path }.visit_seq(items),
            Place::List(list) => {
                list.begin();
                let mut index = 0;
                loop {
                    // The place of an item is made once there is one.
                    let read = items.next_element_seed(Item { list: &mut *list, path: &mut *path });
                    match read {
                        Ok(None) => return Ok(()),
                        Ok(Some(())) => index += 1,
                        Err(error) => {
                            path.index(index);
                            return Err(error);
                        }
                    }
                }
            }
            Place::Nowhere
            | Place::Refused(_)
            | Place::Raw(_)
            | Place::Leaf(_)
            | Place::Table(_)
            | Place::Object(_) => {
                Reading { place, path }.take(Scalar::List)?;
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { place, path } = self;
        match place {
            Place::Optional(optional) => Reading { place: optional.some(), path }.visit_map(members),
            Place::Any(any) => Reading { place: any.table(), path }.visit_map(members),
            Place::Object(object) => {
                while let Some(Text(name)) = members.next_key()? {
                    let place = object.member(&name);
                    read_member(&mut members, place, path, name)?;
                }
                object.lacks().map_or(Ok(()), |name| Err(A::Error::missing_field(name)))
            }
            Place::Table(table) => {
                table.begin();
                while let Some(Text(name)) = members.next_key()? {
                    let place = table.entry(name.clone());
                    read_member(&mut members, place, path, name)?;
                }
                table.end();
                Ok(())
            }
            Place::Nowhere | Place::Refused(_) | Place::Raw(_) | Place::Leaf(_) | Place::List(_) => {
                Reading { place, path }.take(Scalar::Object)?;
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }
}

fn read_member<'de, A: MapAccess<'de>>(
    members: &mut A,
    place: Place<'_, 'de>,
    path: &mut Path,
    name: Cow<'de, str>,
) -> Result<(), A::Error> {
    members.next_value_seed(Reading { place, path: &mut *path }).inspect_err(|_| path.name(name))
}

/// The next item of a list.
struct Item<'p, 'a, 'de> {
    list: &'a mut dyn super::place::List<'de>,
    path: &'p mut Path,
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        Reading { place: self.list.item(), path: self.path }.deserialize(deserializer)
    }
}
