//! Types of objects (clause 12), and what their present values are.

use super::codec::primitive::{ObjectId, ObjectType, Primitive};

/// The device itself.
pub(super) const DEVICE: ObjectType = ObjectType(8);

/// What the present value of an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number of 32 bits.
    Real,
    /// A number of 64 bits.
    Double,
    /// A whole number.
    Signed,
    /// A whole number that cannot be negative.
    Unsigned,
    /// Inactive or active.
    Binary,
    /// One of several states, from 1.
    Multistate,
    /// One of several, by number.
    Enumerated,
    /// A text.
    Text,
    /// True or false.
    Boolean,
    /// Something that can be read as a text and not written.
    Other,
}

/// Whether an object's present value can be written, and released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Only read.
    Read,
    /// With priorities, by the standard.
    Commanded,
    /// Written; whether with priorities, each object tells.
    Perhaps,
}

pub(super) struct Row {
    pub(super) number: u16,
    /// As references have it.
    pub(super) letters: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) access: Access,
}

const fn row(number: u16, letters: &'static str, name: &'static str, kind: Kind, access: Access) -> Row {
    Row { number, letters, name, kind, access }
}

/// Objects with a present value that a point may be.
const ROWS: &[Row] = &[
    row(0, "AI", "analog-input", Kind::Real, Access::Read),
    row(1, "AO", "analog-output", Kind::Real, Access::Commanded),
    row(2, "AV", "analog-value", Kind::Real, Access::Perhaps),
    row(3, "BI", "binary-input", Kind::Binary, Access::Read),
    row(4, "BO", "binary-output", Kind::Binary, Access::Commanded),
    row(5, "BV", "binary-value", Kind::Binary, Access::Perhaps),
    row(6, "CAL", "calendar", Kind::Boolean, Access::Read),
    row(12, "LP", "loop", Kind::Real, Access::Read),
    row(13, "MSI", "multi-state-input", Kind::Multistate, Access::Read),
    row(14, "MSO", "multi-state-output", Kind::Multistate, Access::Commanded),
    row(19, "MSV", "multi-state-value", Kind::Multistate, Access::Perhaps),
    row(21, "LSP", "life-safety-point", Kind::Enumerated, Access::Read),
    row(22, "LSZ", "life-safety-zone", Kind::Enumerated, Access::Read),
    row(23, "ACC", "accumulator", Kind::Unsigned, Access::Read),
    row(24, "PC", "pulse-converter", Kind::Real, Access::Read),
    row(28, "LC", "load-control", Kind::Enumerated, Access::Read),
    row(30, "AD", "access-door", Kind::Enumerated, Access::Commanded),
    row(31, "TMR", "timer", Kind::Unsigned, Access::Read),
    row(39, "BSV", "bitstring-value", Kind::Other, Access::Read),
    row(40, "CSV", "characterstring-value", Kind::Text, Access::Perhaps),
    row(42, "DV", "date-value", Kind::Other, Access::Read),
    row(45, "IV", "integer-value", Kind::Signed, Access::Perhaps),
    row(46, "LAV", "large-analog-value", Kind::Double, Access::Perhaps),
    row(47, "OSV", "octetstring-value", Kind::Other, Access::Read),
    row(48, "PIV", "positive-integer-value", Kind::Unsigned, Access::Perhaps),
    row(50, "TV", "time-value", Kind::Other, Access::Read),
    row(54, "LO", "lighting-output", Kind::Real, Access::Commanded),
    row(55, "BLO", "binary-lighting-output", Kind::Enumerated, Access::Commanded),
    row(60, "STG", "staging", Kind::Real, Access::Commanded),
];

/// Objects without such a value, and other letters for those above.
const FURTHER: &[(&str, u16)] = &[
    ("MI", 13),
    ("MO", 14),
    ("MV", 19),
    ("LOOP", 12),
    ("CMD", 7),
    ("DEV", 8),
    ("EE", 9),
    ("FILE", 10),
    ("GRP", 11),
    ("NC", 15),
    ("PRG", 16),
    ("SCH", 17),
    ("AVG", 18),
    ("TL", 20),
    ("EL", 25),
    ("GG", 26),
    ("TLM", 27),
    ("SV", 29),
    ("DTV", 44),
    ("NF", 51),
    ("CH", 53),
    ("NP", 56),
];

/// What is known of a type whose objects may be points.
pub(super) fn row_of(kind: ObjectType) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.number == kind.0)
}

/// The type that letters stand for.
pub(super) fn by_letters(letters: &str) -> Option<ObjectType> {
    let row = ROWS.iter().find(|row| row.letters == letters).map(|row| row.number);
    let further = || FURTHER.iter().find(|(other, _)| *other == letters).map(|(_, number)| *number);
    row.or_else(further).map(ObjectType)
}

/// The letters that stand for a type, if any do.
pub(super) fn letters(kind: ObjectType) -> Option<&'static str> {
    let further =
        || FURTHER.iter().skip(4).find(|(_, number)| *number == kind.0).map(|(letters, _)| *letters);
    row_of(kind).map(|row| row.letters).or_else(further)
}

impl Kind {
    /// A value of that type.
    pub(super) fn example(self) -> Option<Primitive> {
        match self {
            Self::Real => Some(Primitive::Real(0.0)),
            Self::Double => Some(Primitive::Double(0.0)),
            Self::Signed => Some(Primitive::Signed(0)),
            Self::Unsigned | Self::Multistate => Some(Primitive::Unsigned(0)),
            Self::Binary | Self::Enumerated => Some(Primitive::Enumerated(0)),
            Self::Text => Some(Primitive::Text("".into())),
            Self::Boolean => Some(Primitive::Boolean(false)),
            Self::Other => None,
        }
    }
}

/// An object as references have it, such as `AV/12`.
pub(super) fn reference(object: ObjectId) -> String {
    match letters(object.kind) {
        Some(letters) => format!("{letters}/{}", object.instance),
        None => format!("{}/{}", object.kind.0, object.instance),
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&reference(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_types_belong_together() {
        for row in ROWS {
            assert_eq!(by_letters(row.letters), Some(ObjectType(row.number)));
            assert_eq!(letters(ObjectType(row.number)), Some(row.letters));
            assert!((2..=4).contains(&row.letters.len()));
        }
        for (other, number) in FURTHER {
            assert_eq!(by_letters(other), Some(ObjectType(*number)), "{other}");
        }
        assert_eq!(letters(ObjectType(13)), Some("MSI"));
        assert_eq!(letters(DEVICE), Some("DEV"));
        assert_eq!((by_letters("XX"), letters(ObjectType(500))), (None, None));
        assert_eq!(ObjectId { kind: ObjectType(2), instance: 12 }.to_string(), "AV/12");
    }
}
