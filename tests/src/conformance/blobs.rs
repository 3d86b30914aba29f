//! The steps of the endpoint and software sequences (§9.6): orders, the two registries, and what comes of them.

use serde_json::{Value, json};

use super::scenario::Place;
use super::tester::Tester;
use super::{Progress, fail, shown};
use crate::data_url;
use crate::model::{Model, Role};
use crate::world::{Registry, merge};

const PASSWORD: &str = "c0ffee42";
const ENDPOINT: &str = "_iot_endpoint_config";
/// Milliseconds from the copy of a config to the first look at the other registry (§5.3).
const MIRROR_MS: u64 = 1000;

/// What the topics of a device begin with in each registry.
#[derive(Debug)]
pub(super) struct Prefixes {
    main: String,
    alternate: String,
    bogus: String,
}

impl Prefixes {
    pub(super) fn of(model: &Model) -> Self {
        let within = |registry: &str| format!("/r/{registry}/d/{}", model.device_id);
        Self { main: model.prefix(), alternate: within("ALT"), bogus: within("BOGUS_REGISTRY") }
    }
}

/// The registry the device is in, the other one, and one that nobody knows.
pub(super) fn registries(model: &Model) -> Vec<Registry> {
    if model.role == Role::Proxied {
        return Vec::new();
    }
    let Prefixes { main, alternate, bogus } = Prefixes::of(model);
    let known = [main, alternate].map(|prefix| Registry { prefix, password: Some(PASSWORD.to_owned()) });
    known.into_iter().chain([Registry { prefix: bogus, password: None }]).collect()
}

/// The endpoint document as the tool makes it for the local broker (§5.3).
fn document(prefixes: &Prefixes, to: Place, host: &str, port: u16) -> String {
    let (host, registry) = match to {
        Place::Main => (host, &prefixes.main),
        Place::Alternate => (host, &prefixes.alternate),
        Place::BogusRegistry => (host, &prefixes.bogus),
        Place::BogusHost => ("twiddily.fiddily.fog", &prefixes.main),
    };
    json!({
        "protocol": "mqtt", "hostname": host, "port": port, "transport": "tcp",
        "client_id": registry, "topic_prefix": registry,
        "auth_provider": { "basic": { "username": registry, "password": PASSWORD } }
    })
    .to_string()
}

impl Tester {
    fn endpoint_blob(&self, to: Place, bad_hash: bool) -> Value {
        let endpoint = self.world.endpoint();
        let document = document(&self.prefixes, to, &endpoint.host, endpoint.port);
        let hash = if bad_hash { "0".repeat(64) } else { data_url::sha256(document.as_bytes()) };
        let url = data_url::encode(document.as_bytes());
        json!({ "phase": "final", "url": url, "sha256": hash, "generation": self.world.timestamp() })
    }

    /// What the topics of the device begin with in the registry that is not in use.
    pub(super) fn other(&self) -> &str {
        let Prefixes { main, alternate, .. } = &self.prefixes;
        if self.world.cloud.prefix() == main { alternate } else { main }
    }

    /// §9.3 step 2: a way home for a device that is lost in the other registry.
    pub(super) fn point_home(&mut self) {
        if !self.world.knows(&self.prefixes.alternate) {
            return;
        }
        let mut config = self.wanted.clone();
        config["blobset"]["blobs"][ENDPOINT] = self.endpoint_blob(Place::Main, false);
        merge(&mut config, &json!({ "timestamp": self.world.timestamp(), "version": "1.5.7" }));
        self.in_other(|tester| tester.world.publish_config(&config));
    }

    fn in_other(&mut self, act: impl FnOnce(&mut Self)) {
        let (own, other) = (self.world.cloud.prefix().to_owned(), self.other().to_owned());
        self.world.cloud.turn_to(&other);
        act(self);
        self.world.cloud.turn_to(&own);
    }

    pub(super) fn order_endpoint(&mut self, to: Place, bad_hash: bool) -> Progress {
        self.await_turn();
        let blob = self.endpoint_blob(to, bad_hash);
        self.order(ENDPOINT, blob)
    }

    fn order(&mut self, name: &str, blob: Value) -> Progress {
        self.generation = blob["generation"].as_str().unwrap_or_default().to_owned();
        self.wanted["blobset"]["blobs"][name] = blob;
        self.update(false)
    }

    pub(super) fn order_blob(&mut self, target: &str) -> Progress {
        self.await_turn();
        let target = self.metadata["testing"]["blob_update_targets"][target].clone();
        let Some(name) = target["blob_name"].as_str() else { return fail("there is no such target") };
        let blob = json!({
            "phase": "final", "url": target["url"], "sha256": target["sha256"],
            "generation": self.world.timestamp()
        });
        self.order(name, blob)
    }

    pub(super) fn endpoint_is(&mut self, phase: &str, failed: bool, within_s: u64) -> Progress {
        let what = format!("endpoint in phase {phase} of generation {}, failed: {failed}", self.generation);
        let waited = self.wait(within_s, &what, |tester| {
            let Some(blob) = tester.state_at("/blobset/blobs/_iot_endpoint_config") else { return false };
            let status = blob.get("status");
            let as_expected = match status {
                Some(status) => status["level"] == 500 && status["category"] == "blobset.blob.apply",
                None => true,
            };
            blob["phase"] == phase
                && blob["generation"] == tester.generation.as_str()
                && status.is_some() == failed
                && as_expected
        });
        match waited {
            Err(super::Halt::Fail(text)) => {
                fail(format!("{text}: {}", shown(self.state_at("/blobset/blobs"))))
            }
            other => other,
        }
    }

    /// §5.3: the other registry gets the config only now, after the device's answer.
    pub(super) fn switch(&mut self) -> Progress {
        let other = self.other().to_owned();
        let kind = if other == self.prefixes.alternate { json!("alternate") } else { Value::Null };
        let testing = json!({ "system": { "testing": { "endpoint_type": kind } } });
        merge(&mut self.wanted, &testing);
        let mut config = self.stored.clone();
        merge(&mut config, &testing);
        merge(&mut config, &json!({ "timestamp": self.world.timestamp() }));
        self.sent = self.wanted.clone();
        self.in_other(|tester| tester.world.publish_config(&config));
        self.stored = config;
        self.world.advance(MIRROR_MS);
        self.collect();
        self.world.cloud.turn_to(&other);
        self.strays = 0;
        Ok(())
    }

    /// The tool writes `{}`, to which UDMIS adds timestamp and version (§5.3).
    pub(super) fn clear_other(&mut self) -> Progress {
        let config = json!({ "timestamp": self.world.timestamp(), "version": "1.5.7" });
        self.in_other(|tester| tester.world.publish_config(&config));
        Ok(())
    }

    pub(super) fn strays(&mut self, seconds: u64, least: usize, most: usize) -> Progress {
        self.pause(seconds)?;
        let seen = self.strays;
        if (least..=most).contains(&seen) {
            return Ok(());
        }
        fail(format!("{seen} states in the registry not in use, {least} to {most} are expected"))
    }

    pub(super) fn follow(&mut self) -> Progress {
        if let Some(start) = self.state_at("/system/operation/last_start").cloned() {
            self.wanted["system"]["operation"]["last_start"] = start;
        }
        self.update(false)
    }
}
