//! What the world's host fetches: sources by URL, each in pieces over time, and the files it has staged.

use std::collections::BTreeMap;

use bytes::Bytes;
use device_link::{FetchError, FetchEvent, Request};
use serde::{Deserialize, Serialize};
use udmi_proto::{Event, FetchId, Hook};

use super::{Happening, World};
use crate::data_url;
use crate::property::{Property, ensure};

/// Something that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// All of it.
    pub content: Bytes,
    /// Whether its size is told before.
    pub tells_size: bool,
    /// Bytes of a piece.
    pub piece: usize,
    /// Milliseconds before each piece.
    pub pace_ms: u64,
    /// After so many bytes it has changed, once, and begins anew.
    pub changes_at: Option<usize>,
    /// After so many bytes it fails.
    pub fails_at: Option<(usize, FetchError)>,
    /// After so many bytes it is silent for a minute.
    pub stalls_at: Option<usize>,
    /// By how many bytes the size it tells is larger than what it sends.
    pub tells_too_much: i64,
}

impl Source {
    /// A quick source that tells its size.
    #[must_use]
    pub fn new(content: impl Into<Bytes>) -> Self {
        Self {
            content: content.into(),
            tells_size: true,
            piece: 1024,
            pace_ms: 1,
            changes_at: None,
            fails_at: None,
            stalls_at: None,
            tells_too_much: 0,
        }
    }
}

/// What a server does other than it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lie {
    /// It tells a size that is so many bytes larger.
    Size(i64),
    /// It sends something else of the same size.
    Content,
    /// It sends the reader in circles.
    Redirects,
    /// It falls silent after so many bytes, until the host gives up.
    Stalls(usize),
    /// It never comes to an end.
    Endless,
    /// It takes no connection.
    Refuses,
    /// It answers with this status.
    Status(u16),
    /// It breaks off after so many bytes.
    BreaksOff(usize),
    /// It has something else after so many bytes, and begins anew.
    Changes(usize),
    /// It takes so many milliseconds before each piece.
    Slow(u64),
}

/// Milliseconds until the host gives up on a server that is silent.
const GIVEN_UP_MS: u64 = 60_000;
/// Bytes of something that never ends: more than any limit of a world.
const ENDLESS: usize = 1 << 20;

impl Lie {
    fn spoil(&self, source: Source) -> Source {
        let failing = |at: usize, error| Source { fails_at: Some((at, error)), ..source.clone() };
        let unreachable = |why: &str| FetchError::Unreachable(why.into());
        match self {
            Self::Size(more) => Source { tells_too_much: *more, ..source },
            Self::Content => {
                let spoiled: Vec<u8> = source.content.iter().map(|byte| byte ^ 1).collect();
                Source { content: spoiled.into(), ..source }
            }
            Self::Redirects => failing(0, unreachable("too many redirects")),
            Self::Stalls(at) => Source { stalls_at: Some(*at), ..failing(*at, FetchError::Timeout) },
            Self::Endless => Source {
                content: vec![b' '; ENDLESS].into(),
                tells_size: false,
                piece: ENDLESS / 64,
                ..source
            },
            Self::Refuses => failing(0, unreachable("connection refused")),
            Self::Status(status) => failing(0, FetchError::Status(*status)),
            Self::BreaksOff(at) => failing(*at, unreachable("the connection was lost")),
            Self::Changes(at) => Source { changes_at: Some(*at), ..source },
            Self::Slow(pace_ms) => Source { pace_ms: *pace_ms, ..source },
        }
    }
}

/// A fetch, and what is staged of it.
#[derive(Debug)]
struct Fetch {
    source: Source,
    limit: u64,
    told_size: bool,
    staged: usize,
    is_done: bool,
}

/// The host's fetches and staged files.
#[derive(Debug, Default)]
pub struct Staging {
    /// What there is to fetch, beside `data:` URLs. Anything else is out of reach.
    pub sources: BTreeMap<String, Source>,
    /// What servers do from now on, to fetches that begin.
    pub lie: Option<Lie>,
    /// How many fetches were begun.
    pub begun: usize,
    open: BTreeMap<FetchId, Fetch>,
}

impl Staging {
    /// How many fetches and staged files nobody has released.
    #[must_use]
    pub fn unreleased(&self) -> usize {
        self.open.len()
    }

