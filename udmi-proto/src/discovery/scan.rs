//! The scan of one family: pending, active, stopped, and pending again (§6.4).

use alloc::format;
use alloc::string::String;

use device_link::{HookId, Instant, Token, UtcMillis};

use super::order::{Generation, Order};
use super::passive::Passive;
use super::round::Round;
use super::schedule::{first_round, next_second};
use crate::model::category::{Category, Level};
use crate::model::common::Timestamp;
use crate::model::entry::Entry;
use crate::port::{Found, Outcome};
use crate::scope::Scope;

/// A round of a periodic scan begins within its second or is left out.
const PUNCTUAL: i64 = 1000;
/// A round further ahead than its interval and this, in seconds, was planned by a clock that had been plainly wrong.
const CLOCK_WAS_WRONG: i64 = 86_400;

#[derive(Debug)]
pub(super) struct Scan {
    /// None if there is nothing to do but to listen.
    order: Option<Order>,
    /// What was overheard, if the config wants to know.
    pub(super) passive: Option<Passive>,
    pub(super) phase: Phase,
    /// What keeps the family from being scanned; until the next round begins or the order changes.
    pub(super) status: Option<Entry>,
    started: i64,
    /// The second of the last round that has begun, before that of the start of the run: no earlier generation is
    /// scanned.
    last: i64,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// A round is to come.
    Pending(Generation),
    /// A round is under way.
    Active(Round),
    /// No round is to come. `found` if there was one.
    Stopped { generation: Option<Timestamp>, found: Option<u32> },
}

impl Scan {
    pub(super) fn new(started: UtcMillis) -> Self {
        let started = started.0.div_euclid(1000);
        let phase = Phase::Stopped { generation: None, found: None };
        Self { order: None, passive: None, phase, status: None, started, last: started }
    }

    /// A config orders the scan. An order that is in force already disturbs nothing.
    pub(super) fn follow(&mut self, sc: &mut Scope<'_, '_>, order: Order, family: &str, can_scan: bool) {
        if self.order.as_ref() == Some(&order) {
            return;
        }
        if !can_scan {
            self.refuse(sc, order, family);
        } else if order.interval > 0 {
            self.cancel(sc);
            self.status = None;
            self.phase = Phase::Pending(self.next_round(&order, sc.now().utc));
            self.order = Some(order);
        } else {
            self.follow_single(sc, order);
        }
        sc.touch();
    }

    fn follow_single(&mut self, sc: &mut Scope<'_, '_>, order: Order) {
        let Some(wanted) = order.generation.clone() else { return };
        if self.generation_second() == Some(wanted.second()) {
            // The same round: it goes on, or waits, or was made. The last, if there were more to come.
            if let Phase::Active(round) = &mut self.phase {
                round.next = None;
            }
        } else {
            self.cancel(sc);
            self.status = None;
            self.phase = if wanted.second() > self.last {
                Phase::Pending(wanted)
            } else {
                Phase::Stopped { generation: Some(wanted.text), found: None }
            };
        }
        self.order = Some(order);
    }

    /// A config orders no scan.
    pub(super) fn rest(&mut self, sc: &mut Scope<'_, '_>) {
        if self.order.take().is_some() {
            self.cancel(sc);
            self.status = None;
            self.phase = Phase::Stopped { generation: None, found: None };
        }
    }

    /// A config wants what is overheard, not more often than every so many seconds, with references or without; or
    /// does not.
    pub(super) fn listen(&mut self, wanted: Option<(u32, bool)>) {
        let before = self.passive.take();
        self.passive = wanted.map(|(seconds, references)| {
            let passive = before.unwrap_or_default();
            passive.ordered(seconds, references)
        });
    }

    /// Whether nothing is scanned and the family is only listened to.
    pub(super) fn is_listening(&self) -> bool {
        self.order.is_none()
    }

