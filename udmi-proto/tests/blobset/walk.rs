//! Whatever clouds, hosts, applications, links and power do, in any order: nothing is left behind, nothing that was
//! stored is installed again, and the status of the system stays clean.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use udmi_proto::{Action, BlobOutcome, Event, FetchError, FetchEvent, FetchId, Hook, HookId, Key, Outcome};

use super::{CONTENT, Rig, blob, configure, taking};

const WALKS: u64 = 40;
const STEPS: usize = 400;
const GENERATIONS: u64 = 4;

/// A small generator of numbers (Knuth's constants), so that a failing walk is named by its seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let sides = u64::try_from(items.len()).unwrap();
        (sides > 0).then(|| items[usize::try_from(self.throw(sides)).unwrap()])
    }
}

struct Walk {
    dice: Dice,
    rig: Rig,
    fetches: BTreeSet<FetchId>,
    /// Of these, the ones that deliver nothing any more.
    done: BTreeSet<FetchId>,
    hooks: Vec<HookId>,
    config: Json,
    /// How often the application was asked to install, to activate, and the run ended.
    seen: [usize; 3],
}

impl Walk {
    fn new(seed: u64) -> Self {
        let rig = Rig::new(taking());
        let (fetches, done) = (BTreeSet::new(), BTreeSet::new());
        Self { dice: Dice(seed), rig, fetches, done, hooks: Vec::new(), config: json!({}), seen: [0; 3] }
    }

    fn step(&mut self) {
        match self.dice.throw(40) {
            0..2 => self.order(),
            2..6 => self.publish(),
            6..14 => self.deliver(),
            14..22 => self.answer(),
            22..30 => self.pass(1_000),
            30..37 => self.pass(5_000),
            37 => match self.dice.throw(8) {
                0 => self.pass(700_000),
                1..4 => self.start_again(),
                _ => self.rig.disconnect(),
            },
            38 => self.rig.acknowledge = false,
            _ => self.rig.acknowledge = true,
        }
        self.look();
    }

    fn order(&mut self) {
        let mut blobs = serde_json::Map::new();
        for name in ["system", "modem"] {
            let mut wanted = blob(&format!("2026-03-01T10:00:0{}Z", self.dice.throw(GENERATIONS)));
            match self.dice.throw(12) {
                0 => continue,
                3 => wanted["phase"] = json!("apply"),
                4 => wanted["sha256"] = json!("00"),
                5 => wanted["generation"] = Json::Null,
                6 => wanted["sha256"] = json!("0".repeat(64)),
                _ => {}
            }
            blobs.insert(name.into(), wanted);
        }
        self.config = Json::Object(blobs);
        self.publish();
    }

    fn publish(&mut self) {
        if self.rig.try_connect() {
            configure(&mut self.rig, self.config.clone());
        }
    }

    fn deliver(&mut self) {
        let open: Vec<_> = self.fetches.difference(&self.done).copied().collect();
        let Some(id) = self.dice.pick(&open) else { return };
        let mut tell = |event| self.rig.handle(Event::Fetched { id, event });
        match self.dice.throw(8) {
            0 => tell(FetchEvent::Size(self.dice.throw(3) * 16_000_000)),
            1 => tell(FetchEvent::Restarted),
            2 => {
                tell(FetchEvent::Failed(FetchError::Status(404)));
                self.fetches.remove(&id);
            }
            3 => {
                tell(FetchEvent::Done);
                self.done.insert(id);
            }
            _ => {
                tell(FetchEvent::Restarted);
                tell(FetchEvent::Chunk(Bytes::from_static(CONTENT)));
                tell(FetchEvent::Done);
                self.done.insert(id);
            }
        }
    }

    fn answer(&mut self) {
        let Some(id) = self.dice.pick(&self.hooks) else { return };
        self.hooks.retain(|hook| *hook != id);
        let message = || String::from("no");
        let outcome = match self.dice.throw(10) {
            8 => Outcome::Blob(BlobOutcome::Activated),
            9 => Outcome::Blob(BlobOutcome::NotActivated),
            0 => Outcome::Failed { message: message() },
            1 => Outcome::Invalid { message: message() },
            2 => Outcome::Blob(BlobOutcome::RolledBack { message: message() }),
            3 => Outcome::Unhandled,
            4 => Outcome::Done,
            _ => super::processed("v2"),
        };
        self.rig.answer(id, outcome);
    }

