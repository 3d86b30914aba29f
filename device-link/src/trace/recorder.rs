//! Writes a trace, line by line, with what nobody is to see masked.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;

use bytes::Bytes;

use super::inbound::Inbound;
use super::json;
use crate::cx::WakeReason;
use crate::dialect::Dialect;
use crate::effect::FetchEvent;
use crate::limits::Limits;
use crate::port::{Action, Boot, ConnId, Event, FetchId, Stored};
use crate::time::{Instant, Now};

/// The most bytes that wait for the rest of a message to come, in text and in what the peer sent.
const WAITING: usize = 16 << 20;

/// Writes the lines of a trace: one is begun before the construction of a node or a call of `handle`,
/// finished with what came out, and polled when it is ready.
///
/// A message of the peer is masked by [`Dialect::mask_message`], which wants all of it: from its first bytes
/// on, lines wait until the message is whole or will never be. If more than 16 MiB wait, the trace ends with
/// the lines before; nothing unmasked is ever let go.
#[derive(Debug)]
pub struct Recorder<D> {
    /// What the line at hand begins with.
    begun: Option<Begun>,
    lines: VecDeque<Part>,
    waiting: usize,
    inbound: Inbound,
    /// Fetches of data URLs; of which there are never more than the node may have under way.
    inline: BTreeSet<FetchId>,
    /// Whether more waited than may.
    is_over: bool,
    dialect: PhantomData<fn() -> D>,
}

/// A line up to its actions.
#[derive(Debug)]
enum Begun {
    Whole(String),
    Received { now: Now, conn: ConnId },
}

/// A finished line.
#[derive(Debug)]
enum Part {
    Whole(String),
    /// Its bytes are the next piece of what the peer sent.
    Received {
        now: Now,
        conn: ConnId,
        rest: String,
    },
}

impl<D: Dialect> Recorder<D> {
    /// A recorder of a node born within these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            begun: None,
            lines: VecDeque::new(),
            waiting: 0,
            inbound: Inbound::new(limits.packet_bytes, D::mask_message),
            inline: BTreeSet::new(),
            is_over: false,
            dialect: PhantomData,
        }
    }

    /// Begins the line of the construction of a node, which is the second of a trace.
    pub fn construction(&mut self, now: Now) {
        self.begun = Some(Begun::Whole(begin::<D>(now, None)));
    }

    /// Begins the line of a call of `handle`.
    pub fn event(&mut self, now: Now, event: &Event<D::Command, D::Outcome>) {
        self.begun = Some(match event {
            Event::Received { conn, bytes } => {
                self.inbound.received(*conn, bytes);
                Begun::Received { now, conn: *conn }
            }
            Event::Closed { conn, .. } => {
                self.inbound.closed(*conn);
                Begun::Whole(begin::<D>(now, Some(event)))
            }
            Event::Fetched { id, event: FetchEvent::Chunk(bytes) } if self.inline.contains(id) => {
                let concealed = FetchEvent::Chunk(alloc::vec![b'*'; bytes.len()].into());
                Begun::Whole(begin::<D>(now, Some(&Event::Fetched { id: *id, event: concealed })))
            }
            Event::Fetched { id, event: FetchEvent::Failed(_) } => {
                self.inline.remove(id);
                Begun::Whole(begin::<D>(now, Some(event)))
            }
            Event::Tick
            | Event::Opened { .. }
            | Event::Stored { .. }
            | Event::Signed { .. }
            | Event::Fetched { .. }
            | Event::HookDone { .. }
            | Event::Command(_) => Begun::Whole(begin::<D>(now, Some(event))),
        });
    }

    /// Ends the line that was begun: `actions` are all that `poll` returned after the call, `deadline` and
    /// `wake` what the node says after it.
    pub fn finish(
        &mut self,
        actions: &[Action<D::Hook, D::Notice>],
        deadline: Option<Instant>,
        wake: Option<WakeReason<D::Timer>>,
    ) {
        let Some(begun) = self.begun.take() else { return };
        for action in actions {
            match action {
                Action::Send { conn, .. } => self.inbound.sent(*conn),
                Action::Close { conn } => self.inbound.closed(*conn),
                Action::Exit(_) => self.inbound.end(),
                Action::Fetch { id, request } if is_inline(&request.url) => {
                    self.inline.insert(*id);
                }
                Action::Release { id } => {
                    self.inline.remove(id);
                }
                Action::Open { .. }
                | Action::Store { .. }
                | Action::Sign { .. }
                | Action::Fetch { .. }
                | Action::InvokeHook { .. }
                | Action::CancelHook { .. }
                | Action::Notify(_) => {}
            }
        }
        let rest = end::<D>(actions, deadline, wake);
        if self.is_over {
            return;
        }
        self.waiting += rest.len();
        self.lines.push_back(match begun {
            Begun::Whole(line) => {
                self.waiting += line.len();
                Part::Whole(line + &rest)
            }
            Begun::Received { now, conn } => Part::Received { now, conn, rest },
        });
    }

    /// The next line that is ready, without a line end; to be called until it returns `None`.
    pub fn poll(&mut self) -> Option<String> {
        let line = self.ready();
        if line.is_none() && self.waiting + self.inbound.waiting() > WAITING {
            self.is_over = true;
            self.lines.clear();
            self.waiting = 0;
        }
        line
    }

    /// Nothing follows any more: all lines are ready, what is unfinished in them is concealed.
    pub fn end(&mut self) {
        self.inbound.end();
    }

    fn ready(&mut self) -> Option<String> {
        match self.lines.pop_front()? {
            Part::Whole(line) => {
                self.waiting = self.waiting.saturating_sub(line.len());
                Some(line)
            }
            Part::Received { now, conn, rest } => match self.inbound.next() {
                Some(bytes) => {
                    self.waiting = self.waiting.saturating_sub(rest.len());
                    let event = Event::Received { conn, bytes: Bytes::from(bytes) };
                    Some(begin::<D>(now, Some(&event)) + &rest)
                }
                None => {
                    self.lines.push_front(Part::Received { now, conn, rest });
                    None
                }
            },
        }
    }
}

