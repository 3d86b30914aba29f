//! The steps of the endpoint and software sequences (§9.6): orders, the two registries, and what comes of them.

use serde_json::{Value, json};

use super::scenario::Place;
use super::simulated::PASSWORD;
use super::subject::Subject;
use super::tester::Tester;
use super::{Halt, Progress, fail, shown};
use crate::data_url;
use crate::model::Role;
use crate::world::{Registry, merge};

const ENDPOINT: &str = "_iot_endpoint_config";
/// A host that has no address.
const BOGUS_HOST: &str = "twiddily.fiddily.fog";
/// Milliseconds from the copy of a config to the first look at the other registry (§5.3).
const MIRROR_MS: u64 = 1000;

/// What the topics of a device begin with in each registry.
#[derive(Debug)]
pub(super) struct Prefixes {
    main: String,
    alternate: Option<String>,
    bogus: String,
}

impl Prefixes {
    pub(super) fn of(subject: &Subject) -> Self {
        let bogus = format!("/r/BOGUS_REGISTRY/d/{}", subject.id);
        Self { main: subject.prefix.clone(), alternate: subject.alternate.clone(), bogus }
    }
}

/// The registry the device is in, the other one, and one that nobody knows.
pub(super) fn registries(subject: &Subject) -> Vec<Registry> {
    if subject.role == Role::Proxied {
        return Vec::new();
    }
    let Prefixes { main, alternate, bogus } = Prefixes::of(subject);
    let known = |prefix| Registry { prefix, password: Some(PASSWORD.to_owned()) };
    let known = [Some(main), alternate].into_iter().flatten().map(known);
    known.chain([Registry { prefix: bogus, password: None }]).collect()
}

impl Tester<'_> {
    fn endpoint_blob(&self, to: Place, bad_hash: bool) -> Result<Value, Halt> {
        let prefix = match to {
            Place::Main | Place::BogusHost => &self.prefixes.main,
            Place::Alternate => self.alternate()?,
            Place::BogusRegistry => &self.prefixes.bogus,
        };
        let mut document = self.bench.endpoint(prefix);
        if to == Place::BogusHost {
            document["hostname"] = BOGUS_HOST.into();
        }
        let document = document.to_string();
        let hash = if bad_hash { "0".repeat(64) } else { data_url::sha256(document.as_bytes()) };
        let url = data_url::encode(document.as_bytes());
        Ok(json!({ "phase": "final", "url": url, "sha256": hash, "generation": self.timestamp() }))
    }

    /// The device in the other registry; the sequence is skipped if there is none.
    fn alternate(&self) -> Result<&String, Halt> {
        let known = self.prefixes.alternate.as_ref().filter(|prefix| self.bench.knows(prefix));
        known.ok_or_else(|| Halt::Skip("No functional alternate registry defined".to_owned()))
    }

    /// What the topics of the device begin with in the registry that is not in use.
    pub(super) fn other(&self) -> &str {
        let Prefixes { main, alternate, .. } = &self.prefixes;
        if self.prefix == *main { alternate.as_deref().unwrap_or_default() } else { main }
    }

    /// §9.3 step 2: a way home for a device that is lost in the other registry.
    pub(super) fn point_home(&mut self) -> Progress {
        let Ok(alternate) = self.alternate().cloned() else { return Ok(()) };
        let mut config = self.wanted.clone();
        config["blobset"]["blobs"][ENDPOINT] = self.endpoint_blob(Place::Main, false)?;
        merge(&mut config, &json!({ "timestamp": self.timestamp(), "version": "1.5.7" }));
        self.publish(&alternate, &config)
    }

    pub(super) fn order_endpoint(&mut self, to: Place, bad_hash: bool) -> Progress {
        self.await_turn();
        let blob = self.endpoint_blob(to, bad_hash)?;
        self.order(ENDPOINT, blob)
    }

    fn order(&mut self, name: &str, blob: Value) -> Progress {
        self.generation = blob["generation"].as_str().unwrap_or_default().to_owned();
        self.wanted["blobset"]["blobs"][name] = blob;
        self.update(false)
    }

    pub(super) fn order_blob(&mut self, target: &str) -> Progress {
        self.await_turn();
        let target = self.subject.metadata["testing"]["blob_update_targets"][target].clone();
        let Some(name) = target["blob_name"].as_str() else { return fail("there is no such target") };
        let blob = json!({
            "phase": "final", "url": target["url"], "sha256": target["sha256"],
            "generation": self.timestamp()
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
            Err(Halt::Fail(text)) => fail(format!("{text}: {}", shown(self.state_at("/blobset/blobs")))),
            other => other,
        }
    }

    /// §5.3: the other registry gets the config only now, after the device's answer.
    pub(super) fn switch(&mut self) -> Progress {
        let alternate = self.alternate()?.clone();
        let other = self.other().to_owned();
        let kind = if other == alternate { json!("alternate") } else { Value::Null };
        let testing = json!({ "system": { "testing": { "endpoint_type": kind } } });
        merge(&mut self.wanted, &testing);
        let mut config = self.cloud_config();
        merge(&mut config, &testing);
        self.stamp = self.timestamp().into();
        merge(&mut config, &json!({ "timestamp": self.stamp }));
        self.sent = self.wanted.clone();
        self.publish(&other, &config)?;
        self.pass(MIRROR_MS);
        self.prefix = other;
        self.strays = 0;
        Ok(())
    }

    /// The tool writes `{}`, to which UDMIS adds timestamp and version (§5.3).
    pub(super) fn clear_other(&mut self) -> Progress {
        let config = json!({ "timestamp": self.timestamp(), "version": "1.5.7" });
        let other = self.other().to_owned();
        self.publish(&other, &config)
    }

    pub(super) fn strays(&mut self, seconds: u64, least: usize, most: usize) -> Progress {
        if least > 0 {
            // Enough will not become too many unless the device floods, which ends the waiting all the same.
            let _ = self.wait(seconds, "states", |tester| tester.strays >= least);
        } else {
            self.pause(seconds)?;
        }
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
