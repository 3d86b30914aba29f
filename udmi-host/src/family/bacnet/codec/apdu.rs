//! What devices say to each other (clause 20.1). Services are told apart in [`service`](super::service).

use super::{Broken, Reader};

/// The code of the longest APDU on BACnet/IP, and that answers must come in one piece.
const ACCEPTS: u8 = 0x05;

/// An APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apdu<'a> {
    /// A request that is answered.
    Confirmed {
        /// Names the request.
        invoke: u8,
        /// What is asked.
        service: u8,
        /// With these parameters.
        content: &'a [u8],
    },
    /// A message that is not answered as such.
    Unconfirmed {
        /// What it is.
        service: u8,
        /// With these parameters.
        content: &'a [u8],
    },
    /// It is done.
    SimpleAck {
        /// The request.
        invoke: u8,
        /// What was asked.
        service: u8,
    },
    /// It is done, with a result.
    ComplexAck {
        /// The request.
        invoke: u8,
        /// What was asked.
        service: u8,
        /// The result.
        content: &'a [u8],
    },
    /// A piece of a request, or of a result, in several, which is not supported here.
    Segment {
        /// The request.
        invoke: u8,
        /// Whether it is of a request.
        request: bool,
    },
    /// A piece has come in.
    SegmentAck {
        /// The request.
        invoke: u8,
    },
    /// It could not be done.
    Error {
        /// The request.
        invoke: u8,
        /// What was asked.
        service: u8,
        /// Why.
        content: &'a [u8],
    },
    /// The request is not well formed or not supported.
    Reject {
        /// The request.
        invoke: u8,
        /// Why.
        reason: u8,
    },
    /// The request is given up.
    Abort {
        /// The request.
        invoke: u8,
        /// Why.
        reason: u8,
        /// Whether who was asked says so.
        by_server: bool,
    },
}

impl<'a> Apdu<'a> {
    /// Reads an APDU; its content is not looked at.
    ///
    /// # Errors
    /// It ends too early, or is of no known kind.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        let first = reader.byte()?;
        let segmented = first & 0x08 != 0;
        Ok(match first >> 4 {
            0 => {
                reader.byte()?; // what the sender accepts
                let invoke = reader.byte()?;
                if segmented {
                    return Ok(Self::Segment { invoke, request: true });
                }
                Self::Confirmed { invoke, service: reader.byte()?, content: reader.rest() }
            }
            1 => Self::Unconfirmed { service: reader.byte()?, content: reader.rest() },
            2 => {
                let ack = Self::SimpleAck { invoke: reader.byte()?, service: reader.byte()? };
                reader.end()?;
                ack
            }
            3 => {
                let invoke = reader.byte()?;
                if segmented {
                    return Ok(Self::Segment { invoke, request: false });
                }
                Self::ComplexAck { invoke, service: reader.byte()?, content: reader.rest() }
            }
            4 => Self::SegmentAck { invoke: reader.byte()? },
            5 => Self::Error { invoke: reader.byte()?, service: reader.byte()?, content: reader.rest() },
            6 => Self::Reject { invoke: reader.byte()?, reason: reader.byte()? },
            7 => Self::Abort { invoke: reader.byte()?, reason: reader.byte()?, by_server: first & 1 != 0 },
            _ => return Err(Broken::Protocol),
        })
    }

    /// The request this answers, if it is an answer.
    #[must_use]
    pub fn answers(&self) -> Option<u8> {
        match self {
            Self::SimpleAck { invoke, .. }
            | Self::ComplexAck { invoke, .. }
            | Self::Segment { invoke, request: false }
            | Self::Error { invoke, .. }
            | Self::Reject { invoke, .. }
            | Self::Abort { invoke, by_server: true, .. } => Some(*invoke),
            Self::Confirmed { .. }
            | Self::Unconfirmed { .. }
            | Self::Segment { request: true, .. }
            | Self::SegmentAck { .. }
            | Self::Abort { by_server: false, .. } => None,
        }
    }

    /// Writes an APDU. Pieces are written without content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (head, content): (Vec<u8>, &[u8]) = match *self {
            Self::Confirmed { invoke, service, content } => (vec![0x00, ACCEPTS, invoke, service], content),
            Self::Unconfirmed { service, content } => (vec![0x10, service], content),
            Self::SimpleAck { invoke, service } => (vec![0x20, invoke, service], &[]),
            Self::ComplexAck { invoke, service, content } => (vec![0x30, invoke, service], content),
            Self::Segment { invoke, request: true } => (vec![0x08, ACCEPTS, invoke], &[]),
            Self::Segment { invoke, request: false } => (vec![0x38, invoke], &[]),
            Self::SegmentAck { invoke } => (vec![0x40, invoke], &[]),
            Self::Error { invoke, service, content } => (vec![0x50, invoke, service], content),
            Self::Reject { invoke, reason } => (vec![0x60, invoke, reason], &[]),
            Self::Abort { invoke, reason, by_server } => {
                (vec![0x70 | u8::from(by_server), invoke, reason], &[])
            }
        };
        head.into_iter().chain(content.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apdus_are_read_as_they_were_written() {
        for apdu in [
            Apdu::Confirmed { invoke: 7, service: 12, content: &[1] },
            Apdu::Unconfirmed { service: 8, content: &[] },
            Apdu::SimpleAck { invoke: 7, service: 15 },
            Apdu::ComplexAck { invoke: 7, service: 12, content: &[1, 2] },
            Apdu::Segment { invoke: 7, request: true },
            Apdu::Segment { invoke: 7, request: false },
            Apdu::SegmentAck { invoke: 7 },
            Apdu::Error { invoke: 7, service: 12, content: &[0x91, 2, 0x91, 32] },
            Apdu::Reject { invoke: 7, reason: 9 },
            Apdu::Abort { invoke: 7, reason: 4, by_server: true },
            Apdu::Abort { invoke: 7, reason: 4, by_server: false },
        ] {
            assert_eq!(Apdu::decode(&apdu.encode()), Ok(apdu));
        }
        assert_eq!(Apdu::decode(&[0x80, 1, 2]), Err(Broken::Protocol));
        assert_eq!(Apdu::decode(&[0x30, 1]), Err(Broken::Short));
        assert_eq!(Apdu::decode(&[]), Err(Broken::Short));
    }

    #[test]
    fn only_answers_answer() {
        assert_eq!(Apdu::SimpleAck { invoke: 7, service: 15 }.answers(), Some(7));
        assert_eq!(Apdu::Confirmed { invoke: 7, service: 12, content: &[] }.answers(), None);
        assert_eq!(Apdu::Abort { invoke: 7, reason: 0, by_server: false }.answers(), None);
    }
}
