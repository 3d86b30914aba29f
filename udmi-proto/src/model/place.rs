//! Where the values of a document go: a reader asks for the place of each value and needs to know no type beyond that, so
//! that there is one reader for all types. One for each would be many times as large.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

/// Where a value goes, and with it what it may be.
#[expect(missing_debug_implementations, reason = "it is nothing but references")]
pub enum Place<'a, 'de> {
    /// Nowhere: any value is passed over.
    Nowhere,
    /// Nowhere, and that there is one is wrong, for this reason.
    Refused(String),
    /// Into something that takes the text of any value as it stands in its document.
    Raw(&'a mut Option<&'de str>),
    /// Into something that takes a single value.
    Leaf(&'a mut dyn Leaf<'de>),
    /// Into something that may be absent.
    Optional(&'a mut dyn Optional<'de>),
    /// Into a list.
    List(&'a mut dyn List<'de>),
    /// Into a table with free keys.
    Table(&'a mut dyn Table<'de>),
    /// Into an object with named members.
    Object(&'a mut dyn Object<'de>),
    /// Into something that takes whatever there is.
    Any(&'a mut dyn Any<'de>),
}

/// A single value; of lists and objects no more than that they are one.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'de> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number beyond [`i64::MAX`].
    Natural(u64),
    /// A number with fraction or exponent, or beyond 64 bits.
    Number(f64),
    /// A text, borrowed where it has no escapes.
    Text(Cow<'de, str>),
    /// A list, whose items are passed over.
    List,
    /// An object, whose members are passed over.
    Object,
}

/// Why a value is not taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal<'de> {
    /// It is of another type.
    Type(Scalar<'de>),
    /// It is of the right type and beyond its bounds.
    Value(Scalar<'de>),
    /// As told.
    Because(&'static str),
}

/// What takes a single value.
pub trait Leaf<'de> {
    /// What belongs here, with its article.
    fn expected(&self) -> &'static str;

    /// Takes a value.
    ///
    /// # Errors
    /// Why it does not.
    fn take(&mut self, scalar: Scalar<'de>) -> Result<(), Refusal<'de>>;
}

/// What may be absent.
pub trait Optional<'de> {
    /// `null` stands here.
    fn none(&mut self);
    /// Where the value goes that stands here.
    fn some(&mut self) -> Place<'_, 'de>;
}

/// A list.
pub trait List<'de> {
    /// A list begins.
    fn begin(&mut self);
    /// Where its next item goes.
    fn item(&mut self) -> Place<'_, 'de>;
}

/// A table with free keys.
pub trait Table<'de> {
    /// A table begins.
    fn begin(&mut self);
    /// Where the entry of that name goes. Of those of one name the last counts.
    fn entry(&mut self, name: Cow<'de, str>) -> Place<'_, 'de>;
    /// The table ends.
    fn end(&mut self) {}
}

/// An object with named members. Of those of one name the last counts.
pub trait Object<'de> {
    /// Where the member of that name goes; nowhere if it is not listed.
    fn member(&mut self, name: &Cow<'de, str>) -> Place<'_, 'de>;

    /// A member without which the object is none.
    fn lacks(&self) -> Option<&'static str> {
        None
    }
}

/// Something that takes whatever there is.
pub trait Any<'de> {
    /// A single value stands here.
    fn scalar(&mut self, scalar: Scalar<'de>);
    /// Where the list goes that stands here.
    fn list(&mut self) -> Place<'_, 'de>;
    /// Where the object goes that stands here.
    fn table(&mut self) -> Place<'_, 'de>;
}

/// A type whose values can be read.
pub trait Read<'de>: Sized {
    /// Where such a value goes.
    fn place(&mut self) -> Place<'_, 'de>;

    /// What an optional one becomes of `null`.
    fn null() -> Option<Self> {
        None
    }
}

/// Makes an object readable: its members by name, and which of them it cannot be without.
macro_rules! object {
    ($type:ty { $($name:literal: $field:ident $($required:ident)?),+ $(,)? }) => {
        impl<'de> $crate::model::place::Object<'de> for $type {
            fn member(&mut self, name: &alloc::borrow::Cow<'de, str>) -> $crate::model::place::Place<'_, 'de> {
                match name.as_ref() {
                    $($name => $crate::model::place::Read::place(&mut self.$field),)+
                    _ => $crate::model::place::Place::Nowhere,
                }
            }

            fn lacks(&self) -> Option<&'static str> {
                $($(
                    let _: &str = stringify!($required);
                    if self.$field.is_none() {
                        return Some($name);
                    }
                )?)+
                None
            }
        }

        impl<'de> $crate::model::place::Read<'de> for $type {
            fn place(&mut self) -> $crate::model::place::Place<'_, 'de> {
                $crate::model::place::Place::Object(self)
            }
        }
    };
}
pub(crate) use object;

/// Makes a type that takes single values readable.
macro_rules! leaf {
    ($($type:ty: $expected:literal, $take:expr;)+) => {$(
        impl<'de> $crate::model::place::Leaf<'de> for $type {
            fn expected(&self) -> &'static str {
                $expected
            }

            fn take(
                &mut self,
                scalar: $crate::model::place::Scalar<'de>,
            ) -> Result<(), $crate::model::place::Refusal<'de>> {
                *self = $take(scalar)?;
                Ok(())
            }
        }

        impl<'de> $crate::model::place::Read<'de> for $type {
            fn place(&mut self) -> $crate::model::place::Place<'_, 'de> {
                $crate::model::place::Place::Leaf(self)
            }
        }
    )+};
}
pub(crate) use leaf;

