//! Primitive values (clause 20.2.2 to 20.2.14).

use std::fmt;

use super::tag::{Tag, length_of, significant, unsigned, unsigned32};
use super::{Broken, INSTANCE, Reader};

/// The type of an object, by its number in the standard; those from 128 are a maker's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectType(pub u16);

/// An object of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Its type, 10 bits.
    pub kind: ObjectType,
    /// Its instance, 22 bits.
    pub instance: u32,
}

impl ObjectId {
    /// From the 32 bits of a packet.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        let kind = u16::try_from(bits >> 22).unwrap_or_default(); // ten bits
        Self { kind: ObjectType(kind), instance: bits & INSTANCE }
    }

    /// As the 32 bits of a packet.
    #[must_use]
    pub fn to_bits(self) -> u32 {
        (u32::from(self.kind.0 & 0x3FF) << 22) | (self.instance & INSTANCE)
    }
}

/// A value by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Primitive {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number that cannot be negative.
    Unsigned(u64),
    /// A whole number.
    Signed(i64),
    /// A number of 32 bits.
    Real(f32),
    /// A number of 64 bits.
    Double(f64),
    /// Bytes.
    Octets(Vec<u8>),
    /// A text.
    Text(Text),
    /// Bits, the first one first.
    Bits(Vec<bool>),
    /// One of several, by number.
    Enumerated(u32),
    /// Year since 1900, month, day, day of the week; 255 for any.
    Date([u8; 4]),
    /// Hour, minute, second, hundredth; 255 for any.
    Time([u8; 4]),
    /// An object.
    Object(ObjectId),
}

/// A text, and whether it was sent so or is what could be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text, with a sign in the place of each character that cannot be read.
    pub text: String,
    /// Whether each character could be read.
    pub exact: bool,
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), exact: true }
    }
}

impl Primitive {
    /// Reads one application-tagged value.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let Tag::Application(kind, length) = Tag::read(reader)? else { return Err(Broken::Tag) };
        if kind == 1 {
            return match length {
                0 => Ok(Self::Boolean(false)),
                1 => Ok(Self::Boolean(true)),
                _ => Err(Broken::Range),
            };
        }
        let content = reader.content(length)?;
        Ok(match kind {
            0 => empty(content).map(|()| Self::Null)?,
            2 => Self::Unsigned(unsigned(content)?),
            3 => Self::Signed(signed(content)?),
            4 => Self::Real(f32::from_be_bytes(exactly(content)?)),
            5 => Self::Double(f64::from_be_bytes(exactly(content)?)),
            6 => Self::Octets(content.to_vec()),
            7 => Self::Text(text(content)?),
            8 => Self::Bits(bits(content)?),
            9 => Self::Enumerated(unsigned32(content)?),
            10 => Self::Date(exactly(content)?),
            11 => Self::Time(exactly(content)?),
            12 => Self::Object(object(content)?),
            _ => return Err(Broken::Tag), // reserved
        })
    }

    /// Writes it with its application tag.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let (kind, content) = match self {
            Self::Null => (0, Vec::new()),
            Self::Boolean(value) => return Tag::Application(1, (*value).into()).write(bytes),
            Self::Unsigned(value) => (2, significant(*value)),
            Self::Signed(value) => (3, significant_signed(*value)),
            Self::Real(value) => (4, value.to_be_bytes().to_vec()),
            Self::Double(value) => (5, value.to_be_bytes().to_vec()),
            Self::Octets(value) => (6, value.clone()),
            Self::Text(value) => (7, std::iter::once(0).chain(value.text.bytes()).collect()),
            Self::Bits(value) => (8, bit_octets(value)),
            Self::Enumerated(value) => (9, significant((*value).into())),
            Self::Date(value) => (10, value.to_vec()),
            Self::Time(value) => (11, value.to_vec()),
            Self::Object(value) => (12, value.to_bits().to_be_bytes().to_vec()),
        };
        Tag::Application(kind, length_of(content.len())).write(bytes);
        bytes.extend(content);
    }
}

/// What a property holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Values by themselves: one, or those of a list or array; none of an empty one.
    Values(Vec<Primitive>),
    /// Data of several parts, which is not looked into.
    Constructed,
}

impl Content {
    /// Reads what stands between the tags around a property's value.
    ///
    /// # Errors
    /// A value is not well formed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let mut values = Vec::new();
        while !reader.is_empty() {
            match reader.peek_tag()? {
                Tag::Application(..) => values.push(Primitive::read(&mut reader)?),
                Tag::Context(..) | Tag::Opening(_) => return Ok(Self::Constructed),
                Tag::Closing(_) => return Err(Broken::Tag),
            }
        }
        Ok(Self::Values(values))
    }

    /// The value, if it is just one.
    #[must_use]
    pub fn single(&self) -> Option<&Primitive> {
        match self {
            Self::Values(values) => match values.as_slice() {
                [value] => Some(value),
                _ => None,
            },
            Self::Constructed => None,
        }
    }
}

