//! BACnet/IP (feature `bacnet`): a gateway's field devices by their instance numbers.
//!
//! A device is found by Who-Is and its I-Am, directly or behind routers, and remembered until it does not answer. Its
//! properties are read several at once (ReadPropertyMultiple) where it can, else one by one. Long lists are read
//! element by element, since answers in pieces (segmentation) are not taken.
//!
//! Values: numbers, whole numbers, texts and booleans are what they are; the states of binary objects are `false`
//! (inactive) and `true` (active), those of multi-state objects their numbers from 1; dates, times, bit and byte
//! strings are read as texts and not written. Everything else is [`PointError::Unusable`].
//!
//! Writing uses [`BacnetSettings::priority`]; releasing writes NULL at the same priority, so that the device falls back
//! to the next one or to its default. An object without priorities keeps its value when it is released.

mod channel;
mod client;
pub mod codec;
mod describe;
mod directory;
mod objects;
mod properties;
mod reference;
mod refusal;
mod scan;
mod units;
mod value;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use udmi_proto::Value;
use udmi_proto::family::Malformed;
use udmi_proto::family::bacnet::{parse_address, parse_network};

use super::{FamilyProvider, Found, PointError, ProviderError, ScanRequest, Share, Stop, Target, WriteError};
use channel::Until;
use client::{Client, Device};
use codec::primitive::{Content, Primitive};
use codec::service::{Property, WriteProperty, content};
use directory::{Directory, Name};
use reference::Point;
use refusal::Refusal;

/// The UDP port of BACnet/IP.
pub const PORT: u16 = 47_808;
/// Bytes that a value takes in an answer, about.
const VALUE_BYTES: usize = 9;

/// How BACnet/IP is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacnetSettings {
    /// The address and port to receive on. Many devices announce themselves by a broadcast to port 47808, so another
    /// port finds only those that answer straight. All addresses, port 47808, by default.
    pub bind: SocketAddrV4,
    /// Where Who-Is goes: broadcast addresses, or single devices where broadcasts do not reach. The local broadcast
    /// by default.
    pub destinations: Vec<SocketAddrV4>,
    /// A broadcast device (BBMD) in another network, to register with and to spread Who-Is there as well.
    pub broadcast_device: Option<SocketAddrV4>,
    /// The number of the network around the gateway, if the site model names it.
    pub network: Option<u16>,
    /// The priority of what is written, 1 to 16 (clause 19.2): 16 by default, the lowest, below automatic control.
    /// 8 is that of a manual operator.
    pub priority: u8,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often a request is sent before a device counts as unreachable.
    pub tries: u32,
    /// Devices behind routers that are asked at the same time in one network, most of which are slow. 4 by default.
    pub per_network: usize,
    /// Devices that a scan reads from at the same time.
    pub visitors: usize,
    /// Whether a scan names points as `AV/12#present_value` in place of `AV/12`.
    pub full_references: bool,
}

impl Default for BacnetSettings {
    fn default() -> Self {
        Self {
            bind: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT),
            destinations: vec![SocketAddrV4::new(Ipv4Addr::BROADCAST, PORT)],
            broadcast_device: None,
            network: None,
            priority: 16,
            timeout: Duration::from_secs(1),
            tries: 3,
            per_network: 4,
            visitors: 8,
            full_references: false,
        }
    }
}

/// Devices that speak BACnet/IP.
///
/// ```no_run
/// use std::sync::Arc;
/// use udmi_host::family::bacnet::{BacnetProvider, BacnetSettings};
/// use udmi_host::family::{FamilyProvider, Stop, Target};
///
/// let bacnet = BacnetProvider::new(BacnetSettings::default());
/// let target = Target { family: "bacnet".into(), addr: Some("582312".into()), ..Target::default() };
/// for reading in bacnet.read(&target, &["AI/1", "BV/11#present_value"], &Stop::new())? {
///     println!("{reading:?}");
/// }
/// # Ok::<(), udmi_host::family::ProviderError>(())
/// ```
#[derive(Debug)]
pub struct BacnetProvider {
    client: Client,
    directory: Directory,
}

/// The value of a point, from the content of a property as a packet has it. `binary` if it is the state of a binary
/// object.
///
/// # Errors
/// The content is not well formed, or no value of a point.
pub fn value_of(content: &[u8], binary: bool) -> Result<Value, PointError> {
    let content = Content::decode(content).map_err(|broken| PointError::Garbled(broken.to_string()))?;
    value::from_content(&content, binary.then_some(objects::Kind::Binary))
}

impl BacnetProvider {
    /// Makes a provider. The socket is opened when it is first needed.
    #[must_use]
    pub fn new(settings: BacnetSettings) -> Self {
        let settings = BacnetSettings { priority: settings.priority.clamp(1, 16), ..settings };
        Self { client: Client::new(settings), directory: Directory::default() }
    }

    /// The address that requests come from.
    ///
    /// # Errors
    /// The socket cannot be opened.
    pub fn local_address(&self) -> Result<SocketAddr, ProviderError> {
        self.client.channel()?.local_address().map_err(|error| ProviderError::Io(error.to_string()))
    }

