//! The application's `log` records as UDMI log entries.
//!
//! The bridge is a logger of the `log` crate. It turns each record into a [`LogEntry`], hands that to a sink
//! (which should do no more than push it into a bounded queue) and passes the record on to another logger if
//! there is one. Publishing a log entry makes the libraries underneath log again, and what those for HTTP and TLS
//! log may hold the secrets of a URL. So records of those crates, told by their target, are passed on but not turned
//! into entries, and neither is what the sink itself logs. Who installs another logger beside the bridge decides
//! by itself what of theirs it keeps.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

pub use log::LevelFilter;
use log::{Level, Log, Metadata, Record};

/// The longest message of an entry, in bytes; a longer one is cut and ends in `…`.
pub const MAX_MESSAGE_BYTES: usize = 2048;

/// The longest category of an entry, in bytes; a longer one loses its last parts.
pub const MAX_CATEGORY_BYTES: usize = 128;

/// Crates whose records would come back as new ones if they were published, or show what they carry: those of the
/// transport tell of URLs, headers and certificates.
const OWN_CRATES: &[&str] = &[
    "udmi_host",
    "udmi_proto",
    "udmi_std",
    "udmi_smol",
    "udmi_cli",
    "device_link",
    "device_broker",
    "rustls",
    "ureq",
    "ureq_proto",
    "polling",
    "async_io",
    "smol",
];

/// What a target becomes that has no letters at all.
const NAMELESS: &str = "device.application";

/// One record in UDMI's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// 100, 200, 400 or 500 (§3.4).
    pub level: u16,
    /// `device.` and the record's target as a path, such as `device.my_app.sensor`.
    pub category: String,
    /// The formatted message.
    pub message: String,
    /// When it was logged, in milliseconds since 1970, UTC.
    pub utc_millis: i64,
}

/// A logger that hands entries to a sink and records to another logger.
pub struct LogBridge {
    level: LevelFilter,
    sink: Box<dyn Fn(LogEntry) + Send + Sync>,
    inner: Option<Box<dyn Log>>,
}

impl LogBridge {
    /// A bridge for records of `level` and above.
    pub fn new(level: LevelFilter, sink: impl Fn(LogEntry) + Send + Sync + 'static) -> Self {
        Self { level, sink: Box::new(sink), inner: None }
    }

    /// Passes every record on to `inner` as well, which decides by itself what it wants.
    #[must_use]
    pub fn chained_to(mut self, inner: Box<dyn Log>) -> Self {
        self.inner = Some(inner);
        self
    }

    /// Becomes the logger of the process. The application still sets `log::set_max_level`.
    ///
    /// # Errors
    /// The process has a logger already.
    pub fn install(self) -> Result<(), log::SetLoggerError> {
        log::set_boxed_logger(Box::new(self))
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level && !is_own(metadata.target())
    }
}

impl Log for LogBridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.wants(metadata) || self.inner.as_ref().is_some_and(|inner| inner.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        if self.wants(record.metadata()) {
            // Formatting runs the application's code, which may log too, so it is inside the guard.
            without_recursion(|| (self.sink)(entry(record)));
        }
        if let Some(inner) = self.inner.as_ref().filter(|inner| inner.enabled(record.metadata())) {
            inner.log(record);
        }
    }

    fn flush(&self) {
        if let Some(inner) = &self.inner {
            inner.flush();
        }
    }
}

impl fmt::Debug for LogBridge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LogBridge")
            .field("level", &self.level)
            .field("chained", &self.inner.is_some())
            .finish_non_exhaustive()
    }
}

/// The UDMI category of a target: it matches `^device(\.[a-z]+((_[a-z]+))*)+$`.
pub fn category(target: &str) -> String {
    let mut category = "device".to_owned();
    for part in target.split([':', '.', '/']) {
        let words: Vec<String> =
            part.split(|letter: char| !letter.is_ascii_alphanumeric()).map(letters).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        let name = words.join("_");
        if !name.is_empty() && category.len() + 1 + name.len() <= MAX_CATEGORY_BYTES {
            category.push('.');
            category.push_str(&name);
        }
    }
    if category.contains('.') { category } else { NAMELESS.to_owned() }
}

fn letters(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn is_own(target: &str) -> bool {
    let name = target.split_once("::").map_or(target, |(name, _)| name);
    OWN_CRATES.contains(&name)
}

fn entry(record: &Record<'_>) -> LogEntry {
    let level = match record.level() {
        Level::Error => 500,
        Level::Warn => 400,
        Level::Info => 200,
        // UDMI has no level below 100 on the wire.
        Level::Debug | Level::Trace => 100,
    };
    let mut message = Bounded(String::new());
    // The only error is the message's own or being full; what there is so far is the message.
    let _ = message.write_fmt(*record.args());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LogEntry {
        level,
        category: category(record.target()),
        message: message.0,
        utc_millis: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
    }
}

/// Runs `action` unless this thread is inside one already.
fn without_recursion(action: impl FnOnce()) {
    thread_local! {
        static INSIDE: Cell<bool> = const { Cell::new(false) };
    }
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }
    if !INSIDE.replace(true) {
        let _leave = Leave;
        action();
    }
}

