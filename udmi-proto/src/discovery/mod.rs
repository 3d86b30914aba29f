//! The discovery block: what the device tells of itself when asked (§6.3), and scans of what is around it (§6.4).

mod enumeration;
mod event;
mod order;
mod passive;
mod report;
mod result;
mod round;
mod scan;
mod schedule;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::{HookId, Map, Token, UtcMillis};
use serde::Serialize;

use crate::config::Block;
use crate::localnet::Localnet;
use crate::model::common::Stage;
use crate::model::config;
use crate::name::is_name;
use crate::pointset::Pointset;
use crate::port::{Found, Outcome};
use crate::scope::{DeviceTimer, Scope};

use enumeration::Enumeration;
pub(crate) use enumeration::OWN_FAMILY;
use order::{Generation, Order, goes_into_details};
use scan::Scan;

/// The most families of a config that are looked at.
const FAMILIES: usize = 64;

/// The discovery block of one device.
#[derive(Debug)]
pub(crate) struct Discovery {
    /// Families the application can scan.
    scans: Vec<String>,
    features: Map<String, Stage>,
    /// When the device's run began: no scan from before it is made up for.
    started: UtcMillis,
    block: Option<InForce>,
}

/// The block of the config.
#[derive(Debug, Default)]
struct InForce {
    enumeration: Enumeration,
    /// Scans by family; none if the config names no families at all.
    families: Option<Map<String, Scan>>,
}

impl Discovery {
    pub(crate) fn new(scans: Vec<String>, features: Map<String, Stage>) -> Self {
        Self { scans, features, started: UtcMillis(0), block: None }
    }

    /// What can be scanned and is supported is replaced; what is under way goes on.
    pub(crate) fn know(&mut self, scans: Vec<String>, features: Map<String, Stage>) {
        self.scans = scans;
        self.features = features;
    }

    /// The device's run begins.
    pub(crate) fn begin(&mut self, started: UtcMillis) {
        self.started = started;
    }

    /// Puts the block of a config in force, all but what is to be sent (§3.6). A bad block leaves the one in force as
    /// it is, a bad generation the family it belongs to.
    pub(crate) fn on_config(
        &mut self,
        sc: &mut Scope<'_, '_>,
        block: Block<config::Discovery>,
        findings: &mut Vec<String>,
    ) {
        match block {
            Block::Absent => self.halt(sc),
            Block::Bad => drop(self.block.get_or_insert_default()),
            Block::Good(discovery) => {
                let in_force = self.block.get_or_insert_default();
                let generation = discovery.generation.map(Generation::read).transpose();
                match generation {
                    Ok(wanted) => in_force.enumeration.want(wanted, discovery.enumerations),
                    Err(expected) => findings.push(format!("discovery.generation: {expected}")),
                }
                self.set_families(sc, discovery.families, findings);
            }
        }
    }

    /// Tells and begins what the config asks for.
    pub(crate) fn after_config(&mut self, sc: &mut Scope<'_, '_>, pointset: &Pointset, localnet: &Localnet) {
        let Some(block) = &mut self.block else { return };
        block.enumeration.settle(sc, pointset, localnet, &self.features);
        self.look(sc);
    }

    /// Ends all of it silently: the config has no such block any more, or the run is over.
    pub(crate) fn halt(&mut self, sc: &mut Scope<'_, '_>) {
        let Some(block) = self.block.take() else { return };
        for mut scan in block.families.into_iter().flat_map(Map::into_values) {
            scan.cancel(sc);
        }
        sc.cancel(DeviceTimer::Scan);
        sc.cancel(DeviceTimer::ScanEnd);
        sc.touch();
    }

