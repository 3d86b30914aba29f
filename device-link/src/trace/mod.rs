//! A run as text: one line of JSON for each call, which replays bit for bit.
//!
//! A trace is a header and then a line for the construction and for each [`Node::handle`]. Bytes stand in
//! it as the transport cut them. No secret is in it: passwords and signatures are masked wherever they are
//! shown, and a dialect masks what it stores and what its peer sends ([`Dialect::mask_stored`],
//! [`Dialect::mask_message`]). A masked trace still replays, since the core lets nothing depend on what is
//! behind a mask but what is masked in turn.

mod inbound;
mod recorder;

pub use recorder::{Recorder, shown_boot};

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cx::WakeReason;
use crate::dialect::Dialect;
use crate::node::Node;
use crate::port::{Action, Boot, Event};
use crate::time::{Instant, Now};

/// The version of the format that this crate writes and reads.
pub const FORMAT: u32 = 1;

/// The first line of a trace: all that a run starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header<S> {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the software that wrote it, for people to read.
    pub software: String,
    /// What the node was born with.
    pub boot: Boot,
    /// What the dialect was made from.
    pub setup: S,
}

impl<S> Header<S> {
    /// The header of a trace in the format of this crate.
    pub fn new(software: &str, boot: Boot, setup: S) -> Self {
        Self { format: FORMAT, software: software.into(), boot, setup }
    }
}

impl<S: Serialize> Header<S> {
    /// The line, without a line end.
    #[must_use]
    pub fn line(&self) -> String {
        json(self)
    }
}

impl<S: DeserializeOwned> Header<S> {
    /// Reads the first line of a trace.
    ///
    /// # Errors
    /// [`Difference`] if it is no header of this [`FORMAT`] and this setup.
    pub fn read(line: &str) -> Result<Self, Difference> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = parse(1, "the header of a trace", line)?;
        if version.format != FORMAT {
            let seen = alloc::format!("format {}", version.format);
            return Err(Difference { line: 1, expected: alloc::format!("format {FORMAT}"), seen });
        }
        parse(1, "the header of a trace", line)
    }
}

/// One call: what went in, what came out. Read with other types than the dialect's own (such as
/// `serde_json::Value`), a line can be looked at without knowing the dialect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line<C, O, H, N, T> {
    /// The time of the call.
    pub now: Now,
    /// What happened; none is the construction of the node.
    pub event: Option<Event<C, O>>,
    /// What the driver was asked to do, in order.
    pub actions: Vec<Action<H, N>>,
    /// When the node wants to be called at the latest.
    pub deadline: Option<Instant>,
    /// Why it wants that.
    pub wake: Option<WakeReason<T>>,
}

/// A line of a run of `D`.
pub type LineOf<D> = Line<
    <D as Dialect>::Command,
    <D as Dialect>::Outcome,
    <D as Dialect>::Hook,
    <D as Dialect>::Notice,
    <D as Dialect>::Timer,
>;

/// Reads line `number` (the header is line 1) of a trace.
///
/// # Errors
/// [`Difference`] if it is cut short or of another shape.
pub fn read_line<C, O, H, N, T>(number: usize, line: &str) -> Result<Line<C, O, H, N, T>, Difference>
where
    C: DeserializeOwned,
    O: DeserializeOwned,
    H: DeserializeOwned,
    N: DeserializeOwned,
    T: DeserializeOwned,
{
    parse(number, "now, event, actions, deadline and wake", line)
}

/// What a replay went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Lines after the header.
    pub lines: usize,
    /// Actions in them.
    pub actions: usize,
}

/// The first place where a trace is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line of the trace; the header is line 1.
    pub line: usize,
    /// What the trace says, or what should have been there.
    pub expected: String,
    /// What the node did, or what was there.
    pub seen: String,
}

/// How much of either side a [`Difference`] shows, in characters.
const SHOWN: usize = 160;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same = self.expected.chars().zip(self.seen.chars()).take_while(|(a, b)| a == b).count();
        let from = same.saturating_sub(SHOWN / 4);
        let part = |text: &str| text.chars().skip(from).take(SHOWN).collect::<String>();
        write!(f, "line {}: expected {}, seen {}", self.line, part(&self.expected), part(&self.seen))
    }
}

impl core::error::Error for Difference {}

/// Runs a node of `dialect` through the events of a trace and compares all that comes out with what the
/// trace says. `lines` are those after the header, whose `boot` is to be given.
///
/// # Errors
/// The first [`Difference`], or the first line that is malformed or missing.
pub fn replay<D: Dialect>(
    boot: Boot,
    dialect: D,
    lines: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Count, Difference> {
    let born = boot.now;
    let mut node = Node::new(boot, dialect);
    let mut count = Count::default();
    for (next, line) in (2..).zip(lines) {
        let text = line.as_ref();
        let recorded: LineOf<D> = read_line(next, text)?;
        let begun = match (next, recorded.event) {
            (2, _) => recorder::begin::<D>(born, None),
            (_, Some(event)) => {
                let begun = recorder::begin::<D>(recorded.now, Some(&event));
                node.handle(recorded.now, event);
                begun
            }
            (_, None) => return Err(Difference::expected(next, "an event", text)),
        };
        let actions: Vec<_> = core::iter::from_fn(|| node.poll()).collect();
        let seen = begun + &recorder::end::<D>(&actions, node.deadline(), node.wake_reason());
        if seen != text {
            return Err(Difference { line: next, expected: text.into(), seen });
        }
        count = Count { lines: count.lines + 1, actions: count.actions + actions.len() };
    }
    if count.lines == 0 {
        return Err(Difference::expected(2, "the construction of the node", "the end of the trace"));
    }
    Ok(count)
}

impl Difference {
    pub(crate) fn expected(line: usize, expected: &str, seen: &str) -> Self {
        Self { line, expected: expected.into(), seen: seen.into() }
    }
}

fn parse<T: DeserializeOwned>(number: usize, expected: &str, line: &str) -> Result<T, Difference> {
    serde_json::from_str(line).map_err(|error| {
        let expected = alloc::format!("{expected} ({error})");
        let seen = if line.is_empty() { "nothing" } else { line };
        Difference { line: number, expected, seen: seen.chars().take(SHOWN).collect() }
    })
}

/// The value as JSON. What cannot be written (a map whose keys are no strings) becomes a note of that,
/// which replay then refuses by its line.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| serde_json::json!({ "unwritable": error.to_string() }).to_string())
}
