//! Modbus/TCP frames: a header of seven bytes, and the protocol data unit behind it.

use std::fmt;

/// Bytes of the header: transaction, protocol, length, unit.
pub const HEADER: usize = 7;

/// Most bytes of a protocol data unit, which begins with the function.
pub const UNIT_OF_DATA: usize = 253;

/// Most bytes of a frame.
pub const FRAME: usize = HEADER + UNIT_OF_DATA;

/// A frame as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The number that ties an answer to its request.
    pub transaction: u16,
    /// The unit that is asked or answers.
    pub unit: u8,
    /// The protocol data unit: one byte at least.
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the frame at the front, and tells how many bytes it has; nothing if it is not all there yet. What can
    /// be seen to be no frame is refused as soon as it can be seen.
    ///
    /// # Errors
    /// The bytes are no Modbus/TCP. There is no way to find the next frame then.
    pub fn read(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, NotModbus> {
        let protocol = number(bytes, 2);
        if let Some(protocol @ 1..) = protocol {
            return Err(NotModbus::Protocol(protocol));
        }
        let Some(length) = number(bytes, 4) else { return Ok(None) };
        // The length counts the unit, and a function is the least there is behind it.
        let end = HEADER - 1 + usize::from(length);
        if length < 2 || end > FRAME {
            return Err(NotModbus::Length(length));
        }
        let (Some(transaction), Some(&unit), Some(data)) =
            (number(bytes, 0), bytes.get(HEADER - 1), bytes.get(HEADER..end))
        else {
            return Ok(None);
        };
        Ok(Some((Self { transaction, unit, data }, end)))
    }

    /// The frame's bytes; none if there is too little or too much data for a frame.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if self.data.is_empty() || self.data.len() > UNIT_OF_DATA {
            return None;
        }
        let length = u16::try_from(self.data.len() + 1).ok()?;
        let mut bytes = Vec::with_capacity(HEADER + self.data.len());
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(length.to_be_bytes());
        bytes.push(self.unit);
        bytes.extend(self.data);
        Some(bytes)
    }
}

/// The big-endian number at a place.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

/// Bytes that are no Modbus/TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotModbus {
    /// The protocol is this and not 0.
    Protocol(u16),
    /// The length is this, and a frame's is from 2 to 254.
    Length(u16),
}

impl fmt::Display for NotModbus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(protocol) => write!(f, "a frame of protocol {protocol}"),
            Self::Length(length) => write!(f, "a frame of length {length}"),
        }
    }
}

impl std::error::Error for NotModbus {}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 12] = [0x12, 0x34, 0, 0, 0, 6, 7, 3, 0, 1, 0, 2];

    #[test]
    fn a_frame_is_read_once_it_is_whole_and_no_further() {
        for end in 0..BYTES.len() {
            assert_eq!(Frame::read(&BYTES[..end]), Ok(None), "{end}");
        }
        let frame = Frame { transaction: 0x1234, unit: 7, data: &[3, 0, 1, 0, 2] };
        let mut more = BYTES.to_vec();
        more.extend([0xff; 20]);
        assert_eq!(Frame::read(&more), Ok(Some((frame, 12))));
    }

    #[test]
    fn a_frame_is_written_as_it_is_read() {
        let (frame, _) = Frame::read(&BYTES).unwrap().unwrap();
        assert_eq!(frame.to_bytes().unwrap(), BYTES);
        assert_eq!(Frame { data: &[], ..frame }.to_bytes(), None);
        assert_eq!(Frame { data: &[3; UNIT_OF_DATA], ..frame }.to_bytes().unwrap().len(), FRAME);
        assert_eq!(Frame { data: &[3; UNIT_OF_DATA + 1], ..frame }.to_bytes(), None);
    }

    #[test]
    fn what_is_no_frame_is_refused_as_soon_as_it_can_be_seen() {
        assert_eq!(Frame::read(b"HTTP"), Err(NotModbus::Protocol(0x5450)));
        assert_eq!(Frame::read(&[0, 1, 0, 0, 0, 1]), Err(NotModbus::Length(1)));
        assert_eq!(Frame::read(&[0, 1, 0, 0, 0, 255]), Err(NotModbus::Length(255)));
        assert_eq!(Frame::read(&[0, 1, 0, 0, 0, 254]), Ok(None));
        assert_eq!(Frame::read(&[0xff; 300]), Err(NotModbus::Protocol(0xffff)));
    }
}