    fn set_families(
        &mut self,
        sc: &mut Scope<'_, '_>,
        wanted: Option<Map<String, config::DiscoveryFamily>>,
        findings: &mut Vec<String>,
    ) {
        let Some(block) = &mut self.block else { return };
        let mut before = block.families.take().unwrap_or_default();
        let Some(wanted) = wanted else {
            before.values_mut().for_each(|scan| scan.cancel(sc));
            return;
        };
        let mut families = Map::new();
        let legal = wanted.into_iter().filter(|(family, _)| is_name(family));
        for (family, config) in legal.take(FAMILIES) {
            let existing = before.remove(&family);
            let listen = config.passive_sec.filter(|seconds| *seconds > 0);
            let listen = listen.map(|seconds| (seconds, goes_into_details(config.depth)));
            let order = match Order::read(config) {
                Ok(None) if listen.is_none() => {
                    before.extend(existing.map(|scan| (family, scan))); // to be cancelled with the rest
                    continue;
                }
                Ok(order) => order,
                Err(expected) => {
                    findings.push(format!("discovery.families.{family}.generation: {expected}"));
                    families.extend(existing.map(|scan| (family, scan)));
                    continue;
                }
            };
            let mut scan = existing.unwrap_or_else(|| Scan::new(self.started));
            match order {
                Some(order) => scan.follow(sc, order, &family, self.scans.contains(&family)),
                None => scan.rest(sc),
            }
            scan.listen(listen);
            families.insert(family, scan);
        }
        before.values_mut().for_each(|scan| scan.cancel(sc));
        block.families = Some(families);
    }

    fn scans_mut(&mut self) -> impl Iterator<Item = (&String, &mut Scan)> {
        self.block.iter_mut().filter_map(|block| block.families.as_mut()).flatten()
    }

    /// A scan is to begin or to end.
    pub(crate) fn on_timer(&mut self, sc: &mut Scope<'_, '_>) {
        self.look(sc);
    }

    /// Begins and ends what is due, and arms the timers for what is due next.
    fn look(&mut self, sc: &mut Scope<'_, '_>) {
        for (family, scan) in self.scans_mut() {
            scan.on_time(sc, family);
        }
        self.arm(sc);
    }

    fn arm(&mut self, sc: &mut Scope<'_, '_>) {
        let starts = self.scans_mut().filter_map(|(_, scan)| scan.starts()).min();
        match starts {
            Some(at) => sc.at_utc(DeviceTimer::Scan, at),
            None => sc.cancel(DeviceTimer::Scan),
        }
        let ends = self.scans_mut().filter_map(|(_, scan)| scan.ends()).min();
        match ends {
            Some(at) => sc.at(DeviceTimer::ScanEnd, at),
            None => sc.cancel(DeviceTimer::ScanEnd),
        }
    }

    /// Gives the outcome back if the hook is none of ours.
    pub(crate) fn on_hook(
        &mut self,
        sc: &mut Scope<'_, '_>,
        id: HookId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        let Some((family, scan)) = self.scans_mut().find(|(_, scan)| scan.awaits(id)) else {
            return Some(outcome);
        };
        scan.on_hook(sc, family, outcome);
        self.arm(sc);
        None
    }

    /// The family that a scan under way is of.
    pub(crate) fn family_of(&self, id: HookId) -> Option<&str> {
        let families = self.block.as_ref()?.families.as_ref()?;
        families.iter().find(|(_, scan)| scan.awaits(id)).map(|(family, _)| family.as_str())
    }

    /// A scan has found something; one that is over has not.
    pub(crate) fn on_found(&mut self, sc: &mut Scope<'_, '_>, id: HookId, found: Found) {
        if let Some((family, scan)) = self.scans_mut().find(|(_, scan)| scan.awaits(id)) {
            scan.on_found(sc, family, found);
        }
    }

    /// A device was heard of without a scan.
    pub(crate) fn on_overheard(&mut self, sc: &mut Scope<'_, '_>, family: &str, found: Found) {
        if let Some((family, scan)) = self.scans_mut().find(|(name, _)| *name == family) {
            scan.on_overheard(sc, family, found);
        }
    }

    /// An event has left or was lost.
    pub(crate) fn on_receipt(&mut self, token: Token) {
        self.scans_mut().for_each(|(_, scan)| scan.on_receipt(token));
    }

    /// A wall clock that was years ahead would keep a periodic scan waiting for years.
    pub(crate) fn on_settled(&mut self, sc: &mut Scope<'_, '_>) {
        let mut moved = false;
        for (_, scan) in self.scans_mut() {
            moved |= scan.plan_anew_if_clock_was_wrong(sc);
        }
        if moved {
            self.arm(sc);
        }
    }

    /// The block of the state, if the config has one (§6.2).
    pub(crate) fn report(&self) -> Option<impl Serialize + '_> {
        self.block.as_ref().map(report::Report::of)
    }
}
