//! Kills a writing process at random moments and looks at what it left behind.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use udmi_host::store::{FileStore, Store};

const KILLS: u32 = 200;
const FOLDER: &str = "UDMI_HOST_TEST_STORE_FOLDER";
const MARK: &str = "saved restart_count ";

type Open = fn(&Path) -> Box<dyn Store>;

#[test]
fn kill_9_at_random_moments_never_leaves_a_file_store_that_does_not_load() {
    let name = "kill_9_at_random_moments_never_leaves_a_file_store_that_does_not_load";
    let folder = kill_often(name, |folder| Box::new(FileStore::open(folder).unwrap()));
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["system.json"]);
}

#[cfg(feature = "sqlite")]
#[test]
fn kill_9_at_random_moments_never_leaves_an_sqlite_store_that_does_not_load() {
    let name = "kill_9_at_random_moments_never_leaves_an_sqlite_store_that_does_not_load";
    kill_often(name, |folder| {
        Box::new(udmi_host::store::SqliteStore::open(folder.join("device.sqlite")).unwrap())
    });
}

/// Doubles as the writing process: the test of that name starts itself with a folder in its environment.
fn kill_often(test: &str, open: Open) -> tempfile::TempDir {
    if let Some(folder) = std::env::var_os(FOLDER) {
        write_for_ever(&mut *open(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(0x5eed_1234_abcd_0001);
    let mut last_seen = 0;
    let mut killed_after_a_save = 0;
    for kill in 0..KILLS {
        let acknowledged = write_and_kill(test, folder.path(), &mut random);
        let mut store = open(folder.path());
        let values = store.load_all().unwrap();
        assert!(store.take_notices().is_empty(), "kill {kill} left an unusable value");
        let count = values.get("system").map_or(0, |value| restart_count(value));
        assert!(count >= last_seen, "kill {kill}: {count} after {last_seen}");
        assert!(
            acknowledged.is_none_or(|saved| count >= saved),
            "kill {kill}: {count}, saved {acknowledged:?}"
        );
        killed_after_a_save += u32::from(acknowledged.is_some());
        last_seen = count;
    }
    assert!(killed_after_a_save > KILLS / 2, "the writer hardly wrote: {killed_after_a_save}");
    folder
}

/// Lets a writer get some way, kills it, and returns the last count it said was saved.
fn write_and_kill(test: &str, folder: &Path, random: &mut Random) -> Option<u64> {
    let mut child = Writer::start(test, folder);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged = None;
    let mut note = |line: String| {
        if let Some(count) = line.strip_prefix(MARK) {
            acknowledged = Some(count.parse().unwrap());
        }
    };
    // The first two lines are the test runner's; then some saves, then some moment within one.
    for _ in 0..2 + random.below(12) {
        if let Some(line) = lines.next() {
            note(line);
        }
    }
    for _ in 0..random.below(200_000) {
        std::hint::spin_loop();
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    lines.for_each(note);
    acknowledged
}

fn write_for_ever(store: &mut dyn Store) -> ! {
    let mut count = store.load("system").unwrap().map_or(0, |value| restart_count(&value));
    loop {
        count += 1;
        // Sizes from a part of a disc block to several.
        let padding = "x".repeat((count as usize * 977) % 20_000);
        let value = format!("{{\"padding\":\"{padding}\",\"restart_count\":{count}}}");
        store.save("system", Some(value.as_bytes())).unwrap();
        let mut output = std::io::stdout().lock();
        if writeln!(output, "{MARK}{count}").and_then(|()| output.flush()).is_err() {
            std::process::exit(0);
        }
    }
}

fn restart_count(value: &[u8]) -> u64 {
    serde_json::from_slice::<serde_json::Value>(value).unwrap()["restart_count"].as_u64().unwrap()
}

struct Writer(Child);

impl Writer {
    fn start(test: &str, folder: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Already done unless the test failed half way.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A small fixed generator: the kill moments vary, the failing round can be named.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
