//! Devices that get new software again and again, within the config and over HTTP in turn (§5.5).
//!
//! After each kill a device has to show the software it had or the one it gets, never anything else, and never
//! the old one once it has shown the new one. What it has told to be `final` it must not begin again. At last it
//! must have the new software installed, restarted, and tell so.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use std::{fs, io};

use serde_json::json;

use super::super::web::{SERVING, Web};
use super::side::{Heard, Side, State, What, config, routes, time};
use super::subject::Subject;
use super::{Place, Plan, Report, on_all};
use crate::data_url;
use crate::live::PATIENCE;

/// The blob that is the software of the command's simulated module.
const BLOB: &str = "system";
/// Bytes of a payload that is fetched.
const FETCHED: usize = 400_000;
/// From an order to a verdict: a burst of configs is waited for (§7.3), and the simulated module takes its time.
/// The state that tells the verdict may be later, since states keep a distance.
const INSTALLING: Duration = Duration::from_millis(2500);
/// From telling the verdict to the activation (§5.6).
const REST: Duration = Duration::from_secs(1);
/// How far from a turning point the moments are that are meant to meet it.
const AROUND: Duration = Duration::from_millis(150);

/// Runs it.
///
/// # Errors
/// The broker or the place of the devices cannot be made.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let place = Place::new(plan)?;
    let (routes, ears) = routes(&place.ids);
    let (side, web) = (Side::start(0, "REG", &routes)?, Web::start()?);
    Ok(on_all(plan, &place, ears, |subject, kills, report| {
        let mut patient = Patient::at_work(subject, &side, &web)?;
        patient.learn(report)?;
        (0..kills).try_for_each(|_| patient.round(report))
    }))
}

#[derive(Debug)]
struct Patient<'a> {
    subject: Subject<'a>,
    side: &'a Side,
    web: &'a Web,
    /// Of the last config.
    number: u32,
    /// The version it shows.
    version: Option<String>,
    /// From an order to the state `final`, and from there to the end, where nothing is in the way.
    verdict: Duration,
    restart: Duration,
}

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the order.
    AfterOrder(Duration),
    /// So long after the device has told that the update is good.
    AfterVerdict(Duration),
}

/// An update under way.
#[derive(Debug)]
struct Update {
    number: u32,
    payload: String,
    /// Where it is fetched from, if it is.
    path: Option<String>,
    old: Option<String>,
    new: String,
    given: Instant,
    /// It shows the new version.
    is_new: bool,
    /// When it told that the update is good, and how often the payload was asked for until then.
    verdict: Option<(Instant, usize)>,
    /// The process whose last state tells so, and is not about to restart.
    good: Option<String>,
    /// Timestamps of its log entries that an update begins.
    begun: BTreeSet<String>,
    /// How often it may begin.
    begins: usize,
}

impl<'a> Patient<'a> {
    fn at_work(mut subject: Subject<'a>, side: &'a Side, web: &'a Web) -> io::Result<Self> {
        side.configure(&subject.id, &config(0, None))?;
        subject.start(side)?;
        let version = loop {
            let heard = subject.hear("a first state")?;
            match &heard.what {
                What::State(state) if state.answers(0) => break state.version(BLOB).map(ToOwned::to_owned),
                What::State(_) | What::Logged(_) | What::Left => {}
            }
        };
        let (verdict, restart) = Default::default();
        Ok(Self { subject, side, web, number: 0, version, verdict, restart })
    }

    /// An update without a kill, to learn how long it takes.
    fn learn(&mut self, report: &mut Report) -> io::Result<()> {
        let mut update = self.give()?;
        self.until_the_end(&mut update, report)?;
        let (verdict, _) =
            update.verdict.ok_or_else(|| io::Error::other("an update ended without a verdict"))?;
        self.verdict = verdict.saturating_duration_since(update.given);
        self.restart = verdict.elapsed();
        Ok(())
    }

    fn round(&mut self, report: &mut Report) -> io::Result<()> {
        let mut update = self.give()?;
        let moment = self.moment(update.path.is_some());
        self.until(moment, &mut update, report);
        self.subject.kill(report)?;
        let (had_verdict, was_new) = (update.verdict.is_some(), update.is_new);
        let started = self.subject.start(self.side)?;
        let at = self.until_at_work(&mut update, report)?;
        report.boots.push(at.saturating_duration_since(started));
        report.find(match (update.is_new, had_verdict || was_new) {
            (false, _) => "with the old version",
            (true, false) => "with the new version, not told before",
            (true, true) => "with the new version, told before",
        });
        if update.verdict.is_none() {
            update.begins += 1;
        }
        self.until_the_end(&mut update, report)
    }

    /// Some from the whole of the way, the others from around verdict, activation and restart.
    fn moment(&mut self, is_fetched: bool) -> Moment {
        let fetching = if is_fetched { SERVING } else { Duration::ZERO };
        let random = &mut self.subject.random;
        if random.of_ten(4) {
            return Moment::AfterOrder(random.up_to((fetching + self.verdict + self.restart).mul_f64(1.1)));
        }
        let mut around = |point: Duration| random.between(point.saturating_sub(AROUND), point + AROUND);
        let (verdict, activation, restart) =
            (around(fetching + INSTALLING + AROUND), around(REST), around(self.restart));
        match () {
            () if random.of_ten(4) => Moment::AfterOrder(verdict),
            () if random.of_ten(5) => Moment::AfterVerdict(activation),
            () => Moment::AfterVerdict(restart),
        }
    }