leaf! {
    Cow<'de, str>: "a string", text;
    String: "a string", |scalar| text(scalar).map(Cow::into_owned);
    bool: "a boolean", boolean;
    i64: "i64", integer;
    u64: "u64", |scalar| match scalar {
        Scalar::Natural(whole) => Ok(whole),
        Scalar::Null | Scalar::Boolean(_) | Scalar::Integer(_) | Scalar::Number(_) | Scalar::Text(_) | Scalar::List
        | Scalar::Object => natural(scalar),
    };
    u32: "u32", natural;
    u16: "u16", natural;
    f64: "f64", number;
}

/// The text, if it is one.
pub(crate) fn text(scalar: Scalar<'_>) -> Result<Cow<'_, str>, Refusal<'_>> {
    let Scalar::Text(text) = scalar else { return Err(Refusal::Type(scalar)) };
    Ok(text)
}

fn boolean(scalar: Scalar<'_>) -> Result<bool, Refusal<'_>> {
    let Scalar::Boolean(boolean) = scalar else { return Err(Refusal::Type(scalar)) };
    Ok(boolean)
}

fn integer(scalar: Scalar<'_>) -> Result<i64, Refusal<'_>> {
    let Scalar::Integer(whole) = scalar else {
        let is_whole = matches!(scalar, Scalar::Natural(_));
        return Err(if is_whole { Refusal::Value(scalar) } else { Refusal::Type(scalar) });
    };
    Ok(whole)
}

/// The whole number, if it is one that the type can hold.
pub(crate) fn natural<T: TryFrom<i64>>(scalar: Scalar<'_>) -> Result<T, Refusal<'_>> {
    let whole = integer(scalar)?;
    T::try_from(whole).map_err(|_| Refusal::Value(Scalar::Integer(whole)))
}

#[allow(clippy::cast_precision_loss)]
fn number(scalar: Scalar<'_>) -> Result<f64, Refusal<'_>> {
    match scalar {
        Scalar::Number(number) => Ok(number),
        Scalar::Integer(whole) => Ok(whole as f64),
        Scalar::Natural(whole) => Ok(whole as f64),
        Scalar::Null | Scalar::Boolean(_) | Scalar::Text(_) | Scalar::List | Scalar::Object => {
            Err(Refusal::Type(scalar))
        }
    }
}

/// The text of a value of any type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw<'de>(pub Option<&'de str>);

impl<'de> Raw<'de> {
    /// The text, unless it is `null`.
    pub(crate) fn present(self) -> Option<&'de str> {
        self.0.filter(|text| *text != "null")
    }
}

impl<'de> Read<'de> for Raw<'de> {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Raw(&mut self.0)
    }
}

impl<'de, T: Read<'de> + Default> Optional<'de> for Option<T> {
    fn none(&mut self) {
        *self = T::null();
    }

    fn some(&mut self) -> Place<'_, 'de> {
        self.insert(T::default()).place()
    }
}

impl<'de, T: Read<'de> + Default> Read<'de> for Option<T> {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Optional(self)
    }
}

impl<'de, T: Read<'de> + Default> List<'de> for Vec<T> {
    fn begin(&mut self) {
        self.clear();
    }

    fn item(&mut self) -> Place<'_, 'de> {
        self.push(T::default());
        self.last_mut().map_or(Place::Nowhere, T::place)
    }
}

impl<'de, T: Read<'de> + Default> Read<'de> for Vec<T> {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::List(self)
    }
}

impl<'de, T: Read<'de> + Default> Table<'de> for Map<String, T> {
    fn begin(&mut self) {
        self.clear();
    }

    fn entry(&mut self, name: Cow<'de, str>) -> Place<'_, 'de> {
        let entry = self.entry(name.into_owned()).or_default();
        *entry = T::default();
        entry.place()
    }
}

impl<'de, T: Read<'de> + Default> Read<'de> for Map<String, T> {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Table(self)
    }
}

impl<'de> Any<'de> for serde_json::Value {
    fn scalar(&mut self, scalar: Scalar<'de>) {
        *self = match scalar {
            Scalar::Null | Scalar::List | Scalar::Object => Self::Null,
            Scalar::Boolean(boolean) => Self::Bool(boolean),
            Scalar::Integer(whole) => whole.into(),
            Scalar::Natural(whole) => whole.into(),
            Scalar::Number(number) => number.into(),
            Scalar::Text(text) => Self::String(text.into_owned()),
        };
    }

    fn list(&mut self) -> Place<'_, 'de> {
        *self = Self::Array(Vec::new());
        self.as_array_mut().map_or(Place::Nowhere, Vec::place)
    }

    fn table(&mut self) -> Place<'_, 'de> {
        *self = Self::Object(serde_json::Map::new());
        self.as_object_mut().map_or(Place::Nowhere, serde_json::Map::place)
    }
}

impl<'de> Read<'de> for serde_json::Value {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Any(self)
    }
}

impl<'de> Table<'de> for serde_json::Map<String, serde_json::Value> {
    fn begin(&mut self) {
        self.clear();
    }

    fn entry(&mut self, name: Cow<'de, str>) -> Place<'_, 'de> {
        Place::Any(self.entry(name).or_insert(serde_json::Value::Null))
    }
}

impl<'de> Read<'de> for serde_json::Map<String, serde_json::Value> {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Table(self)
    }
}
