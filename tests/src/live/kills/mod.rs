//! Devices that are killed while the cloud wants something of them that must not end halfway: to go to another
//! broker ([`redirects`]), or to take new software ([`updates`]).
//!
//! Each device is a process of the command `udmi`, ended by SIGKILL at a moment chosen by chance and started
//! again. Many run at a time, since most of what they do is to wait. A seed gives the orders and the moments; what
//! a process was at in such a moment is never twice the same. So that the short steps are met as well, some
//! moments are chosen from the whole of the way and others around where it is decided.

mod chance;
mod place;
pub mod redirects;
mod side;
mod subject;
pub mod updates;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use place::Place;
use side::Heard;
use subject::Subject;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The command `udmi`.
    pub program: PathBuf,
    /// How many devices run at a time.
    pub devices: usize,
    /// How often one of them is killed, all together.
    pub kills: usize,
    /// Gives the orders and the moments.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often a device was killed.
    pub kills: usize,
    /// How it was found after the next start, and how often.
    pub found: BTreeMap<&'static str, usize>,
    /// From each start after a kill to the state that answers the config.
    pub boots: Vec<Duration>,
    /// What must not happen, and did.
    pub wrong: Vec<String>,
}

impl Report {
    /// Whether all kills took place and nothing was wrong.
    #[must_use]
    pub fn is_clean(&self, plan: &Plan) -> bool {
        self.wrong.is_empty() && self.kills == plan.kills
    }

    fn find(&mut self, what: &'static str) {
        *self.found.entry(what).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        for (what, count) in other.found {
            *self.found.entry(what).or_default() += count;
        }
        self.boots.extend(other.boots);
        self.wrong.extend(other.wrong);
    }
}

/// Runs each device's part on a thread of its own, with the kills that fall to it. Who cannot go on has failed.
fn on_all<'a>(
    plan: &Plan,
    place: &'a Place,
    ears: BTreeMap<String, Receiver<Heard>>,
    part: impl Fn(Subject<'a>, usize, &mut Report) -> io::Result<()> + Sync,
) -> Report {
    let part = &part;
    thread::scope(|scope| {
        let devices = ears.into_iter().enumerate();
        let parts = devices.map(|(ix, (id, ear))| {
            let kills = plan.kills / plan.devices + usize::from(ix < plan.kills % plan.devices);
            let subject = Subject::new(place, id.clone(), ear, chance::Random::of(plan.seed, ix));
            scope.spawn(move || {
                let mut report = Report::default();
                if let Err(error) = part(subject, kills, &mut report) {
                    report.wrong.push(format!("{id}: {error}"));
                }
                report
            })
        });
        let parts: Vec<_> = parts.collect();
        let mut all = Report::default();
        for part in parts {
            match part.join() {
                Ok(report) => all.add(report),
                Err(_) => all.wrong.push("a device's part has broken down".to_owned()),
            }
        }
        all
    })
}

/// What the command keeps beside the values: its lock, what is being fetched, and the software it has.
const OTHERS: [&str; 3] = ["lock", "staging", "software"];

/// What is wrong with a state folder. What is in it is a whole JSON object, or a temporary file of a write that
/// was cut.
///
/// # Errors
/// The folder cannot be read.
pub fn wreckage(folder: &Path) -> io::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(wrong), // killed before it made it
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if OTHERS.contains(&name.as_str()) {
            continue;
        }
        let whole = || serde_json::from_slice::<Value>(&std::fs::read(&path).ok()?).ok();
        if !name.ends_with(".tmp") && (!name.ends_with(".json") || whole().is_none()) {
            wrong.push(format!("{name} is left behind"));
        }
    }
    Ok(wrong)
}

/// The first line on standard error in which a device complains of what it found at its start.
#[must_use]
pub fn complaint(said: &str) -> Option<&str> {
    let bad =
        |line: &&str| ["could not be read", "cannot", "panicked"].iter().any(|sign| line.contains(sign));
    said.lines().find(bad)
}
