//! Requests to devices: sent again where no answer comes, several properties in a packet where the device can.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::BacnetSettings;
use super::channel::{Channel, Peer, Until};
use super::codec::APDU_BYTES;
use super::codec::primitive::Content;
use super::codec::service::{
    Failure, Property, ReadProperty, ReadPropertyAck, ReadPropertyMultiple, ReadPropertyMultipleAck,
    WriteProperty, confirmed,
};
use super::refusal::{Refusal, SERVICES, failure_text, result};
use crate::family::{PointError, ProviderError};

/// What goes around the content of a request, in bytes.
const HEAD_BYTES: usize = 4;
/// What a property takes in an answer beside its value, at most.
const PROPERTY_BYTES: usize = 21;
/// The shortest APDU that every device takes.
const SHORTEST_APDU: u16 = 50;

/// A device that has been found.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) instance: u32,
    pub(super) peer: Peer,
    /// The longest APDU that goes both ways.
    pub(super) max_apdu: u16,
    /// Whether it may be asked for several properties at once.
    pub(super) multiple: bool,
}

impl Device {
    pub(super) fn new(instance: u32, peer: Peer, max_apdu: u32) -> Self {
        let max_apdu = u16::try_from(max_apdu).unwrap_or(APDU_BYTES).clamp(SHORTEST_APDU, APDU_BYTES);
        Self { instance, peer, max_apdu, multiple: true }
    }
}

/// What was read of each property asked for.
pub(super) type Readings = Vec<Result<Content, PointError>>;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) settings: BacnetSettings,
    channel: Mutex<Option<Arc<Channel>>>,
}

impl Client {
    pub(super) fn new(settings: BacnetSettings) -> Self {
        Self { settings, channel: Mutex::new(None) }
    }

    /// The socket, opened when it is first needed and after it has failed.
    pub(super) fn channel(&self) -> Result<Arc<Channel>, ProviderError> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = channel.as_ref().filter(|channel| !channel.has_ended()) {
            return Ok(open.clone());
        }
        let bind = self.settings.bind;
        let open = Channel::open(bind).map_err(|error| ProviderError::Io(format!("UDP {bind}: {error}")))?;
        Ok(channel.insert(open).clone())
    }

    /// Asks a device, and gives what it answers.
    pub(super) fn request(
        &self,
        device: &Device,
        service: u8,
        content: &[u8],
        until: &Until,
    ) -> Result<Vec<u8>, Refusal> {
        if content.len() + HEAD_BYTES > usize::from(device.max_apdu) {
            return Err(Refusal::TooLong);
        }
        let io = |error: std::io::Error| Refusal::Io(error.to_string());
        let channel = self.channel().map_err(|error| Refusal::Io(error.to_string()))?;
        let request =
            channel.ask(&device.peer).ok_or_else(|| Refusal::Io("too many requests to one device".into()))?;
        for _ in 0..self.settings.tries.max(1) {
            request.send(service, content).map_err(io)?;
            let answer = until.wait(&request.answers, Instant::now() + self.settings.timeout)?;
            if let Some(answer) = answer {
                return result(&answer, service).map(<[u8]>::to_vec);
            }
        }
        Err(Refusal::Silent)
    }

    /// Reads one property.
    pub(super) fn read(
        &self,
        device: &Device,
        property: Property,
        until: &Until,
    ) -> Result<Content, Refusal> {
        let request = ReadProperty(property).encode();
        let answer = self.request(device, confirmed::READ_PROPERTY, &request, until)?;
        let ack = ReadPropertyAck::decode(&answer)?;
        if ack.property != property {
            return Err(Refusal::Mismatch);
        }
        Ok(Content::decode(ack.content)?)
    }

    /// Reads properties whose values take about that many bytes each, as many at once as fit.
    ///
    /// # Errors
    /// The device as a whole cannot be read.
    pub(super) fn read_all(
        &self,
        device: &mut Device,
        properties: &[Property],
        value_bytes: usize,
        until: &Until,
    ) -> Result<Readings, ProviderError> {
        let room = usize::from(device.max_apdu).saturating_sub(HEAD_BYTES);
        let mut at_once = (room / (PROPERTY_BYTES + value_bytes)).max(1);
        let mut readings = Readings::new();
        while let Some(rest) = properties.get(readings.len()..).filter(|rest| !rest.is_empty()) {
            let some = rest.get(..at_once).unwrap_or(rest);
            if some.len() == 1 || !device.multiple {
                let Some(one) = some.first() else { break };
                readings.push(match self.read(device, *one, until) {
                    Ok(content) => Ok(content),
                    Err(refusal) => Err(refusal.at_point()?),
                });
                continue;
            }
            match self.read_some(device, some, until) {
                Ok(some) => readings.extend(some),
                Err(Refusal::TooLong) => at_once = some.len() / 2,
                Err(Refusal::Reject(_) | Refusal::Failure(Failure { class: SERVICES, .. })) => {
                    device.multiple = false;
                }
                // Some devices refuse all for one of them.
                Err(Refusal::Failure(_) | Refusal::Abort(_)) => at_once = 1,
                Err(refusal) => return Err(refusal.at_device()),
            }
        }
        Ok(readings)
    }

    fn read_some(
        &self,
        device: &Device,
        properties: &[Property],
        until: &Until,
    ) -> Result<Readings, Refusal> {
        let request = ReadPropertyMultiple(properties.to_vec()).encode();
        let answer = self.request(device, confirmed::READ_PROPERTY_MULTIPLE, &request, until)?;
        let ReadPropertyMultipleAck(results) = ReadPropertyMultipleAck::decode(&answer)?;
        if !results.iter().map(|(property, _)| property).eq(properties) {
            return Err(Refusal::Mismatch);
        }
        let reading = |result: Result<&[u8], Failure>| match result {
            Ok(content) => Content::decode(content).map_err(|broken| PointError::Garbled(broken.to_string())),
            Err(failure) => Err(PointError::Refused(failure_text(failure))),
        };
        Ok(results.into_iter().map(|(_, result)| reading(result)).collect())
    }

    /// Writes one property.
    pub(super) fn write(
        &self,
        device: &Device,
        write: &WriteProperty<'_>,
        until: &Until,
    ) -> Result<(), Refusal> {
        match self.request(device, confirmed::WRITE_PROPERTY, &write.encode(), until)?.as_slice() {
            [] => Ok(()),
            _ => Err(Refusal::Mismatch),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let channel = self.channel.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channel {
            channel.close();
        }
    }
}