    fn pass(&mut self, most: u64) {
        let millis = self.dice.throw(most) + 1;
        self.rig.advance(millis);
        if self.rig.try_connect() && self.dice.throw(2) == 0 {
            self.publish();
        }
    }

    fn start_again(&mut self) {
        self.rig = Rig::with_store(taking(), core::mem::take(&mut self.rig.store));
        self.fetches.clear();
        self.done.clear();
        self.hooks.clear();
    }

    /// Takes in what the device has done, and checks it.
    fn look(&mut self) {
        for effect in core::mem::take(&mut self.rig.effects) {
            match effect {
                Action::Fetch { id, .. } => assert!(self.fetches.insert(id)),
                Action::Release { id } => assert!(self.fetches.remove(&id), "released what was not held"),
                other => panic!("{other:?}"),
            }
        }
        assert!(self.fetches.len() <= 4);
        for id in self.rig.cancelled() {
            self.hooks.retain(|hook| *hook != id);
        }
        for (id, hook) in self.rig.hooks() {
            self.check_hook(&hook);
            self.seen[usize::from(matches!(hook, Hook::ActivateBlob { .. }))] += 1;
            self.hooks.push(id);
        }
        for state in self.rig.states() {
            assert!(state["system"].get("status").is_none(), "{}", state["system"]);
        }
        if self.rig.exit.is_some() {
            self.seen[2] += 1;
            self.start_again();
        }
    }

    fn check_hook(&self, hook: &Hook) {
        match hook {
            Hook::ProcessBlob { name, generation, staged, .. } => {
                let record = self.record(name);
                assert!(self.fetches.contains(staged));
                assert_ne!(
                    record["generation"],
                    json!(generation),
                    "it has come to its end before: {record}"
                );
            }
            Hook::ActivateBlob { name, .. } => {
                let record = self.record(name);
                assert!(record["result"]["processed"]["activations"].as_u64() >= Some(1), "{record}");
            }
            Hook::CheckActivation { name, .. } => {
                let record = self.record(name);
                assert!(record["result"]["processed"]["activations"].as_u64() >= Some(1), "{record}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn record(&self, name: &str) -> Json {
        let value = self.rig.store.get(&Key::new("blobset").unwrap());
        let table: Json = value.map_or(Json::Null, |value| serde_json::from_slice(value).unwrap());
        table["blobs"][name].clone()
    }

    /// The cloud wants nothing any more, and nobody answers: all comes to rest.
    fn rest(&mut self) {
        self.rig.acknowledge = true;
        self.config = json!({});
        for _ in 0..20 {
            self.pass(2_000);
            self.look();
        }
        self.rig.disconnect();
        for _ in 0..200 {
            self.pass(5_000);
            self.look();
        }
        self.publish();
        self.rig.advance(300_000);
        self.look();
        assert_eq!(self.fetches, BTreeSet::new(), "staged files are left");
        assert_eq!(self.hooks, [], "hooks are left");
        self.publish();
        assert_eq!(self.rig.state()["blobset"], json!({ "blobs": {} }));
        assert!(self.record("system").is_null() && self.record("modem").is_null());
    }
}

#[test]
fn whatever_happens_nothing_is_left_behind_and_nothing_stored_is_installed_again() {
    let mut seen = [0; 3];
    for seed in 0..WALKS {
        let walked = std::panic::catch_unwind(|| {
            let mut walk = Walk::new(seed);
            for _ in 0..STEPS {
                walk.step();
            }
            walk.rest();
            walk.seen
        });
        let walked = walked.unwrap_or_else(|_| panic!("walk {seed}"));
        seen = core::array::from_fn(|at| seen[at] + walked[at]);
    }
    assert!(seen[0] > 100 && seen[1] > 20 && seen[2] > 10, "the walks stay where nothing happens: {seen:?}");
}