/// The object whose 32 bits these are.
pub(super) fn object(content: &[u8]) -> Result<ObjectId, Broken> {
    exactly(content).map(|octets| ObjectId::from_bits(u32::from_be_bytes(octets)))
}

fn empty(content: &[u8]) -> Result<(), Broken> {
    if content.is_empty() { Ok(()) } else { Err(Broken::Length) }
}

fn exactly<const N: usize>(content: &[u8]) -> Result<[u8; N], Broken> {
    content.try_into().map_err(|_| Broken::Length)
}

fn signed(content: &[u8]) -> Result<i64, Broken> {
    let negative = content.first().is_some_and(|octet| octet & 0x80 != 0);
    if !(1..=8).contains(&content.len()) {
        return Err(Broken::Length);
    }
    let start = if negative { -1 } else { 0 };
    Ok(content.iter().fold(start, |value: i64, octet| (value << 8) | i64::from(*octet)))
}

/// The octets of a whole number without those that say nothing but the sign, at least one.
fn significant_signed(value: i64) -> Vec<u8> {
    let [mut kept @ .., last] = value.to_be_bytes();
    let sign = if value < 0 { 0xFF } else { 0 };
    let mut skipped = 0;
    for (ix, octet) in kept.iter_mut().enumerate() {
        let next = value.to_be_bytes().get(ix.saturating_add(1)).copied().unwrap_or(last);
        // The octet that stays first has to show the sign.
        if *octet != sign || (next ^ sign) & 0x80 != 0 {
            break;
        }
        skipped = ix.saturating_add(1);
    }
    value.to_be_bytes().into_iter().skip(skipped).collect()
}

fn bits(content: &[u8]) -> Result<Vec<bool>, Broken> {
    let (unused, octets) = content.split_first().ok_or(Broken::Length)?;
    let count = octets.len().saturating_mul(8).checked_sub((*unused).into()).ok_or(Broken::Length)?;
    if *unused > 7 {
        return Err(Broken::Range);
    }
    let all = octets.iter().flat_map(|octet| (0..8).map(move |bit| (octet << bit) & 0x80 != 0));
    Ok(all.take(count).collect())
}

fn bit_octets(bits: &[bool]) -> Vec<u8> {
    let octets = bits.chunks(8).map(|chunk| {
        let set = chunk.iter().zip(0u32..).filter(|(bit, _)| **bit);
        set.fold(0u8, |octet, (_, place)| octet | 0x80u8.checked_shr(place).unwrap_or_default())
    });
    let unused = u8::try_from(bits.len().wrapping_neg() % 8).unwrap_or_default();
    std::iter::once(unused).chain(octets).collect()
}

/// A text in one of the character sets (clause 20.2.9).
fn text(content: &[u8]) -> Result<Text, Broken> {
    const LOST: char = char::REPLACEMENT_CHARACTER;
    let (charset, content) = content.split_first().ok_or(Broken::Length)?;
    let characters: Vec<Option<char>> = match charset {
        0 => {
            let lossy = String::from_utf8_lossy(content);
            let exact = matches!(lossy, std::borrow::Cow::Borrowed(_));
            return Ok(Text { text: lossy.into_owned(), exact });
        }
        3 => {
            let (units, rest) = content.as_chunks();
            empty(rest)?;
            units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect()
        }
        4 => {
            let (units, rest) = content.as_chunks();
            empty(rest)?;
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            char::decode_utf16(units).map(Result::ok).collect()
        }
        5 => content.iter().map(|octet| Some(char::from(*octet))).collect(),
        // Japanese and code pages: what is ASCII is the same in them.
        _ => content.iter().map(|octet| octet.is_ascii().then_some(char::from(*octet))).collect(),
    };
    let known = *charset == 3 || *charset == 4 || *charset == 5;
    let exact = characters.iter().all(Option::is_some) && (known || content.is_ascii());
    Ok(Text { text: characters.into_iter().map(|character| character.unwrap_or(LOST)).collect(), exact })
}

impl fmt::Display for Primitive {
    /// As a person would write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
            Self::Double(value) => value.fmt(f),
            Self::Octets(value) => value.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
            Self::Text(value) => f.write_str(&value.text),
            Self::Bits(value) => value.iter().try_for_each(|bit| f.write_str(if *bit { "1" } else { "0" })),
            Self::Enumerated(value) => value.fmt(f),
            Self::Date(value) => date(*value, f),
            Self::Time([hour, minute, second, hundredth]) => {
                let part = |value: u8| if value == 255 { "**".into() } else { format!("{value:02}") };
                write!(f, "{}:{}:{}.{}", part(*hour), part(*minute), part(*second), part(*hundredth))
            }
            Self::Object(value) => value.fmt(f),
        }
    }
}

