//! Looking for devices: Who-Is, and then what each of them tells of itself.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use udmi_proto::family::Malformed;
use udmi_proto::family::bacnet::{parse_address, parse_network};
use udmi_proto::model::common::Depth;

use super::BacnetProvider;
use super::channel::{Announcement, Over, Peer, Until};
use super::client::Device;
use super::describe::describe;
use super::directory::{ask, is_in};
use crate::family::{Found, ProviderError, ScanRequest, Stop};

/// Devices that one scan finds.
const DEVICES: usize = 10_000;
/// Ranges of instances that are asked for one by one.
const RANGES: usize = 32;
/// How long before the end of the round devices are looked at no more.
const MARGIN: Duration = Duration::from_millis(500);
/// When devices are asked for, in seconds from the start: packets are lost, and devices are busy.
const ASKED: [u64; 4] = [0, 1, 3, 7];

/// What a scan looks for.
struct Wanted {
    instances: Vec<u32>,
    networks: Vec<u16>,
    described: bool,
    references: bool,
}

/// A device to be looked at, and what was found of it.
type Visit = (Device, Found);

pub(super) fn scan(
    provider: &BacnetProvider,
    request: &ScanRequest,
    found: &mut dyn FnMut(Found),
    stop: &Stop,
) -> Result<(), ProviderError> {
    let wanted = Wanted::of(request)?;
    let duration = Duration::from_secs(request.duration_seconds.into());
    let start = Instant::now();
    let until =
        Until { stop: stop.clone(), at: Some(start + duration.saturating_sub(MARGIN.min(duration / 10))) };
    let (visits, to_visit) = mpsc::channel();
    let (visited, results) = mpsc::channel();
    let to_visit = Mutex::new(to_visit);
    thread::scope(|scope| {
        for _ in 0..provider.client.settings.visitors.max(1) {
            let (to_visit, visited, until, wanted) = (&to_visit, visited.clone(), &until, &wanted);
            let visitor = thread::Builder::new().name("bacnet scan".into());
            let spawned =
                visitor.spawn_scoped(scope, move || visit_all(provider, wanted, to_visit, &visited, until));
            if let Err(error) = spawned {
                return Err(ProviderError::Io(error.to_string()));
            }
        }
        drop(visited);
        let scan = Scan { provider, wanted: &wanted, until: &until, results, seen: BTreeMap::new(), open: 0 };
        scan.run(visits, start, found)
    })
}

impl Wanted {
    fn of(request: &ScanRequest) -> Result<Self, ProviderError> {
        let target = |malformed: Malformed| ProviderError::Target(malformed.to_string());
        let mut instances = request
            .addresses
            .iter()
            .map(|address| parse_address(address))
            .collect::<Result<Vec<_>, _>>()
            .map_err(target)?;
        instances.sort_unstable();
        instances.dedup();
        let networks = request.networks.iter().map(|network| parse_network(network));
        Ok(Self {
            instances,
            networks: networks.collect::<Result<_, _>>().map_err(target)?,
            described: request.references || request.depth >= Depth::Details,
            references: request.references,
        })
    }

    /// The ranges that hold all instances not yet seen, and no others unless they were too many.
    fn ranges(&self, seen: &BTreeMap<u32, Peer>) -> Vec<Option<(u32, u32)>> {
        let missing = self.instances.iter().copied().filter(|instance| !seen.contains_key(instance));
        let missing: Vec<_> = missing.collect();
        let ranges: Vec<_> = missing
            .chunk_by(|left, right| right - left == 1)
            .filter_map(|chunk| Some(Some((*chunk.first()?, *chunk.last()?))))
            .collect();
        match (missing.first(), missing.last()) {
            (Some(first), Some(last)) if ranges.len() > RANGES => vec![Some((*first, *last))],
            (None, _) if self.instances.is_empty() => vec![None],
            (_, _) => ranges,
        }
    }
}

