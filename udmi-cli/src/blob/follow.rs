//! Follows an order through the states and logs of a device, to its end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cloud::{Cloud, Heard, Kind, Message, Seconds, same_time};
use crate::difference::{Plain, as_entry};
use crate::output::{Failure, Output, Role};

/// How long one side is listened to before the other has its turn.
const TURN: Duration = Duration::from_millis(25);
/// What a device logs of its blobs begins with this (§3.5).
const LOGGED: &str = "blobset.";
/// Logs come within two seconds of what they tell (§5.5).
const LOGS_PATIENCE: Duration = Duration::from_millis(2500);

/// A broker the device may be heard at.
#[derive(Debug)]
pub(crate) struct Side {
    /// What it is called in what is printed; empty if there is only one.
    pub(crate) label: &'static str,
    /// The connection.
    pub(crate) cloud: Cloud,
}

/// Which order of which device is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Followed<'a> {
    pub(crate) device: &'a str,
    /// The blob's name.
    pub(crate) name: &'a str,
    pub(crate) generation: &'a str,
    /// The timestamp of the config that has the order.
    pub(crate) timestamp: &'a str,
    /// Whether the config of the other side has the order as well, so that only `final` is an end there.
    pub(crate) mirrored: bool,
}

/// How an order ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// `final` without a status; the state that says so.
    Final(Value),
    /// `final` with this status.
    Failed(Value),
    /// The device answers there, to a config that orders nothing.
    Elsewhere,
}

/// What a state says of the order.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Phase { phase: String, status: Option<Value> },
    Nothing,
}

/// Prints each step once, and knows the end.
#[derive(Debug)]
pub(crate) struct Follower<'a> {
    output: &'a Output,
    followed: Followed<'a>,
    begun: Instant,
    shown: Option<(&'static str, Said)>,
    /// Whether a log was heard.
    logged: bool,
    /// Whether the device has taken the config.
    pub(crate) taken: bool,
}

impl<'a> Follower<'a> {
    /// Times are told since now.
    pub(crate) fn new(output: &'a Output, followed: Followed<'a>) -> Self {
        Self { output, followed, begun: Instant::now(), shown: None, logged: false, taken: false }
    }

    /// Listens at all sides until the order has ended. `on_taken` is called once, when the device has taken
    /// the config at the first side.
    ///
    /// # Errors
    /// It did not end in `patience`, or a connection ended.
    pub(crate) fn follow(
        &mut self,
        sides: &mut [Side],
        patience: Duration,
        mut on_taken: impl FnMut(&mut [Side]) -> Result<(), Failure>,
    ) -> Result<End, Failure> {
        let deadline = self.begun + patience;
        loop {
            for index in 0..sides.len() {
                let Some(side) = sides.get_mut(index) else { continue };
                let Some(heard) = side.cloud.next(Some(TURN))? else { continue };
                let (label, taken) = (side.label, self.taken);
                if let Some(end) = self.hear(label, index > 0, heard)? {
                    self.wait_for_logs(sides)?;
                    return Ok(end);
                }
                if self.taken && !taken {
                    on_taken(sides)?;
                }
            }
            if Instant::now() >= deadline {
                return Err(self.timed_out(patience));
            }
        }
    }

    fn hear(&mut self, label: &'static str, elsewhere: bool, heard: Heard) -> Result<Option<End>, Failure> {
        let message = match heard {
            Heard::Message(message) => message,
            Heard::Up => return Ok(None),
            Heard::Down(why) => {
                self.output.remark(format!("no connection{}: {why}", at(label)));
                return Ok(None);
            }
        };
        if message.device != self.followed.device {
            return Ok(None);
        }
        match (message.kind, message.folder.as_deref()) {
            (Kind::State, _) => self.hear_state(label, elsewhere, &message),
            (Kind::Events, Some("system")) => self.hear_logs(label, &message).map(|()| None),
            (Kind::Events | Kind::Config, _) => Ok(None),
        }
    }

    fn hear_state(
        &mut self,
        label: &'static str,
        elsewhere: bool,
        message: &Message,
    ) -> Result<Option<End>, Failure> {
        let Some(state) = message.json() else { return Ok(None) };
        let last_config = state.pointer("/system/last_config");
        self.taken |= !elsewhere && last_config.is_some_and(|of| same_time(of, self.followed.timestamp));
        let said = self.said(&state);
        if said == Said::Nothing && (!elsewhere || self.followed.mirrored) {
            return Ok(None); // an answer to another config
        }
        if self.shown.as_ref() != Some(&(label, said.clone())) {
            self.show(label, &said)?;
            self.shown = Some((label, said.clone()));
        }
        Ok(match said {
            Said::Phase { phase, status: Some(status) } if phase == "final" => Some(End::Failed(status)),
            Said::Phase { phase, status: None } if phase == "final" => Some(End::Final(state)),
            Said::Phase { .. } => None,
            Said::Nothing => Some(End::Elsewhere),
        })
    }

