//! `udmi init`: a small site model to begin with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::output::{Failure, Output, Role};
use crate::sample;

const AFTER_HELP: &str = "\
The site has an air handler AHU-1 with ten points, a fan coil FCU-1, and a gateway GAT-1 with two meters.

Exit codes: 0 written, 1 it could not be written, 2 the folder is not empty.";

/// Write a small site model into a new folder, to start from
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The folder; it is made, or must be empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the site and tells what to do with it.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let folder = arguments.folder;
    refuse_filled(&folder)?;
    sample::write(&folder)
        .map_err(|error| Failure::new(format!("cannot write the site to {}: {error}", folder.display())))?;
    if output.json {
        let files: Vec<_> = sample::paths().collect();
        output.line(serde_json::json!({ "site": folder, "files": files }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format!("{} wrote a site of five devices to {}", tick(output), folder.display()))?;
    if !output.quiet {
        output.raw(next_steps(&folder, output))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse_filled(folder: &Path) -> Result<(), Failure> {
    let failure = |problem: String| Failure::usage(format!("{}: {problem}", folder.display()));
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(failure("the folder is not empty".to_owned())
                .hint("name a new folder; nothing is overwritten")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failure(format!("cannot be used: {error}"))),
    }
}

fn next_steps(folder: &Path, output: &Output) -> String {
    let (udmi, site) = (invocation(), shell_word(&folder.display().to_string()));
    let (registry, device) = (sample::REGISTRY, sample::DEVICE);
    let heading = output.paint(Role::Strong, "Next, in a terminal each:");
    format!(
        "\n{heading}\n  \
         {udmi} broker        # or any MQTT broker on port 1883 that lets everybody in\n  \
         {udmi} device --site {site} --device {device} --endpoint mqtt://127.0.0.1:1883\n  \
         {udmi} watch\n  \
         {udmi} config --registry {registry} --device {device} --set pointset.sample_rate_sec=5\n\n\
         Then change {file} and start the device again.\n",
        file = folder.join("devices").join(device).join("metadata.json").display(),
    )
}

/// Our own program as the user has called it, so that the commands can be pasted.
fn invocation() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if called.contains('/') { shell_word(&called) } else { "udmi".to_owned() }
}

fn tick(output: &Output) -> String {
    output.paint(Role::Good, "✔")
}

/// Quotes a word for a shell if it needs that.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./~".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
