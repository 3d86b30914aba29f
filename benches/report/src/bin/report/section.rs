//! The parts of the report.

use std::process::Command;
use std::time::Instant;

use crate::program::{BUILD, cargo, executable, output};
use crate::{Failure, core, fleet, growth, machine, page, rows, size};

/// One part, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Machine,
    Core,
    Growth,
    Peers,
    Fleet,
    Size,
    Footprint,
    Devices,
}

/// What a section has to show.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Markdown.
    pub(crate) text: String,
    /// Files beside the page.
    pub(crate) pictures: Vec<(String, String)>,
    /// What is wanted and does not hold.
    pub(crate) missed: Vec<String>,
}

impl Section {
    pub(crate) const ALL: [Self; 8] = [
        Self::Machine,
        Self::Core,
        Self::Growth,
        Self::Peers,
        Self::Fleet,
        Self::Size,
        Self::Footprint,
        Self::Devices,
    ];

    /// As on the command line and on the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Core => "core",
            Self::Growth => "growth",
            Self::Peers => "peers",
            Self::Fleet => "fleet",
            Self::Size => "size",
            Self::Footprint => "footprint",
            Self::Devices => "devices",
        }
    }

    /// What it measures, and how long that takes.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Machine => "what is measured on, and with",
            Self::Core => "the core beside its floors: instructions and time (1 min)",
            Self::Growth => "what doubling points, devices or messages does, as curves (1 min)",
            Self::Peers => "the adapters beside rumqttc, at the same brokers (4 min)",
            Self::Fleet => "memory and processor time of fleets, idle and active (3 min)",
            Self::Size => "programs: the smallest device, and the core alone (2 min)",
            Self::Footprint => "memory that one idle device owns, by part",
            Self::Devices => "devices beside a broker: latency, memory, start (2 min)",
        }
    }

    /// Measures it and writes it down. What fails stands on the page as failed.
    pub(crate) fn run(self) -> Outcome {
        let start = Instant::now();
        let measured = self.measure().and_then(|figures| {
            figures.pictures.iter().try_for_each(|(name, svg)| page::picture(name, svg))?;
            Ok(figures)
        });
        let text = match &measured {
            Ok(figures) => figures.page(),
            Err(problem) => format!("**Not measured.** {}", first_line(&problem.to_string())),
        };
        let result = measured.and_then(|figures| page::put(self.name(), &text).map(|()| figures.missed));
        let _ = result.is_err() && page::put(self.name(), &text).is_err(); // the failure is told in any case
        Outcome {
            section: self,
            seconds: start.elapsed().as_secs(),
            result: result.map_err(|error| error.to_string()),
        }
    }

    fn measure(self) -> Result<Figures, Failure> {
        match self {
            Self::Machine => Ok(Figures { text: machine::describe(), ..Figures::default() }),
            Self::Core => core::measure(),
            Self::Growth => growth::measure(),
            Self::Peers => {
                let mut command = Command::new(executable("peers")?);
                command.arg("--json");
                program(command)
            }
            Self::Fleet => fleet::measure(),
            Self::Size => size::measure(),
            Self::Footprint => program(cargo(&[
                "run",
                "--release",
                "--quiet",
                "--manifest-path",
                "checks/footprint/Cargo.toml",
            ])),
            Self::Devices => measuring(&["latency", "memory", "start"]),
        }
    }
}

/// What a program measures.
fn program(command: Command) -> Result<Figures, Failure> {
    rows::figures(&output(command, BUILD)?)
}

/// What `measure` measures.
fn measuring(names: &[&str]) -> Result<Figures, Failure> {
    let mut command = Command::new(executable("measure")?);
    command.arg("--json").arg("--udmi").arg(executable("udmi")?).args(names);
    program(command)
}

impl Figures {
    /// Notes what does not hold, if it does not.
    pub(crate) fn miss_if(&mut self, missed: bool, what: String) {
        if missed {
            self.missed.push(what);
        }
    }

    /// The text, and what does not hold.
    fn page(&self) -> String {
        let mut text = self.text.trim_end().to_owned();
        if !self.missed.is_empty() {
            text.push_str("\n\nNot met:\n");
            for missed in &self.missed {
                text.push_str(&format!("\n* {missed}"));
            }
        }
        text
    }
}

/// How a section went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) section: Section,
    pub(crate) seconds: u64,
    /// What does not hold, or why nothing is known.
    pub(crate) result: Result<Vec<String>, String>,
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