    /// What a state says of the generation that is followed.
    fn said(&self, state: &Value) -> Said {
        let blobs = state.get("blobset").and_then(|blobset| blobset.get("blobs"));
        let Some(blob) = blobs.and_then(|blobs| blobs.get(self.followed.name)) else { return Said::Nothing };
        let of_it = |of: &Value| same_time(of, self.followed.generation);
        match blob.get("phase").and_then(Value::as_str) {
            Some(phase) if blob.get("generation").is_some_and(of_it) => {
                Said::Phase { phase: phase.to_owned(), status: blob.get("status").cloned() }
            }
            Some(_) | None => Said::Nothing,
        }
    }

    fn show(&self, label: &str, said: &Said) -> Result<(), Failure> {
        let seconds = self.begun.elapsed();
        let (phase, status) = match said {
            Said::Phase { phase, status } => (phase.as_str(), status.as_ref()),
            Said::Nothing => ("absent", None),
        };
        if self.output.json {
            return self.output.line(json!({
                "phase": phase, "at": label, "status": status, "elapsed_ms": millis(seconds),
            }));
        }
        let role = match (phase, status) {
            (_, Some(_)) => Role::Bad,
            ("final", None) => Role::Good,
            (_, None) => Role::Strong,
        };
        let why = status
            .and_then(as_entry)
            .map(|(level, category, message)| format!(": {level} {} {}", Plain(category), Plain(message)));
        let text = format!("{}{}{}", Plain(phase), at(label), why.unwrap_or_default());
        self.output.line(format!("{:>9}  {}", after(seconds), self.output.paint(role, text)))
    }

    /// Prints what the device logs of its blobs.
    fn hear_logs(&mut self, label: &str, message: &Message) -> Result<(), Failure> {
        let Some(event) = message.json() else { return Ok(()) };
        let entries = event.get("logentries").and_then(Value::as_array).into_iter().flatten();
        for entry in entries {
            let Some((level, category, text)) = as_entry(entry) else { continue };
            if !category.starts_with(LOGGED) {
                continue;
            }
            self.logged = true;
            let seconds = self.begun.elapsed();
            if self.output.json {
                self.output.line(json!({ "log": entry, "at": label, "elapsed_ms": millis(seconds) }))?;
            } else {
                let line = format!("log {level} {} {}", Plain(category), Plain(text));
                let line = self.output.paint(Role::Faint, line);
                self.output.line(format!("{:>9}  {line}", after(seconds)))?;
            }
        }
        Ok(())
    }

    /// Logs of a blob follow its state; those of an endpoint are seldom.
    fn wait_for_logs(&mut self, sides: &mut [Side]) -> Result<(), Failure> {
        let [side] = sides else { return Ok(()) };
        let deadline = Instant::now() + LOGS_PATIENCE;
        while !self.logged {
            let left = deadline.saturating_duration_since(Instant::now());
            match side.cloud.next(Some(left))? {
                None => break,
                Some(Heard::Message(message)) if message.folder.as_deref() == Some("system") => {
                    self.hear_logs(side.label, &message)?;
                }
                Some(Heard::Message(_) | Heard::Up | Heard::Down(_)) => {}
            }
        }
        Ok(())
    }

    fn timed_out(&self, patience: Duration) -> Failure {
        let patience = Seconds(patience);
        match &self.shown {
            None if self.taken => {
                let failure = "the device has taken the config, but its state says nothing of the blob";
                Failure::new(format!("{failure} in {patience}")).hint("does the device know this blob?")
            }
            None => Failure::new(format!("no answer of the device in {patience}"))
                .hint("does the device run, and is the registry right?"),
            Some((label, Said::Phase { phase, .. })) => {
                Failure::new(format!("still {}{} after {patience}", Plain(phase), at(label)))
            }
            Some((label, Said::Nothing)) => Failure::new(format!("absent{} after {patience}", at(label))),
        }
    }
}

fn at(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!(" at the {label} broker") }
}

fn after(elapsed: Duration) -> String {
    format!("{:.3} s", elapsed.as_secs_f64())
}

/// For JSON.
pub(crate) fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
