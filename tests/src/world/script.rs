//! Commands as text, for transcripts: one a line, answered by what the device did.

use bytes::Bytes;
use serde_json::Value;
use udmi_proto::{Closed, Outcome};

use super::{Opens, World};

impl World {
    /// Runs a script and renders what happened: each command after a `$`, then the answer.
    ///
    /// `at PREFIX` (whose config and state the rest is about), `connect`, `config PATCH`, `raw TEXT` (on the config topic), `publish TOPIC TEXT`, `advance 5s`,
    /// `until state|event|link|exit` (at most five minutes), `hook N ok|failed|invalid`, `do COMMAND` (of the
    /// application, as JSON), `drop`, `refuse`, `silence`, `unheard`, `calm`, `crash`, `show POINTER` (of the
    /// state that arrived last).
    pub fn script(&mut self, script: &str) -> String {
        let mut text = String::new();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            text.push_str(&format!("$ {line}\n"));
            if let Some(answer) = self.obey(verb, rest.trim()) {
                text.push_str(&format!("          = {answer}\n"));
            }
            text.push_str(&self.take_transcript());
        }
        text
    }

    fn obey(&mut self, verb: &str, rest: &str) -> Option<String> {
        match verb {
            "at" => self.cloud.turn_to(rest),
            "connect" => drop(self.run_until(300_000, |world| world.is_linked())),
            "config" => self.configure(&parse(rest)),
            "raw" => self.publish("config", rest, true),
            "publish" => {
                let (topic, payload) = rest.split_once(' ').unwrap_or((rest, ""));
                self.publish(topic, payload, false);
            }
            "advance" => self.advance(milliseconds(rest)),
            "until" => self.until(rest),
            "hook" => self.answer(rest),
            "do" => self.command(serde_json::from_str(rest).expect("a command of the application")),
            "drop" => self.drop_link(),
            "refuse" => self.weather().opens = Opens::Fails(Closed::Refused),
            "silence" => self.weather().is_silent = true,
            "unheard" => self.weather().opens = Opens::Unheard,
            "calm" => {
                let weather = self.weather();
                (weather.opens, weather.is_silent) = (Opens::Accepted, false);
            }
            "crash" => self.crash(1000),
            "inject" => self.inject(Bytes::copy_from_slice(rest.as_bytes())),
            "show" => {
                let shown = self.cloud.state_at(rest).map_or("absent".into(), Value::to_string);
                return Some(format!("state{rest} is {shown}"));
            }
            _ => panic!("no such command: {verb}"),
        }
        None
    }

    fn until(&mut self, what: &str) {
        let count = |world: &Self| match what {
            "state" => world.cloud.on("state").count(),
            "event" => world.cloud.on("events/pointset").count(),
            "link" => usize::from(world.is_linked()),
            "exit" => world.exits().len(),
            _ => panic!("no such event: {what}"),
        };
        let before = count(self);
        assert!(self.run_until(300_000, |world| count(world) > before), "no {what} in five minutes");
    }

    fn answer(&mut self, rest: &str) {
        let (number, outcome) = rest.split_once(' ').expect("a number and an outcome");
        let asked = self.plant.take(number).unwrap_or_else(|| panic!("hook {number} does not wait"));
        let outcome = match outcome {
            "ok" => self.plant.done(&asked.hook),
            "failed" => Outcome::Failed { message: "the bus is silent".into() },
            "invalid" => Outcome::Invalid { message: "out of reach".into() },
            _ => panic!("no such outcome: {outcome}"),
        };
        self.give(udmi_proto::Event::HookDone { id: asked.id, outcome });
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn milliseconds(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let number: u64 = digits.parse().unwrap_or_else(|_| panic!("{text}: expected a time such as 5s"));
    match text.strip_prefix(digits) {
        Some("s") => number * 1000,
        Some("m") => number * 60_000,
        _ => number,
    }
}
