//! Trace files: what they are read as, how they replay, how they are shown.

use device_link::trace::{Header, replay};
use device_link::transcript::Transcript;
use udmi_proto::{Settings, Udmi};

/// Reads a file as the command does that replays it, and as the one that shows it.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let count = text.lines().count().max(1);
    for width in [0, 20, 120] {
        if let Err(difference) = Transcript::of_trace(&text, width) {
            assert!((1..=count + 1).contains(&difference.line), "{difference}");
        }
    }
    let mut lines = text.lines();
    let header = match Header::<Settings>::read(lines.next().unwrap_or_default()) {
        Ok(header) => header,
        Err(difference) => {
            assert!(difference.line == 1 && difference.to_string().len() < 2000, "{difference}");
            return;
        }
    };
    let again = Header::<Settings>::read(&header.line());
    assert!(again.is_ok_and(|again| again.line() == header.line()), "the header is another when read again");
    let Ok(dialect) = Udmi::new(header.setup) else { return };
    match replay(header.boot, dialect, lines) {
        Ok(replayed) => assert_eq!(replayed.lines + 1, count),
        Err(difference) => assert!((2..=count + 1).contains(&difference.line), "{difference}"),
    }
}
