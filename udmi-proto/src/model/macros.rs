//! The three declarations from which types, their JSON form and their descriptions all follow.

/// Declares an object with named members.
///
/// `in "name"` makes it a document of its own, `[open]` allows members that are not listed. A field may
/// carry its name on the wire (`kind as "type"`), another one that is read as well (`or "other"`), and its constraints (`[required, minimum = 1]`, see
/// `describe::Property`).
macro_rules! document {
    (
        $(#[doc = $doc:expr])*
        pub struct $name:ident $(in $document:literal)? $([$open:ident])? {
            $(
                $(#[doc = $field_doc:expr])*
                $field:ident $(as $wire:literal)? $(or $alias:literal)? : $type:ty
                    $([$($limit:ident $(= $value:expr)?),+ $(,)?])?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])*
                $(#[serde(rename = $wire)])?
                #[serde(skip_serializing_if = "crate::model::describe::Field::absent")]
                pub $field: $type,
            )*
        }

        const _: () = {
            use $crate::model::describe::{Describe, Document, Field, Kind, Property};

            const PROPERTIES: &[Property] = &[$(
                Property::new(
                    stringify!($field),
                    &[$($wire)?],
                    concat!($($field_doc, "\n"),*),
                    <$type as Field>::KIND,
                )$($(.$limit($($value)?))+)?,
            )*];

            impl Describe for $name {
                const DOCUMENT: &'static Document = &Document::object(
                    &[$($document)?],
                    concat!($($doc, "\n"),*),
                    PROPERTIES,
                    &[$(stringify!($open))?],
                );
            }

            impl Field for $name {
                const KIND: Kind = Kind::Document(<Self as Describe>::DOCUMENT);
            }

            impl<'de> $crate::model::place::Object<'de> for $name {
                #[allow(unused_variables, reason = "a document may have no members")]
                fn member(&mut self, name: &alloc::borrow::Cow<'de, str>) -> $crate::model::place::Place<'_, 'de> {
                    let name = name.as_ref();
                    $(
                        if name == const { $crate::model::describe::name(stringify!($field), &[$($wire)?]) }
                            $(|| name == $alias)?
                        {
                            return $crate::model::place::Read::place(&mut self.$field);
                        }
                    )*
                    $crate::model::place::Place::Nowhere
                }
            }

            impl<'de> $crate::model::place::Read<'de> for $name {
                fn place(&mut self) -> $crate::model::place::Place<'_, 'de> {
                    $crate::model::place::Place::Object(self)
                }
            }

            $crate::model::read::readable!($name);
        };
    };
}

/// Declares a closed list of texts, with `Unknown` for any other text.
///
/// `in "name"` puts it under the definitions of the common document.
macro_rules! choice {
    (
        $(#[doc = $doc:expr])*
        pub enum $name:ident $(in $definition:literal)? {
            $(
                $(#[doc = $variant_doc:expr])*
                $variant:ident = $text:literal
            ),+ $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $variant_doc])* $variant,)+
            /// A text that is not listed; never written.
            #[default]
            Unknown,
        }

        impl $name {
            /// The description of the list.
            pub const CHOICE: &'static $crate::model::describe::Choice = &$crate::model::describe::Choice {
                name: match &[$($definition)?] as &[&'static str] {
                    [name, ..] => Some(*name),
                    [] => None,
                },
                doc: concat!($($doc, "\n"),*),
                values: &[$($text),+],
            };

            /// Finds the listed choice, or `Unknown`.
            #[must_use]
            pub fn from_text(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    _ => Self::Unknown,
                }
            }

            /// The text on the wire; empty for `Unknown`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown => "",
                }
            }
        }

        const _: () = {
            use $crate::model::describe::{Field, Kind};

            impl Field for $name {
                const KIND: Kind = Kind::Choice(Self::CHOICE);

                fn absent(&self) -> bool {
                    *self == Self::Unknown
                }
            }

            $crate::model::place::leaf! {
                $name: "a text", |scalar| $crate::model::place::text(scalar).map(|text| $name::from_text(&text));
            }

            $crate::model::read::readable!($name);

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    match self {
                        Self::Unknown => {
                            Err(serde::ser::Error::custom(concat!("unknown ", stringify!($name), " is not written")))
                        }
                        $(Self::$variant)|+ => serializer.serialize_str(self.as_str()),
                    }
                }
            }
        };
    };
}

/// Declares a document that is nothing but a table with free keys.
///
/// The names in brackets are constraints, as in `document!`.
macro_rules! table {
    (
        $(#[doc = $doc:expr])*
        pub struct $name:ident ($type:ty) $(in $document:literal)? [$($limit:ident $(= $value:expr)?),+ $(,)?]
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $type);

        const _: () = {
            use $crate::model::describe::{Describe, Document, Field, Kind, Property};

            const WHOLE: &Property = &Property::new("", &[], "", <$type as Field>::KIND)
                $(.$limit($($value)?))+;

            impl Describe for $name {
                const DOCUMENT: &'static Document =
                    &Document::whole(&[$($document)?], concat!($($doc, "\n"),*), WHOLE);
            }

            impl Field for $name {
                const KIND: Kind = Kind::Document(<Self as Describe>::DOCUMENT);
            }

            impl<'de> $crate::model::place::Read<'de> for $name {
                fn place(&mut self) -> $crate::model::place::Place<'_, 'de> {
                    self.0.place()
                }
            }

            $crate::model::read::readable!($name);
        };
    };
}
