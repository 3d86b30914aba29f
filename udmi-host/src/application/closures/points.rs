//! The closures about one device: its points, commands and config blocks.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::{Arc, Mutex, PoisonError};

use udmi_proto::{Hook, Json, Map, Notice, Outcome, Reading, Value, Wanted};

use super::outcome::{commanded, written};
use crate::application::reply::{Reply, guarded, guarded_now};
use crate::application::turns::{About, Turns};
use crate::application::{CommandError, IntoReading, WriteError};

type Written = Reply<Result<(), WriteError>>;
type Write = Box<dyn FnMut(String, Value) -> Written + Send>;
type WritePoint = Box<dyn FnMut(Value) -> Written + Send>;
type Release = Box<dyn FnMut(String) -> Written + Send>;
type Poll = Box<dyn FnMut() -> Reply<Option<Reading>> + Send>;
type PollAll = Box<dyn FnMut() -> Reply<Map<String, Reading>> + Send>;
/// Shared with what still waits for the points it computes with.
type Compute = Arc<Mutex<dyn FnMut(&Map<String, Value>) -> Option<Reading> + Send>>;
type OnCommand = Box<dyn FnMut(String, String) -> Reply<Result<(), CommandError>> + Send>;
type OnBlock = Box<dyn FnMut(Option<Json>) -> Reply<()> + Send>;

/// Points that were read, or why they could not be as a whole.
pub(super) type Read = Result<Map<String, Reading>, String>;

/// The closures about one device.
#[derive(Default)]
pub struct PointClosures {
    /// Puts a value in force: the point, the value.
    pub write: Option<Write>,
    /// The same for one point, by its name.
    pub write_point: Map<String, WritePoint>,
    /// Gives a point back to local control.
    pub release: Option<Release>,
    /// Reads a point.
    pub poll: Map<String, Poll>,
    /// Reads many points.
    pub poll_all: Option<PollAll>,
    /// Computes a point from the others.
    pub computed: Map<String, Compute>,
    /// Takes care of a command: its name, its content.
    pub command: Option<OnCommand>,
    /// Takes a block of the config, by its name.
    pub blocks: Map<String, OnBlock>,
}

impl PointClosures {
    /// Computes a point from the present values of the others.
    pub fn set_computed<R: IntoReading>(
        &mut self,
        point: &str,
        mut compute: impl FnMut(&Map<String, Value>) -> R + Send + 'static,
    ) {
        let compute = move |known: &Map<String, Value>| compute(known).into_reading();
        self.computed.insert(point.into(), Arc::new(Mutex::new(compute)));
    }

    /// Answers a hook about the device, or gives it back if there is no closure for it. Points are read by
    /// [`Self::read`].
    pub(super) fn answer(
        &mut self,
        device: Option<&str>,
        hook: Hook,
        turns: &mut Turns,
    ) -> ControlFlow<Reply<Outcome>, Hook> {
        let about = |point: &str| About::Point(device.map(Into::into), point.into());
        match hook {
            Hook::WritePoint { point, value, reference } => {
                let about = about(&point);
                let reply = match (self.write_point.get_mut(&point), &mut self.write) {
                    (Some(write), _) => guarded(|| write(value)),
                    (None, Some(write)) => guarded(|| write(point, value)),
                    (None, None) => return Continue(Hook::WritePoint { point, value, reference }),
                };
                Break(turns.in_order(about, reply.map(written)))
            }
            Hook::ReleasePoint { point, reference } => {
                let Some(release) = &mut self.release else {
                    return Continue(Hook::ReleasePoint { point, reference });
                };
                let about = about(&point);
                Break(turns.in_order(about, guarded(|| release(point)).map(written)))
            }
            Hook::Command { name, payload } => {
                let Some(command) = &mut self.command else {
                    return Continue(Hook::Command { name, payload });
                };
                let about = About::Commands(device.map(Into::into));
                Break(turns.in_order(about, guarded(|| command(name, payload)).map(commanded)))
            }
            other => Continue(other),
        }
    }

    pub(super) fn hear(&mut self, notice: &Notice) -> Option<Reply<()>> {
        let Notice::Block { name, content } = notice else { return None };
        let block = self.blocks.get_mut(name)?;
        Some(heard(|| block(content.clone())))
    }

    /// Whether there is a closure to read that point with.
    fn reads(&self, point: &str) -> bool {
        self.poll_all.is_some() || self.poll.contains_key(point)
    }

    /// Reads the polled points, then computes the others. `more` reads polled points that no closure here reads; what
    /// it cannot read has failed as a whole.
    pub(super) fn read(
        &mut self,
        wanted: Wanted,
        more: impl FnOnce(Vec<String>) -> Reply<Read>,
    ) -> Reply<Read> {
        let Wanted { polled, computed, known, .. } = wanted;
        let (own, others): (Vec<_>, Vec<_>) = polled.into_iter().partition(|point| self.reads(point));
        let mut parts = self.poll(own);
        if !others.is_empty() {
            parts.push(more(others).map(Part::Many));
        }
        let compute = |name: String| Some((self.computed.get(&name)?.clone(), name));
        let computed: Vec<_> = computed.into_iter().filter_map(compute).collect();
        Reply::all(parts).map(move |parts| merge(parts).map(|values| compute_all(computed, known, values)))
    }

