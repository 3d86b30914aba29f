//! The services a client of field devices uses (clauses 15 and 16), as content of an APDU.

use super::primitive::{ObjectId, ObjectType, Primitive, object};
use super::tag::{Tag, unsigned32, write_context_unsigned};
use super::{Broken, INSTANCE, Reader};

/// Numbers of confirmed services.
pub mod confirmed {
    /// ReadProperty.
    pub const READ_PROPERTY: u8 = 12;
    /// ReadPropertyMultiple.
    pub const READ_PROPERTY_MULTIPLE: u8 = 14;
    /// WriteProperty.
    pub const WRITE_PROPERTY: u8 = 15;
}

/// Numbers of unconfirmed services.
pub mod unconfirmed {
    /// I-Am.
    pub const I_AM: u8 = 0;
    /// Who-Is.
    pub const WHO_IS: u8 = 8;
}

/// Who-Is (clause 16.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhoIs {
    /// Least and greatest instance asked for; any if there are none.
    pub range: Option<(u32, u32)>,
}

impl WhoIs {
    /// Reads it.
    ///
    /// # Errors
    /// It is not well formed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        if reader.is_empty() {
            return Ok(Self { range: None });
        }
        let range = (unsigned32(reader.context(0)?)?, unsigned32(reader.context(1)?)?);
        reader.end()?;
        if range.0.max(range.1) > INSTANCE { Err(Broken::Range) } else { Ok(Self { range: Some(range) }) }
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some((least, greatest)) = self.range {
            write_context_unsigned(&mut bytes, 0, least.into());
            write_context_unsigned(&mut bytes, 1, greatest.into());
        }
        bytes
    }
}

/// I-Am (clause 16.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IAm {
    /// The instance of the device.
    pub device: u32,
    /// The longest APDU it takes, in bytes.
    pub max_apdu: u32,
    /// How it takes and sends APDUs in pieces: 0 both, 1 sends, 2 takes, 3 neither.
    pub segmentation: u32,
    /// The number of its maker.
    pub vendor: u32,
}

/// The object type of devices.
const DEVICE: u16 = 8;

impl IAm {
    /// Reads it.
    ///
    /// # Errors
    /// It is not well formed, or not of a device.
    pub fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let Primitive::Object(device) = Primitive::read(&mut reader)? else { return Err(Broken::Tag) };
        let Primitive::Unsigned(max_apdu) = Primitive::read(&mut reader)? else { return Err(Broken::Tag) };
        let Primitive::Enumerated(segmentation) = Primitive::read(&mut reader)? else {
            return Err(Broken::Tag);
        };
        let Primitive::Unsigned(vendor) = Primitive::read(&mut reader)? else { return Err(Broken::Tag) };
        reader.end()?;
        if device.kind.0 != DEVICE || device.instance == INSTANCE {
            return Err(Broken::Range);
        }
        let small = |value| u32::try_from(value).map_err(|_| Broken::Range);
        Ok(Self { device: device.instance, max_apdu: small(max_apdu)?, segmentation, vendor: small(vendor)? })
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let device = ObjectId { kind: ObjectType(DEVICE), instance: self.device };
        for value in [
            Primitive::Object(device),
            Primitive::Unsigned(self.max_apdu.into()),
            Primitive::Enumerated(self.segmentation),
            Primitive::Unsigned(self.vendor.into()),
        ] {
            value.write(&mut bytes);
        }
        bytes
    }
}

/// A property of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Property {
    /// The object.
    pub object: ObjectId,
    /// The number of the property.
    pub property: u32,
    /// An element of an array, from 1; 0 is how many there are.
    pub index: Option<u32>,
}

impl Property {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        Ok(Self {
            object: object(reader.context(0)?)?,
            property: unsigned32(reader.context(1)?)?,
            index: reader.optional_context(2)?.map(unsigned32).transpose()?,
        })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        write_object(bytes, self.object);
        write_context_unsigned(bytes, 1, self.property.into());
        if let Some(index) = self.index {
            write_context_unsigned(bytes, 2, index.into());
        }
    }
}

/// ReadProperty, the request (clause 15.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadProperty(pub Property);

impl ReadProperty {
    /// Reads it.
    ///
    /// # Errors
    /// It is not well formed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let property = Property::read(&mut reader)?;
        reader.end()?;
        Ok(Self(property))
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.write(&mut bytes);
        bytes
    }
}

/// ReadProperty, the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPropertyAck<'a> {
    /// What was read.
    pub property: Property,
    /// What it holds, for [`Content::decode`](super::primitive::Content::decode).
    pub content: &'a [u8],
}

impl<'a> ReadPropertyAck<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// It is not well formed.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let property = Property::read(&mut reader)?;
        let content = reader.enclosed(3)?;
        reader.end()?;
        Ok(Self { property, content })
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.property.write(&mut bytes);
        write_enclosed(&mut bytes, 3, self.content);
        bytes
    }
}

