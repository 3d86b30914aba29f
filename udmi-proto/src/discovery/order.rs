//! What a config wants of the scan of one family.

use alloc::string::String;

use device_link::{Set, UtcMillis};

use crate::config::echoable;
use crate::model::common::{Depth, Timestamp};
use crate::model::config;

/// Seconds a scan lasts if the config does not say (§11 item 10).
const DURATION: u32 = 10;

/// The scan of one family as a config orders it. Two that are equal are the same order.
#[derive(Debug, PartialEq)]
pub(super) struct Order {
    /// When the only round starts, or what all rounds are counted from; the start of the run if there is none.
    pub(super) generation: Option<Generation>,
    /// Seconds between the starts of two rounds; 0 for a single one.
    pub(super) interval: i64,
    /// Seconds a round lasts.
    pub(super) duration: u32,
    /// Only these; all if there are none. As many as a config can hold.
    pub(super) addresses: Set<String>,
    /// Only these; all if there are none.
    pub(super) networks: Set<String>,
    pub(super) depth: Depth,
}

impl Order {
    /// Reads the order; none if nothing is to be scanned (§6.2).
    pub(super) fn read(config: config::DiscoveryFamily) -> Result<Option<Self>, &'static str> {
        let generation = config.generation.map(Generation::read).transpose()?;
        let interval = config.scan_interval_sec.unwrap_or(0);
        if generation.is_none() && interval == 0 {
            return Ok(None);
        }
        let duration = config.scan_duration_sec.filter(|duration| *duration > 0).unwrap_or(DURATION);
        let addresses: Set<String> = config.addrs.into_iter().flatten().collect();
        // §6.4: a targeted scan goes into details unless the config says otherwise.
        let usual = if addresses.is_empty() { Depth::Entries } else { Depth::Details };
        Ok(Some(Self {
            generation,
            interval: interval.into(),
            duration: if interval > 0 { duration.min(interval) } else { duration },
            addresses,
            networks: config.networks.into_iter().flatten().collect(),
            depth: config.depth.filter(|depth| *depth != Depth::Unknown).unwrap_or(usual),
        }))
    }

    /// Whether results tell what the devices found offer.
    pub(super) fn wants_references(&self) -> bool {
        goes_into_details(Some(self.depth))
    }
}

/// Whether a depth asks for what devices offer.
pub(super) fn goes_into_details(depth: Option<Depth>) -> bool {
    depth.is_some_and(|depth| depth != Depth::Unknown && depth >= Depth::Details)
}

/// The name of a round or of an enumeration: a moment, and the text it is known by.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    pub(super) at: UtcMillis,
    pub(super) text: Timestamp,
}

impl Generation {
    /// The generation a config names; echoed as it came (§2.3).
    pub(super) fn read(text: Timestamp) -> Result<Self, &'static str> {
        let millis = text.millis().map_err(|_| "expected a date and time by RFC 3339")?;
        Ok(Self { at: UtcMillis(millis), text: echoable(text, millis) })
    }

    /// The generation of a round of a periodic scan.
    pub(super) fn of_second(second: i64) -> Self {
        let at = UtcMillis(second.saturating_mul(1000));
        Self { at, text: Timestamp::from_millis(at.0) }
    }

    /// Whole seconds since the epoch, which is what generations are compared by.
    pub(super) fn second(&self) -> i64 {
        self.at.0.div_euclid(1000)
    }
}

impl PartialEq for Generation {
    fn eq(&self, other: &Self) -> bool {
        self.second() == other.second()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Order>, &'static str> {
        Order::read(serde_json::from_str(text).unwrap())
    }

    fn order(text: &str) -> Order {
        read(text).unwrap().unwrap()
    }

    const G: &str = "2026-03-01T10:00:00Z";

    #[test]
    fn without_generation_and_interval_there_is_no_order() {
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(r#"{"scan_interval_sec": 0, "depth": "details"}"#), Ok(None));
        assert!(read(r#"{"generation": "soon"}"#).is_err());
        assert_eq!(order(r#"{"scan_interval_sec": 20}"#).generation, None);
    }

    #[test]
    fn a_scan_lasts_as_long_as_said_else_ten_seconds_and_no_longer_than_its_interval() {
        let duration = |members: &str| order(&alloc::format!(r#"{{"generation": "{G}"{members}}}"#)).duration;
        assert_eq!(duration(""), 10);
        assert_eq!(duration(r#", "scan_duration_sec": 0"#), 10);
        assert_eq!(duration(r#", "scan_duration_sec": 25"#), 25);
        assert_eq!(duration(r#", "scan_duration_sec": 25, "scan_interval_sec": 20"#), 20);
        assert_eq!(duration(r#", "scan_interval_sec": 5"#), 5);
        assert_eq!(duration(r#", "scan_interval_sec": 0, "scan_duration_sec": 4294967295"#), u32::MAX);
    }

    #[test]
    fn references_come_with_details_and_with_targets() {
        let wants =
            |members: &str| order(&alloc::format!(r#"{{"generation": "{G}"{members}}}"#)).wants_references();
        assert!(!wants(""));
        assert!(!wants(r#", "depth": "entries""#));
        assert!(!wants(r#", "depth": "abyss", "addrs": []"#));
        assert!(wants(r#", "depth": "details""#));
        assert!(wants(r#", "depth": "refs""#));
        assert!(wants(r#", "addrs": ["1"]"#));
        assert!(!wants(r#", "addrs": ["1"], "depth": "entries""#));
    }

    #[test]
    fn generations_of_the_same_second_are_the_same_order() {
        assert_eq!(
            order(r#"{"generation": "2026-03-01T10:00:00Z"}"#),
            order(r#"{"generation": "2026-03-01T10:00:00.250+00:00"}"#)
        );
    }
}