    /// Nobody can scan the family: that is all there is to tell.
    fn refuse(&mut self, sc: &mut Scope<'_, '_>, order: Order, family: &str) {
        self.cancel(sc);
        let generation = order.generation.as_ref().map(|generation| generation.text.clone());
        self.phase = Phase::Stopped { generation, found: None };
        self.order = Some(order);
        self.report_failure(sc, &format!("Family {family} cannot be scanned by this device"));
    }

    fn report_failure(&mut self, sc: &mut Scope<'_, '_>, message: &str) {
        let entry = sc.entry(Category::DiscoveryFamilyScan, message).at(Level::ERROR);
        sc.log_entry(entry.clone());
        self.status = Some(entry);
        sc.touch();
    }

    /// The generation in the state.
    fn generation_second(&self) -> Option<i64> {
        let second = |text: &Timestamp| Some(text.millis().ok()?.div_euclid(1000));
        match &self.phase {
            Phase::Pending(generation) => Some(generation.second()),
            Phase::Active(round) => Some(round.generation.second()),
            Phase::Stopped { generation, .. } => generation.as_ref().and_then(second),
        }
    }

    /// The next round of a periodic scan; never the one that has begun last once more.
    fn next_round(&self, order: &Order, now: UtcMillis) -> Generation {
        let base = order.generation.as_ref().map_or(self.started, Generation::second);
        let next = first_round(base, order.interval, next_second(now.0));
        let begun = next == self.last && self.last != self.started;
        Generation::of_second(if begun { next.saturating_add(order.interval) } else { next })
    }

    /// Ends the round and begins the next, where it is time.
    pub(super) fn on_time(&mut self, sc: &mut Scope<'_, '_>, family: &str) {
        let now = sc.now();
        if let Phase::Active(round) = &mut self.phase {
            match round.next.clone().filter(|next| next.at <= now.utc) {
                Some(next) if is_punctual(&next, now.utc) => self.end(sc, family),
                Some(_) => self.skip(now.utc),
                None => {}
            }
        }
        if self.ends().is_some_and(|end| end <= now.at) {
            self.end(sc, family);
        }
        let Phase::Pending(due) = &self.phase else { return };
        if due.at > now.utc {
            return;
        }
        let (due, is_periodic) = (due.clone(), self.interval() > 0);
        if is_periodic && !is_punctual(&due, now.utc) {
            self.skip(now.utc);
            sc.touch();
        } else {
            self.begin(sc, family, due);
        }
    }

    fn interval(&self) -> i64 {
        self.order.as_ref().map_or(0, |order| order.interval)
    }

    /// Rounds have passed while nobody looked, or the wall clock has stepped over them: they are not made up for.
    fn skip(&mut self, now: UtcMillis) {
        let Some(order) = &self.order else { return };
        let next = self.next_round(order, now);
        match &mut self.phase {
            Phase::Pending(due) => *due = next,
            Phase::Active(round) => round.next = Some(next),
            Phase::Stopped { .. } => {}
        }
    }

    fn begin(&mut self, sc: &mut Scope<'_, '_>, family: &str, generation: Generation) {
        let Some(order) = &self.order else { return };
        self.last = generation.second();
        self.status = None;
        let following = generation.second().saturating_add(order.interval);
        let next = (order.interval > 0).then(|| Generation::of_second(following));
        let (round, refused) = Round::begin(sc, family, order, generation, next);
        self.phase = Phase::Active(round);
        sc.touch();
        if let Some(full) = refused {
            self.fail(sc, family, &format!("Scan of {family} was not begun: {full}"));
        }
    }

    /// The round is over: told, and the next one planned (§6.4).
    fn end(&mut self, sc: &mut Scope<'_, '_>, family: &str) {
        let Phase::Active(round) = &mut self.phase else { return };
        round.end(sc, family);
        let (generation, found) = (round.generation.text.clone(), round.found());
        sc.log(
            Category::DiscoveryFamilyScan,
            Level::INFO,
            format!("Scan {generation} of {family} has found {found}"),
        );
        self.phase = match round.next.take() {
            Some(next) => Phase::Pending(next),
            None => Phase::Stopped { generation: Some(generation), found: Some(found) },
        };
        sc.touch();
    }

