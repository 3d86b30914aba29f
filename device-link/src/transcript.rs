//! A run as text for people: what came in, what went out, what is next.
//!
//! ```text
//!     12ms  < opened #1
//!     12ms  > CONNECT id=device user=me pass=***
//!     31ms  < CONNACK accepted
//!     31ms  . next at 60031ms (KeepAlive)
//! ```
//!
//! `<` is what came in, `>` what went out, `!` what the application is asked, `*` what it is told, `.` the
//! next deadline where it changed. MQTT is decoded, so that how TCP cuts its bytes is invisible. Times are
//! relative to the first call.

mod packet;
mod value;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use bytes::BytesMut;
use serde::Serialize;
use serde_json::Value;

use crate::cx::{LinkTimer, WakeReason};
use crate::effect::FetchEvent;
use crate::port::{Action, ConnId, Event};
use crate::time::{Instant, Now};
use crate::trace::{Difference, Line, read_line};
use crate::wire;

/// What a payload or a value is shortened to if nothing else is said, in characters.
pub const WIDTH: usize = 100;

/// Renders calls, in their order, as text.
#[derive(Debug)]
pub struct Transcript {
    text: String,
    width: usize,
    start: Option<Instant>,
    streams: BTreeMap<ConnId, [Stream; 2]>,
    next: Option<Next>,
}

/// The deadline last shown.
#[derive(Debug, PartialEq, Eq)]
struct Next {
    at: Instant,
    /// The link's timer it is of, if it is not the dialect's.
    timer: Option<LinkTimer>,
    reason: String,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Stream {
    buffer: BytesMut,
    is_broken: bool,
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    In,
    Out,
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new(WIDTH)
    }
}

