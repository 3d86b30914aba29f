//! One device that is killed and started again.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::chance::Random;
use super::place::{Place, Process};
use super::side::{Heard, Side};
use super::{Report, complaint, wreckage};
use crate::live::PATIENCE;

#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) id: String,
    pub(super) random: Random,
    place: &'a Place,
    heard: Receiver<Heard>,
    runs: usize,
    process: Option<Process>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(place: &'a Place, id: String, heard: Receiver<Heard>, random: Random) -> Self {
        Self { id, random, place, heard, runs: 0, process: None }
    }

    /// Starts it, configured for a side.
    pub(super) fn start(&mut self, side: &Side) -> io::Result<Instant> {
        self.runs += 1;
        let now = Instant::now();
        self.process = Some(self.place.start(&self.id, &self.run(), side.address(), side.registry())?);
        Ok(now)
    }

    /// Kills it, and looks at what it leaves.
    pub(super) fn kill(&mut self, report: &mut Report) -> io::Result<()> {
        drop(self.process.take());
        report.kills += 1;
        let said = self.place.said(&self.id)?;
        let wrong = wreckage(&self.state_folder())?;
        for wrong in wrong.into_iter().chain(complaint(&said).map(ToOwned::to_owned)) {
            report.wrong.push(self.tell(&wrong));
        }
        Ok(())
    }

    /// What the states of this process show as the serial number.
    pub(super) fn run(&self) -> String {
        format!("run-{}", self.runs)
    }

    pub(super) fn state_folder(&self) -> PathBuf {
        self.place.state_folder(&self.id)
    }

    /// The next that is heard of it, if it is before `deadline`.
    pub(super) fn hear_until(&self, deadline: Instant) -> Option<Heard> {
        self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// The next that is heard of it.
    ///
    /// # Errors
    /// Nothing is.
    pub(super) fn hear(&mut self, wanted: &str) -> io::Result<Heard> {
        let heard = self.hear_until(Instant::now() + PATIENCE);
        heard.ok_or_else(|| io::Error::other(self.lost(wanted)))
    }

    /// What is wrong, with where.
    pub(super) fn tell(&self, wrong: &str) -> String {
        format!("{} {}: {wrong}", self.id, self.run())
    }

    fn lost(&mut self, wanted: &str) -> String {
        let ended = match self.process.as_mut().and_then(Process::ended) {
            Some(status) => format!("the process ended with {status}"),
            None => "the process runs".to_owned(),
        };
        format!("{} never shows {wanted}; {ended}", self.run())
    }
}
