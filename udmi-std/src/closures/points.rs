//! The closures about one device: its points, commands and config blocks.

use std::collections::BTreeMap;
use std::fmt;

use udmi_proto::{Hook, Json, Notice, Outcome, Reading, Value, Wanted};

use super::{commanded, failed, guarded, written};
use crate::reading::{CommandError, IntoReading, WriteError};

type Write = Box<dyn FnMut(&str, &Value) -> Result<(), WriteError> + Send>;
type WritePoint = Box<dyn FnMut(&Value) -> Result<(), WriteError> + Send>;
type Release = Box<dyn FnMut(&str) -> Result<(), WriteError> + Send>;
type Poll = Box<dyn FnMut() -> Option<Reading> + Send>;
type PollAll = Box<dyn FnMut() -> BTreeMap<String, Reading> + Send>;
type Compute = Box<dyn FnMut(&BTreeMap<String, Value>) -> Option<Reading> + Send>;
type OnCommand = Box<dyn FnMut(&str, &str) -> Result<(), CommandError> + Send>;
type OnBlock = Box<dyn FnMut(Option<&str>) + Send>;

#[derive(Default)]
pub(crate) struct PointClosures {
    pub(crate) write: Option<Write>,
    pub(crate) write_point: BTreeMap<String, WritePoint>,
    pub(crate) release: Option<Release>,
    pub(crate) poll: BTreeMap<String, Poll>,
    pub(crate) poll_all: Option<PollAll>,
    pub(crate) computed: BTreeMap<String, Compute>,
    pub(crate) command: Option<OnCommand>,
    pub(crate) blocks: BTreeMap<String, OnBlock>,
}

impl PointClosures {
    /// Answers a hook about the device, if there is a closure for it. Points are read by [`Self::read`].
    pub(crate) fn answer(&mut self, hook: &Hook) -> Option<Outcome> {
        match hook {
            Hook::WritePoint { point, value, .. } => self.write(point, value),
            Hook::ReleasePoint { point, .. } => {
                self.release.as_mut().map(|release| written(guarded(|| release(point))))
            }
            Hook::Command { name, payload } => {
                self.command.as_mut().map(|command| commanded(guarded(|| command(name, payload))))
            }
            _ => None,
        }
    }

    pub(crate) fn hear(&mut self, notice: &Notice) {
        // What panics was printed; there is nobody else to tell.
        if let Notice::Block { name, content } = notice
            && let Some(block) = self.blocks.get_mut(name)
        {
            let _ = guarded(|| block(content.as_ref().map(Json::as_str)));
        }
    }

    pub(crate) fn set_poll<R: IntoReading>(
        &mut self,
        point: &str,
        mut read: impl FnMut() -> R + Send + 'static,
    ) {
        self.poll.insert(point.into(), Box::new(move || read().into_reading()));
    }