impl Transcript {
    /// An empty transcript that shortens payloads and values to `width` characters.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { text: String::new(), width, start: None, streams: BTreeMap::new(), next: None }
    }

    /// A whole trace, header included, as text; it need not be known of which dialect.
    ///
    /// # Errors
    /// [`Difference`] names the first line that is malformed.
    pub fn of_trace(trace: &str, width: usize) -> Result<String, Difference> {
        let mut transcript = Self::new(width);
        let mut lines = trace.lines();
        crate::trace::Header::<Value>::read(lines.next().unwrap_or_default())?;
        for (at, line) in lines.enumerate() {
            let line: Line<Value, Value, Value, Value, Value> = read_line(at + 2, line)?;
            transcript.line(&line);
        }
        Ok(transcript.text)
    }

    /// Adds a line of a trace.
    pub fn line<C, O, H, N, T>(&mut self, line: &Line<C, O, H, N, T>)
    where
        C: Serialize,
        O: Serialize,
        H: Serialize,
        N: Serialize,
        T: Serialize,
    {
        let Line { now, event, actions, deadline, wake } = line;
        self.call(*now, event.as_ref(), actions, *deadline, wake.as_ref());
    }

    /// Adds one call: its event (none for the construction), all that `poll` returned after it, and what
    /// the node says of its deadline then.
    pub fn call<C: Serialize, O: Serialize, H: Serialize, N: Serialize, T: Serialize>(
        &mut self,
        now: Now,
        event: Option<&Event<C, O>>,
        actions: &[Action<H, N>],
        deadline: Option<Instant>,
        wake: Option<&WakeReason<T>>,
    ) {
        self.start.get_or_insert(now.at);
        if let Some(event) = event {
            self.event(now, event);
        }
        for action in actions {
            self.action(now, action);
        }
        self.next(now, deadline, wake);
    }

    /// All so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All since the last call of `take`.
    pub fn take(&mut self) -> String {
        core::mem::take(&mut self.text)
    }

    fn event<C: Serialize, O: Serialize>(&mut self, now: Now, event: &Event<C, O>) {
        match event {
            Event::Tick => {}
            Event::Opened { conn } => self.write(now, &format!("< opened {conn}")),
            Event::Received { conn, bytes } => self.bytes(now, *conn, Direction::In, bytes),
            Event::Closed { conn, why } => {
                self.unfinished(now, *conn);
                self.write(now, &format!("< closed {conn}: {why}"));
            }
            Event::Stored { id, ok } => {
                let outcome = if *ok { "ok" } else { "failed" };
                self.write(now, &format!("< stored {id} {outcome}"));
            }
            Event::Signed { id, result } => {
                let outcome = value::render(result, self.width);
                self.write(now, &format!("< signed {id} {outcome}"));
            }
            Event::Fetched { id, event } => {
                let event = match event {
                    FetchEvent::Chunk(bytes) => format!("{} bytes", bytes.len()),
                    FetchEvent::Size(_)
                    | FetchEvent::Restarted
                    | FetchEvent::Done
                    | FetchEvent::Failed(_) => value::render(event, self.width),
                };
                self.write(now, &format!("< fetch {id} {event}"));
            }
            Event::HookDone { id, outcome } => {
                let outcome = value::render(outcome, self.width);
                self.write(now, &format!("< hook {id} {outcome}"));
            }
            Event::Command(command) => {
                let command = value::render(command, self.width);
                self.write(now, &format!("< command {command}"));
            }
        }
    }

    fn action<H: Serialize, N: Serialize>(&mut self, now: Now, action: &Action<H, N>) {
        match action {
            Action::Open { conn, to } => self.write(now, &format!("> open {conn} {to}")),
            Action::Send { conn, bytes } => self.bytes(now, *conn, Direction::Out, &bytes.shown()),
            Action::Close { conn } => {
                self.unfinished(now, *conn);
                let why = self.timed_out(now);
                self.write(now, &format!("> close {conn}{why}"));
            }
            Action::Store { id, key, value } => {
                let shown = value.as_ref().map(|value| packet::payload(value, self.width));
                let shown = shown.as_deref().unwrap_or("deleted");
                self.write(now, &format!("> store {id} {} {shown}", key.as_str()));
            }
            Action::Sign { id, request } => {
                self.write(now, &format!("> sign {id} {}", request.algorithm.name()));
            }
            Action::Fetch { id, request } => {
                let request = value::render(&request.masked(), self.width);
                self.write(now, &format!("> fetch {id} {request}"));
            }
            Action::Release { id } => self.write(now, &format!("> release {id}")),
            Action::InvokeHook { id, hook } => {
                let hook = value::render(hook, self.width);
                self.write(now, &format!("! {hook:<52} hook {id}"));
            }
            Action::CancelHook { id } => self.write(now, &format!("! cancel hook {id}")),
            Action::Notify(notice) => {
                let notice = value::render(notice, self.width);
                self.write(now, &format!("* {notice}"));
            }
            Action::Exit(reason) => self.write(now, &format!("> exit {}", value::render(reason, self.width))),
        }
    }

    fn next<T: Serialize>(&mut self, now: Now, deadline: Option<Instant>, wake: Option<&WakeReason<T>>) {
        let next = deadline.map(|at| match wake {
            Some(WakeReason::Link(timer)) => Next { at, timer: Some(*timer), reason: format!("{timer:?}") },
            Some(WakeReason::Dialect(timer)) => {
                Next { at, timer: None, reason: value::render(timer, self.width) }
            }
            None => Next { at, timer: None, reason: String::new() },
        });
        if next == self.next {
            return;
        }
        match &next {
            Some(Next { at, reason, .. }) => {
                let at = self.relative(*at);
                self.write(now, &format!(". next at {at}ms ({reason})"));
            }
            None => self.write(now, ". nothing is due"),
        }
        self.next = next;
    }

    /// Names the link's timer that a close came from, where it came from one.
    fn timed_out(&self, now: Now) -> String {
        let Some(Next { at, timer: Some(timer), reason }) = &self.next else { return String::new() };
        let closes = match timer {
            LinkTimer::Open
            | LinkTimer::ConnAck
            | LinkTimer::SubAck
            | LinkTimer::PingResp
            | LinkTimer::Leave => true,
            LinkTimer::Backoff | LinkTimer::KeepAlive | LinkTimer::Receipts | LinkTimer::Keep => false,
        };
        if closes && *at <= now.at { format!(": {reason} was due") } else { String::new() }
    }

    fn bytes(&mut self, now: Now, conn: ConnId, direction: Direction, bytes: &[u8]) {
        let (stream, sign) = match direction {
            Direction::In => match self.streams.get_mut(&conn) {
                Some([inbound, _]) => (inbound, '<'),
                // From its first bytes to the peer on, a node looks at what comes on a connection.
                None => return self.write(now, &format!("< {} bytes on {conn}, ignored", bytes.len())),
            },
            Direction::Out => {
                let [_, outbound] = self.streams.entry(conn).or_default();
                (outbound, '>')
            }
        };
        if stream.is_broken {
            return;
        }
        stream.buffer.extend_from_slice(bytes);
        let mut lines = alloc::vec::Vec::new();
        loop {
            match wire::decode(&mut stream.buffer, wire::MAX_REMAINING) {
                Ok(Some(packet)) => lines.push(format!("{sign} {}", packet::render(&packet, self.width))),
                Ok(None) => break,
                Err(error) => {
                    stream.is_broken = true;
                    lines.push(format!("{sign} no MQTT: {error}"));
                    break;
                }
            }
        }
        for line in lines {
            self.write(now, &line);
        }
    }

    /// Tells of the packet that a connection's end cut short, and forgets the connection.
    fn unfinished(&mut self, now: Now, conn: ConnId) {
        let Some([inbound, _]) = self.streams.remove(&conn) else { return };
        if !inbound.is_broken && !inbound.buffer.is_empty() {
            self.write(now, &format!("< {} bytes of an unfinished packet", inbound.buffer.len()));
        }
    }

    fn relative(&self, at: Instant) -> u64 {
        at.0.saturating_sub(self.start.map_or(0, |start| start.0))
    }

    fn write(&mut self, now: Now, what: &str) {
        let line = format!("{:>8}  {}\n", format!("{}ms", self.relative(now.at)), what.trim_end());
        self.text.push_str(&line);
    }
}