    fn fail(&mut self, sc: &mut Scope<'_, '_>, family: &str, message: &str) {
        self.end(sc, family);
        self.report_failure(sc, message);
    }

    /// Ends the round without a word: no event of it leaves from now on.
    pub(super) fn cancel(&mut self, sc: &mut Scope<'_, '_>) {
        if let Phase::Active(round) = &mut self.phase {
            round.cancel(sc);
            self.phase = Phase::Stopped { generation: None, found: None };
        }
        sc.touch();
    }

    /// Whether a round waits for this hook.
    pub(super) fn awaits(&self, id: HookId) -> bool {
        matches!(&self.phase, Phase::Active(round) if round.hook == Some(id))
    }

    /// The application has ended its scan. One that went well lasts until its time is up all the same: tools expect
    /// it to (§6.4).
    pub(super) fn on_hook(&mut self, sc: &mut Scope<'_, '_>, family: &str, outcome: Outcome) {
        if let Phase::Active(round) = &mut self.phase {
            round.hook = None;
        }
        let cause = match outcome {
            Outcome::Done => return,
            Outcome::Failed { message } | Outcome::Invalid { message } => message,
            Outcome::Unhandled => String::from("nobody scans it"),
            Outcome::Values { .. } | Outcome::Metrics(_) | Outcome::Blob(_) | Outcome::KeyMade(_) => {
                String::from("the question was not understood")
            }
        };
        self.fail(sc, family, &format!("Scan of {family} failed: {cause}"));
    }

    pub(super) fn on_found(&mut self, sc: &mut Scope<'_, '_>, family: &str, found: Found) {
        let (Phase::Active(round), Some(order)) = (&mut self.phase, &self.order) else { return };
        match round.take(sc, family, order, found) {
            Ok(()) => {}
            Err(message) if self.status.is_none() => self.report_failure(sc, &message),
            Err(_) => {}
        }
    }

    pub(super) fn on_overheard(&mut self, sc: &mut Scope<'_, '_>, family: &str, found: Found) {
        let Some(passive) = &mut self.passive else { return };
        if let Err(message) = passive.take(sc, family, found)
            && self.status.is_none()
        {
            self.report_failure(sc, &message);
        }
    }

    pub(super) fn on_receipt(&mut self, token: Token) {
        if let Phase::Active(round) = &mut self.phase {
            round.on_receipt(token);
        }
    }

    /// When the next round is to begin.
    pub(super) fn starts(&self) -> Option<UtcMillis> {
        match &self.phase {
            Phase::Pending(generation) => Some(generation.at),
            Phase::Active(round) => round.next.as_ref().map(|next| next.at),
            Phase::Stopped { .. } => None,
        }
    }

    /// When the round under way is to end.
    pub(super) fn ends(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Active(round) => Some(round.ends),
            Phase::Pending(_) | Phase::Stopped { .. } => None,
        }
    }

    /// Plans a periodic scan by the clock as it is now, if the clock it was planned by had been ahead by more than
    /// a day. Tells whether it had.
    pub(super) fn plan_anew_if_clock_was_wrong(&mut self, sc: &mut Scope<'_, '_>) -> bool {
        let Some(order) = self.order.as_ref().filter(|order| order.interval > 0) else { return false };
        let Some(starts) = self.starts() else { return false };
        let now = sc.now().utc;
        let base = order.generation.as_ref().map_or(self.started, Generation::second);
        let ahead = starts.0.saturating_sub(now.0) / 1000;
        // One whose first round is still to come waits for it, however long.
        if ahead <= order.interval.saturating_add(CLOCK_WAS_WRONG) || starts.0 / 1000 <= base {
            return false;
        }
        self.skip(now);
        sc.touch();
        true
    }
}

fn is_punctual(generation: &Generation, now: UtcMillis) -> bool {
    now.0.saturating_sub(generation.at.0) < PUNCTUAL
}
