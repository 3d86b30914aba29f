//! Results in a folder, written while they come.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Summary, json, junit, lines, transcript};
use crate::conformance::Outcome;

/// A folder of results: `results.txt` with the lines of the suite and `DEVICE/SEQUENCE.txt` with the transcripts are
/// written as outcomes come, `results.json` and `junit.xml` at the end.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lines: File,
    outcomes: Vec<Outcome>,
}

impl Folder {
    /// Makes the folder, if it is not there, and begins with `results.txt`.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let lines = File::create(path.join("results.txt"))?;
        Ok(Self { path: path.to_owned(), lines, outcomes: Vec::new() })
    }

    /// Writes what can be written of one outcome. Its messages are in its transcript alone.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn add(&mut self, outcome: &Outcome) -> io::Result<()> {
        for line in lines(outcome) {
            writeln!(self.lines, "{} {line}", outcome.device)?;
        }
        if !outcome.steps.is_empty() {
            let folder = self.path.join(file_name(&outcome.device));
            fs::create_dir_all(&folder)?;
            let name = format!("{}.txt", file_name(&outcome.sequence));
            fs::write(folder.join(name), transcript(outcome))?;
        }
        let kept = Outcome { messages: Vec::new(), ..outcome.clone() };
        self.outcomes.push(kept);
        Ok(())
    }

    /// Writes what is of all outcomes.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        write!(self.lines, "{}", Summary::of(&self.outcomes))?;
        fs::write(self.path.join("results.json"), json(&self.outcomes))?;
        fs::write(self.path.join("junit.xml"), junit(&self.outcomes))
    }
}

/// A name that leads to no other folder.
fn file_name(name: &str) -> String {
    let safe = |each: char| each.is_alphanumeric() || "-_+".contains(each);
    name.chars().map(|each| if safe(each) { each } else { '_' }).collect()
}
