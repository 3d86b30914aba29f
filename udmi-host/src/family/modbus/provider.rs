//! The provider: targets and references into requests, answers into values.

use std::collections::BTreeSet;

use udmi_proto::Value;
use udmi_proto::family::modbus::{Address, Target as ModbusTarget};

use super::PORT;
use super::codec::{Answer, Exception, Request};
use super::connection::ExchangeError;
use super::hosts::{Hosts, Line, LineError, Place};
use super::plan::{Block, blocks};
use super::point::Point;
use super::scan;
use super::settings::ModbusSettings;
use crate::family::{
    FamilyProvider, Found, PointError, ProviderError, ScanRequest, Stop, Target, WriteError,
};

/// Devices that speak Modbus/TCP, or stand on a line behind a gateway that does.
#[derive(Debug, Default)]
pub struct ModbusProvider {
    pub(super) settings: ModbusSettings,
    pub(super) hosts: Hosts,
}

impl ModbusProvider {
    /// Makes a provider that has no connection yet.
    #[must_use]
    pub fn new(settings: ModbusSettings) -> Self {
        Self { settings, hosts: Hosts::default() }
    }

    /// Where a target is, and its unit if it names one.
    fn locate(&self, target: &Target) -> Result<(Place, Option<u8>), ProviderError> {
        let Target { addr, unitid, network, adjunct, .. } = target;
        let parsed = ModbusTarget::parse(addr.as_deref(), unitid.as_deref(), network.as_deref())
            .map_err(|error| ProviderError::Target(error.to_string()))?;
        let address =
            parsed.address.ok_or_else(|| ProviderError::Target("it names no host and no line".into()))?;
        let is_line = self.settings.lines.contains_key(&address.host);
        match adjunct.get("protocol") {
            Some(protocol) if !is_line && !protocol.eq_ignore_ascii_case("tcp") => Err(
                ProviderError::Target(format!("no gateway to {protocol} is configured for {}", address.host)),
            ),
            Some(_) | None => Ok((self.place(&address)?, parsed.unit)),
        }
    }

    /// Where an address is: behind the gateway of its line, or itself.
    pub(super) fn place(&self, address: &Address) -> Result<Place, ProviderError> {
        let Some(gateway) = self.settings.lines.get(&address.host) else {
            return Ok((address.host.clone(), address.port.unwrap_or(PORT)));
        };
        let gateway = Address::parse(gateway)
            .map_err(|error| ProviderError::Target(format!("the gateway of {}: {error}", address.host)))?;
        Ok((gateway.host, gateway.port.or(address.port).unwrap_or(PORT)))
    }

    /// Reads points through a line, each by itself or with its neighbours.
    pub(super) fn read_points(
        &self,
        line: &mut Line<'_>,
        points: &[Result<Point, PointError>],
        stop: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        let wanted = points.iter().enumerate().filter_map(|(ix, point)| Some((ix, point.as_ref().ok()?)));
        let mut reading =
            Reading { provider: self, line, points, stop, unreached: BTreeSet::new(), why: None };
        let mut values: Vec<_> =
            points.iter().map(|point| Err(point.clone().err().unwrap_or(UNREAD))).collect();
        let mut is_answered = false;
        for block in blocks(wanted) {
            let results = reading.block(&block)?;
            is_answered |= !reading.unreached.contains(&block.unit);
            for (ix, result) in results {
                if let Some(value) = values.get_mut(ix) {
                    *value = result;
                }
            }
        }
        match reading.why {
            Some(why) if !is_answered => Err(ProviderError::Unreachable(why)),
            Some(_) | None => Ok(values),
        }
    }
}

/// Takes the place of a result until there is one.
const UNREAD: PointError = PointError::Unusable(String::new());

/// A point's value, or why there is none.
type Read = Result<Value, PointError>;

/// A reading under way.
struct Reading<'a, 'b> {
    provider: &'a ModbusProvider,
    line: &'a mut Line<'b>,
    points: &'a [Result<Point, PointError>],
    stop: &'a Stop,
    /// Units that do not answer: they are not asked again, each time would cost the time-out.
    unreached: BTreeSet<u8>,
    /// Why the last of them does not.
    why: Option<String>,
}

impl Reading<'_, '_> {
    /// Reads a block, and if the unit refuses it as a whole, its points one by one.
    fn block(&mut self, block: &Block) -> Result<Vec<(usize, Read)>, ProviderError> {
        let asked = self.ask(block)?;
        if let (Err(PointError::Refused(_) | PointError::Reference(_)), false, true) =
            (&asked, self.unreached.contains(&block.unit), block.points.len() > 1)
        {
            let mut results = Vec::new();
            for ix in &block.points {
                let Some(Ok(point)) = self.points.get(*ix) else { continue };
                let Point { unit, table, address, quantity, .. } = *point;
                let alone = Block { unit, table, address, quantity, points: vec![*ix] };
                let asked = self.ask(&alone)?;
                results.push((*ix, self.value(*ix, &alone, &asked)));
            }
            return Ok(results);
        }
        Ok(block.points.iter().map(|ix| (*ix, self.value(*ix, block, &asked))).collect())
    }

