//! Every run as a trace, which has to replay.

use device_link::trace::{Header, Recorder, replay, shown_boot};
use udmi_proto::{Action, Boot, Event, Instant, Now, Settings, Udmi, WakeReason};

use super::{Bench, contains};
use crate::settings::PASSWORD;

/// The trace of a run.
#[derive(Debug)]
pub(super) struct Recording {
    header: String,
    recorder: Recorder<Udmi>,
    lines: Vec<String>,
}

impl Recording {
    pub(super) fn new(boot: &Boot, settings: &Settings) -> Self {
        let header = Header::new("fuzz", shown_boot::<Udmi>(boot), settings.clone()).line();
        let mut recorder = Recorder::new(&boot.limits);
        recorder.construction(boot.now);
        Self { header, recorder, lines: Vec::new() }
    }

    pub(super) fn event(&mut self, now: Now, event: &Event) {
        self.recorder.event(now, event);
    }

    pub(super) fn finish(
        &mut self,
        actions: &[Action],
        deadline: Option<Instant>,
        wake: Option<WakeReason<udmi_proto::Timer>>,
    ) {
        self.recorder.finish(actions, deadline, wake);
        self.lines.extend(std::iter::from_fn(|| self.recorder.poll()));
    }

    fn end(mut self) -> (String, Vec<String>) {
        self.recorder.end();
        self.lines.extend(std::iter::from_fn(|| self.recorder.poll()));
        (self.header, self.lines)
    }
}

impl Bench {
    /// Ends the trace of the run, if there is one: it replays, and shows no password.
    pub fn finish_recording(&mut self) {
        let Some(text) = self.take_trace() else { return };
        let mut lines = text.lines();
        let header = Header::<Settings>::read(lines.next().unwrap_or_default()).expect("the header is read");
        let dialect = Udmi::new(header.setup).expect("the settings are good");
        if let Err(difference) = replay(header.boot, dialect, lines) {
            panic!("the trace does not replay: {difference}");
        }
        assert!(!contains(text.as_bytes(), PASSWORD.as_bytes()), "the trace shows a password");
        let octets: String = PASSWORD.bytes().map(|octet| format!("{octet:02x}")).collect();
        assert!(!contains(text.as_bytes(), octets.as_bytes()), "the trace shows the octets of a password");
    }

    /// The trace of the run, if there is one. What happens from now on is in none.
    pub fn take_trace(&mut self) -> Option<String> {
        let (header, lines) = self.recording.take()?.end();
        Some(format!("{header}\n{}\n", lines.join("\n")))
    }
}
