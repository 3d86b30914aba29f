//! What goes around a network packet on UDP (Annex J).

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{Broken, PACKET_BYTES, Reader};

const BACNET_IP: u8 = 0x81;

/// A UDP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link<'a> {
    /// What has come of a request of the link itself; 0 is good.
    Result(u16),
    /// A broadcast from another network, by its broadcast device.
    Forwarded {
        /// Who sent it.
        origin: SocketAddrV4,
        /// The network packet.
        packet: &'a [u8],
    },
    /// A wish to hear and send broadcasts of another network.
    RegisterForeignDevice {
        /// For how long.
        seconds: u16,
    },
    /// A broadcast to be spread by a broadcast device.
    DistributeBroadcast(&'a [u8]),
    /// A network packet to one.
    Unicast(&'a [u8]),
    /// A network packet to all.
    Broadcast(&'a [u8]),
    /// Something else of the link itself.
    Other(u8),
}

impl<'a> Link<'a> {
    /// Reads a UDP packet.
    ///
    /// # Errors
    /// It is none of BACnet/IP, or not as long as it says.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Broken> {
        if bytes.len() > PACKET_BYTES {
            return Err(Broken::Long);
        }
        let mut reader = Reader::new(bytes);
        if reader.byte()? != BACNET_IP {
            return Err(Broken::Protocol);
        }
        let function = reader.byte()?;
        if usize::from(reader.u16()?) != bytes.len() {
            return Err(Broken::Length);
        }
        Ok(match function {
            0x00 => {
                let code = reader.u16()?;
                reader.end()?;
                Self::Result(code)
            }
            0x04 => {
                let address = Ipv4Addr::from(reader.array()?);
                let origin = SocketAddrV4::new(address, reader.u16()?);
                Self::Forwarded { origin, packet: reader.rest() }
            }
            0x05 => {
                let seconds = reader.u16()?;
                reader.end()?;
                Self::RegisterForeignDevice { seconds }
            }
            0x09 => Self::DistributeBroadcast(reader.rest()),
            0x0A => Self::Unicast(reader.rest()),
            0x0B => Self::Broadcast(reader.rest()),
            other => Self::Other(other),
        })
    }

    /// The network packet in it, if there is one.
    #[must_use]
    pub fn packet(&self) -> Option<&'a [u8]> {
        match self {
            Self::Forwarded { packet, .. }
            | Self::DistributeBroadcast(packet)
            | Self::Unicast(packet)
            | Self::Broadcast(packet) => Some(packet),
            Self::Result(_) | Self::RegisterForeignDevice { .. } | Self::Other(_) => None,
        }
    }

    /// Writes a UDP packet.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (function, content) = match self {
            Self::Result(code) => (0x00, code.to_be_bytes().to_vec()),
            Self::Forwarded { origin, packet } => {
                let address = origin.ip().octets().into_iter().chain(origin.port().to_be_bytes());
                (0x04, address.chain(packet.iter().copied()).collect())
            }
            Self::RegisterForeignDevice { seconds } => (0x05, seconds.to_be_bytes().to_vec()),
            Self::DistributeBroadcast(packet) => (0x09, packet.to_vec()),
            Self::Unicast(packet) => (0x0A, packet.to_vec()),
            Self::Broadcast(packet) => (0x0B, packet.to_vec()),
            Self::Other(function) => (*function, Vec::new()),
        };
        let length = u16::try_from(content.len().saturating_add(4)).unwrap_or(u16::MAX);
        let mut bytes = vec![BACNET_IP, function];
        bytes.extend(length.to_be_bytes());
        bytes.extend(content);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_they_were_written() {
        let origin = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 7), 47_808);
        for link in [
            Link::Result(0x30),
            Link::Forwarded { origin, packet: &[1, 2] },
            Link::RegisterForeignDevice { seconds: 300 },
            Link::DistributeBroadcast(&[1]),
            Link::Unicast(&[1, 0]),
            Link::Broadcast(&[]),
            Link::Other(0x42),
        ] {
            assert_eq!(Link::decode(&link.encode()), Ok(link));
        }
        assert_eq!(Link::Unicast(&[1, 4]).encode(), [0x81, 0x0A, 0, 6, 1, 4]);
    }

    #[test]
    fn what_is_not_as_long_as_it_says_is_refused() {
        assert_eq!(Link::decode(&[0x81, 0x0A, 0, 7, 1, 4]), Err(Broken::Length));
        assert_eq!(Link::decode(&[0x81, 0x0A, 0, 5, 1, 4]), Err(Broken::Length));
        assert_eq!(Link::decode(&[0x82, 0x0A, 0, 4]), Err(Broken::Protocol));
        assert_eq!(Link::decode(&[0x81, 0x04, 0, 5, 1]), Err(Broken::Short));
        assert_eq!(Link::decode(&[0x81]), Err(Broken::Short));
        assert_eq!(Link::decode(&[0x81; PACKET_BYTES + 1]), Err(Broken::Long));
    }
}
