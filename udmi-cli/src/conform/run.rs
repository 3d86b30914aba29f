//! Runs the sequences: groups of devices side by side, the devices of a group one after the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use udmi_tests::conformance::results::Folder;
use udmi_tests::conformance::{Lane, Outcome, Pace, Subject, Verdict, left_out, perform};

use super::desk::{Desk, Seat};
use super::print;
use super::select::Sequence;
use crate::output::{Failure, Output};

/// Devices that have to do with each other: a gateway and those behind it.
#[derive(Debug, Default)]
pub(super) struct Group {
    devices: Vec<(Subject, Vec<Sequence>)>,
}

impl Group {
    pub(super) fn add(&mut self, subject: Subject, sequences: Vec<Sequence>) {
        self.devices.push((subject, sequences));
    }

    /// The ids of the devices that are tested.
    pub(super) fn tested(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|(subject, _)| subject.id.as_str())
    }
}

/// The ids of all devices that have to be heard, those around the ones in question too.
pub(super) fn heard(groups: &[Group]) -> Vec<String> {
    let subjects = groups.iter().flat_map(|group| group.devices.iter().map(|(subject, _)| subject));
    let id = |prefix: &String| prefix.rsplit('/').next().unwrap_or_default().to_owned();
    let ids = subjects.flat_map(|subject| {
        subject.neighbours.keys().map(id).chain([subject.id.clone()]).collect::<Vec<_>>()
    });
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is told while sequences run.
#[derive(Debug)]
enum Told {
    Begins { device: String, sequence: String },
    Ended(Box<Outcome>),
}

/// Runs all, and tells how many have failed.
pub(super) fn all(
    desk: &Arc<Desk>,
    groups: Vec<Group>,
    jobs: usize,
    in_turn: bool,
    folder: Option<Folder>,
    output: &Output,
) -> Result<usize, Failure> {
    let total = groups.iter().flat_map(|group| &group.devices).map(|(_, sequences)| sequences.len()).sum();
    let several = groups.iter().map(|group| group.devices.len()).sum::<usize>() > 1;
    let began = Instant::now();
    let jobs = jobs.min(groups.len());
    let queue = Mutex::new(VecDeque::from(groups));
    let (sender, told) = channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let sender = sender.clone();
            let queue = &queue;
            scope.spawn(move || {
                loop {
                    let group = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(group) = group else { return };
                    for (subject, sequences) in &group.devices {
                        one(desk, subject, sequences, in_turn, &sender);
                    }
                }
            });
        }
        drop(sender);
        let mut tally = print::Tally::new(total, several, folder);
        for told in told {
            match told {
                Told::Begins { device, sequence } => tally.begins(&device, &sequence, output),
                Told::Ended(outcome) => tally.ended(&outcome, output)?,
            }
        }
        let failed = tally.failed();
        tally.finish(began.elapsed(), output)?;
        Ok(failed)
    })
}

/// One device: first what needs it alone, then the lanes, side by side unless they are to be in turn.
fn one(desk: &Arc<Desk>, subject: &Subject, sequences: &[Sequence], in_turn: bool, told: &Sender<Told>) {
    let own = [Some(&subject.prefix), subject.alternate.as_ref()];
    let prefixes: Vec<_> = own.into_iter().flatten().chain(subject.neighbours.keys()).cloned().collect();
    let mut lanes: BTreeMap<Lane, Vec<&Sequence>> = BTreeMap::new();
    for sequence in sequences {
        let lane = if in_turn { Lane::Alone } else { sequence.scenario.lane };
        lanes.entry(lane).or_default().push(sequence);
    }
    let alone = lanes.remove(&Lane::Alone).unwrap_or_default();
    let seat = || desk.seat(prefixes.clone());
    follow(&seat, subject, &alone, Pace::BRISK, told);
    thread::scope(|scope| {
        for lane in lanes.into_values() {
            let (seat, told) = (&seat, told.clone());
            let pace = Pace { is_shared: true, ..Pace::BRISK };
            scope.spawn(move || follow(seat, subject, &lane, pace, &told));
        }
    });
}

/// Runs sequences one after the other; the next one begins when the one before sends nothing more.
fn follow(
    seat: &dyn Fn() -> Seat,
    subject: &Subject,
    sequences: &[&Sequence],
    pace: Pace,
    told: &Sender<Told>,
) {
    // What was before is not known, and what a failed sequence leaves behind neither.
    let is_unsure = AtomicBool::new(true);
    thread::scope(|scope| {
        for sequence in sequences {
            let (busy, released) = sync_channel(0);
            let seat = seat().with_release(busy);
            let (told, is_unsure) = (told.clone(), &is_unsure);
            scope.spawn(move || {
                let outcome = perform_at(seat, subject, sequence, pace, is_unsure, &told);
                // Whoever counts has given up when nobody reads the results any more.
                let _ = told.send(Told::Ended(Box::new(outcome)));
            });
            // Its end is told by letting go.
            let _ = released.recv();
        }
    });
}

fn perform_at(
    mut seat: Seat,
    subject: &Subject,
    Sequence { scenario, facet, reason }: &Sequence,
    pace: Pace,
    is_unsure: &AtomicBool,
    told: &Sender<Told>,
) -> Outcome {
    let subject = facet.as_ref().map_or_else(|| subject.clone(), |facet| subject.with_facet(facet));
    if let Some(reason) = reason.clone().or_else(|| scenario.does_not_apply(&subject)) {
        return left_out(scenario, &subject, &seat, reason);
    }
    let family = facet.as_ref().map(|family| format!("+{family}")).unwrap_or_default();
    let sequence = format!("{}{family}", scenario.sequence);
    let _ = told.send(Told::Begins { device: subject.id.clone(), sequence });
    let resets_fully = is_unsure.swap(false, Ordering::Relaxed);
    let outcome = perform(scenario, &subject, &mut seat, Pace { resets_fully, ..pace });
    if matches!(outcome.verdict, Verdict::Fail(_)) {
        is_unsure.store(true, Ordering::Relaxed);
    }
    outcome
}
