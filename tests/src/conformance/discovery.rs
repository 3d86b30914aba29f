//! The steps that look at what is discovered: the device itself, and what is around it (§9.6).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use udmi_proto::model::common::Timestamp;

use super::subject::Subject;
use super::tester::Tester;
use super::{Halt, Progress, expect, fail, shown};
use crate::world::Received;

/// The buckets that features may be named by (§6.3).
const BUCKETS: [&str; 16] = [
    "endpoint",
    "endpoint.config",
    "enumeration",
    "enumeration.pointset",
    "enumeration.features",
    "enumeration.families",
    "discovery",
    "discovery.scan",
    "gateway",
    "pointset",
    "system",
    "system.mode",
    "system.software",
    "system.software.updates",
    "writeback",
    "unknown",
];
/// Seconds a scan lasts, and by which its start and its end may be seen too early or late.
const SCAN_S: i64 = 10;
const TOLERANCE_S: i64 = 10;
/// Seconds to wait for a phase, and for the last events after the last phase.
const PHASE_S: u64 = 40;
const SETTLE_S: u64 = 10;

/// A device that a scan has to find.
#[derive(Clone, Debug)]
pub(super) struct Target {
    network: Option<String>,
    references: BTreeSet<String>,
}

/// What there is to find in the family of the facet, by address.
pub(super) fn targets(subject: &Subject) -> BTreeMap<String, Target> {
    let target = |(metadata, place): (&Value, &Value)| {
        let points = metadata.pointer("/pointset/points").and_then(Value::as_object);
        let references = points.into_iter().flatten().filter_map(|(_, point)| point["ref"].as_str());
        let target = Target {
            network: place["network"].as_str().map(str::to_owned),
            references: references.map(str::to_owned).collect(),
        };
        (place["addr"].as_str().unwrap_or_default().to_owned(), target)
    };
    subject.in_family(&subject.facet).map(target).collect()
}