struct Scan<'a> {
    provider: &'a BacnetProvider,
    wanted: &'a Wanted,
    until: &'a Until,
    results: Receiver<Found>,
    /// Devices and how each is reached.
    seen: BTreeMap<u32, Peer>,
    /// Devices that are being looked at.
    open: usize,
}

impl Scan<'_> {
    fn run(
        mut self,
        visits: Sender<Visit>,
        start: Instant,
        found: &mut dyn FnMut(Found),
    ) -> Result<(), ProviderError> {
        let client = &self.provider.client;
        let channel = client.channel()?;
        let listener = channel.listen();
        let mut due = ASKED.iter().map(|seconds| start + Duration::from_secs(*seconds)).peekable();
        let over = loop {
            if due.next_if(|due| *due <= Instant::now()).is_some() {
                for range in self.wanted.ranges(&self.seen) {
                    ask(client, &channel, range, &self.wanted.networks)?;
                }
            }
            if self.has_all() {
                break Over::Time;
            }
            let soon = Instant::now() + Duration::from_millis(20);
            match self.until.wait(&listener.announcements, soon) {
                Ok(Some(announcement)) => self.meet(announcement, &visits, found),
                Ok(None) => {}
                Err(over) => break over,
            }
            self.tell(found);
            if channel.has_ended() {
                return Err(ProviderError::Io("the socket has failed".into()));
            }
        };
        drop(visits);
        match over {
            Over::Stopped => Err(ProviderError::Stopped),
            Over::Time => {
                // Who looks at a device notices the time as well, and tells what there is.
                while let Ok(result) = self.results.recv() {
                    found(result);
                }
                Ok(())
            }
        }
    }

    fn meet(&mut self, announcement: Announcement, visits: &Sender<Visit>, found: &mut dyn FnMut(Found)) {
        let Announcement { peer, i_am } = announcement;
        let provider = self.provider;
        let asked_for = self.wanted.instances.is_empty() || self.wanted.instances.contains(&i_am.device);
        if !asked_for || !is_in(&provider.client, &self.wanted.networks, peer.remote.as_ref()) {
            return;
        }
        if let Some(other) = self.seen.get(&i_am.device) {
            if *other != peer {
                log::warn!("BACnet device {} is at two addresses; the first is used", i_am.device);
            }
            return;
        }
        if self.seen.len() >= DEVICES {
            return;
        }
        self.seen.insert(i_am.device, peer.clone());
        let network = peer.remote.as_ref().map(|remote| remote.network).or(provider.client.settings.network);
        let device = Device::new(i_am.device, peer, i_am.max_apdu);
        let mut result = Found {
            address: i_am.device.to_string(),
            network: network.map(|network| network.to_string()),
            ..Found::default()
        };
        if device.peer.remote.is_none() {
            result.families.insert("ipv4".into(), device.peer.address.ip().to_string());
        }
        provider.directory.remember((i_am.device, network), device.clone());
        provider.directory.remember((i_am.device, None), device.clone());
        if !self.wanted.described {
            found(result);
        } else if visits.send((device, result)).is_ok() {
            self.open += 1;
        }
    }

    fn tell(&mut self, found: &mut dyn FnMut(Found)) {
        while let Ok(result) = self.results.try_recv() {
            self.open = self.open.saturating_sub(1);
            found(result);
        }
    }

    /// Whether all that was asked for by name is known.
    fn has_all(&self) -> bool {
        let named = !self.wanted.instances.is_empty();
        named
            && self.open == 0
            && self.wanted.instances.iter().all(|instance| self.seen.contains_key(instance))
    }
}

fn visit_all(
    provider: &BacnetProvider,
    wanted: &Wanted,
    to_visit: &Mutex<Receiver<Visit>>,
    visited: &Sender<Found>,
    until: &Until,
) {
    loop {
        let next = to_visit.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((mut device, mut found)) = next else { return };
        if until.stop.is_set() {
            return;
        }
        describe(&provider.client, &mut device, &mut found, wanted.references, until);
        if visited.send(found).is_err() {
            return;
        }
    }
}
