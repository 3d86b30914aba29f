//! The closures about proxied devices.

use std::collections::BTreeMap;

use udmi_proto::{Hook, Json, Notice, Outcome, Reading, Value, Wanted};

use super::points::PointClosures;
use super::{commanded, guarded, written};
use crate::reading::{CommandError, WriteError};

type Write = Box<dyn FnMut(&str, &str, &Value) -> Result<(), WriteError> + Send>;
type Release = Box<dyn FnMut(&str, &str) -> Result<(), WriteError> + Send>;
type Read = Box<dyn FnMut(&str, &[String]) -> Result<BTreeMap<String, Reading>, String> + Send>;
type OnCommand = Box<dyn FnMut(&str, &str, &str) -> Result<(), CommandError> + Send>;
type OnBlock = Box<dyn FnMut(&str, Option<&str>) + Send>;

/// Those of one device go before those for all.
#[derive(Default)]
pub(crate) struct ProxiedClosures {
    pub(crate) devices: BTreeMap<String, Box<PointClosures>>,
    pub(crate) write: Option<Write>,
    pub(crate) release: Option<Release>,
    pub(crate) read: Option<Read>,
    pub(crate) command: Option<OnCommand>,
    pub(crate) blocks: BTreeMap<String, OnBlock>,
}

impl ProxiedClosures {
    /// Answers a hook of a proxied device.
    pub(crate) fn answer(&mut self, device: &str, hook: Hook) -> Outcome {
        let mut own = self.devices.get_mut(device).map(|own| &mut **own);
        if let Some(outcome) = own.as_mut().and_then(|own| own.answer(&hook)) {
            return outcome;
        }
        match hook {
            Hook::ReadPoints { wanted } => read(device, own, &mut self.read, wanted),
            Hook::WritePoint { point, value, .. } => match &mut self.write {
                Some(write) => written(guarded(|| write(device, &point, &value))),
                None => Outcome::Done,
            },
            Hook::ReleasePoint { point, .. } => match &mut self.release {
                Some(release) => written(guarded(|| release(device, &point))),
                None => Outcome::Done,
            },
            Hook::Command { name, payload } => match &mut self.command {
                Some(command) => commanded(guarded(|| command(device, &name, &payload))),
                None => Outcome::Unhandled,
            },
            _ => Outcome::Unhandled,
        }
    }

    pub(crate) fn hear(&mut self, device: &str, notice: &Notice) {
        if let Some(own) = self.devices.get_mut(device) {
            own.hear(notice);
        }
        if let Notice::Block { name, content } = notice
            && let Some(block) = self.blocks.get_mut(name)
        {
            let _ = guarded(|| block(device, content.as_ref().map(Json::as_str)));
        }
    }
}

/// A device that cannot be read as a whole is not reachable.
fn read(device: &str, own: Option<&mut PointClosures>, all: &mut Option<Read>, wanted: Wanted) -> Outcome {
    if own.is_none() && all.is_none() {
        return Outcome::Unhandled;
    }
    let mut failure = None;
    let mut more = |points: &[String]| {
        let Some(read) = all else { return BTreeMap::new() };
        let mut values = match guarded(|| read(device, points)) {
            Ok(Ok(values)) => values,
            Ok(Err(why)) | Err(why) => {
                failure = Some(why);
                BTreeMap::new()
            }
        };
        values.retain(|point, _| points.contains(point));
        values
    };
    let values = match own {
        Some(own) => own.read(wanted, more),
        None => more(&wanted.polled),
    };
    match failure {
        Some(message) => Outcome::Failed { message },
        None => Outcome::Values { values },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closures::points::known;

    fn wanted(points: &[&str]) -> Hook {
        let polled = points.iter().map(ToString::to_string).collect();
        Hook::ReadPoints { wanted: Wanted { polled, ..Wanted::default() } }
    }

    fn write(point: &str) -> Hook {
        Hook::WritePoint { point: point.into(), value: Value::Integer(1), reference: None }
    }

    #[test]
    fn a_devices_own_closures_go_before_those_for_all() {
        let mut closures = ProxiedClosures {
            write: Some(Box::new(|device, _, _| Err(WriteError::Invalid(device.into())))),
            read: Some(Box::new(|_, points| Ok(known(points.iter().map(|point| (point.clone(), 1)))))),
            ..ProxiedClosures::default()
        };
        let mut own = PointClosures::default();
        own.write_point.insert("a".into(), Box::new(|_| Ok(())));
        own.set_poll("a", || 7);
        closures.devices.insert("AHU-2".into(), Box::new(own));
        assert_eq!(closures.answer("AHU-2", write("a")), Outcome::Done);
        for (device, point) in [("AHU-2", "b"), ("AHU-3", "a")] {
            assert_eq!(closures.answer(device, write(point)), Outcome::Invalid { message: device.into() });
        }
        let Outcome::Values { values } = closures.answer("AHU-2", wanted(&["a", "b"])) else { panic!() };
        assert_eq!(values["a"], Reading::Value(Value::Integer(7)));
        assert_eq!(values["b"], Reading::Value(Value::Integer(1)));
    }

    #[test]
    fn a_device_that_cannot_be_read_has_failed_and_one_that_nobody_reads_is_unhandled() {
        let mut closures = ProxiedClosures::default();
        assert_eq!(closures.answer("AHU-2", wanted(&["a"])), Outcome::Unhandled);
        closures.read = Some(Box::new(|_, _| Err("no answer".into())));
        assert_eq!(closures.answer("AHU-2", wanted(&["a"])), Outcome::Failed { message: "no answer".into() });
        closures.read = Some(Box::new(|_, _| panic!("bus")));
        let message = "the application panicked: bus".into();
        assert_eq!(closures.answer("AHU-2", wanted(&["a"])), Outcome::Failed { message });
    }
}
