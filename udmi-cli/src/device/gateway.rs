//! The devices behind a gateway: what it knows of them, their plants, and the families it can scan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use udmi_host::family::{FamilyProvider, FieldHooks, FieldLimits};
use udmi_host::site::{Behind, Device, DeviceClass, SiteModel};
use udmi_proto::Settings;
use udmi_proto::family::Family;

use crate::access::Plan;
use crate::field::{FieldArguments, SimulatedFamily};
use crate::output::{Failure, Output};
use crate::plant::Plant;

/// What stands behind the points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PlantKind {
    /// Simulated points
    Sim,
    /// BACnet/IP devices
    Bacnet,
    /// Modbus/TCP devices
    Modbus,
}

/// The plants of a device and of those it acts for.
#[derive(Debug)]
pub(super) struct Plants {
    own: Plant,
    proxied: BTreeMap<String, Plant>,
}

impl Plants {
    /// Plants of the device and of all behind it, whose settings become part of the plan. Equal seeds wander alike.
    pub(super) fn of(
        site: &SiteModel,
        device: &Device,
        plan: &mut Plan,
        seed: u64,
        write: Duration,
        output: &Output,
    ) -> Result<Self, Failure> {
        let own = Plant::new(device.metadata.pointset.as_ref(), seed, write);
        if device.class != DeviceClass::Gateway {
            return Ok(Self { own, proxied: BTreeMap::new() });
        }
        let mut proxied = BTreeMap::new();
        let mut seeds = seed.wrapping_add(1)..;
        let behind = site.behind(device, |device| {
            let plant = Plant::new(device.metadata.pointset.as_ref(), seeds.next().unwrap_or(seed), write);
            proxied.insert(device.id.clone(), plant);
        });
        let Behind { settings, warnings } = behind.map_err(Failure::usage)?;
        for warning in &warnings {
            output.remark(format!("beware: {warning}"));
        }
        plan.settings.gateway = Some(settings);
        Ok(Self { own, proxied })
    }

    /// The plant of a proxied device, or of the device itself. One that the site model does not know has none.
    pub(super) fn get(&mut self, device: Option<&str>) -> Option<&mut Plant> {
        match device {
            None => Some(&mut self.own),
            Some(id) => self.proxied.get_mut(id),
        }
    }
}

/// Who scans and, for other plants than simulated ones, reads and writes points by reference. The families become part
/// of the settings.
pub(super) fn field(
    kinds: &[PlantKind],
    arguments: &FieldArguments,
    site: &SiteModel,
    settings: &mut Settings,
) -> Result<FieldHooks, Failure> {
    let simulated = kinds.iter().all(|kind| *kind == PlantKind::Sim);
    let mut providers: Vec<Arc<dyn FamilyProvider>> = Vec::new();
    for family in Family::ALL {
        if simulated {
            providers.push(Arc::new(SimulatedFamily { site: site.clone(), family }));
        } else if is_spoken(kinds, family) {
            providers.extend(arguments.provider(family, Some(site))?);
        }
    }
    settings.scans = providers.iter().map(|provider| provider.family().to_owned()).collect();
    let hooks = FieldHooks::new(providers, FieldLimits::default())
        .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
    Ok(if simulated { hooks.only_scans() } else { hooks })
}

/// Hosts can be found by whoever is on their network.
fn is_spoken(kinds: &[PlantKind], family: Family) -> bool {
    match family {
        Family::Bacnet => kinds.contains(&PlantKind::Bacnet),
        Family::Modbus => kinds.contains(&PlantKind::Modbus),
        Family::Ether | Family::Ipv4 | Family::Ipv6 => true,
        Family::Vendor | Family::Iot | Family::Fqdn => false,
    }
}
