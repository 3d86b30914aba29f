//! The step of the gateway sequences (§9.6): what the devices behind a gateway send.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tester::Tester;
use super::{Halt, Progress, fail};
use crate::world::{Received, World, merge};

/// Seconds between two samples of each device.
const RATE_S: u64 = 10;

impl Tester {
    pub(super) fn each_proxied(&mut self, topic: &str, within_s: u64) -> Progress {
        let ids = self.metadata.pointer("/gateway/proxy_ids").and_then(Value::as_array);
        let ids: Vec<_> = ids.into_iter().flatten().filter_map(Value::as_str).collect();
        let ids: BTreeSet<_> = ids.into_iter().map(|id| self.world.prefix_of(id)).collect();
        self.collect();
        let seen = self.foreign.len();
        for prefix in &ids {
            self.world.turned_to(prefix, quicken);
        }
        let sends = |received: &&Received| received.topic == topic;
        let what = format!("message on {topic} of each proxied device");
        let waited = self.wait(within_s, &what, |tester| {
            let heard = tester.foreign[seen..].iter().filter(sends).map(|received| &received.prefix);
            heard.collect::<BTreeSet<_>>().is_superset(&ids.iter().collect())
        });
        let heard: BTreeSet<_> = self.foreign[seen..].iter().filter(sends).map(|sent| &sent.prefix).collect();
        let missing: Vec<_> = ids.iter().filter(|prefix| !heard.contains(prefix)).collect();
        let others: Vec<_> = heard.into_iter().filter(|prefix| !ids.contains(*prefix)).collect();
        match waited {
            Err(Halt::Fail(text)) => fail(format!("{text}: {missing:?} are missing")),
            Ok(()) if !others.is_empty() => fail(format!("{others:?} are not to be acted for")),
            other => other,
        }
    }
}

/// A config with a fresh timestamp.
fn quicken(world: &mut World) {
    let mut config = world.cloud.config.clone();
    let patch = json!({ "timestamp": world.timestamp(), "pointset": { "sample_rate_sec": RATE_S } });
    merge(&mut config, &patch);
    world.publish_config(&config);
}
