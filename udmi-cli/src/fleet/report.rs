//! What a fleet tells: a line while it runs, and a summary at its end.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::counters::Sum;
use super::histogram::Counts;
use super::host;
use crate::output::{Output, Role};

/// On a terminal the line is written anew so often.
const REWRITTEN: Duration = Duration::from_secs(1);
/// Elsewhere there is another one so often.
const REPEATED: Duration = Duration::from_secs(10);

/// All that is counted and measured, at one moment.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) sum: Sum,
    processor: Duration,
    resident: Option<u64>,
}

impl Moment {
    pub(super) fn new(sum: Sum) -> Self {
        Self { sum, processor: host::processor_time(), resident: host::resident_bytes() }
    }
}

/// What has happened between two moments.
struct Span<'a> {
    from: &'a Moment,
    to: &'a Moment,
}

impl Span<'_> {
    fn seconds(&self) -> f64 {
        self.to.sum.at.saturating_duration_since(self.from.sum.at).as_secs_f64()
    }

    fn processor(&self) -> Duration {
        self.to.processor.saturating_sub(self.from.processor)
    }

    /// Of one core; 200 are two cores.
    fn processor_percent(&self) -> f64 {
        100.0 * per(self.processor().as_secs_f64(), self.seconds())
    }

    fn acknowledged(&self) -> u64 {
        self.to.sum.acknowledged.saturating_sub(self.from.sum.acknowledged)
    }

    fn sent_per_second(&self) -> f64 {
        per(self.to.sum.sent.saturating_sub(self.from.sum.sent) as f64, self.seconds())
    }

    fn acknowledgements(&self) -> Counts {
        self.to.sum.acknowledgements.since(&self.from.sum.acknowledgements)
    }
}

fn per(what: f64, many: f64) -> f64 {
    if many > 0.0 { what / many } else { 0.0 }
}

/// The line that shows how a fleet fares.
pub(super) struct Progress {
    output: Output,
    devices: usize,
    /// Before any device was begun.
    resident_before: Option<u64>,
    last: Moment,
    terminal: bool,
    drawn: bool,
}

impl Progress {
    pub(super) fn new(output: &Output, devices: usize, before: &Moment) -> Self {
        let (resident_before, last) = (before.resident, before.clone());
        Self {
            output: *output,
            devices,
            resident_before,
            last,
            terminal: io::stderr().is_terminal(),
            drawn: false,
        }
    }

    /// Shows how things are, if it is time to.
    pub(super) fn show(&mut self, now: &Moment) {
        let often = if self.terminal { REWRITTEN } else { REPEATED };
        if self.output.quiet || now.sum.at.saturating_duration_since(self.last.sum.at) < often {
            return;
        }
        let line = self.line(now);
        self.last = now.clone();
        if self.terminal {
            self.drawn = true;
            // A line that cannot be shown is lost.
            let _ = write!(io::stderr(), "\r\u{1b}[2K{line}");
        } else {
            self.output.remark(line);
        }
    }

    fn line(&self, now: &Moment) -> String {
        let span = Span { from: &self.last, to: now };
        let counts = span.acknowledgements();
        let within = |share| counts.quantile(share).map_or_else(|| "–".to_owned(), millis);
        let Sum { connected, acknowledged, started, .. } = now.sum;
        let all = self.devices as u64;
        let role = if connected == all { Role::Good } else { Role::Warning };
        let memory = match memory_per_device(self.resident_before, now.resident, started) {
            Some(bytes) => format!(" · {:.1} KiB a device", bytes / 1024.0),
            None => String::new(),
        };
        format!(
            "{} · {acknowledged} acknowledged · {:.0} messages/s · p50 {} p99 {} · CPU {:.0} %{memory}",
            self.output.paint_error(role, format!("{connected}/{all} connected")),
            span.sent_per_second(),
            within(0.5),
            within(0.99),
            span.processor_percent(),
        )
    }

    /// Makes room for other lines.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\u{1b}[2K");
        }
    }
}

fn millis(took: Duration) -> String {
    match took.as_secs_f64() * 1000.0 {
        millis if millis < 10.0 => format!("{millis:.2} ms"),
        millis => format!("{millis:.0} ms"),
    }
}

fn memory_per_device(before: Option<u64>, now: Option<u64>, devices: u64) -> Option<f64> {
    let grown = now?.saturating_sub(before?);
    (devices > 0).then(|| grown as f64 / devices as f64)
}

/// How a fleet has fared, from its beginning to its end.
pub(super) struct Summary {
    /// Of the whole fleet, whichever shard this is.
    pub(super) fleet: Option<u64>,
    pub(super) shard: String,
    pub(super) devices: usize,
    pub(super) threads: usize,
    /// Whether the fleet has given its devices configs.
    pub(super) configures: bool,
    /// Whether unacknowledged messages may be lost on purpose.
    pub(super) cuts_power: bool,
    /// Before any device was begun.
    pub(super) before: Moment,
    /// When all were connected, or were not for too long.
    pub(super) ramped: Option<Moment>,
    /// When the end began.
    pub(super) ending: Moment,
    /// At the end.
    pub(super) end: Moment,
}