    fn find(&self, target: &Target, until: &Until) -> Result<(Name, Device), ProviderError> {
        let name = name_of(target)?;
        Ok((name, self.directory.find(&self.client, name, until)?))
    }

    /// Keeps what was learned of a device, or forgets one that does not answer, since it may have moved.
    fn settle<T>(&self, name: Name, device: Device, result: &Result<T, ProviderError>) {
        match result {
            Err(ProviderError::Unreachable(_) | ProviderError::Io(_)) => self.directory.forget(name),
            Ok(_) | Err(_) => self.directory.remember(name, device),
        }
    }

    fn read_points(
        &self,
        device: &mut Device,
        points: &[Result<Point, PointError>],
        until: &Until,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        let wanted: Vec<_> = points.iter().flatten().map(|point| point.property).collect();
        let mut readings = self.client.read_all(device, &wanted, VALUE_BYTES, until)?.into_iter();
        let mut value = |point: &Point| {
            let content = readings.next().unwrap_or(Ok(Content::Constructed))?;
            value::from_content(&content, point.kind)
        };
        Ok(points.iter().map(|point| point.as_ref().map_err(Clone::clone).and_then(&mut value)).collect())
    }

    fn write_point(
        &self,
        device: &Device,
        point: Point,
        value: Option<&Value>,
        until: &Until,
    ) -> Result<(), WriteError> {
        let primitive = match value {
            None if point.property.property != properties::PRESENT_VALUE => return Ok(()),
            None => Primitive::Null,
            Some(value) => {
                let like = match point.kind.and_then(objects::Kind::example) {
                    Some(example) => example,
                    None => self.present(device, point, until)?,
                };
                value::to_primitive(value, &like, point.kind).map_err(WriteError::Invalid)?
            }
        };
        let write = WriteProperty {
            property: point.property,
            content: &content(&[primitive]),
            priority: Some(self.client.settings.priority),
        };
        match self.client.write(device, &write, until) {
            Ok(()) => Ok(()),
            Err(refusal) if value.is_some() && refusal.is_of_value() => {
                Err(WriteError::Invalid(refusal.to_string()))
            }
            Err(refusal) => {
                let error = refusal.at_point()?;
                let held = value.is_some() || self.has_priorities(device, point, until);
                if held { Err(error.into()) } else { Ok(()) }
            }
        }
    }

    /// Whether an object has priorities, as far as can be told.
    fn has_priorities(&self, device: &Device, point: Point, until: &Until) -> bool {
        let count = Property { property: properties::PRIORITY_ARRAY, index: Some(0), ..point.property };
        !matches!(self.client.read(device, count, until), Err(Refusal::Failure(_)))
    }

    /// What a property holds, to write another value of the same type.
    fn present(&self, device: &Device, point: Point, until: &Until) -> Result<Primitive, WriteError> {
        match self.client.read(device, point.property, until) {
            Ok(content) => content.single().cloned().ok_or_else(|| {
                PointError::Unusable("not a single value, so it cannot be written".into()).into()
            }),
            Err(refusal) => Err(refusal.at_point()?.into()),
        }
    }
}

fn name_of(target: &Target) -> Result<Name, ProviderError> {
    let address = target.addr.as_deref().ok_or_else(|| ProviderError::Target("no address".into()))?;
    let unusable = |malformed: Malformed| ProviderError::Target(malformed.to_string());
    let instance = parse_address(address).map_err(unusable)?;
    let network = target.network.as_deref().map(parse_network).transpose().map_err(unusable)?;
    Ok((instance, network))
}

impl FamilyProvider for BacnetProvider {
    fn family(&self) -> &str {
        "bacnet"
    }

    fn share(&self, target: &Target) -> Option<Share> {
        let name = name_of(target).ok()?;
        let network = self.directory.network(name).or(name.1)?;
        let is_own = self.client.settings.network == Some(network);
        (!is_own).then(|| Share { name: network.to_string(), calls: self.client.settings.per_network })
    }

    fn scan(
        &self,
        request: &ScanRequest,
        found: &mut dyn FnMut(Found),
        stop: &Stop,
    ) -> Result<(), ProviderError> {
        scan::scan(self, request, found, stop)
    }

    fn read(
        &self,
        target: &Target,
        references: &[&str],
        stop: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        let until = Until { stop: stop.clone(), at: None };
        let (name, mut device) = self.find(target, &until)?;
        let points: Vec<_> = references.iter().map(|reference| Point::parse(reference)).collect();
        let result = self.read_points(&mut device, &points, &until);
        self.settle(name, device, &result);
        result
    }

    fn write(
        &self,
        target: &Target,
        reference: &str,
        value: Option<&Value>,
        stop: &Stop,
    ) -> Result<(), WriteError> {
        let until = Until { stop: stop.clone(), at: None };
        let point = Point::parse(reference)?;
        let (name, device) = self.find(target, &until)?;
        let result = self.write_point(&device, point, value, &until);
        let provider = match &result {
            Err(WriteError::Provider(error)) => Err(error.clone()),
            Ok(()) | Err(_) => Ok(()),
        };
        self.settle(name, device, &provider);
        result
    }
}