    pub(crate) fn set_poll_all<N, R, M>(&mut self, mut read: impl FnMut() -> M + Send + 'static)
    where
        N: Into<String>,
        R: IntoReading,
        M: IntoIterator<Item = (N, R)>,
    {
        self.poll_all = Some(Box::new(move || known(read())));
    }

    pub(crate) fn set_computed<R: IntoReading>(
        &mut self,
        point: &str,
        mut compute: impl FnMut(&BTreeMap<String, Value>) -> R + Send + 'static,
    ) {
        self.computed.insert(point.into(), Box::new(move |known| compute(known).into_reading()));
    }

    /// Whether there is a closure to read that point with.
    pub(crate) fn reads(&self, point: &str) -> bool {
        self.poll_all.is_some() || self.poll.contains_key(point)
    }

    /// Reads the polled points, then computes the others. `more` reads polled points that no closure here reads.
    pub(crate) fn read(
        &mut self,
        wanted: Wanted,
        more: impl FnOnce(&[String]) -> BTreeMap<String, Reading>,
    ) -> BTreeMap<String, Reading> {
        let Wanted { polled, computed, mut known, .. } = wanted;
        let (own, others): (Vec<_>, Vec<_>) = polled.into_iter().partition(|point| self.reads(point));
        let mut values = self.poll(&own);
        if !others.is_empty() {
            values.extend(more(&others));
        }
        for (name, reading) in &values {
            match reading {
                Reading::Value(value) => drop(known.insert(name.clone(), value.clone())),
                Reading::Failed(_) => drop(known.remove(name)),
            }
        }
        for name in computed {
            let Some(compute) = self.computed.get_mut(&name) else { continue };
            if let Some(reading) = guarded(|| compute(&known)).unwrap_or_else(failed) {
                values.insert(name, reading);
            }
        }
        values
    }

    fn write(&mut self, point: &str, value: &Value) -> Option<Outcome> {
        if let Some(write) = self.write_point.get_mut(point) {
            return Some(written(guarded(|| write(value))));
        }
        let write = self.write.as_mut()?;
        Some(written(guarded(|| write(point, value))))
    }

    fn poll(&mut self, polled: &[String]) -> BTreeMap<String, Reading> {
        let mut values = BTreeMap::new();
        if let Some(poll_all) = &mut self.poll_all
            && polled.iter().any(|name| !self.poll.contains_key(name))
        {
            match guarded(poll_all) {
                Ok(all) => values = all,
                Err(why) => {
                    values.extend(polled.iter().map(|name| (name.clone(), Reading::Failed(why.clone()))));
                }
            }
            values.retain(|name, _| polled.contains(name));
        }
        for name in polled {
            let Some(poll) = self.poll.get_mut(name) else { continue };
            if let Some(reading) = guarded(poll).unwrap_or_else(failed) {
                values.insert(name.clone(), reading);
            }
        }
        values
    }
}

/// What a closure has read, without points of which it says nothing.
pub(crate) fn known<N, R>(values: impl IntoIterator<Item = (N, R)>) -> BTreeMap<String, Reading>
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

    fn nothing(_: &[String]) -> BTreeMap<String, Reading> {
        BTreeMap::new()
    }

    #[test]
    fn one_point_that_panics_leaves_the_others_readable() {
        let mut closures = PointClosures::default();
        closures.set_poll("good", || 20);
        closures.set_poll("bad", || -> i32 { panic!("bus gone") });
        closures.set_computed("double", |known| {
            let Some(Value::Integer(good)) = known.get("good") else { return None };
            Some(Value::Integer(good * 2))
        });
        let (polled, computed) = (vec!["bad".into(), "good".into()], vec!["double".into()]);
        let values = closures.read(Wanted { polled, computed, ..Wanted::default() }, nothing);
        assert_eq!(values["bad"], Reading::Failed("the application panicked: bus gone".into()));
        assert_eq!(values["double"], Reading::Value(Value::Integer(40)));
    }

    #[test]
    fn a_closure_of_a_point_goes_before_the_one_for_all() {
        let write: Write = Box::new(|_, _| Err(WriteError::Invalid("all".into())));
        let mut closures = PointClosures { write: Some(write), ..PointClosures::default() };
        closures.set_poll_all(|| [("a", 1), ("b", 2)]);
        closures.write_point.insert("a".into(), Box::new(|_| Ok(())));
        closures.set_poll("a", || 7);
        let mut write = |point: &str| closures.write(point, &Value::Integer(1));
        assert_eq!(write("a"), Some(Outcome::Done));
        assert_eq!(write("b"), Some(Outcome::Invalid { message: "all".into() }));
        let values = closures.poll(&["a".into()]);
        assert_eq!(values, BTreeMap::from([("a".into(), Reading::Value(Value::Integer(7)))]));
        assert_eq!(closures.poll(&["a".into(), "b".into()])["b"], Reading::Value(Value::Integer(2)));
    }

    #[test]
    fn what_no_closure_reads_is_asked_for_elsewhere_and_known_to_the_computed() {
        let mut closures = PointClosures::default();
        closures.set_poll("a", || 1);
        closures.set_computed("sum", |known| known.len() as i64);
        let (polled, computed) = (vec!["a".into(), "b".into()], vec!["sum".into()]);
        let wanted = Wanted { polled, computed, ..Wanted::default() };
        let values = closures.read(wanted, |others| {
            assert_eq!(others, ["b"]);
            known([("b", 2)])
        });
        assert_eq!(values["sum"], Reading::Value(Value::Integer(2)));
    }
}