/// ReadPropertyMultiple, the request (clause 15.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPropertyMultiple(pub Vec<Property>);

impl ReadPropertyMultiple {
    /// Reads it.
    ///
    /// # Errors
    /// It is not well formed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let mut properties = Vec::new();
        while !reader.is_empty() {
            let object = object(reader.context(0)?)?;
            let mut inner = Reader::new(reader.enclosed(1)?);
            while !inner.is_empty() {
                let property = unsigned32(inner.context(0)?)?;
                let index = inner.optional_context(1)?.map(unsigned32).transpose()?;
                properties.push(Property { object, property, index });
            }
        }
        Ok(Self(properties))
    }

    /// Writes it, neighbours of one object together.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for group in self.0.chunk_by(|left, right| left.object == right.object) {
            let Some(first) = group.first() else { continue };
            write_object(&mut bytes, first.object);
            Tag::Opening(1).write(&mut bytes);
            for Property { property, index, .. } in group {
                write_context_unsigned(&mut bytes, 0, (*property).into());
                if let Some(index) = index {
                    write_context_unsigned(&mut bytes, 1, (*index).into());
                }
            }
            Tag::Closing(1).write(&mut bytes);
        }
        bytes
    }
}

/// ReadPropertyMultiple, the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPropertyMultipleAck<'a>(pub Vec<(Property, Result<&'a [u8], Failure>)>);

impl<'a> ReadPropertyMultipleAck<'a> {
    /// Reads it. What each property holds is for [`Content::decode`](super::primitive::Content::decode).
    ///
    /// # Errors
    /// It is not well formed.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let mut results = Vec::new();
        while !reader.is_empty() {
            let object = object(reader.context(0)?)?;
            let mut inner = Reader::new(reader.enclosed(1)?);
            while !inner.is_empty() {
                let property = unsigned32(inner.context(2)?)?;
                let index = inner.optional_context(3)?.map(unsigned32).transpose()?;
                let result = match inner.peek_tag()? {
                    Tag::Opening(5) => Err(Failure::decode(inner.enclosed(5)?)?),
                    Tag::Opening(_) | Tag::Closing(_) | Tag::Application(..) | Tag::Context(..) => {
                        Ok(inner.enclosed(4)?)
                    }
                };
                results.push((Property { object, property, index }, result));
            }
        }
        Ok(Self(results))
    }

    /// Writes it, neighbours of one object together.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for group in self.0.chunk_by(|(left, _), (right, _)| left.object == right.object) {
            let Some((first, _)) = group.first() else { continue };
            write_object(&mut bytes, first.object);
            Tag::Opening(1).write(&mut bytes);
            for (Property { property, index, .. }, result) in group {
                write_context_unsigned(&mut bytes, 2, (*property).into());
                if let Some(index) = index {
                    write_context_unsigned(&mut bytes, 3, (*index).into());
                }
                match result {
                    Ok(content) => write_enclosed(&mut bytes, 4, content),
                    Err(failure) => write_enclosed(&mut bytes, 5, &failure.encode()),
                }
            }
            Tag::Closing(1).write(&mut bytes);
        }
        bytes
    }
}

/// WriteProperty (clause 15.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteProperty<'a> {
    /// What to write.
    pub property: Property,
    /// What it is to hold.
    pub content: &'a [u8],
    /// With which of the 16 priorities, where there are priorities.
    pub priority: Option<u8>,
}

impl<'a> WriteProperty<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// It is not well formed.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let property = Property::read(&mut reader)?;
        let content = reader.enclosed(3)?;
        let priority = reader.optional_context(4)?.map(unsigned32).transpose()?;
        reader.end()?;
        let priority =
            priority.map(|priority| u8::try_from(priority).map_err(|_| Broken::Range)).transpose()?;
        match priority {
            Some(1..=16) | None => Ok(Self { property, content, priority }),
            Some(_) => Err(Broken::Range),
        }
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.property.write(&mut bytes);
        write_enclosed(&mut bytes, 3, self.content);
        if let Some(priority) = self.priority {
            write_context_unsigned(&mut bytes, 4, priority.into());
        }
        bytes
    }
}

/// Why something could not be done (clause 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it is about: 0 device, 1 object, 2 property, 3 resources, 4 security, 5 services, 7 communication.
    pub class: u32,
    /// What is wrong.
    pub code: u32,
}

impl Failure {
    /// Reads it.
    ///
    /// # Errors
    /// It is not well formed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let Primitive::Enumerated(class) = Primitive::read(&mut reader)? else { return Err(Broken::Tag) };
        let Primitive::Enumerated(code) = Primitive::read(&mut reader)? else { return Err(Broken::Tag) };
        reader.end()?;
        Ok(Self { class, code })
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        Primitive::Enumerated(self.class).write(&mut bytes);
        Primitive::Enumerated(self.code).write(&mut bytes);
        bytes
    }
}

