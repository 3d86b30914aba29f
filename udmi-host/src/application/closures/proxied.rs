//! The closures about proxied devices.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow::{Break, Continue};

use udmi_proto::{Hook, Json, Map, Notice, Outcome, Reading, Value, Wanted};

use super::outcome::{commanded, written};
use super::points::{PointClosures, Read, heard, only};
use crate::application::reply::{Reply, guarded};
use crate::application::turns::{About, Turns};
use crate::application::{CommandError, WriteError};

type Written = Reply<Result<(), WriteError>>;
type Write = Box<dyn FnMut(String, String, Value) -> Written + Send>;
type Release = Box<dyn FnMut(String, String) -> Written + Send>;
type ReadAll = Box<dyn FnMut(String, Vec<String>) -> Reply<Result<Map<String, Reading>, String>> + Send>;
type OnCommand = Box<dyn FnMut(String, String, String) -> Reply<Result<(), CommandError>> + Send>;
type OnBlock = Box<dyn FnMut(String, Option<Json>) -> Reply<()> + Send>;

/// The closures about proxied devices: those of one device go before those for all. Each is told the device first.
#[derive(Default)]
pub struct ProxiedClosures {
    /// The closures of single devices, by their ids.
    pub devices: Map<String, Box<PointClosures>>,
    /// Puts a value in force: the point, the value.
    pub write: Option<Write>,
    /// Gives a point back to local control.
    pub release: Option<Release>,
    /// Reads points.
    pub read: Option<ReadAll>,
    /// Takes care of a command: its name, its content.
    pub command: Option<OnCommand>,
    /// Takes a block of the config, by its name.
    pub blocks: Map<String, OnBlock>,
}

impl ProxiedClosures {
    /// Answers a hook of a proxied device.
    pub(super) fn answer(&mut self, device: String, hook: Hook, turns: &mut Turns) -> Reply<Outcome> {
        let mut own = self.devices.get_mut(&device).map(|own| &mut **own);
        let hook = match &mut own {
            Some(own) => match own.answer(Some(&device), hook, turns) {
                Break(reply) => return reply,
                Continue(hook) => hook,
            },
            None => hook,
        };
        match hook {
            Hook::ReadPoints { wanted } => read(device, own, &mut self.read, wanted),
            Hook::WritePoint { point, value, .. } => {
                let Some(write) = &mut self.write else { return Reply::Now(Outcome::Done) };
                let about = About::Point(Some(device.clone()), point.clone());
                turns.in_order(about, guarded(|| write(device, point, value)).map(written))
            }
            Hook::ReleasePoint { point, .. } => {
                let Some(release) = &mut self.release else { return Reply::Now(Outcome::Done) };
                let about = About::Point(Some(device.clone()), point.clone());
                turns.in_order(about, guarded(|| release(device, point)).map(written))
            }
            Hook::Command { name, payload } => {
                let Some(command) = &mut self.command else { return Reply::Now(Outcome::Unhandled) };
                let about = About::Commands(Some(device.clone()));
                turns.in_order(about, guarded(|| command(device, name, payload)).map(commanded))
            }
            _ => Reply::Now(Outcome::Unhandled),
        }
    }

    pub(super) fn hear(&mut self, device: &str, notice: &Notice) -> Vec<Reply<()>> {
        let own = self.devices.get_mut(device).and_then(|own| own.hear(notice));
        let mut all = None;
        if let Notice::Block { name, content } = notice
            && let Some(block) = self.blocks.get_mut(name)
        {
            all = Some(heard(|| block(device.into(), content.clone())));
        }
        own.into_iter().chain(all).collect()
    }
}

impl fmt::Debug for ProxiedClosures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxiedClosures").finish_non_exhaustive()
    }
}

/// A device that cannot be read as a whole is not reachable.
fn read(
    device: String,
    own: Option<&mut PointClosures>,
    all: &mut Option<ReadAll>,
    wanted: Wanted,
) -> Reply<Outcome> {
    if own.is_none() && all.is_none() {
        return Reply::Now(Outcome::Unhandled);
    }
    let more = |points: Vec<String>| -> Reply<Read> {
        let Some(read) = all else { return Reply::Now(Ok(Map::new())) };
        let asked: BTreeSet<_> = points.iter().cloned().collect();
        let values = guarded(|| read(device, points)).map(Result::flatten);
        values.map(move |values| values.map(|values| only(&asked, values)))
    };
    let values = match own {
        Some(own) => own.read(wanted, more),
        None => more(wanted.polled),
    };
    values.map(|values| match values {
        Ok(values) => Outcome::Values { values },
        Err(message) => Outcome::Failed { message },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::closures::points::known;

    fn wanted(points: &[&str]) -> Hook {
        let polled = points.iter().map(ToString::to_string).collect();
        Hook::ReadPoints { wanted: Wanted { polled, ..Wanted::default() } }
    }

    fn write(point: &str) -> Hook {
        Hook::WritePoint { point: point.into(), value: Value::Integer(1), reference: None }
    }

    fn answer(closures: &mut ProxiedClosures, device: &str, hook: Hook) -> Outcome {
        closures.answer(device.into(), hook, &mut Turns::default()).wait()
    }

    #[test]
    fn a_devices_own_closures_go_before_those_for_all() {
        let read_all: ReadAll =
            Box::new(|_, points| Reply::Now(Ok(known(points.into_iter().map(|point| (point, 1))))));
        let mut closures = ProxiedClosures {
            write: Some(Box::new(|device, _, _| Reply::Now(Err(WriteError::Invalid(device))))),
            read: Some(read_all),
            ..ProxiedClosures::default()
        };
        let mut own = PointClosures::default();
        own.write_point.insert("a".into(), Box::new(|_| Reply::Now(Ok(()))));
        own.poll.insert("a".into(), Box::new(|| Reply::Now(Some(Reading::Value(Value::Integer(7))))));
        closures.devices.insert("AHU-2".into(), Box::new(own));
        assert_eq!(answer(&mut closures, "AHU-2", write("a")), Outcome::Done);
        for (device, point) in [("AHU-2", "b"), ("AHU-3", "a")] {
            let invalid = Outcome::Invalid { message: device.into() };
            assert_eq!(answer(&mut closures, device, write(point)), invalid);
        }
        let Outcome::Values { values } = answer(&mut closures, "AHU-2", wanted(&["a", "b"])) else {
            panic!()
        };
        assert_eq!(values["a"], Reading::Value(Value::Integer(7)));
        assert_eq!(values["b"], Reading::Value(Value::Integer(1)));
    }

    #[test]
    fn a_device_that_cannot_be_read_has_failed_and_one_that_nobody_reads_is_unhandled() {
        let mut closures = ProxiedClosures::default();
        assert_eq!(answer(&mut closures, "AHU-2", wanted(&["a"])), Outcome::Unhandled);
        closures.read = Some(Box::new(|_, _| Reply::Now(Err("no answer".into()))));
        let failed = |message: &str| Outcome::Failed { message: message.into() };
        assert_eq!(answer(&mut closures, "AHU-2", wanted(&["a"])), failed("no answer"));
        closures.read = Some(Box::new(|_, _| panic!("bus")));
        assert_eq!(answer(&mut closures, "AHU-2", wanted(&["a"])), failed("the application panicked: bus"));
    }
}
