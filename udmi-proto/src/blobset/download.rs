//! A blob on its way into the host's staged file, hashed as it comes.

use alloc::string::String;
use core::time::Duration;

use device_link::{FetchError, FetchEvent, FetchId, Instant};
use sha2::{Digest, Sha256};

use crate::port::Notice;
use crate::scope::Scope;
use crate::secrets;

use super::order::{Content, hex};

/// How long a fetch may say nothing at all. The host has its own, shorter limits; this one is for a host that
/// has forgotten the fetch.
pub(super) const SILENCE: Duration = Duration::from_secs(300);
/// The application hears of the progress at most so often.
const NOTICE_INTERVAL: Duration = Duration::from_secs(1);

/// A fetch under way.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) id: FetchId,
    expected: [u8; 32],
    /// The URL is the content.
    is_inline: bool,
    hasher: Sha256,
    limit: u64,
    received: u64,
    total: Option<u64>,
    since: Instant,
    told: Instant,
    /// When the host was last heard of.
    heard: Instant,
}

/// How far a fetch has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More is to come.
    More,
    /// All is staged.
    Complete { size: u64, sha256: String, as_expected: bool, is_inline: bool },
    /// It is over. `released` tells whether the host still has something to forget.
    Failed { error: FetchError, released: bool },
}

impl Download {
    pub(super) fn new(id: FetchId, content: &Content, limit: u64, now: Instant) -> Self {
        Self {
            id,
            expected: content.sha256,
            is_inline: secrets::inline(&content.url).is_some(),
            hasher: Sha256::new(),
            limit,
            received: 0,
            total: None,
            since: now,
            told: now,
            heard: now,
        }
    }

    pub(super) fn silent_until(&self) -> Instant {
        self.heard + SILENCE
    }

    pub(super) fn on_event(&mut self, sc: &mut Scope<'_, '_>, name: &str, event: FetchEvent) -> Progress {
        self.heard = sc.now().at;
        match event {
            FetchEvent::Size(size) => {
                self.total = Some(size);
                self.within(size)
            }
            FetchEvent::Chunk(bytes) => {
                self.hasher.update(&bytes);
                self.received = self.received.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                self.tell(sc, name);
                self.within(self.received)
            }
            FetchEvent::Restarted => {
                self.hasher = Sha256::new();
                self.received = 0;
                self.total = None;
                self.since = self.heard;
                Progress::More
            }
            FetchEvent::Done => {
                let hash = core::mem::take(&mut self.hasher).finalize();
                Progress::Complete {
                    size: self.received,
                    sha256: hex(&hash),
                    as_expected: hash[..] == self.expected,
                    is_inline: self.is_inline,
                }
            }
            FetchEvent::Failed(error) => Progress::Failed { error, released: true },
        }
    }

    /// The host watches the limit; a host that does not is not believed.
    fn within(&self, size: u64) -> Progress {
        if size > self.limit {
            return Progress::Failed { error: FetchError::TooLarge, released: false };
        }
        Progress::More
    }

    fn tell(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        if self.heard < self.told + NOTICE_INTERVAL {
            return;
        }
        self.told = self.heard;
        let millis = self.heard.0.saturating_sub(self.since.0).max(1);
        sc.notify(Notice::BlobProgress {
            name: name.into(),
            received: self.received,
            total: self.total,
            rate: self.received.saturating_mul(1000) / millis,
        });
    }
}
