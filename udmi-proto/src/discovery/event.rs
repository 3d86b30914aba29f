//! Events on `events/discovery`: what they hold, and how much.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::{Map, Token};

use crate::model::category::{Category, Level};
use crate::model::common::Version;
use crate::model::discovery::{Discovery, DiscoveryFamily, DiscoveryRef};
use crate::model::entry::Entry;
use crate::name::is_name;
use crate::port::Found;
use crate::scope::Scope;

/// The most references of one device that are told.
const REFERENCES: usize = 2000;
/// Longest reference, in bytes; longer ones are left out.
const REFERENCE_BYTES: usize = 512;
/// The most addresses in other families that are told of one device.
const OTHER_FAMILIES: usize = 16;
/// Bytes of one event; some brokers take no more than 256 KiB. Of one over it references are left out.
const EVENT_BYTES: usize = 240 * 1024;

/// The event of a device that was found, but for its head.
pub(super) fn of(sc: &Scope<'_, '_>, found: Found, wants_references: bool) -> Discovery {
    let known = found.references.len();
    let references: Map<String, DiscoveryRef> = found
        .references
        .into_iter()
        .filter(|(reference, _)| (1..=REFERENCE_BYTES).contains(&reference.len()))
        .take(REFERENCES)
        .map(|(reference, content)| (reference, writable(sc, content)))
        .collect();
    let lost = known - references.len();
    let families = found.families.into_iter().filter(|(family, _)| is_name(family)).take(OTHER_FAMILIES);
    let families: Map<_, _> = families
        .map(|(family, address)| (family, DiscoveryFamily { addr: Some(address), ref_: None }))
        .collect();
    let told = found.status.or_else(|| left_out(lost).filter(|_| wants_references));
    Discovery {
        addr: Some(found.address),
        network: found.network,
        families: (!families.is_empty()).then_some(families),
        refs: wants_references.then_some(references),
        system: found.system,
        status: told.map(|message| problem(sc, message)),
        ..Discovery::default()
    }
}

/// A reference that every reader of the event accepts: a point's name is a legal one, a status has a category.
fn writable(sc: &Scope<'_, '_>, mut reference: DiscoveryRef) -> DiscoveryRef {
    if let Some(point) = reference.point.take_if(|point| !is_name(point)) {
        reference.name.get_or_insert(point);
    }
    if let Some(status) = &mut reference.status {
        let message = core::mem::take(&mut status.message);
        let level = if status.level.is_legal() { status.level } else { Level::ERROR };
        *status = sc.entry(Category::DiscoveryPointDescribe, message).at(level);
    }
    reference
}

fn left_out(references: usize) -> Option<String> {
    (references > 0).then(|| format!("{references} references are left out"))
}

/// The event as JSON, stamped, and cut down to what a broker takes.
pub(super) fn written(sc: &Scope<'_, '_>, mut event: Discovery) -> Option<Vec<u8>> {
    event.timestamp = Some(sc.timestamp());
    event.version = Some(Version::default());
    let offered = event.refs.as_ref().map_or(0, Map::len);
    let has_status = event.status.is_some();
    loop {
        let json = serde_json::to_vec(&event).ok()?;
        if json.len() <= EVENT_BYTES {
            return Some(json);
        }
        match event.refs.as_mut().filter(|refs| !refs.is_empty()) {
            Some(refs) => {
                let kept = refs.len() / 2;
                *refs = core::mem::take(refs).into_iter().take(kept).collect();
                if !has_status {
                    event.status = left_out(offered - kept).map(|message| problem(sc, message));
                }
            }
            None if event.system.take().is_some() => {}
            None => return Some(json), // an enumeration; whether it fits is for the link to say
        }
    }
}

/// What is wrong with a device that was found.
fn problem(sc: &Scope<'_, '_>, message: String) -> Entry {
    sc.entry(Category::DiscoveryDeviceEnumerate, message).at(Level::ERROR)
}

pub(super) fn publish(sc: &mut Scope<'_, '_>, payload: Vec<u8>) -> Option<Token> {
    // The topic was tried when the settings were checked.
    let topic = sc.topics.events("discovery").ok()?;
    Some(sc.publish_event(&topic, payload))
}
