//! Tags (clause 20.2.1): what a piece of data is, and how long.

use super::{Broken, NESTING, Reader};

/// The first octets of a piece of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// A primitive value of a type; the length, or for a boolean the value.
    Application(u8, u32),
    /// A value whose type the place tells, with its length.
    Context(u8, u32),
    /// The beginning of constructed data.
    Opening(u8),
    /// Its end.
    Closing(u8),
}

const CONTEXT: u8 = 0b1000;
const OPENING: u8 = 6;
const CLOSING: u8 = 7;

impl Tag {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let first = reader.byte()?;
        let number = match first >> 4 {
            15 => match reader.byte()? {
                255 => return Err(Broken::Tag),
                number => number,
            },
            number => number,
        };
        let context = first & CONTEXT != 0;
        let length = match first & 0b111 {
            OPENING if context => return Ok(Self::Opening(number)),
            CLOSING if context => return Ok(Self::Closing(number)),
            OPENING | CLOSING => return Err(Broken::Tag),
            5 => match reader.byte()? {
                254 => reader.u16()?.into(),
                255 => u32::from_be_bytes(reader.array()?),
                length => length.into(),
            },
            length => length.into(),
        };
        Ok(if context { Self::Context(number, length) } else { Self::Application(number, length) })
    }

    pub(super) fn write(self, bytes: &mut Vec<u8>) {
        let (number, low, length) = match self {
            Self::Application(number, length) => (number, 0, Some(length)),
            Self::Context(number, length) => (number, CONTEXT, Some(length)),
            Self::Opening(number) => (number, CONTEXT | OPENING, None),
            Self::Closing(number) => (number, CONTEXT | CLOSING, None),
        };
        // Five and more goes into octets of its own.
        let short = length.map_or(0, |length| u8::try_from(length.min(5)).unwrap_or(5));
        bytes.push((number.min(15) << 4) | low | short);
        if number >= 15 {
            bytes.push(number);
        }
        let Some(length) = length.filter(|length| *length >= 5) else { return };
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length), _) if length < 254 => bytes.push(length),
            (_, Ok(length)) => {
                bytes.push(254);
                bytes.extend(length.to_be_bytes());
            }
            (_, Err(_)) => {
                bytes.push(255);
                bytes.extend(length.to_be_bytes());
            }
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads the next tag without taking it.
    pub(super) fn peek_tag(&self) -> Result<Tag, Broken> {
        Tag::read(&mut self.clone())
    }

    /// Takes a tag, which has to be that one.
    pub(super) fn expect_tag(&mut self, tag: Tag) -> Result<(), Broken> {
        if Tag::read(self)? == tag { Ok(()) } else { Err(Broken::Tag) }
    }

    /// Takes the content of a context tag with that number.
    pub(super) fn context(&mut self, number: u8) -> Result<&'a [u8], Broken> {
        match Tag::read(self)? {
            Tag::Context(found, length) if found == number => self.content(length),
            Tag::Context(..) | Tag::Application(..) | Tag::Opening(_) | Tag::Closing(_) => Err(Broken::Tag),
        }
    }

    /// The same where it may be left out.
    pub(super) fn optional_context(&mut self, number: u8) -> Result<Option<&'a [u8]>, Broken> {
        let mut ahead = *self;
        let Ok(Tag::Context(found, length)) = Tag::read(&mut ahead) else { return Ok(None) };
        if found != number {
            return Ok(None);
        }
        let content = ahead.content(length)?;
        *self = ahead;
        Ok(Some(content))
    }

    pub(super) fn content(&mut self, length: u32) -> Result<&'a [u8], Broken> {
        self.take(usize::try_from(length).map_err(|_| Broken::Length)?)
    }

    /// Takes everything between the opening and the closing tag of that number, whatever it is.
    pub(super) fn enclosed(&mut self, number: u8) -> Result<&'a [u8], Broken> {
        self.expect_tag(Tag::Opening(number))?;
        let start = self.rest();
        let mut open = Vec::with_capacity(4);
        loop {
            let length = start.len().saturating_sub(self.rest().len());
            match Tag::read(self)? {
                Tag::Closing(found) => match open.pop() {
                    Some(expected) if expected == found => {}
                    None if found == number => return start.get(..length).ok_or(Broken::Short),
                    Some(_) | None => return Err(Broken::Tag),
                },
                Tag::Opening(_) if open.len() >= NESTING => return Err(Broken::Nesting),
                Tag::Opening(found) => open.push(found),
                Tag::Application(1, _) => {} // a boolean is in its tag
                Tag::Application(_, length) | Tag::Context(_, length) => drop(self.content(length)?),
            }
        }
    }
}

/// Writes a whole number behind a context tag.
pub(super) fn write_context_unsigned(bytes: &mut Vec<u8>, number: u8, value: u64) {
    let octets = significant(value);
    Tag::Context(number, length_of(octets.len())).write(bytes);
    bytes.extend(octets);
}

/// The octets of a whole number without leading zeros, at least one.
pub(super) fn significant(value: u64) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let zeros = usize::try_from(value.leading_zeros() / 8).unwrap_or_default().min(7);
    octets.into_iter().skip(zeros).collect()
}

/// A whole number of 1 to 8 octets.
pub(super) fn unsigned(content: &[u8]) -> Result<u64, Broken> {
    if !(1..=8).contains(&content.len()) {
        return Err(Broken::Length);
    }
    Ok(content.iter().fold(0, |value, octet| (value << 8) | u64::from(*octet)))
}

/// A whole number of 1 to 4 octets, or of more with zeros in front.
pub(super) fn unsigned32(content: &[u8]) -> Result<u32, Broken> {
    u32::try_from(unsigned(content)?).map_err(|_| Broken::Range)
}

pub(super) fn length_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_were_written() {
        for length in [0, 1, 4, 5, 253, 254, 65_535, 65_536, u32::MAX] {
            for number in [0, 14, 15, 254] {
                for tag in [
                    Tag::Application(number, length),
                    Tag::Context(number, length),
                    Tag::Opening(number),
                    Tag::Closing(number),
                ] {
                    let mut bytes = Vec::new();
                    tag.write(&mut bytes);
                    let mut reader = Reader::new(&bytes);
                    assert_eq!(Tag::read(&mut reader), Ok(tag));
                    assert!(reader.is_empty());
                }
            }
        }
    }

    #[test]
    fn what_is_enclosed_ends_at_its_own_closing_tag() {
        let enclosed = |bytes: &'static [u8]| Reader::new(bytes).enclosed(3);
        assert_eq!(enclosed(&[0x3E, 0x3F]), Ok(&[][..]));
        assert_eq!(enclosed(&[0x3E, 0x21, 0x3F, 0x11, 0x3F, 0xFF]), Ok(&[0x21, 0x3F, 0x11][..]));
        assert_eq!(enclosed(&[0x3E, 0x3E, 0x3F, 0x3F]), Ok(&[0x3E, 0x3F][..]));
        assert_eq!(enclosed(&[0x3E, 0x4E, 0x3F, 0x4F]), Err(Broken::Tag));
        assert_eq!(enclosed(&[0x3E, 0x21]), Err(Broken::Short));
        assert_eq!(enclosed(&[0x3E; 40]), Err(Broken::Nesting));
    }
}
