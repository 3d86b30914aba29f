//! The machine loses its power after any action (property 11): what the next run knows is one of two things.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use udmi_proto::{Action, BlobOutcome, Event, ExitReason, FetchEvent, Hook, Key, Outcome};

use super::{CONTENT, FIRST, Rig, blob, configure, processed, taking};

/// Virtual time of a run, in milliseconds.
const RUN: u64 = 15_000;

/// A device, its store, and what its application has done to it.
#[derive(Default)]
struct Machine {
    store: BTreeMap<Key, Bytes>,
    /// How often the application was asked to install, and to activate.
    processed: usize,
    activated: usize,
    /// The version that is staged, and the one that runs.
    staged: Option<String>,
    running: Option<String>,
    /// What the cloud has heard last of the blob.
    told: Option<Json>,
    told_version: Option<Json>,
    /// Actions carried out.
    actions: usize,
    outcome: Option<Outcome>,
    /// Whether the application can tell what it runs.
    tells: bool,
    /// Activating ends the run, as an `exec` does: it is never answered.
    replaces: bool,
}

impl Machine {
    fn new(outcome: &Outcome) -> Self {
        Self { outcome: Some(outcome.clone()), tells: true, ..Self::default() }
    }

    /// Runs until the power fails, the run ends, or nothing happens any more. Tells why the run ended.
    fn run(&mut self, power: Option<usize>) -> Option<ExitReason> {
        const PLENTY: usize = 1 << 20;
        let power = power.unwrap_or(PLENTY);
        let mut rig = Rig::with_power(taking(), core::mem::take(&mut self.store), power);
        let mut configured = false;
        for _ in 0..RUN / 50 {
            if rig.power == Some(0) || rig.exit.is_some() {
                break;
            }
            rig.advance(50);
            if rig.try_connect() && !configured {
                configured = true;
                configure(&mut rig, json!({ "system": blob(FIRST) }));
            }
            self.serve(&mut rig);
            self.listen(&mut rig);
        }
        self.listen(&mut rig);
        self.actions += power - rig.power.unwrap_or_default();
        self.store = rig.store;
        rig.exit
    }

