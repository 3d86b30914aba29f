//! Records a run as it happens, for replay.

use std::fmt;
use std::io::{BufWriter, Write};

use device_link::trace::{Recorder, shown_boot};
use device_link::{Boot, Dialect, Node, Now};

use super::engine::{ActionOf, EventOf};

/// Where a run is recorded. A trace that cannot be written any more ends there; the run goes on.
pub struct TraceOutput<D: Dialect>(Beginning<D>);

type Beginning<D> = Box<dyn FnOnce(&Boot) -> Box<dyn Tracing<D>> + Send>;

/// Hears of all that goes in and out of a node.
pub(super) trait Tracing<D: Dialect>: Send {
    fn construction(&mut self, now: Now);
    fn event(&mut self, now: Now, event: &EventOf<D>);
    fn finish(&mut self, actions: &[ActionOf<D>], node: &Node<D>);
    fn flush(&mut self);
}

impl<D: Dialect + 'static> TraceOutput<D> {
    /// `header` makes the first line, of what may be shown of the boot; `output` takes all lines.
    pub fn new(
        header: impl FnOnce(&Boot) -> String + Send + 'static,
        output: impl Write + Send + 'static,
    ) -> Self {
        Self(Box::new(move |boot| Box::new(Trace::<D>::new(boot, header, Box::new(output)))))
    }
}

impl<D: Dialect> TraceOutput<D> {
    /// The trace of a node of this boot.
    pub(super) fn begin(self, boot: &Boot) -> Box<dyn Tracing<D>> {
        (self.0)(boot)
    }
}

impl<D: Dialect> fmt::Debug for TraceOutput<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceOutput").finish_non_exhaustive()
    }
}

/// Writes the lines of a trace.
struct Trace<D: Dialect> {
    recorder: Recorder<D>,
    output: Option<BufWriter<Box<dyn Write + Send>>>,
}

impl<D: Dialect> Trace<D> {
    fn new(boot: &Boot, header: impl FnOnce(&Boot) -> String, output: Box<dyn Write + Send>) -> Self {
        let recorder = Recorder::new(&boot.limits);
        let mut trace = Self { recorder, output: Some(BufWriter::new(output)) };
        trace.write(&header(&shown_boot::<D>(boot)));
        trace
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

impl<D: Dialect> Tracing<D> for Trace<D> {
    fn construction(&mut self, now: Now) {
        self.recorder.construction(now);
    }

    fn event(&mut self, now: Now, event: &EventOf<D>) {
        self.recorder.event(now, event);
    }

    fn finish(&mut self, actions: &[ActionOf<D>], node: &Node<D>) {
        self.recorder.finish(actions, node.deadline(), node.wake_reason());
        self.write_ready();
    }

    fn flush(&mut self) {
        self.output.take_if(|output| output.flush().is_err());
    }
}

/// A run that is put off in the middle of a message leaves a whole trace, too.
impl<D: Dialect> Drop for Trace<D> {
    fn drop(&mut self) {
        self.recorder.end();
        self.write_ready();
    }
}