/// A boot as a trace shows it: stored values that hold secrets are masked by [`Dialect::mask_stored`].
#[must_use]
pub fn shown_boot<D: Dialect>(boot: &Boot) -> Boot {
    let shown = |stored: &Stored| {
        let value = D::mask_stored(&stored.key, &stored.value).map(Bytes::from);
        Stored { key: stored.key.clone(), value: value.unwrap_or_else(|| stored.value.clone()) }
    };
    Boot { stored: boot.stored.iter().map(shown).collect(), ..boot.clone() }
}

/// A line up to its actions.
pub(super) fn begin<D: Dialect>(now: Now, event: Option<&Event<D::Command, D::Outcome>>) -> String {
    alloc::format!("{{\"now\":{},\"event\":{}", json(&now), json(&event))
}

/// The rest of a line.
pub(super) fn end<D: Dialect>(
    actions: &[Action<D::Hook, D::Notice>],
    deadline: Option<Instant>,
    wake: Option<WakeReason<D::Timer>>,
) -> String {
    let actions: Vec<_> = actions.iter().map(|action| json(&shown_action::<D>(action))).collect();
    let (actions, deadline, wake) = (actions.join(","), json(&deadline), json(&wake));
    alloc::format!(",\"actions\":[{actions}],\"deadline\":{deadline},\"wake\":{wake}}}")
}

/// An action as a trace shows it. Whatever else has secrets shows its mask by itself.
fn shown_action<D: Dialect>(action: &Action<D::Hook, D::Notice>) -> Action<D::Hook, D::Notice> {
    let masked = match action {
        Action::Store { id, key, value: Some(value) } => D::mask_stored(key, value)
            .map(|masked| Action::Store { id: *id, key: key.clone(), value: Some(Bytes::from(masked)) }),
        Action::Fetch { id, request } => Some(Action::Fetch { id: *id, request: request.masked() }),
        Action::InvokeHook { id, hook } => {
            D::mask_hook(hook).map(|hook| Action::InvokeHook { id: *id, hook })
        }
        Action::Notify(notice) => D::mask_notice(notice).map(Action::Notify),
        Action::Open { .. }
        | Action::Send { .. }
        | Action::Close { .. }
        | Action::Store { .. }
        | Action::Sign { .. }
        | Action::Release { .. }
        | Action::CancelHook { .. }
        | Action::Exit(_) => None,
    };
    masked.unwrap_or_else(|| action.clone())
}

/// Whether what is fetched is the URL itself, so that the chunks are as secret as that.
fn is_inline(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("data"))
}
