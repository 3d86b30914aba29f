//! `udmi trace`: a recorded run as a transcript.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use device_link::trace::Difference;
use device_link::transcript::{Transcript, WIDTH};

use crate::output::{Failure, Output};

/// The largest trace that is read, in bytes.
const TRACE_BYTES_MAX: u64 = 1 << 30;

const AFTER_HELP: &str = "\
Examples:
  udmi device --site site --device AHU-1 --trace run.ndjson
  udmi trace run.ndjson
  udmi trace run.ndjson --width 1000 | less

< came in, > went out, ! asked of the application, * told to it, . the next deadline. Times are from the start.

Exit codes: 0 shown, 2 the file cannot be read or is no trace.";

/// Show a recorded run as a transcript
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// A trace, as `udmi device --trace FILE` writes it
    file: PathBuf,
    /// Cut payloads and values to so many characters
    #[arg(long, value_name = "CHARACTERS", default_value_t = WIDTH)]
    width: usize,
}

/// Renders a trace.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let Arguments { file, width } = arguments;
    let trace = read(&file)?;
    let text = Transcript::of_trace(&trace, width).map_err(|difference| malformed(&file, &difference))?;
    if output.json {
        text.lines().try_for_each(|line| output.line(serde_json::json!({ "line": line })))?;
    } else {
        output.raw(text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a trace.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    crate::text::read(path, TRACE_BYTES_MAX).map_err(Failure::usage)
}

/// A file that is no trace, or a cut one.
pub(crate) fn malformed(path: &Path, difference: &Difference) -> Failure {
    let Difference { line, expected, seen } = difference;
    Failure::usage(format!("{}:{line}: expected {expected}, found {seen}", path.display()))
        .hint("`udmi device --trace FILE` writes traces")
}