    fn ask(&mut self, block: &Block) -> Result<Result<Answer, PointError>, ProviderError> {
        if self.unreached.contains(&block.unit) {
            return Ok(Err(PointError::Refused(self.why.clone().unwrap_or_default())));
        }
        let request = Request::Read { table: block.table, address: block.address, quantity: block.quantity };
        let settings = &self.provider.settings;
        match self.line.ask(block.unit, &request, settings.answer_timeout, settings, self.stop) {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) => match failure(block.unit, error) {
                Failure::Point(error) => Ok(Err(error)),
                Failure::Unit(why) => {
                    self.unreached.insert(block.unit);
                    self.why = Some(why.clone());
                    Ok(Err(PointError::Refused(why)))
                }
                Failure::Host(error) => Err(error),
            },
        }
    }

    /// The value of a point in the answer to its block.
    fn value(&self, ix: usize, block: &Block, asked: &Result<Answer, PointError>) -> Read {
        let Some(Ok(point)) = self.points.get(ix) else { return Err(UNREAD) };
        point.value_from(asked.as_ref().map_err(PointError::clone)?, block.address)
    }
}

/// What an error is an error of.
enum Failure {
    Point(PointError),
    /// The unit does not answer, but its host does.
    Unit(String),
    Host(ProviderError),
}

fn failure(unit: u8, error: LineError) -> Failure {
    match error {
        LineError::NoConnection(error) => Failure::Host(error),
        LineError::Exchange(error) => match error {
            ExchangeError::Refused(exception) if exception.is_unreached() => {
                Failure::Unit(format!("unit {unit}: {exception}"))
            }
            ExchangeError::Refused(exception) if exception == Exception::ADDRESS => {
                Failure::Point(PointError::Reference(exception.to_string()))
            }
            ExchangeError::Refused(exception) => Failure::Point(PointError::Refused(exception.to_string())),
            ExchangeError::Silent => Failure::Unit(format!("unit {unit}: {error}")),
            ExchangeError::Garbled(why) => Failure::Host(ProviderError::Garbled(why)),
            ExchangeError::Ended(_) => Failure::Host(ProviderError::Unreachable(error.to_string())),
            ExchangeError::Stopped => Failure::Host(ProviderError::Stopped),
            ExchangeError::Unaskable => Failure::Point(PointError::Reference(error.to_string())),
        },
    }
}

impl FamilyProvider for ModbusProvider {
    fn family(&self) -> &str {
        "modbus"
    }

    /// The host: its connection carries one request at a time.
    fn lane(&self, target: &Target) -> String {
        match self.locate(target) {
            Ok(((host, port), _)) => format!("{host}:{port}"),
            Err(_) => String::new(),
        }
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
        let (place, unit) = self.locate(target)?;
        let parse = |reference: &&str| Point::parse(reference, unit).map_err(PointError::Reference);
        let points: Vec<_> = references.iter().map(parse).collect();
        let host = self.hosts.at(&place, self.settings.limits.hosts)?;
        let mut line = host.take(stop)?;
        self.read_points(&mut line, &points, stop)
    }

    fn write(
        &self,
        target: &Target,
        reference: &str,
        value: Option<&Value>,
        stop: &Stop,
    ) -> Result<(), WriteError> {
        let (place, unit) = self.locate(target)?;
        let point = Point::parse(reference, unit).map_err(PointError::Reference)?;
        let Some(value) = value else {
            let refusal = PointError::Refused("inputs can only be read".into());
            return if point.is_writable() { Ok(()) } else { Err(refusal.into()) };
        };
        let request = point.writing(value)?;
        let host = self.hosts.at(&place, self.settings.limits.hosts)?;
        let mut line = host.take(stop)?;
        match line.ask(point.unit, &request, self.settings.answer_timeout, &self.settings, stop) {
            Ok(_) => Ok(()),
            Err(LineError::Exchange(ExchangeError::Refused(exception))) if exception == Exception::VALUE => {
                Err(WriteError::Invalid(exception.to_string()))
            }
            Err(error) => Err(match failure(point.unit, error) {
                Failure::Point(error) => error.into(),
                Failure::Unit(why) => ProviderError::Unreachable(why).into(),
                Failure::Host(error) => error.into(),
            }),
        }
    }
}