fn date([year, month, day, _]: [u8; 4], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match year {
        255 => f.write_str("****")?,
        year => write!(f, "{}", u16::from(year).saturating_add(1900))?,
    }
    let part = |value: u8| if value == 255 { "**".into() } else { format!("{value:02}") };
    write!(f, "-{}-{}", part(month), part(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &Primitive) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        bytes
    }

    /// Encodings as the examples of clause 20.2 give them.
    #[test]
    fn values_are_written_as_the_standard_has_them() {
        let device = ObjectId { kind: ObjectType(23), instance: 3 };
        let cases: [(Primitive, &[u8]); 16] = [
            (Primitive::Null, &[0x00]),
            (Primitive::Boolean(false), &[0x10]),
            (Primitive::Boolean(true), &[0x11]),
            (Primitive::Unsigned(72), &[0x21, 0x48]),
            (Primitive::Unsigned(0), &[0x21, 0x00]),
            (Primitive::Signed(72), &[0x31, 0x48]),
            (Primitive::Signed(-1), &[0x31, 0xFF]),
            (Primitive::Signed(128), &[0x32, 0x00, 0x80]),
            (Primitive::Real(72.0), &[0x44, 0x42, 0x90, 0, 0]),
            (Primitive::Double(72.0), &[0x55, 0x08, 0x40, 0x52, 0, 0, 0, 0, 0, 0]),
            (Primitive::Octets(vec![0x12, 0x34, 0xFF]), &[0x63, 0x12, 0x34, 0xFF]),
            (Primitive::Text("This".into()), &[0x75, 0x05, 0x00, b'T', b'h', b'i', b's']),
            (Primitive::Bits(vec![true, false, true, false, true]), &[0x82, 0x03, 0xA8]),
            (Primitive::Date([91, 1, 24, 4]), &[0xA4, 0x5B, 0x01, 0x18, 0x04]),
            (Primitive::Time([17, 35, 45, 17]), &[0xB4, 0x11, 0x23, 0x2D, 0x11]),
            (Primitive::Object(device), &[0xC4, 0x05, 0xC0, 0x00, 0x03]),
        ];
        for (value, bytes) in cases {
            assert_eq!(written(&value), bytes, "{value:?}");
            assert_eq!(Content::decode(bytes), Ok(Content::Values(vec![value])));
        }
    }

    #[test]
    fn whole_numbers_take_as_few_octets_as_they_need() {
        for value in [0, 1, -1, 127, 128, -128, -129, 32_767, 32_768, -32_769, i64::MAX, i64::MIN] {
            let bytes = written(&Primitive::Signed(value));
            assert_eq!(Content::decode(&bytes).unwrap().single(), Some(&Primitive::Signed(value)));
        }
        assert_eq!(written(&Primitive::Signed(-128)), [0x31, 0x80]);
        assert_eq!(written(&Primitive::Signed(-129)), [0x32, 0xFF, 0x7F]);
        assert_eq!(written(&Primitive::Unsigned(256)), [0x22, 0x01, 0x00]);
    }

    #[test]
    fn broken_values_are_refused() {
        let broken: [&[u8]; 12] = [
            &[0x01, 0x00],
            &[0x12],
            &[0x20],
            &[0x25, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x30],
            &[0x43, 0, 0, 0],
            &[0x44, 0, 0, 0],
            &[0x70],
            &[0x80],
            &[0x82, 0x08, 0x00],
            &[0x95, 0x05, 1, 0, 0, 0, 0],
            &[0xD1, 0x00],
        ];
        for bytes in broken {
            assert!(Content::decode(bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn texts_are_read_from_every_character_set() {
        let read = |content: &[u8]| text(content).unwrap();
        assert_eq!(read("\0Küche".as_bytes()), "Küche".into());
        assert_eq!(read(&[4, 0, b'K', 0, 0xFC]), "Kü".into());
        assert_eq!(read(&[3, 0, 0, 0, b'K', 0, 1, 0xF6, 0]), "K😀".into());
        assert_eq!(read(&[5, b'K', 0xFC]), "Kü".into());
        assert_eq!(read(&[1, 0x03, b'K']), "\u{3}K".into());
        assert_eq!(read(&[0, b'K', 0xFC]), Text { text: "K\u{FFFD}".into(), exact: false });
        assert_eq!(read(&[2, b'K', 0xFC]), Text { text: "K\u{FFFD}".into(), exact: false });
        assert_eq!(text(&[4, 0]), Err(Broken::Length));
    }

    #[test]
    fn data_of_several_parts_is_told_apart() {
        assert_eq!(Content::decode(&[0x0C, 0, 0, 0, 1]), Ok(Content::Constructed));
        assert_eq!(Content::decode(&[0x2E, 0x2F]), Ok(Content::Constructed));
        assert_eq!(Content::decode(&[]), Ok(Content::Values(Vec::new())));
        assert_eq!(Content::decode(&[0x2F]), Err(Broken::Tag));
    }
}
