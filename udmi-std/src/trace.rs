//! Records a run as it happens, for replay.

use std::fmt;
use std::io::{BufWriter, Write};

use device_link::trace::Recorder;
use device_link::{Dialect, Node, Now};

use crate::engine::{ActionOf, EventOf};

/// Writes lines of a trace. One that cannot be written any more ends there; the device goes on.
pub(crate) struct Trace<D> {
    line: Option<Recorder<D>>,
    output: Option<BufWriter<Box<dyn Write + Send>>>,
}

impl<D: Dialect> Trace<D> {
    /// A trace that begins with `header`.
    pub(crate) fn new(header: &str, output: Box<dyn Write + Send>) -> Self {
        let mut trace = Self { line: None, output: Some(BufWriter::new(output)) };
        trace.write(header);
        trace
    }

    pub(crate) fn construction(&mut self, now: Now) {
        self.line = Some(Recorder::construction(now));
    }

    pub(crate) fn event(&mut self, now: Now, event: &EventOf<D>) {
        self.line = Some(Recorder::event(now, event));
    }

    pub(crate) fn finish(&mut self, actions: &[ActionOf<D>], node: &Node<D>) {
        if let Some(line) = self.line.take() {
            self.write(&line.finish(actions, node.deadline(), node.wake_reason()));
        }
    }

    pub(crate) fn flush(&mut self) {
        self.output.take_if(|output| output.flush().is_err());
    }

    fn write(&mut self, line: &str) {
        self.output.take_if(|output| writeln!(output, "{line}").is_err());
    }
}

impl<D> fmt::Debug for Trace<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("writing", &self.output.is_some()).finish_non_exhaustive()
    }
}
