//! One fetch from its first byte to its end.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use udmi_proto::{FetchError, FetchEvent, decode_data_url};

use super::control::Control;
use super::http::Client;
use super::{CHUNK_BYTES, Sink, file, storage};

/// Chunks that are remembered to be filled again. Whoever keeps more of them at a time pays for new ones.
const TOLD_MAX: usize = 4;

/// Why a fetch does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody wants it any more.
    Cancelled,
    Failed(FetchError),
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Failed(error)
    }
}

pub(super) struct Job {
    pub(super) url: String,
    pub(super) stage: Stage,
    pub(super) client: Arc<Client>,
}

impl Job {
    pub(super) fn run(mut self) {
        let fetched = self.fetch().and_then(|()| self.stage.sync());
        let last = match fetched {
            Ok(()) => FetchEvent::Done,
            Err(stop) => {
                let _ = fs::remove_file(&self.stage.path); // released meanwhile, perhaps
                match stop {
                    Stop::Cancelled => return,
                    Stop::Failed(error) => FetchEvent::Failed(error),
                }
            }
        };
        // The last event is nobody's business if it was released just now.
        let _ = self.stage.tell(last);
    }

    fn fetch(&mut self) -> Result<(), Stop> {
        match self.url.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
            Some((scheme, content)) if scheme == "data" => {
                let content = decode_data_url(content).map_err(FetchError::Url)?;
                self.stage.take_all(&content)
            }
            Some((scheme, rest)) if scheme == "file" => {
                let path = file::file_path(rest).map_err(FetchError::Url)?;
                self.stage.take_file(&path)
            }
            _ => self.client.download(&self.url, &mut self.stage),
        }
    }
}

/// The staged file, how far it is, and who hears of it.
pub(super) struct Stage {
    file: File,
    path: PathBuf,
    limit: u64,
    received: u64,
    /// The size last told.
    size: Option<u64>,
    control: Arc<Control>,
    sink: Sink,
    /// Chunks that were told, to be filled again once nobody else has them.
    told: VecDeque<Bytes>,
}

impl Stage {
    pub(super) fn new(file: File, path: PathBuf, limit: u64, control: Arc<Control>, sink: Sink) -> Self {
        Self { file, path, limit, received: 0, size: None, control, sink, told: VecDeque::new() }
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// Bytes that are staged.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Takes the size the source tells, before any byte.
    pub(super) fn expect(&mut self, size: u64) -> Result<(), Stop> {
        if size > self.limit {
            return Err(FetchError::TooLarge.into());
        }
        if self.size.replace(size) == Some(size) { Ok(()) } else { self.tell(FetchEvent::Size(size)) }
    }

    /// Takes the next bytes of a source; false at its end.
    pub(super) fn take_from<E: From<Stop>>(
        &mut self,
        source: &mut impl Read,
        unreadable: impl FnOnce(io::Error) -> E,
    ) -> Result<bool, E> {
        let mut room = self.room();
        let count = source.read(&mut room).map_err(unreadable)?;
        if count > 0 {
            self.take(room.freeze(), count)?;
        }
        Ok(count > 0)
    }

    /// Takes so many bytes from the beginning of a chunk.
    fn take(&mut self, chunk: Bytes, count: usize) -> Result<(), Stop> {
        let bytes = chunk.slice(..count.min(chunk.len()));
        self.received += bytes.len() as u64;
        if self.received > self.limit {
            return Err(FetchError::TooLarge.into());
        }
        self.file.write_all(&bytes).map_err(|error| storage(&error))?;
        if self.told.len() == TOLD_MAX {
            self.told.pop_front();
        }
        self.told.push_back(chunk);
        self.tell(FetchEvent::Chunk(bytes))
    }

    /// Room for a chunk. Memory that is used again need not be found, mapped and cleared again.
    fn room(&mut self) -> BytesMut {
        let oldest = self.told.pop_front().map(Bytes::try_into_mut);
        match oldest {
            Some(Ok(room)) => return room,
            Some(Err(in_use)) => self.told.push_front(in_use),
            None => {}
        }
        BytesMut::zeroed(CHUNK_BYTES)
    }

    /// Forgets what was taken: the source has changed.
    pub(super) fn restart(&mut self) -> Result<(), Stop> {
        self.size = None;
        self.received = 0;
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|error| storage(&error))?;
        self.tell(FetchEvent::Restarted)
    }

    fn take_all(&mut self, mut content: &[u8]) -> Result<(), Stop> {
        self.expect(content.len() as u64)?;
        while self.take_from(&mut content, |error| Stop::from(storage(&error)))? {}
        Ok(())
    }

    fn take_file(&mut self, path: &std::path::Path) -> Result<(), Stop> {
        let unreadable = |error: io::Error| Stop::from(FetchError::Unreachable(error.to_string()));
        // Opening a pipe would block, so what is no file is not even tried.
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(FetchError::Unreachable("not a file".into()).into());
        }
        self.expect(metadata.len())?;
        let mut source = File::open(path).map_err(unreadable)?;
        while self.take_from(&mut source, unreadable)? {}
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Stop> {
        Ok(self.file.sync_all().map_err(|error| storage(&error))?)
    }

    fn tell(&mut self, event: FetchEvent) -> Result<(), Stop> {
        if self.control.is_cancelled() || (self.sink)(event).is_break() {
            return Err(Stop::Cancelled);
        }
        Ok(())
    }
}