impl Tester<'_> {
    /// Puts this second in the place of `$now`, and keeps it.
    pub(super) fn fill_in_now(&mut self, patch: &mut Value) {
        match patch {
            Value::String(text) if text == "$now" => {
                let now = self.moment(0);
                self.memory.insert("generation".into(), json!(now));
                *patch = json!(now);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill_in_now(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.fill_in_now(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// So many seconds from now, in whole seconds.
    fn moment(&self, seconds: i64) -> String {
        let now = self.bench.now().utc.0 + seconds * 1000;
        Timestamp::from_millis_whole_seconds(now).as_str().to_owned()
    }

    fn discovered(&self) -> impl Iterator<Item = &Received> {
        self.events.iter().filter(|event| event.topic == "events/discovery")
    }

    pub(super) fn enumerated(&mut self, points: bool, features: bool, families: bool) -> Progress {
        self.collect();
        let own: Vec<_> = self.discovered().filter(|event| event.payload.get("addr").is_none()).collect();
        let [event] = own[..] else {
            return fail(format!("{} events tell of the device, not one", own.len()));
        };
        let event = &event.payload;
        if event.get("generation") != self.memory.get("generation") {
            let wanted = shown(self.memory.get("generation"));
            return fail(format!(
                "the event is of generation {}, not {wanted}",
                shown(event.get("generation"))
            ));
        }
        if event.get("refs").is_some() {
            return fail("the event tells of references");
        }
        for (member, asked) in [("points", points), ("features", features), ("families", families)] {
            if event.get(member).is_some() != asked {
                return fail(format!("{member} of the event are {}", shown(event.get(member))));
            }
        }
        if points && keys(event.get("points")) != keys(self.subject.metadata.pointer("/pointset/points")) {
            return fail(format!("points of the event are {}", event["points"]));
        }
        let known = keys(self.subject.metadata.pointer("/localnet/families")).len();
        if families && keys(event.get("families")).len() != known {
            return fail(format!("families of the event are {}, not {known}", event["families"]));
        }
        if features { self.same_features(event) } else { Ok(()) }
    }

    fn same_features(&self, event: &Value) -> Progress {
        let Some(known) = self.subject.metadata.get("features") else { return Ok(()) };
        let (told, known) = (mature(event.get("features")), mature(Some(known)));
        if let Some(odd) = told.iter().find(|name| !BUCKETS.contains(&name.as_str())) {
            return fail(format!("there is no feature {odd}"));
        }
        if told == known {
            Ok(())
        } else {
            fail(format!("features of the event are {told:?}, not {known:?}"))
        }
    }

    pub(super) fn scan(
        &mut self,
        starts_in: i64,
        depth: Option<&str>,
        targeted: bool,
        in_network: bool,
    ) -> Progress {
        let mut order = json!({ "generation": self.moment(starts_in), "scan_duration_sec": SCAN_S });
        if let Some(depth) = depth {
            order["depth"] = depth.into();
        }
        let mut expected = self.around.clone();
        if targeted {
            if expected.len() <= 2 {
                return Err(Halt::Skip("not enough targets".into()));
            }
            expected = expected.into_iter().take(2).collect();
            order["addrs"] = expected.keys().cloned().collect();
        }
        if in_network {
            let networks: BTreeSet<_> =
                expected.values().filter_map(|target| target.network.clone()).collect();
            let (Some(network), true) = (networks.first(), networks.len() >= 2) else {
                return Err(Halt::Skip("not enough networks".into()));
            };
            expected.retain(|_, target| target.network.as_ref() == Some(network));
            order["networks"] = json!([network]);
        }
        let generation = order["generation"].clone();
        self.wanted["discovery"]["families"][self.subject.facet.as_str()] = order;
        self.update(false)?;
        self.follow_phases(&generation, starts_in > 0)?;
        let count = self.family().and_then(|family| family["active_count"].as_u64()).unwrap_or(0);
        if self.pace.is_shared {
            // Late events would be of this generation still.
            self.bench.release();
        }
        self.pause(SETTLE_S)?;
        let wants_references = targeted || depth == Some("details");
        self.check_round(&generation, count, &expected, wants_references)
    }

    fn follow_phases(&mut self, generation: &Value, is_ahead: bool) -> Progress {
        let now = |tester: &Self| tester.bench.now().utc.0 / 1000;
        let planned = generation.as_str().and_then(expect::millis).unwrap_or(0) / 1000;
        let planned = planned.max(now(self));
        if is_ahead {
            self.await_phase("pending", generation)?;
            let stamp = self.state_at("/timestamp").and_then(Value::as_str).and_then(expect::millis);
            if stamp.is_none_or(|stamp| stamp / 1000 >= planned) {
                return fail("pending was told too late");
            }
        }
        for (phase, due) in [("active", planned), ("stopped", planned + SCAN_S)] {
            self.await_phase(phase, generation)?;
            let late = now(self) - due;
            if late.abs() > TOLERANCE_S {
                return fail(format!("{phase} was seen {late} s late"));
            }
        }
        Ok(())
    }

    fn await_phase(&mut self, phase: &str, generation: &Value) -> Progress {
        self.wait(PHASE_S, &format!("phase {phase}"), |tester| {
            let family = tester.family();
            family.is_some_and(|family| family["phase"] == phase && family["generation"] == *generation)
        })
    }

    fn family(&self) -> Option<&Value> {
        self.state_at(&format!("/discovery/families/{}", self.subject.facet))
    }

    /// The events of a round: marks and numbers, and all of what there is to find, once.
    fn check_round(
        &self,
        generation: &Value,
        count: u64,
        expected: &BTreeMap<String, Target>,
        wants_references: bool,
    ) -> Progress {
        let events: Vec<_> = self
            .discovered()
            .map(|event| &event.payload)
            .filter(|event| {
                event["family"] == self.subject.facet.as_str() && event["generation"] == *generation
            })
            .collect();
        if events.len() as u64 != count + 2 {
            return fail(format!("{} events of a scan that has found {count}", events.len()));
        }
        let numbers: Vec<_> = events.iter().filter_map(|event| event["event_no"].as_i64()).collect();
        let last = i64::try_from(count).unwrap_or(i64::MAX) + 1;
        if numbers != (0..last).chain([-last]).collect::<Vec<_>>() {
            return fail(format!("events are numbered {numbers:?}"));
        }
        let found: Vec<_> = events.iter().filter_map(|event| event["addr"].as_str()).collect();
        let addresses: BTreeSet<_> = found.iter().copied().collect();
        if addresses.len() != found.len()
            || !addresses.iter().copied().eq(expected.keys().map(String::as_str))
        {
            return fail(format!("found {found:?}, not {:?}", expected.keys().collect::<Vec<_>>()));
        }
        events.iter().try_for_each(|event| check_event(event, expected, wants_references))
    }

    pub(super) fn last_round(&mut self) -> Progress {
        self.collect();
        let of_family = |event: &&Received| event.payload["family"] == self.subject.facet.as_str();
        let events: Vec<_> = self.discovered().filter(of_family).map(|event| &event.payload).collect();
        let Some(last) = events.last() else { return fail("no event of a scan came") };
        let of_last = events.iter().filter(|event| event["generation"] == last["generation"]);
        let mut of_devices = of_last.filter(|event| event.get("addr").is_some());
        of_devices.try_for_each(|event| check_event(event, &self.around, true))
    }

    pub(super) fn nothing_discovered(&mut self, seconds: u64) -> Progress {
        self.pause(seconds)?;
        let first = self.discovered().next();
        first.map_or(Ok(()), |event| fail(format!("an event came: {}", event.payload)))
    }
}

/// Network and references of one event are those of the device it tells of, if it tells of one.
fn check_event(event: &Value, expected: &BTreeMap<String, Target>, wants_references: bool) -> Progress {
    let Some(address) = event["addr"].as_str() else {
        return if event.get("refs").is_none() { Ok(()) } else { fail("a mark tells of references") };
    };
    let Some(target) = expected.get(address) else { return fail(format!("nobody is at {address}")) };
    if event.get("network").and_then(Value::as_str) != target.network.as_deref() {
        return fail(format!(
            "{address} is in network {}, not {:?}",
            shown(event.get("network")),
            target.network
        ));
    }
    let told = event.get("refs").map(|refs| keys(Some(refs)));
    if told.as_ref() != Some(&target.references).filter(|_| wants_references) {
        return fail(format!("references of {address} are {}", shown(event.get("refs"))));
    }
    Ok(())
}

fn keys(members: Option<&Value>) -> BTreeSet<String> {
    members.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// The features that are to be compared: those beyond preview, which those without a stage are.
fn mature(features: Option<&Value>) -> BTreeSet<String> {
    let features = features.and_then(Value::as_object).into_iter().flatten();
    let mature =
        features.filter(|(_, feature)| matches!(feature["stage"].as_str(), None | Some("beta" | "stable")));
    mature.map(|(name, _)| name.clone()).collect()
}