/// Writes values as a property's content.
#[must_use]
pub fn content(values: &[Primitive]) -> Vec<u8> {
    let mut bytes = Vec::new();
    values.iter().for_each(|value| value.write(&mut bytes));
    bytes
}

fn write_object(bytes: &mut Vec<u8>, object: ObjectId) {
    Tag::Context(0, 4).write(bytes);
    bytes.extend(object.to_bits().to_be_bytes());
}

fn write_enclosed(bytes: &mut Vec<u8>, number: u8, content: &[u8]) {
    Tag::Opening(number).write(bytes);
    bytes.extend(content);
    Tag::Closing(number).write(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: Property =
        Property { object: ObjectId { kind: ObjectType(0), instance: 5 }, property: 85, index: None };
    const LIST: Property =
        Property { object: ObjectId { kind: ObjectType(8), instance: 1234 }, property: 76, index: Some(0) };

    /// The bytes are those of the standard's examples (Annex F).
    #[test]
    fn requests_are_written_as_the_standard_has_them() {
        assert_eq!(ReadProperty(VALUE).encode(), [0x0C, 0, 0, 0, 5, 0x19, 0x55]);
        assert_eq!(WhoIs { range: Some((3, 3)) }.encode(), [0x09, 3, 0x19, 3]);
        let i_am = IAm { device: 1, max_apdu: 480, segmentation: 1, vendor: 99 };
        assert_eq!(i_am.encode(), [0xC4, 0x02, 0, 0, 1, 0x22, 0x01, 0xE0, 0x91, 1, 0x21, 99]);
        let value = content(&[Primitive::Real(180.0)]);
        let object = ObjectId { kind: ObjectType(2), instance: 1 };
        let write =
            WriteProperty { property: Property { object, ..VALUE }, content: &value, priority: Some(10) };
        let bytes = [0x0C, 0, 0x80, 0, 1, 0x19, 0x55, 0x3E, 0x44, 0x43, 0x34, 0, 0, 0x3F, 0x49, 0x0A];
        assert_eq!(write.encode(), bytes);
    }

    #[test]
    fn services_are_read_as_they_were_written() {
        let value = content(&[Primitive::Real(72.3)]);
        assert_eq!(ReadProperty::decode(&ReadProperty(LIST).encode()), Ok(ReadProperty(LIST)));
        for range in [None, Some((0, INSTANCE))] {
            assert_eq!(WhoIs::decode(&WhoIs { range }.encode()), Ok(WhoIs { range }));
        }
        let i_am = IAm { device: 1234, max_apdu: 1476, segmentation: 3, vendor: 999 };
        assert_eq!(IAm::decode(&i_am.encode()), Ok(i_am));
        let ack = ReadPropertyAck { property: VALUE, content: &value };
        assert_eq!(ReadPropertyAck::decode(&ack.encode()), Ok(ack));
        let multiple = ReadPropertyMultiple(vec![VALUE, Property { property: 77, ..VALUE }, LIST]);
        assert_eq!(ReadPropertyMultiple::decode(&multiple.encode()), Ok(multiple));
        let failure = Failure { class: 2, code: 32 };
        let results = ReadPropertyMultipleAck(vec![(VALUE, Ok(&value[..])), (LIST, Err(failure))]);
        assert_eq!(ReadPropertyMultipleAck::decode(&results.encode()), Ok(results));
        let write = WriteProperty { property: LIST, content: &value, priority: None };
        assert_eq!(WriteProperty::decode(&write.encode()), Ok(write));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let value = content(&[Primitive::Real(72.3)]);
        let first = ReadPropertyMultipleAck(vec![(VALUE, Ok(&value[..]))]).encode();
        let both = ReadPropertyMultipleAck(vec![(VALUE, Ok(&value[..])), (LIST, Ok(&value[..]))]).encode();
        let readable = |length: &usize| ReadPropertyMultipleAck::decode(&both[..*length]).is_ok();
        let whole: Vec<_> = (1..=both.len()).filter(readable).collect();
        assert_eq!(whole, [first.len(), both.len()]);
        let ack = ReadPropertyAck { property: VALUE, content: &value }.encode();
        assert!((0..ack.len()).all(|length| ReadPropertyAck::decode(&ack[..length]).is_err()));
        assert!(
            IAm::decode(&IAm { device: 1, max_apdu: 50, segmentation: 3, vendor: 0 }.encode()[..10]).is_err()
        );
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let beyond = WhoIs { range: Some((0, INSTANCE + 1)) };
        assert_eq!(WhoIs::decode(&beyond.encode()), Err(Broken::Range));
        let write = WriteProperty { property: VALUE, content: &[0], priority: Some(17) };
        assert_eq!(WriteProperty::decode(&write.encode()), Err(Broken::Range));
        let anybody = IAm { device: INSTANCE, max_apdu: 50, segmentation: 3, vendor: 0 };
        assert_eq!(IAm::decode(&anybody.encode()), Err(Broken::Range));
    }
}
