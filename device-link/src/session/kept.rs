//! What of the outbox is kept across restarts, as bytes.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::outbox::Parcel;
use crate::dialect::{Publish, Queue, Topic};
use crate::octets;
use crate::wire::Qos;

/// The format this version writes.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    publishes: Vec<KeptPublish>,
}

#[derive(Serialize, Deserialize)]
struct KeptPublish {
    topic: String,
    #[serde(with = "octets")]
    payload: Bytes,
    retain: bool,
}

/// Whether a publish is to outlive the run: telemetry at QoS 1. What a slot holds is made anew by the next run.
pub(super) fn is_kept(parcel: &Parcel) -> bool {
    parcel.publish.queue == Queue::Bounded && parcel.publish.qos != Qos::AtMostOnce
}

/// These parcels, oldest first, as far as `bound` bytes of topic and payload go: over it the oldest are left
/// out. None if there is nothing to keep.
pub(super) fn write<'a>(parcels: impl DoubleEndedIterator<Item = &'a Parcel>, bound: usize) -> Option<Bytes> {
    let mut size = 0_usize;
    let fits = |parcel: &&Parcel| {
        size = size.saturating_add(parcel.size());
        size <= bound
    };
    let kept = |parcel: &Parcel| KeptPublish {
        topic: parcel.publish.topic.as_str().into(),
        payload: parcel.publish.payload.clone(),
        retain: parcel.publish.retain,
    };
    let mut publishes: Vec<_> = parcels.rev().take_while(fits).map(kept).collect();
    if publishes.is_empty() {
        return None;
    }
    publishes.reverse();
    serde_json::to_vec(&Kept { version: VERSION, publishes }).map(Bytes::from).ok()
}

/// What was kept, oldest first; none if it cannot be read.
pub(super) fn read(value: &[u8]) -> Option<Vec<Publish>> {
    let kept: Kept = serde_json::from_slice(value).ok().filter(|kept: &Kept| kept.version == VERSION)?;
    let publish = |KeptPublish { topic, payload, retain }| {
        let topic = Topic::new(&topic).ok()?;
        Some(Publish { topic, payload, qos: Qos::AtLeastOnce, retain, queue: Queue::Bounded })
    };
    kept.publishes.into_iter().map(publish).collect()
}
