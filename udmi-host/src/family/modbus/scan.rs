//! Which units answer behind which hosts (§6.4).

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use udmi_proto::family::modbus::{Address, Reference};
use udmi_proto::model::category::{Category, Level};
use udmi_proto::model::common::Timestamp;
use udmi_proto::model::discovery::{Ancillary, DiscoveryRef, DiscoverySystem};
use udmi_proto::model::entry::Entry;

use super::codec::{Request, Table};
use super::connection::{ExchangeError, SLICE};
use super::hosts::{Line, LineError};
use super::point::Point;
use super::provider::ModbusProvider;
use crate::family::{Found, PointError, ProviderError, ScanRequest, Stop};
use udmi_proto::Map;

/// What every unit is asked. Whether it has such a register or not, it answers.
const QUESTION: Request = Request::Read { table: Table::HoldingRegisters, address: 0, quantity: 1 };

/// Looks at the hosts of the request, or at all that are configured.
pub(super) fn scan(
    provider: &ModbusProvider,
    request: &ScanRequest,
    found: &mut dyn FnMut(Found),
    stop: &Stop,
) -> Result<(), ProviderError> {
    let settings = &provider.settings;
    if !request.networks.is_empty() {
        return Ok(()); // the family has none, so that nothing is in any of them
    }
    let addresses: BTreeSet<&String> = match request.addresses.is_empty() {
        true => settings.hosts.iter().chain(settings.known.keys()).collect(),
        false => request.addresses.iter().collect(),
    };
    if addresses.is_empty() {
        return Err(ProviderError::Target("no hosts to look at are configured".into()));
    }
    // What is not told before the end of the round is never told, so all must be done a little before.
    let time = Duration::from_secs(request.duration_seconds.into()) * 9 / 10;
    let rounds =
        addresses.len().min(settings.limits.scanned_hosts).div_ceil(settings.limits.scanned_at_once.max(1));
    let time_each = time / u32::try_from(rounds.max(1)).unwrap_or(u32::MAX);
    let waiting = Mutex::new(addresses.into_iter().take(settings.limits.scanned_hosts));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|threads| {
        for _ in 0..settings.limits.scanned_at_once.max(1) {
            let (sender, waiting) = (sender.clone(), &waiting);
            let work = move || look_at_all(provider, request, waiting, time_each, &sender, stop);
            thread::Builder::new()
                .name("modbus-scan".into())
                .spawn_scoped(threads, work)
                .map_err(|error| ProviderError::Io(error.to_string()))?;
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(SLICE) {
                Ok(device) if !stop.is_set() => found(device),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if stop.is_set() { Err(ProviderError::Stopped) } else { Ok(()) }
    })
}

fn look_at_all<'a>(
    provider: &ModbusProvider,
    request: &ScanRequest,
    waiting: &Mutex<impl Iterator<Item = &'a String>>,
    time: Duration,
    found: &Sender<Found>,
    stop: &Stop,
) {
    while !stop.is_set() {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(address) = next else { return };
        if let Some(device) = look_at(provider, request, address, Instant::now() + time, stop) {
            let _ = found.send(device); // the scan has ended otherwise
        }
    }
}

/// A host, if units behind it answer.
fn look_at(
    provider: &ModbusProvider,
    request: &ScanRequest,
    address: &str,
    end: Instant,
    stop: &Stop,
) -> Option<Found> {
    let place = provider.place(&Address::parse(address).ok()?).ok()?;
    let host = provider.hosts.at(&place, provider.settings.limits.hosts).ok()?;
    let mut line = host.take(stop).ok()?;
    let none = Map::new();
    let known = provider.settings.known.get(address).unwrap_or(&none);
    let first: Vec<u8> = known.keys().filter_map(|reference| unit(reference)).collect();
    let mut asked = BTreeSet::new();
    let mut units = BTreeSet::new();
    for unit in first.iter().chain(&provider.settings.units) {
        if Instant::now() >= end {
            break;
        }
        if asked.insert(*unit) && answers(provider, &mut line, *unit, stop)? {
            units.insert(*unit);
        }
    }
    if units.is_empty() {
        return None;
    }
    let references =
        if request.references { references(provider, &mut line, known, &units, stop)? } else { none };
    let told = units.iter().map(|unit| Json::from(*unit)).collect();
    let families = if is_line(provider, address) { Map::new() } else { line.families() };
    let mut ancillary = Ancillary::default();
    ancillary.0.insert("units".into(), Json::Array(told));
    let system = DiscoverySystem { ancillary: Some(ancillary), ..DiscoverySystem::default() };
    Some(Found {
        address: address.to_owned(),
        families,
        references,
        system: Some(system),
        ..Found::default()
    })
}

/// Whether the host is only the gateway to what has the address.
fn is_line(provider: &ModbusProvider, address: &str) -> bool {
    Address::parse(address).is_ok_and(|address| provider.settings.lines.contains_key(&address.host))
}

fn unit(reference: &str) -> Option<u8> {
    Reference::parse(reference, None).ok().map(|reference| reference.unit)
}

/// Whether a unit answers; nothing if its host is of no use for others either.
fn answers(provider: &ModbusProvider, line: &mut Line<'_>, unit: u8, stop: &Stop) -> Option<bool> {
    let settings = &provider.settings;
    match line.ask(unit, &QUESTION, settings.probe_timeout, settings, stop) {
        Ok(_) => Some(true),
        Err(LineError::Exchange(ExchangeError::Refused(exception))) => Some(!exception.is_unreached()),
        // Some hosts hang up on a unit they do not have.
        Err(LineError::Exchange(ExchangeError::Silent | ExchangeError::Ended(_))) => Some(false),
        Err(LineError::Exchange(
            ExchangeError::Garbled(_) | ExchangeError::Stopped | ExchangeError::Unaskable,
        )) => None,
        Err(LineError::NoConnection(_)) => None,
    }
}

/// What is known of the units that answer, each reference with its value, or with a status if it cannot be read.
fn references(
    provider: &ModbusProvider,
    line: &mut Line<'_>,
    known: &Map<String, DiscoveryRef>,
    units: &BTreeSet<u8>,
    stop: &Stop,
) -> Option<Map<String, DiscoveryRef>> {
    let known: Vec<_> = known
        .iter()
        .filter(|(reference, _)| unit(reference).is_none_or(|unit| units.contains(&unit)))
        .collect();
    let parse = |reference: &str| Point::parse(reference, None).map_err(PointError::Reference);
    let points: Vec<_> = known.iter().map(|(reference, _)| parse(reference)).collect();
    let values = provider.read_points(line, &points, stop);
    if stop.is_set() {
        return None;
    }
    let told = known.into_iter().enumerate().map(|(ix, (reference, known))| {
        let mut told = known.clone();
        match values.as_ref().map(|values| values.get(ix)) {
            Ok(Some(Ok(value))) => {
                let present = serde_json::to_value(value).unwrap_or_default();
                told.ancillary.get_or_insert_default().0.insert("present_value".into(), present);
            }
            Ok(Some(Err(error))) => told.status = Some(unreadable(&error.to_string())),
            Ok(None) => {}
            Err(error) => told.status = Some(unreadable(&error.to_string())),
        }
        (reference.clone(), told)
    });
    Some(told.collect())
}

fn unreadable(why: &str) -> Entry {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    Entry::new(Category::DiscoveryPointDescribe, why, now).at(Level::ERROR)
}
