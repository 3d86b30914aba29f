//! Whatever happens in whatever order, the promises of §6.4 hold.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use udmi_proto::model::common::Timestamp;
use udmi_proto::{Command, Event, Hook, HookId, Outcome};

use crate::support::{BIRTH, Rig, Sent, time};
use crate::{at, events, found, scanner};

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn order(&mut self, now: i64) -> Json {
        let mut order = json!({});
        if self.roll(5) > 0 {
            let ahead = i64::try_from(self.roll(60_000)).unwrap() - 30_000;
            order["generation"] = json!(time(now + ahead));
        }
        match self.roll(4) {
            0 => {}
            sides => order["scan_interval_sec"] = json!([0, 7, 20][usize::try_from(sides - 1).unwrap()]),
        }
        if self.roll(2) == 0 {
            order["scan_duration_sec"] = json!(self.roll(25));
        }
        if self.roll(3) == 0 {
            order["addrs"] = json!(["1", "2", "3"]);
        }
        order
    }
}

/// A device with the hooks that are neither answered nor cancelled.
struct Walk {
    rig: Rig,
    open: Vec<HookId>,
    families: BTreeMap<&'static str, Json>,
}

impl Walk {
    fn step(&mut self, dice: &mut Dice) {
        let now = self.rig.now.utc.0 - BIRTH;
        match dice.roll(12) {
            0 => {
                let family = ["bacnet", "vendor"][usize::try_from(dice.roll(2)).unwrap()];
                if dice.roll(4) == 0 {
                    self.families.remove(family);
                } else {
                    self.families.insert(family, dice.order(now));
                }
                self.rig.config(json!({ "discovery": { "families": self.families } }));
            }
            1 => self.rig.config(json!({ "discovery": { "families": self.families } })),
            2 if !self.open.is_empty() => {
                let at = usize::try_from(dice.roll(self.open.len() as u64)).unwrap();
                let outcome = match dice.roll(3) {
                    0 => Outcome::Failed { message: "no".into() },
                    _ => Outcome::Done,
                };
                self.rig.answer(self.open.remove(at), outcome);
            }
            3..=6 if !self.open.is_empty() => {
                let scan = self.open[usize::try_from(dice.roll(self.open.len() as u64)).unwrap()];
                found(&mut self.rig, scan, at(&dice.roll(9).to_string()));
            }
            7 => {
                self.rig.now.utc.0 += i64::try_from(dice.roll(240_000)).unwrap() - 120_000;
                self.rig.handle(Event::Tick);
            }
            8 => self.rig.stall(dice.roll(60_000)),
            9 => self.rig.command(Command::SampleNow),
            _ => self.rig.advance(dice.roll(9000)),
        }
        for id in self.rig.cancelled() {
            self.open.retain(|open| *open != id);
        }
        for (id, hook) in self.rig.hooks() {
            assert!(matches!(hook, Hook::Scan { .. }));
            self.open.push(id);
        }
        assert!(self.open.len() <= 2, "one scan a family");
    }
}

/// Of each round 0, then 1 to n, then -(n+1) if it was not called off; addresses once; generations in their order.
fn check(family: &str, sent: &[Sent]) {
    let mut round: Option<(String, i64, Vec<String>)> = None;
    for event in sent.iter().filter(|sent| sent.payload["family"] == family) {
        let generation = event.payload["generation"].as_str().unwrap().to_owned();
        let number = event.payload["event_no"].as_i64().unwrap();
        let address = event.payload["addr"].as_str().map(str::to_owned);
        if number == 0 {
            assert_eq!(address, None);
            assert!(Timestamp::from(generation.clone()).millis().is_ok());
            round = Some((generation, 0, Vec::new()));
            continue;
        }
        let (name, last, seen) = round.as_mut().expect("a round is under way");
        assert_eq!(*name, generation);
        if number > 0 {
            assert_eq!(number, *last + 1);
            let address = address.expect("an address");
            assert!(!seen.contains(&address));
            seen.push(address);
            *last = number;
        } else {
            assert_eq!((number, address), (-(*last + 1), None));
            round = None;
        }
    }
}

#[test]
fn rounds_are_numbered_and_marked_whatever_happens() {
    let mut marks = 0;
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut walk = Walk { rig: scanner(), open: Vec::new(), families: BTreeMap::new() };
        for _ in 0..250 {
            walk.step(&mut dice);
        }
        let sent = events(&mut walk.rig);
        for family in ["bacnet", "vendor"] {
            check(family, &sent);
        }
        marks += sent.iter().filter(|sent| sent.payload["event_no"] == 0).count();
        let state = {
            walk.rig.config(json!({ "discovery": { "families": walk.families } }));
            walk.rig.state()
        };
        for (family, order) in &walk.families {
            let wanted = order.get("generation").is_some() || order["scan_interval_sec"].as_u64() > Some(0);
            let shown = state["discovery"]["families"].get(*family);
            assert_eq!(shown.is_some(), wanted, "{family} {order}");
        }
    }
    assert!(marks > 500, "{marks} rounds are too few to tell");
}