    fn serve(&mut self, rig: &mut Rig) {
        for effect in core::mem::take(&mut rig.effects) {
            let Action::Fetch { id, .. } = effect else { continue };
            rig.handle(Event::Fetched { id, event: FetchEvent::Chunk(Bytes::from_static(CONTENT)) });
            rig.handle(Event::Fetched { id, event: FetchEvent::Done });
        }
        for (id, hook) in rig.hooks() {
            // What the application does takes place after it was asked, and before it answers.
            if !rig.spend() {
                return;
            }
            match hook {
                Hook::ProcessBlob { .. } => {
                    self.processed += 1;
                    self.staged = Some("v2".into());
                    rig.answer(id, self.outcome.clone().expect("an outcome"));
                }
                Hook::ActivateBlob { version, .. } => {
                    assert_eq!(version, self.staged, "only what is staged is activated");
                    self.activated += 1;
                    self.running = version;
                    if self.replaces {
                        rig.power = Some(0);
                        return;
                    }
                    rig.answer(id, Outcome::Done);
                }
                Hook::CheckActivation { .. } if !self.tells => rig.answer(id, Outcome::Unhandled),
                Hook::CheckActivation { version, .. } => {
                    let is = self.running == version;
                    let outcome = if is { BlobOutcome::Activated } else { BlobOutcome::NotActivated };
                    rig.answer(id, Outcome::Blob(outcome));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn listen(&mut self, rig: &mut Rig) {
        for state in rig.states() {
            let blob = &state["blobset"]["blobs"]["system"];
            if !blob.is_null() {
                self.check_against_what_was_told(blob);
                self.told = Some(blob.clone());
            }
            self.told_version = Some(state["system"]["software"]["system"].clone());
        }
    }

    /// A generation that the cloud knows to be final stays so, with the same end.
    fn check_against_what_was_told(&self, blob: &Json) {
        if let Some(told) = self.told.as_ref().filter(|told| told["phase"] == "final") {
            assert_eq!(told, blob, "what was told is not taken back");
        }
    }

    /// Runs with power until a run does not end by itself.
    fn settle(&mut self) {
        for _ in 0..4 {
            if self.run(None).is_none() {
                return;
            }
        }
        panic!("it restarts for ever");
    }

    fn has_stored(&self, what: &str) -> bool {
        let key = Key::new("blobset").expect("a key");
        self.store.get(&key).is_some_and(|value| String::from_utf8_lossy(value).contains(what))
    }
}

/// How many actions a run to the end takes.
fn length(outcome: &Outcome) -> usize {
    let mut machine = Machine::new(outcome);
    machine.settle();
    machine.actions
}

#[test]
fn wherever_the_power_fails_a_stored_success_is_not_installed_again_and_is_activated() {
    let length = length(&processed("v2"));
    assert!(length > 30, "{length}");
    for cut in 1..length {
        let mut machine = Machine::new(&processed("v2"));
        let ended = machine.run(Some(cut));
        let stored = machine.has_stored("processed") || machine.has_stored("applied");
        let before = machine.processed;
        let final_told = machine.told.as_ref().is_some_and(|told| told["phase"] == "final");
        assert!(stored || !final_told, "cut {cut}: told before it was safe");
        assert!(stored || machine.activated == 0, "cut {cut}: activated before it was safe");
        machine.settle();
        let expected = if stored { before } else { before + 1 };
        assert_eq!(machine.processed, expected, "cut {cut}, ended {ended:?}");
        assert_eq!(machine.activated, 1, "cut {cut}");
        assert_eq!(machine.running.as_deref(), Some("v2"), "cut {cut}");
        assert_eq!(machine.told_version, Some(json!("v2")), "cut {cut}");
        assert_eq!(machine.told, Some(json!({ "phase": "final", "generation": FIRST })), "cut {cut}");
    }
}

#[test]
fn wherever_the_power_fails_a_stored_failure_is_not_tried_again_and_keeps_its_reason() {
    let outcome = Outcome::Invalid { message: "not for this device".into() };
    for cut in 1..length(&outcome) {
        let mut machine = Machine::new(&outcome);
        machine.run(Some(cut));
        let stored = machine.has_stored("failed");
        let final_told = machine.told.as_ref().is_some_and(|told| told["phase"] == "final");
        assert!(stored || !final_told, "cut {cut}: told before it was safe");
        let before = machine.processed;
        machine.settle();
        assert_eq!(machine.processed, if stored { before } else { before + 1 }, "cut {cut}");
        assert_eq!(machine.activated, 0);
        assert_eq!(machine.told_version, Some(json!("v1")));
        assert_eq!(machine.told.as_ref().expect("a state")["status"]["category"], "blobset.blob.parse");
    }
}

/// Two failures of the power, each anywhere in its run.
#[test]
fn two_failures_of_the_power_change_nothing_about_the_end() {
    let length = length(&processed("v2"));
    for first in (1..length).step_by(3) {
        for second in (1..length).step_by(5) {
            let mut machine = Machine::new(&processed("v2"));
            machine.run(Some(first));
            machine.run(Some(second));
            machine.settle();
            assert_eq!(machine.running.as_deref(), Some("v2"), "cuts {first} {second}");
            assert_eq!(machine.told_version, Some(json!("v2")), "cuts {first} {second}");
            assert_eq!(machine.activated, 1, "cuts {first} {second}");
        }
    }
}

/// The first cut after which the next run activates, and the one after a whole run.
fn activating_cuts() -> std::ops::Range<usize> {
    let length = length(&processed("v2"));
    let stored = (1..length).find(|&cut| {
        let mut machine = Machine::new(&processed("v2"));
        machine.run(Some(cut));
        machine.has_stored("processed")
    });
    stored.expect("it is stored")..length
}

/// Two failures of the power, each between any two things the second stage does.
#[test]
fn regression_a_blob_whose_activation_was_cut_short_twice_is_not_taken_for_activated() {
    let mut reached = [false; 3];
    for first in activating_cuts() {
        for second in 1..45 {
            let mut machine = Machine::new(&processed("v2"));
            machine.run(Some(first));
            machine.run(Some(second));
            if machine.has_stored("\"activations\":2") {
                reached[machine.activated] = true;
            }
            machine.settle();
            assert_eq!(machine.running.as_deref(), Some("v2"), "cuts {first} {second}");
            assert_eq!(machine.activated, 1, "cuts {first} {second}: once is enough where it can be told");
            assert_eq!(machine.told, Some(json!({ "phase": "final", "generation": FIRST })));
        }
    }
    assert!(reached[0] && reached[1], "both the power before the effect and after it were cut");
}

/// An `exec` never answers; an application that tells what it runs is activated once, and any other twice at most.
#[test]
fn an_activation_that_replaces_the_process_is_not_repeated_for_ever() {
    for (tells, activations) in [(true, 1), (false, 2)] {
        let mut machine = Machine { tells, replaces: true, ..Machine::new(&processed("v2")) };
        for _ in 0..5 {
            machine.run(None);
        }
        assert_eq!((machine.activated, machine.running.as_deref()), (activations, Some("v2")));
        assert_eq!(machine.told, Some(json!({ "phase": "final", "generation": FIRST })));
    }
}

/// Without the word of the application two begun activations are all there is to go by.
#[test]
fn an_application_that_cannot_tell_is_taken_at_its_second_attempt() {
    for first in activating_cuts() {
        let mut machine = Machine { tells: false, ..Machine::new(&processed("v2")) };
        machine.run(Some(first));
        machine.settle();
        assert_eq!(machine.running.as_deref(), Some("v2"), "cut {first}");
        assert!((1..=2).contains(&machine.activated), "cut {first}: {}", machine.activated);
    }
}
