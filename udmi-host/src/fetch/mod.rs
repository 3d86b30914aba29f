//! Fetching into staged files: `data:`, `http:`, `https:`, and `file:` where it is allowed.
//!
//! A [`Fetcher`] owns a staging folder. Each fetch runs on a thread of its own and hands what happens to a sink,
//! which may block: nothing more is read until it returns, so a slow reader costs no memory. A chunk is in the
//! staged file before the sink sees it, and all of them are synced to the disc before [`FetchEvent::Done`].
//!
//! A lost connection is taken up where it was lost (`Range` with `If-Range`), unless the source has changed
//! meanwhile. Redirects are followed to allowed schemes only, and never from https to http.

mod control;
mod file;
mod http;
mod job;
mod location;
mod proxy;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use udmi_proto::{FetchError, FetchEvent, FetchId, Request, Secret};

use crate::files::Access;
use crate::tls::{TlsError, TlsSettings, Trust};
use control::Control;
use http::Client;
use job::{Job, Stage};

/// The most bytes of one chunk.
pub const CHUNK_BYTES: usize = 128 << 10;

const PREFIX: &str = "fetch-";
const STACK: usize = 512 << 10;

/// From where, how long, and how often.
#[derive(Clone, Debug)]
pub struct FetchPolicy {
    /// Where staged files are; the folder belongs to one fetcher at a time.
    pub staging: PathBuf,
    /// The kinds of URL that are fetched.
    pub schemes: Schemes,
    /// Whom to trust and who to be, for https.
    pub tls: TlsSettings,
    /// How to reach servers.
    pub proxy: Proxy,
    /// Redirects that are followed, 5 by default.
    pub redirects_max: u32,
    /// Tries in a row that bring no byte before it is given up, 4 by default.
    pub tries_max: u32,
    /// The wait after the first try, half a second by default; it doubles with each.
    pub pause: Duration,
    /// For a connection, TLS included; 10 s by default.
    pub connect_timeout: Duration,
    /// For the first byte of an answer, and between any two; 30 s by default.
    pub idle_timeout: Duration,
    /// For a fetch with all its tries; an hour by default.
    pub total_timeout: Duration,
}

/// The kinds of URL that are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schemes {
    /// The content itself, in the URL.
    pub data: bool,
    /// Without encryption; the hash in the config still guards the content.
    pub http: bool,
    /// With TLS.
    pub https: bool,
    /// Files of this host, which the cloud could then have read to the application.
    pub file: bool,
}

impl Default for Schemes {
    /// All but files.
    fn default() -> Self {
        Self { data: true, http: true, https: true, file: false }
    }
}

/// How to reach servers.
///
/// A proxy is named by a URL: `http://` or `https://` for one that is asked for a tunnel (HTTP CONNECT), `socks5://`
/// (names are looked up here) or `socks5h://` (names are looked up there), `socks4://` and `socks4a://` likewise. A
/// user name and a password may stand before the host, percent-encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// As the environment says when the fetcher is made: `http_proxy` or `https_proxy` by the scheme of the URL that
    /// is fetched, else `all_proxy`; none for the hosts in `no_proxy`. Names in capitals count where there is none in
    /// small letters, and an empty value is none.
    ///
    /// `no_proxy` is a list with commas of hosts and domains, whose sub-domains are meant as well (`example.com`,
    /// `.example.com`, `*.example.com`), of addresses, or `*` for all.
    #[default]
    Environment,
    /// Directly.
    None,
    /// All through the proxy of this URL.
    Url(Secret<String>),
}

impl FetchPolicy {
    /// The defaults, with the roots of the operating system and the given staging folder.
    pub fn new(staging: impl Into<PathBuf>) -> Self {
        Self {
            staging: staging.into(),
            schemes: Schemes::default(),
            tls: TlsSettings { trust: Trust::System, identity: None },
            proxy: Proxy::default(),
            redirects_max: 5,
            tries_max: 4,
            pause: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(3600),
        }
    }
}

/// Takes what happens to a fetch, and says whether to go on. It may block.
pub type Sink = Box<dyn FnMut(FetchEvent) -> ControlFlow<()> + Send>;

/// Fetches, each on a thread of its own. What runs when it is dropped is stopped.
#[derive(Debug)]
pub struct Fetcher {
    client: Arc<Client>,
    running: BTreeMap<FetchId, Weak<Control>>,
}

impl Fetcher {
    /// Makes the staging folder if need be, for its owner only, and clears what an earlier run left in it.
    ///
    /// # Errors
    /// The folder cannot be made or cleared, or the policy's certificates or proxy cannot be used.
    pub fn open(policy: FetchPolicy) -> Result<Self, FetcherError> {
        let folder = &policy.staging;
        clear(folder).map_err(|error| FetcherError::Folder { path: folder.clone(), error })?;
        Ok(Self { client: Arc::new(Client::new(policy)?), running: BTreeMap::new() })
    }

    /// Begins a fetch. Its events go to `sink` from now on, on another thread, until `Done` or `Failed`.
    ///
    /// # Errors
    /// It has failed already: the scheme is not allowed, or there is no file or thread for it.
    pub fn start(&mut self, id: FetchId, request: Request, sink: Sink) -> Result<(), FetchError> {
        self.running.retain(|_, control| control.strong_count() > 0);
        self.client.check(&request.url)?;
        let path = self.staged(id);
        let file = create(&path).map_err(|error| storage(&error))?;
        let control = Arc::new(Control::default());
        let stage = Stage::new(file, path.clone(), request.limit, control.clone(), sink);
        let job = Job { url: request.url, stage, client: self.client.clone() };
        let spawned =
            thread::Builder::new().name("device-fetch".into()).stack_size(STACK).spawn(|| job.run());
        if let Err(error) = spawned {
            let _ = fs::remove_file(path); // the next open clears it
            return Err(storage(&error));
        }
        self.running.insert(id, Arc::downgrade(&control));
        Ok(())
    }

    /// Stops a fetch if it still runs, and removes its staged file. Does not wait for its thread.
    pub fn release(&mut self, id: FetchId) {
        if let Some(control) = self.running.remove(&id).and_then(|control| control.upgrade()) {
            control.cancel();
        }
        let _ = fs::remove_file(self.staged(id)); // there is none after a failure
    }

    /// Where the staged file of that fetch is, or would be.
    pub fn staged(&self, id: FetchId) -> PathBuf {
        staged(&self.client.policy().staging, id)
    }
}

/// Where a fetcher with that staging folder puts the file of that fetch.
#[must_use]
pub fn staged(folder: &Path, id: FetchId) -> PathBuf {
    let number = id.to_string();
    folder.join(format!("{PREFIX}{}", number.trim_start_matches('#')))
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        for control in self.running.values().filter_map(Weak::upgrade) {
            control.cancel();
        }
    }
}

fn clear(folder: &Path) -> io::Result<()> {
    Access::Owner.create_folder(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    Access::Owner.create_new(path)
}

fn storage(error: &io::Error) -> FetchError {
    FetchError::Storage(error.to_string())
}

/// Why there is no fetcher.
#[derive(Debug)]
pub enum FetcherError {
    /// The staging folder cannot be made or cleared.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The certificates or the key cannot be used.
    Tls(TlsError),
    /// The URL of a proxy cannot be used. It may hold a password and is not shown.
    Proxy,
}

impl fmt::Display for FetcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, error } => {
                write!(f, "cannot use the staging folder {}: {error}", path.display())
            }
            Self::Tls(error) => error.fmt(f),
            Self::Proxy => f.write_str("the URL of a proxy cannot be used"),
        }
    }
}

impl std::error::Error for FetcherError {}
