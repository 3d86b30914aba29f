//! The machine loses its power after any action of a key rotation, and before or after anything its host does: no key
//! is in force that nobody knows of.

use std::collections::BTreeMap;

use bytes::Bytes;
use device_link::wire::ConnectCode;
use serde_json::json;
use udmi_proto::{Command, Hook, Key, NewKey, Notice, Outcome, Secret};

use super::rotation::with_password;
use super::support::{PREFIX, Rig};

const OLD: &str = "old";

/// A device, its host's keys by name, and a broker.
struct Machine {
    store: BTreeMap<Key, Bytes>,
    in_force: String,
    backups: Vec<String>,
    /// How many pairs were made.
    made: usize,
    /// Whether the broker takes any other key than the old one.
    takes_new: bool,
    /// The keys the application was told of, in any run.
    told: Vec<String>,
    /// Actions carried out, and things done by the host.
    actions: usize,
}

/// The password that is derived from a key.
fn password(key: &str) -> String {
    format!("password of {key}")
}

impl Machine {
    fn new(takes_new: bool) -> Self {
        Self {
            store: BTreeMap::new(),
            in_force: OLD.into(),
            backups: Vec::new(),
            made: 0,
            takes_new,
            told: Vec::new(),
            actions: 0,
        }
    }

    /// Runs until the power fails, or for two minutes. Tells the key that the broker knows the device by.
    fn run(&mut self, power: usize, rotates: bool) -> Option<String> {
        let mut settings = with_password(PREFIX);
        if let Some(credentials) = &mut settings.credentials {
            credentials.password = Secret::new(password(&self.in_force));
        }
        let mut rig = Rig::with_power(settings, core::mem::take(&mut self.store), power);
        // What is made and not in force is lost with the power.
        let mut prepared = None;
        let mut known = None;
        let mut rotates = rotates;
        for _ in 0..400 {
            if rig.power == Some(0) {
                break;
            }
            self.serve(&mut rig, &mut prepared);
            for notice in rig.notices() {
                if let Notice::KeyRotated { public_key, .. } = notice {
                    self.told.push(public_key);
                }
            }
            if rig.dials() {
                known = self.answer(&mut rig);
            }
            if known.is_some() && core::mem::take(&mut rotates) {
                rig.config(json!({}));
                rig.command(Command::RotateKey);
            }
            rig.advance(300);
        }
        self.actions += power - rig.power.unwrap_or_default();
        self.store = rig.store;
        known
    }

    /// The broker hears the password, and knows the device by the key it is derived from or refuses it.
    fn answer(&self, rig: &mut Rig) -> Option<String> {
        let takes = |key: &str| key == OLD || self.takes_new;
        let keys: Vec<_> = (1..=self.made).map(|number| format!("key {number}")).collect();
        let heard = rig.open();
        let known = [OLD.into()].into_iter().chain(keys).find(|key| heard.as_deref() == Some(&password(key)));
        let taken = known.filter(|key| takes(key) && *key == self.in_force);
        rig.welcome(if taken.is_some() { ConnectCode::Accepted } else { ConnectCode::NotAuthorized });
        taken
    }

    fn serve(&mut self, rig: &mut Rig, prepared: &mut Option<String>) {
        for (id, hook) in rig.hooks() {
            if !rig.spend() {
                return;
            }
            let outcome = match hook {
                Hook::MakeKey => {
                    self.made += 1;
                    let key = format!("key {}", self.made);
                    self.backups.push(self.in_force.clone());
                    *prepared = Some(key.clone());
                    let password = Secret::new(password(&key));
                    Outcome::KeyMade(NewKey { public_key: key, backup: self.in_force.clone(), password })
                }
                Hook::UseKey { public_key } if self.in_force == public_key => Outcome::Done,
                Hook::UseKey { public_key } if prepared.as_ref() == Some(&public_key) => {
                    self.in_force = public_key;
                    Outcome::Done
                }
                Hook::UseKey { .. } => Outcome::Failed { message: "there is no such key".into() },
                Hook::RestoreKey { backup } => {
                    assert!(self.backups.contains(&backup));
                    self.in_force = backup;
                    Outcome::Done
                }
                other => panic!("{other:?}"),
            };
            if !rig.spend() {
                return;
            }
            rig.answer(id, outcome);
        }
    }

    /// Whatever has happened: the broker knows the device, nothing is open, and the application knows the key.
    fn check(&mut self, cuts: &[usize]) {
        let known = self.run(1 << 20, false);
        assert_eq!(known.as_ref(), Some(&self.in_force), "cuts {cuts:?}");
        assert!(self.in_force == OLD || self.takes_new, "cuts {cuts:?}");
        assert!(
            self.in_force == OLD || self.told.contains(&self.in_force),
            "cuts {cuts:?}: told of {:?}",
            self.told
        );
        let rotation = Key::new("rotation").expect("a key");
        assert!(!self.store.contains_key(&rotation), "cuts {cuts:?}");
    }
}

/// How many actions a rotation takes.
fn length(takes_new: bool) -> usize {
    let mut machine = Machine::new(takes_new);
    let known = machine.run(1 << 20, true);
    assert_eq!(known.as_deref(), Some(if takes_new { "key 1" } else { OLD }));
    machine.actions
}

#[test]
fn regression_wherever_the_power_fails_the_device_is_known_to_the_broker_in_the_end() {
    for takes_new in [true, false] {
        let length = length(takes_new);
        let mut ends = [0; 2];
        for cut in 1..length {
            let mut machine = Machine::new(takes_new);
            machine.run(cut, true);
            machine.check(&[cut]);
            ends[usize::from(machine.in_force == OLD)] += 1;
        }
        assert!(ends[1] > 5 && (ends[0] > 5) == takes_new, "{ends:?} of {length}");
    }
}

/// The second failure comes in the run that takes up what the first has left.
#[test]
fn two_failures_of_the_power_change_nothing_about_that() {
    for takes_new in [true, false] {
        for first in 5..length(takes_new) {
            for second in 1..30 {
                let mut machine = Machine::new(takes_new);
                machine.run(first, true);
                machine.run(second, false);
                machine.check(&[first, second]);
            }
        }
    }
}