    pub(super) fn release(&mut self, id: FetchId) {
        let is_open = self.open.remove(&id).is_some();
        ensure(is_open, Property::EverythingIsResolved, || {
            format!("fetch {id} is released, and there is none")
        });
    }

    /// The run is over: what was staged is the host's.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// What a hook is about, which has to be staged as a whole.
    pub(super) fn content_for(&self, hook: &Hook) -> Option<Bytes> {
        let Hook::ProcessBlob { staged, size, sha256, .. } = hook else { return None };
        let told = |holds, what: &str| {
            ensure(holds, Property::OutputIsAllowed, || format!("blob of fetch {staged}: {what}"));
        };
        let fetch = self.open.get(staged);
        told(fetch.is_some_and(|fetch| fetch.is_done), "processed before it is staged");
        let fetch = fetch?;
        told(u64::try_from(fetch.source.content.len()) == Ok(*size), "the application is told a wrong size");
        told(data_url::sha256(&fetch.source.content) == *sha256, "the application is told a wrong hash");
        Some(fetch.source.content.clone())
    }

    /// The next event of a fetch; none if it is released or over.
    fn next(&mut self, id: FetchId) -> Option<FetchEvent> {
        let fetch = self.open.get_mut(&id)?;
        let event = fetch.next();
        if matches!(event, FetchEvent::Failed(_)) {
            self.open.remove(&id);
        }
        Some(event)
    }
}

impl Fetch {
    fn next(&mut self) -> FetchEvent {
        let source = &mut self.source;
        let size = u64::try_from(source.content.len()).unwrap_or(u64::MAX);
        if let Some((_, error)) = source.fails_at.take_if(|(at, _)| *at <= self.staged) {
            return FetchEvent::Failed(error);
        }
        if source.changes_at.take_if(|at| *at <= self.staged).is_some() {
            (self.staged, self.told_size) = (0, false);
            return FetchEvent::Restarted;
        }
        if source.tells_size && !self.told_size {
            self.told_size = true;
            let told = size.saturating_add_signed(source.tells_too_much);
            return if told > self.limit {
                FetchEvent::Failed(FetchError::TooLarge)
            } else {
                FetchEvent::Size(told)
            };
        }
        let end = (self.staged + source.piece.max(1)).min(source.content.len());
        if end == self.staged {
            self.is_done = true;
            return FetchEvent::Done;
        }
        if u64::try_from(end).unwrap_or(u64::MAX) > self.limit {
            return FetchEvent::Failed(FetchError::TooLarge);
        }
        let piece = source.content.slice(self.staged..end);
        self.staged = end;
        FetchEvent::Chunk(piece)
    }
}

impl World {
    pub(super) fn fetch(&mut self, id: FetchId, request: Request) {
        let Request { url, limit } = request;
        let inline = || data_url::decode(&url).map(Source::new);
        let gone = || Source {
            fails_at: Some((0, FetchError::Unreachable("connection refused".into()))),
            ..Source::new(Bytes::new())
        };
        let served = self.staging.sources.get(&url).cloned();
        let served = served.map(|source| match &self.staging.lie {
            Some(lie) => lie.spoil(source),
            None => source,
        });
        let source = served.or_else(inline).unwrap_or_else(gone);
        let fetch = Fetch { source, limit, told_size: false, staged: 0, is_done: false };
        self.staging.begun += 1;
        let is_new = self.staging.open.insert(id, fetch).is_none();
        ensure(is_new, Property::EverythingIsResolved, || format!("fetch {id} is begun twice"));
        self.go_on_later(id);
    }

    fn go_on_later(&mut self, id: FetchId) {
        let Some(fetch) = self.staging.open.get_mut(&id) else { return };
        let stalls = fetch.source.stalls_at.take_if(|at| *at <= fetch.staged).is_some();
        let (run, pace) = (self.run, if stalls { GIVEN_UP_MS } else { fetch.source.pace_ms });
        self.schedule(pace, Happening::Fetch { run, id });
    }

    pub(super) fn go_on_fetching(&mut self, id: FetchId) {
        let Some(event) = self.staging.next(id) else { return };
        let is_last = matches!(event, FetchEvent::Done | FetchEvent::Failed(_));
        self.call(Event::Fetched { id, event });
        if !is_last {
            self.go_on_later(id);
        }
    }
}