/// A string that stops growing at [`MAX_MESSAGE_BYTES`].
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const CUT: &str = "…";
        let room = MAX_MESSAGE_BYTES - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        let keep = self.0.floor_char_boundary(MAX_MESSAGE_BYTES - CUT.len());
        self.0.truncate(keep);
        self.0.push_str(CUT);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;

    fn bridge(level: LevelFilter) -> (LogBridge, mpsc::Receiver<LogEntry>) {
        let (sender, receiver) = mpsc::sync_channel(16);
        (LogBridge::new(level, move |entry| drop(sender.try_send(entry))), receiver)
    }

    fn record(logger: &dyn Log, level: Level, target: &str, message: &str) {
        logger.log(&Record::builder().level(level).target(target).args(format_args!("{message}")).build());
    }

    #[test]
    fn records_become_entries_with_udmi_levels() {
        let (bridge, entries) = bridge(LevelFilter::Trace);
        for level in Level::iter() {
            record(&bridge, level, "my_app::sensor", "hot");
        }
        drop(bridge);
        let found: Vec<_> = entries.iter().collect();
        assert_eq!(found.iter().map(|entry| entry.level).collect::<Vec<_>>(), [500, 400, 200, 100, 100]);
        assert!(found.iter().all(|entry| entry.category == "device.my_app.sensor" && entry.message == "hot"));
        assert!(found[0].utc_millis > 1_577_836_800_000, "after 2020");
    }

    #[test]
    fn records_below_the_level_are_left_out() {
        let (bridge, entries) = bridge(LevelFilter::Warn);
        record(&bridge, Level::Info, "app", "quiet");
        record(&bridge, Level::Warn, "app", "loud");
        drop(bridge);
        assert_eq!(entries.iter().map(|entry| entry.message).collect::<Vec<_>>(), ["loud"]);
    }

    #[test]
    fn categories_match_the_pattern_whatever_the_target() {
        for (target, expected) in [
            ("app", "device.app"),
            ("my_app::net::http2", "device.my_app.net.http"),
            ("App-Core::IO", "device.app_core.io"),
            ("__x__::_", "device.x"),
            ("a/b.c", "device.a.b.c"),
            ("42", NAMELESS),
            ("", NAMELESS),
            ("größe", "device.gr_e"),
        ] {
            assert_eq!(category(target), expected, "{target}");
        }
        let long = category(&"part::".repeat(100));
        assert!(long.len() <= MAX_CATEGORY_BYTES && long.ends_with(".part"), "{long}");
        for target in ["", "a::::b", "9a9", "é", "_", &"x".repeat(500)] {
            assert!(matches_pattern(&category(target)), "{target}");
        }
    }

    #[test]
    fn records_of_the_libraries_underneath_make_no_entries() {
        let (bridge, entries) = bridge(LevelFilter::Trace);
        for target in ["udmi_std::driver", "device_link", "rustls::client::hs", "ureq::run", "ureq_proto"] {
            record(&bridge, Level::Error, target, "loop");
        }
        record(&bridge, Level::Error, "device_linker", "other");
        drop(bridge);
        assert_eq!(entries.iter().map(|entry| entry.message).collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn what_the_sink_logs_makes_no_entry_and_the_next_record_does() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let itself: Arc<Mutex<Option<Arc<LogBridge>>>> = Arc::default();
        let sink = {
            let (seen, itself) = (seen.clone(), itself.clone());
            move |entry: LogEntry| {
                seen.lock().unwrap().push(entry.message);
                let bridge = itself.lock().unwrap().clone();
                record(&*bridge.unwrap(), Level::Error, "app", "from the sink");
            }
        };
        let bridge = Arc::new(LogBridge::new(LevelFilter::Trace, sink));
        *itself.lock().unwrap() = Some(bridge.clone());
        record(&*bridge, Level::Error, "app", "first");
        record(&*bridge, Level::Error, "app", "second");
        itself.lock().unwrap().take();
        assert_eq!(*seen.lock().unwrap(), ["first", "second"]);
    }

    #[test]
    fn the_inner_logger_gets_every_record_it_wants() {
        struct Inner(mpsc::Sender<String>);
        impl Log for Inner {
            fn enabled(&self, metadata: &Metadata<'_>) -> bool {
                metadata.target() != "unwanted"
            }
            fn log(&self, record: &Record<'_>) {
                self.0.send(record.args().to_string()).unwrap();
            }
            fn flush(&self) {}
        }
        let (sender, records) = mpsc::channel();
        let (bridge, entries) = bridge(LevelFilter::Off);
        let bridge = bridge.chained_to(Box::new(Inner(sender)));
        record(&bridge, Level::Debug, "app", "a");
        record(&bridge, Level::Debug, "rustls", "b");
        record(&bridge, Level::Debug, "unwanted", "c");
        assert!(!bridge.enabled(&Metadata::builder().target("unwanted").level(Level::Error).build()));
        drop(bridge);
        assert_eq!(records.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(entries.iter().count(), 0);
    }

    #[test]
    fn long_messages_are_cut_between_letters() {
        let (bridge, entries) = bridge(LevelFilter::Trace);
        record(&bridge, Level::Info, "app", &"x".repeat(MAX_MESSAGE_BYTES));
        record(&bridge, Level::Info, "app", &"é".repeat(MAX_MESSAGE_BYTES));
        drop(bridge);
        let messages: Vec<_> = entries.iter().map(|entry| entry.message).collect();
        assert_eq!(messages[0].len(), MAX_MESSAGE_BYTES);
        assert!(messages[0].ends_with('x'));
        assert!(messages[1].len() <= MAX_MESSAGE_BYTES && messages[1].ends_with("é…"));
    }

    /// `^device(\.[a-z]+((_[a-z]+))*)+$` by hand.
    fn matches_pattern(category: &str) -> bool {
        let lower = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        category
            .strip_prefix("device.")
            .is_some_and(|rest| rest.split('.').all(|part| part.split('_').all(lower)))
    }
}