    fn poll(&mut self, polled: Vec<String>) -> Vec<Reply<Part>> {
        let mut parts = Vec::with_capacity(polled.len() + 1);
        if let Some(poll_all) = &mut self.poll_all
            && polled.iter().any(|name| !self.poll.contains_key(name))
        {
            let wanted: BTreeSet<_> = polled.iter().cloned().collect();
            parts.push(guarded(poll_all).map(move |all| {
                let failed = |why: String| {
                    wanted.iter().map(|name| (name.clone(), Reading::Failed(why.clone()))).collect()
                };
                Part::Many(Ok(all.map_or_else(failed, |all| only(&wanted, all))))
            }));
        }
        for name in polled {
            let Some(poll) = self.poll.get_mut(&name) else { continue };
            parts.push(guarded(poll).map(|reading| Part::One(name, reading.unwrap_or_else(failed))));
        }
        parts
    }
}

/// What one closure has read.
enum Part {
    One(String, Option<Reading>),
    Many(Read),
}

/// A closure may read more than it was asked for.
pub(super) fn only(wanted: &BTreeSet<String>, mut values: Map<String, Reading>) -> Map<String, Reading> {
    values.retain(|name, _| wanted.contains(name));
    values
}

/// What is said of a point by itself goes before what is said of many.
fn merge(parts: Vec<Part>) -> Read {
    let mut values = Map::new();
    for part in parts {
        match part {
            Part::One(name, Some(reading)) => drop(values.insert(name, reading)),
            Part::One(_, None) => {}
            Part::Many(read) => values.append(&mut read?),
        }
    }
    Ok(values)
}

fn compute_all(
    computed: Vec<(Compute, String)>,
    mut known: Map<String, Value>,
    mut values: Map<String, Reading>,
) -> Map<String, Reading> {
    if computed.is_empty() {
        return values;
    }
    for (name, reading) in &values {
        match reading {
            Reading::Value(value) => drop(known.insert(name.clone(), value.clone())),
            Reading::Failed(_) => drop(known.remove(name)),
        }
    }
    for (compute, name) in computed {
        let mut compute = compute.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = guarded_now(|| compute(&known)).unwrap_or_else(failed) {
            values.insert(name, reading);
        }
    }
    values
}

// One that fails in the same way as a point that cannot be read.
#[allow(clippy::unnecessary_wraps)]
fn failed(why: String) -> Option<Reading> {
    Some(Reading::Failed(why))
}

/// Lets a closure hear something. What panics was printed; there is nobody else to tell.
pub(super) fn heard(hear: impl FnOnce() -> Reply<()>) -> Reply<()> {
    guarded(hear).map(drop)
}

/// What a closure has read, without points of which it says nothing.
pub fn known<N, R>(values: impl IntoIterator<Item = (N, R)>) -> Map<String, Reading>
where
    N: Into<String>,
    R: IntoReading,
{
    values.into_iter().filter_map(|(name, value)| Some((name.into(), value.into_reading()?))).collect()
}

impl fmt::Debug for PointClosures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PointClosures").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: Vec<String>) -> Reply<Read> {
        Reply::Now(Ok(Map::new()))
    }

    fn reads(value: i64) -> Poll {
        Box::new(move || Reply::Now(value.into_reading()))
    }

    fn wanted(polled: &[&str], computed: &[&str]) -> Wanted {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Wanted { polled: names(polled), computed: names(computed), ..Wanted::default() }
    }

    fn integer(value: i64) -> Reading {
        Reading::Value(Value::Integer(value))
    }

    #[test]
    fn one_point_that_panics_leaves_the_others_readable() {
        let mut closures = PointClosures::default();
        closures.poll.insert("good".into(), reads(20));
        closures.poll.insert("bad".into(), Box::new(|| panic!("bus gone")));
        closures.poll.insert("late".into(), Box::new(|| Reply::later(async { panic!("bus gone") })));
        closures.set_computed("double", |known| {
            let Some(Value::Integer(good)) = known.get("good") else { return None };
            Some(Value::Integer(good * 2))
        });
        let values = closures.read(wanted(&["bad", "good", "late"], &["double"]), nothing).wait().unwrap();
        for name in ["bad", "late"] {
            assert_eq!(values[name], Reading::Failed("the application panicked: bus gone".into()));
        }
        assert_eq!(values["double"], integer(40));
    }

    #[test]
    fn a_closure_of_a_point_goes_before_the_one_for_all() {
        let write: Write = Box::new(|_, _| Reply::Now(Err(WriteError::Invalid("all".into()))));
        let mut closures = PointClosures { write: Some(write), ..PointClosures::default() };
        closures.poll_all = Some(Box::new(|| Reply::Now(known([("a", 1), ("b", 2)]))));
        closures.write_point.insert("a".into(), Box::new(|_| Reply::Now(Ok(()))));
        closures.poll.insert("a".into(), reads(7));
        let mut write = |point: &str| {
            let hook = Hook::WritePoint { point: point.into(), value: Value::Integer(1), reference: None };
            closures.answer(None, hook, &mut Turns::default()).break_value().unwrap().wait()
        };
        assert_eq!(write("a"), Outcome::Done);
        assert_eq!(write("b"), Outcome::Invalid { message: "all".into() });
        let values = closures.read(wanted(&["a"], &[]), nothing).wait().unwrap();
        assert_eq!(values, Map::from([("a".into(), integer(7))]));
        assert_eq!(closures.read(wanted(&["a", "b"], &[]), nothing).wait().unwrap()["b"], integer(2));
    }

    #[test]
    fn what_no_closure_reads_is_asked_for_elsewhere_and_known_to_the_computed() {
        let mut closures = PointClosures::default();
        closures.poll.insert("a".into(), reads(1));
        closures.set_computed("sum", |known| known.len() as i64);
        let values = closures.read(wanted(&["a", "b"], &["sum"]), |others| {
            assert_eq!(others, ["b"]);
            Reply::later(async { Ok(known([("b", 2)])) })
        });
        assert_eq!(values.wait().unwrap()["sum"], integer(2));
    }
}
