//! What the world's host fetches: sources by URL, each in pieces over time, and the files it has staged.

use std::collections::BTreeMap;

use bytes::Bytes;
use device_link::{FetchError, FetchEvent, Request};
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
            return if size > self.limit {
                FetchEvent::Failed(FetchError::TooLarge)
            } else {
                FetchEvent::Size(size)
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
        let source = self.staging.sources.get(&url).cloned().or_else(inline).unwrap_or_else(gone);
        let fetch = Fetch { source, limit, told_size: false, staged: 0, is_done: false };
        self.staging.begun += 1;
        let is_new = self.staging.open.insert(id, fetch).is_none();
        ensure(is_new, Property::EverythingIsResolved, || format!("fetch {id} is begun twice"));
        self.go_on_later(id);
    }

    fn go_on_later(&mut self, id: FetchId) {
        let Some(fetch) = self.staging.open.get(&id) else { return };
        let (run, pace) = (self.run, fetch.source.pace_ms);
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
