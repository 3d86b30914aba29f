//! Counted instructions: this program runs under valgrind, which counts while [`measured_turns`] runs.
//!
//! A count depends on the program and not on what else the machine does: nothing in a case reads a clock, the seed is
//! fixed, and each process does one case alone, so that its heap has always the same past.
//!
//! Valgrind counts the one instruction `rep movsb`, by which glibc copies large pieces where the processor is fast at
//! it, once for every byte. So glibc is told to copy pieces of all sizes by its loop over vectors, or a copy that has
//! become one byte larger would seem to cost many times as much.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use udmi_report::cases::{Case, Turn};

use crate::Failure;

/// The argument by which this program does turns of one case.
const TURNS: &str = "--turns";
/// Has glibc copy and fill without `rep movsb` and `rep stosb`; other C libraries do not look at it.
const VECTORS: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824",
);

/// Which of the two that a case has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Core,
    Floor,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Floor => "floor",
        }
    }

    /// Makes it ready, if the case has it.
    pub(crate) fn turn(self, case: Case) -> Option<Turn> {
        match self {
            Self::Core => Some(case.core()),
            Self::Floor => case.floor(),
        }
    }
}

/// Instructions of one turn.
pub(crate) type Counts = BTreeMap<(Case, Side), u64>;

/// If this process was started to do turns of one case: does them.
pub(crate) fn run_turns() -> Option<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [first, case, side] = &arguments[..] else { return None };
    if first != TURNS {
        return None;
    }
    let side = if side == Side::Floor.name() { Side::Floor } else { Side::Core };
    let Some((case, mut turn)) = Case::named(case).and_then(|case| Some((case, side.turn(case)?))) else {
        return Some(ExitCode::from(2));
    };
    let mut done = 0;
    for _ in 0..case.turns() {
        done += turn(); // until buffers have their sizes
    }
    std::hint::black_box(done);
    measured_turns(&mut turn, case.turns());
    Some(ExitCode::SUCCESS)
}

/// What is counted. Valgrind knows it by its name.
#[inline(never)]
fn measured_turns(turn: &mut Turn, turns: usize) {
    for _ in 0..turns {
        std::hint::black_box(turn());
    }
}

/// What valgrind calls itself, or why it cannot be used.
pub(crate) fn valgrind() -> Result<String, Failure> {
    let output = Command::new("valgrind").arg("--version").output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().replace("valgrind-", "valgrind "))
        }
        _ => {
            Err("valgrind is not there, which counts the instructions (Debian: apt install valgrind)".into())
        }
    }
}

/// Counts as many at a time as there are processors; `tell` hears of each as it comes.
pub(crate) fn count(
    wanted: &[(Case, Side)],
    tell: &(dyn Fn(Case, Side, u64) + Sync),
) -> Result<Counts, Failure> {
    valgrind()?;
    if cfg!(debug_assertions) {
        return Err("instructions of a debug build mean nothing: use cargo run --release".into());
    }
    let folder = tempfile::tempdir()?;
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(Ok(Counts::new())));
    let worker = || {
        while let Some((case, side)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let counted = count_one(folder.path(), case, side);
            let mut counts = counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match (&mut *counts, counted) {
                (Ok(counts), Ok(count)) => {
                    tell(case, side, count);
                    counts.insert((case, side), count);
                }
                (Ok(_), Err(problem)) => *counts = Err(problem),
                (Err(_), _) => {}
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    let counts = counts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    counts.map_err(Into::into)
}

fn count_one(folder: &Path, case: Case, side: Side) -> Result<u64, String> {
    let file = folder.join(format!("{}-{}", case.to_string().replace('/', "-"), side.name()));
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*measured_turns*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args([TURNS, &case.to_string(), side.name()])
        .env_remove("RUST_BACKTRACE")
        .env(VECTORS.0, VECTORS.1)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!("{case}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let all = summary(&text).ok_or_else(|| format!("{case}: valgrind has written no summary"))?;
    if all == 0 {
        return Err(format!("{case}: valgrind has counted nothing, since the symbol is gone"));
    }
    Ok(all / case.turns() as u64)
}

/// The instructions (`Ir`) of the summary of a file that callgrind has written.
fn summary(text: &str) -> Option<u64> {
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let column = line("events:")?.split_whitespace().position(|event| event == "Ir")?;
    line("summary:")?.split_whitespace().nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_found_whatever_else_is_counted() {
        let text = "# callgrind format\nversion: 1\ncreator: callgrind-3.19.0\npid: 1\npart: 1\n\npositions: line\n\
                    events: Ir\nsummary: 123456\n\nfn=(1) main\n0 123456\ntotals: 123456\n";
        assert_eq!(summary(text), Some(123_456));
        let with_cache = text.replace("events: Ir", "events: Dr Ir Dw").replace("summary: ", "summary: 7 ");
        assert_eq!(summary(&with_cache), Some(123_456));
        assert_eq!(summary("events: Ir\n"), None);
        assert_eq!(summary("events: Dr\nsummary: 5\n"), None);
        assert_eq!(summary(""), None);
    }
}