impl Summary {
    /// Whether all devices were connected, configured where that was wanted, and heard by the broker, and have left
    /// in order.
    pub(super) fn is_well(&self) -> bool {
        let Sum { connected_once, configured, unacknowledged, lost, left, .. } = self.end.sum;
        let all = self.devices as u64;
        connected_once == all
            && (!self.configures || configured == all)
            && (self.cuts_power || unacknowledged == 0)
            && lost == 0
            && left == all
    }

    /// For programs. Members may come, none goes or changes its meaning.
    pub(super) fn json(&self) -> Value {
        let Self { before, ending, end, .. } = self;
        let ramp = &end.sum.ramped;
        let steady = self.ramped.as_ref().map(|from| Span { from, to: ending });
        let whole = Span { from: before, to: end };
        let resident = ending.resident;
        let sum = &end.sum;
        json!({
            "fleet": self.fleet,
            "shard": self.shard,
            "devices": self.devices,
            "threads": self.threads,
            "well": self.is_well(),
            "connected": sum.connected_once,
            "connected_at_last": ending.sum.connected,
            "configured": sum.configured,
            "left_in_order": sum.left,
            "ramp": {
                "seconds": ramp.as_secs_f64(),
                "connections_per_second": per(sum.connected_once as f64, ramp.as_secs_f64()),
            },
            "steady": steady.map(|span| json!({
                "seconds": span.seconds(),
                "cpu_seconds": span.processor().as_secs_f64(),
                "cpu_percent": span.processor_percent(),
                "messages_per_second": span.sent_per_second(),
                "acknowledged": span.acknowledged(),
                "acknowledgement_ms": quantiles(&span.acknowledgements()),
            })),
            "whole": {
                "seconds": whole.seconds(),
                "cpu_seconds": whole.processor().as_secs_f64(),
                "acknowledgement_ms": quantiles(&whole.acknowledgements()),
            },
            "messages": {
                "sent": sum.sent,
                "acknowledged": sum.acknowledged,
                "unacknowledged": sum.unacknowledged,
                "lost": sum.lost,
                "received": sum.received,
            },
            "connections": sum.connections,
            "disconnections": sum.disconnections,
            "configs": sum.configs,
            "configs_with_findings": sum.configs_with_findings,
            "restarts": sum.restarts,
            "faults": sum.faults,
            "memory": {
                "resident_bytes_before": before.resident,
                "resident_bytes": resident,
                "bytes_per_device": memory_per_device(before.resident, resident, ending.sum.started),
            },
        })
    }

    /// For people.
    pub(super) fn lines(&self, output: &Output) -> Vec<String> {
        let Self { before, ending, end, devices, .. } = self;
        let (sum, ramp) = (&end.sum, end.sum.ramped.as_secs_f64());
        let role = if self.is_well() { Role::Good } else { Role::Bad };
        let configured = match self.configures {
            true => format!(", {} configured", sum.configured),
            false => String::new(),
        };
        let mut lines = vec![format!(
            "{}{configured}, {} left in order",
            output.paint(role, format!("{} of {devices} devices were connected", sum.connected_once)),
            sum.left,
        )];
        let rate = per(sum.connected_once as f64, ramp);
        lines.push(format!("ramp: {ramp:.1} s, {rate:.0} connections a second"));
        if let Some(from) = &self.ramped {
            let span = Span { from, to: ending };
            let counts = span.acknowledgements();
            let within = |share| counts.quantile(share).map_or_else(|| "–".to_owned(), millis);
            lines.push(format!(
                "then {:.0} s: {:.0} messages a second, acknowledged within {} (p50), {} (p99); {:.1} % of a core",
                span.seconds(),
                span.sent_per_second(),
                within(0.5),
                within(0.99),
                span.processor_percent(),
            ));
        }
        lines.push(format!(
            "messages: {} sent, {} acknowledged, {} not, {} lost; {} received",
            sum.sent, sum.acknowledged, sum.unacknowledged, sum.lost, sum.received
        ));
        if let Some(bytes) = memory_per_device(before.resident, ending.resident, ending.sum.started) {
            lines.push(format!("memory: {:.1} KiB a device", bytes / 1024.0));
        }
        lines
    }
}

fn quantiles(counts: &Counts) -> Value {
    let within = |share| counts.quantile(share).map(|took| took.as_secs_f64() * 1000.0);
    json!({ "count": counts.total(), "p50": within(0.5), "p90": within(0.9), "p99": within(0.99), "max": within(1.0) })
}
