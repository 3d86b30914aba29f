//! The step of the gateway sequences (§9.6): what the devices behind a gateway send.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tester::Tester;
use super::{Halt, Progress, fail};
use crate::world::{Received, merge};

/// Seconds between two samples of each device.
const RATE_S: u64 = 10;

impl Tester<'_> {
    pub(super) fn each_proxied(&mut self, topic: &str, within_s: u64) -> Progress {
        let ids = self.subject.metadata.pointer("/gateway/proxy_ids").and_then(Value::as_array);
        let ids: Vec<_> = ids.into_iter().flatten().filter_map(Value::as_str).collect();
        let ids: BTreeSet<_> = ids.into_iter().map(|id| self.subject.prefix_of(id)).collect();
        self.collect();
        let seen = self.foreign.len();
        for prefix in &ids {
            let stamp = self.timestamp();
            let patch = json!({ "timestamp": stamp, "pointset": { "sample_rate_sec": RATE_S } });
            self.edit(prefix, |config| merge(config, &patch))?;
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
