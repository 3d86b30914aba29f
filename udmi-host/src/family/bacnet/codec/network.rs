//! The network layer (clause 6): across routers.

use super::{Broken, Reader};

/// Longest address in a network behind a router, in bytes.
pub const ADDRESS_BYTES: usize = 18;
/// The network number that stands for all networks.
pub const ALL_NETWORKS: u16 = 0xFFFF;
/// How many routers a packet may pass.
const HOPS: u8 = 255;

const LAYER_MESSAGE: u8 = 0x80;
const DESTINATION: u8 = 0x20;
const SOURCE: u8 = 0x08;
const EXPECTS_REPLY: u8 = 0x04;

/// A place behind a router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// The number of its network.
    pub network: u16,
    /// Its address there; empty for all.
    pub address: Vec<u8>,
}

/// A network packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Where it is to go, if that is behind a router.
    pub destination: Option<Remote>,
    /// Where it comes from, if that is behind a router.
    pub source: Option<Remote>,
    /// Whether the sender waits for an answer.
    pub expects_reply: bool,
    /// What it carries.
    pub message: Message<'a>,
}

/// What a network packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// An APDU.
    Apdu(&'a [u8]),
    /// Something between routers: its kind and content.
    Layer(u8, &'a [u8]),
}

impl<'a> Packet<'a> {
    /// An APDU to a device.
    #[must_use]
    pub fn new(destination: Option<Remote>, expects_reply: bool, apdu: &'a [u8]) -> Self {
        Self { destination, source: None, expects_reply, message: Message::Apdu(apdu) }
    }

    /// Reads a network packet.
    ///
    /// # Errors
    /// It is of another version, or its addresses are not well formed.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != 1 {
            return Err(Broken::Protocol);
        }
        let control = reader.byte()?;
        let destination = (control & DESTINATION != 0).then(|| remote(&mut reader)).transpose()?;
        let source = (control & SOURCE != 0).then(|| remote(&mut reader)).transpose()?;
        if source.as_ref().is_some_and(|from| from.network == ALL_NETWORKS || from.address.is_empty()) {
            return Err(Broken::Range);
        }
        if destination.is_some() {
            reader.byte()?; // hops left
        }
        let message = if control & LAYER_MESSAGE == 0 {
            Message::Apdu(reader.rest())
        } else {
            Message::Layer(reader.byte()?, reader.rest())
        };
        Ok(Self { destination, source, expects_reply: control & EXPECTS_REPLY != 0, message })
    }

    /// Writes a network packet.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let layer = matches!(self.message, Message::Layer(..));
        let flags = [
            (layer, LAYER_MESSAGE),
            (self.destination.is_some(), DESTINATION),
            (self.source.is_some(), SOURCE),
            (self.expects_reply, EXPECTS_REPLY),
        ];
        let control = flags.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
        let mut bytes = vec![1, control];
        for Remote { network, address } in self.destination.iter().chain(&self.source) {
            bytes.extend(network.to_be_bytes());
            let address = address.get(..ADDRESS_BYTES).unwrap_or(address);
            bytes.push(u8::try_from(address.len()).unwrap_or_default());
            bytes.extend(address);
        }
        if self.destination.is_some() {
            bytes.push(HOPS);
        }
        match self.message {
            Message::Apdu(apdu) => bytes.extend(apdu),
            Message::Layer(kind, content) => {
                bytes.push(kind);
                bytes.extend(content);
            }
        }
        bytes
    }
}

fn remote(reader: &mut Reader<'_>) -> Result<Remote, Broken> {
    let network = reader.u16()?;
    let length = usize::from(reader.byte()?);
    if network == 0 || length > ADDRESS_BYTES {
        return Err(Broken::Range);
    }
    Ok(Remote { network, address: reader.take(length)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_they_were_written() {
        let remote = |network, address: &[u8]| Some(Remote { network, address: address.to_vec() });
        for destination in [None, remote(5, &[9]), remote(ALL_NETWORKS, &[])] {
            for source in [None, remote(7, &[1, 2, 3, 4, 0xBA, 0xC0])] {
                for message in [Message::Apdu(&[0x10, 8]), Message::Layer(0x12, &[])] {
                    let packet = Packet {
                        destination: destination.clone(),
                        source: source.clone(),
                        expects_reply: true,
                        message,
                    };
                    assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
                }
            }
        }
        assert_eq!(Packet::new(None, true, &[0x55]).encode(), [1, 4, 0x55]);
    }

    #[test]
    fn impossible_addresses_are_refused() {
        assert_eq!(Packet::decode(&[1, 0x08, 0xFF, 0xFF, 1, 1]), Err(Broken::Range));
        assert_eq!(Packet::decode(&[1, 0x08, 0, 7, 0]), Err(Broken::Range));
        assert_eq!(Packet::decode(&[1, 0x20, 0, 0, 0, 255]), Err(Broken::Range));
        assert_eq!(Packet::decode(&[1, 0x20, 0, 7, 19]), Err(Broken::Range));
        assert_eq!(Packet::decode(&[1, 0x20, 0, 7, 0]), Err(Broken::Short));
        assert_eq!(Packet::decode(&[2, 0]), Err(Broken::Protocol));
    }
}
