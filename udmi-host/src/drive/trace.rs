//! Records a run as it happens, for replay.

use std::fmt;
use std::io::{BufWriter, Write};

use device_link::trace::{Recorder, shown_boot};
use device_link::{Boot, Dialect, Node, Now};

use super::engine::{ActionOf, EventOf};

/// Writes lines of a trace. One that cannot be written any more ends there; the device goes on.
pub struct Trace<D: Dialect> {
    recorder: Recorder<D>,
    output: Option<BufWriter<Box<dyn Write + Send>>>,
}

impl<D: Dialect> Trace<D> {
    /// The trace of a node of this boot: `header` makes its first line of what may be shown of it.
    pub fn new(boot: &Boot, header: impl FnOnce(&Boot) -> String, output: Box<dyn Write + Send>) -> Self {
        let recorder = Recorder::new(&boot.limits);
        let mut trace = Self { recorder, output: Some(BufWriter::new(output)) };
        trace.write(&header(&shown_boot::<D>(boot)));
        trace
    }

    pub(super) fn construction(&mut self, now: Now) {
        self.recorder.construction(now);
    }

    pub(super) fn event(&mut self, now: Now, event: &EventOf<D>) {
        self.recorder.event(now, event);
    }

    pub(super) fn finish(&mut self, actions: &[ActionOf<D>], node: &Node<D>) {
        self.recorder.finish(actions, node.deadline(), node.wake_reason());
        self.write_ready();
    }

    pub(super) fn flush(&mut self) {
        self.output.take_if(|output| output.flush().is_err());
    }

    fn write_ready(&mut self) {
        while let Some(line) = self.recorder.poll() {
            self.write(&line);
        }
    }

    fn write(&mut self, line: &str) {
        self.output.take_if(|output| writeln!(output, "{line}").is_err());
    }
}

/// A run that is put off in the middle of a message leaves a whole trace, too.
impl<D: Dialect> Drop for Trace<D> {
    fn drop(&mut self) {
        self.recorder.end();
        self.write_ready();
    }
}

impl<D: Dialect> fmt::Debug for Trace<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("writing", &self.output.is_some()).finish_non_exhaustive()
    }
}