    fn give(&mut self) -> io::Result<Update> {
        self.number += 1;
        let new = format!("v{}", self.number);
        let is_fetched = self.number.is_multiple_of(2);
        let filling = if is_fetched { "-".repeat(FETCHED) } else { String::new() };
        let payload = json!({ "version": new, "filling": filling }).to_string();
        let path = is_fetched.then(|| format!("/{}/{new}.json", self.subject.id));
        let url = match &path {
            Some(path) => self.web.serve(path, payload.as_bytes()),
            None => data_url::encode(payload.as_bytes()),
        };
        let blob = json!({
            "phase": "final",
            "url": url,
            "sha256": data_url::sha256(payload.as_bytes()),
            "generation": time(self.number),
        });
        let given = Instant::now();
        self.side.configure(&self.subject.id, &config(self.number, Some((BLOB, &blob))))?;
        Ok(Update {
            number: self.number,
            payload,
            path,
            old: self.version.replace(new.clone()),
            new,
            given,
            is_new: false,
            verdict: None,
            good: None,
            begun: BTreeSet::new(),
            begins: 1,
        })
    }

    /// Listens until the moment has come.
    fn until(&self, moment: Moment, update: &mut Update, report: &mut Report) {
        loop {
            let deadline = match (moment, update.verdict) {
                (Moment::AfterOrder(later), _) => update.given + later,
                (Moment::AfterVerdict(later), Some((verdict, _))) => verdict + later,
                (Moment::AfterVerdict(_), None) => update.given + PATIENCE,
            };
            match self.subject.hear_until(deadline) {
                Some(heard) => self.take(&heard, update, report),
                None => return,
            }
        }
    }

    /// Listens until this process answers the config. Tells when.
    fn until_at_work(&mut self, update: &mut Update, report: &mut Report) -> io::Result<Instant> {
        loop {
            let heard = self.subject.hear("a state that answers the config")?;
            let had_verdict = update.verdict.is_some();
            self.take(&heard, update, report);
            let What::State(state) = &heard.what else { continue };
            if state.run() != self.subject.run() || !state.answers(update.number) {
                continue;
            }
            if had_verdict && !is_good(state, update.number) {
                report
                    .wrong
                    .push(self.subject.tell("it has told that the update is good, and knows no more"));
            }
            return Ok(heard.at);
        }
    }

    /// Listens until this process has told the end, and looks at what came of it.
    fn until_the_end(&mut self, update: &mut Update, report: &mut Report) -> io::Result<()> {
        let run = self.subject.run();
        while update.good.as_ref() != Some(&run) || !self.is_installed(update)? {
            let heard = self.subject.hear("the end of the update")?;
            self.take(&heard, update, report);
        }
        if update.begun.len() > update.begins {
            let wrong = format!("begun at {:?}, not {} times at most", update.begun, update.begins);
            report.wrong.push(self.subject.tell(&wrong));
        }
        if let (Some(path), Some((_, before))) = (&update.path, update.verdict)
            && self.web.requests(path) > before
        {
            report.wrong.push(self.subject.tell("fetched again after it was good"));
        }
        Ok(())
    }

    /// Whether the payload is in the place of the one before.
    fn is_installed(&self, update: &Update) -> io::Result<bool> {
        match fs::read(self.subject.state_folder().join("software/system.installed")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            installed => Ok(installed? == update.payload.as_bytes()),
        }
    }

    fn take(&self, heard: &Heard, update: &mut Update, report: &mut Report) {
        match &heard.what {
            What::Left => {}
            What::Logged(entries) => {
                let begins = entries.iter().filter(|entry| entry["category"] == "blobset.blob.receive");
                let timestamps = begins.filter_map(|entry| entry["timestamp"].as_str());
                update.begun.extend(timestamps.map(ToOwned::to_owned));
            }
            What::State(state) => {
                if let Err(wrong) = self.look(state, heard.at, update) {
                    report.wrong.push(self.subject.tell(&wrong));
                }
            }
        }
    }

    /// Looks whether a state is one that the update allows.
    fn look(&self, state: &State, at: Instant, update: &mut Update) -> Result<(), String> {
        let version = state.version(BLOB);
        if version == Some(&*update.new) {
            update.is_new = true;
        } else if update.is_new || version != update.old.as_deref() {
            let (old, new) = (update.old.as_deref(), &update.new);
            return Err(format!("it shows {version:?} between {old:?} and {new}"));
        }
        let good = is_good(state, update.number);
        if state.mode() == "restart" && update.verdict.is_none() {
            update.begins += 1; // for the update before, whose end was seen early
        }
        update.good = (good && state.mode() != "restart").then(|| state.run().to_owned());
        if good && update.verdict.is_none() {
            let requests = update.path.as_ref().map_or(0, |path| self.web.requests(path));
            update.verdict = Some((at, requests));
        }
        match state.blob(BLOB).and_then(|blob| blob.failure.map(ToOwned::to_owned)) {
            Some(failure) => Err(format!("the update has failed: {failure}")),
            None => Ok(()),
        }
    }
}

/// Whether a state tells that the update is good.
fn is_good(state: &State, number: u32) -> bool {
    let shown = state.blob(BLOB);
    shown.is_some_and(|blob| blob.is_final && blob.failure.is_none() && blob.generation == time(number))
}
