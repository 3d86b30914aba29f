//! Measures everything the page `docs/performance.md` shows, and writes it there.
//!
//! `cargo run --release -p udmi-report [-- --only SECTION… | --check | --renew]`
//!
//! Without arguments all sections are measured, one after the other; one that fails is shown as failed and the others
//! go on. With `--check` nothing is written: the instructions of each case of the core are counted and compared with
//! `benches/report/baseline.json`, which `--renew` writes.

mod baseline;
mod broker;
mod callgrind;
mod chart;
mod core;
mod curve;
mod fleet;
mod growth;
mod machine;
mod page;
mod program;
mod rows;
mod section;
mod size;
mod table;
mod timing;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use baseline::{ALLOWED, Baseline};
use section::{Outcome, Section};

/// Why something could not be measured.
type Failure = Box<dyn Error>;

/// Nothing can be said: the command line is not understood, valgrind is missing, or the baseline is of another compiler.
const UNKNOWN: u8 = 2;

enum Task {
    Measure(Vec<Section>),
    Check,
    Renew,
}

fn main() -> ExitCode {
    if let Some(code) = callgrind::run_turns() {
        return code;
    }
    let done = match task() {
        Ok(Task::Measure(sections)) => Ok(measure(&sections)),
        Ok(Task::Check) => check(),
        Ok(Task::Renew) => renew(),
        Err(problem) => Ok(unknown(&format!("{problem}\n\n{}", usage()))),
    };
    done.unwrap_or_else(|problem| {
        eprintln!("{problem}");
        ExitCode::FAILURE
    })
}

fn unknown(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(UNKNOWN)
}

fn measure(sections: &[Section]) -> ExitCode {
    let start = Instant::now();
    let mut outcomes = Vec::new();
    for (at, section) in sections.iter().enumerate() {
        let (number, count, elapsed) = (at + 1, sections.len(), start.elapsed().as_secs());
        eprintln!("[{number}/{count}, {elapsed} s] {}: {}", section.name(), section.about());
        let outcome = section.run();
        outcome.tell();
        outcomes.push(outcome);
    }
    println!("\nwritten to docs/performance.md in {} s:", start.elapsed().as_secs());
    for Outcome { section, seconds, result } in &outcomes {
        let verdict = match result {
            Ok(missed) if missed.is_empty() => "all that is wanted holds".to_owned(),
            Ok(missed) => format!("not met: {}", missed.len()),
            Err(_) => "FAILED".to_owned(),
        };
        println!("  {:<10} {seconds:>4} s  {verdict}", section.name());
    }
    if outcomes.iter().all(|outcome| outcome.result.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Outcome {
    fn tell(&self) {
        match &self.result {
            Ok(missed) => missed.iter().for_each(|missed| eprintln!("  not met: {missed}")),
            Err(problem) => eprintln!("  FAILED: {problem}"),
        }
    }
}

fn check() -> Result<ExitCode, Failure> {
    let before = Baseline::read()?;
    if let Err(problem) = callgrind::valgrind() {
        return Ok(unknown(&problem.to_string()));
    }
    let here = Baseline::of(machine::compiler(), machine::target(), &callgrind::Counts::new());
    if let Some(why) = before.differs(&here) {
        return Ok(unknown(&why));
    }
    let comparison = before.compare(&core::baseline()?);
    println!("{comparison}");
    let (bad, better) = (comparison.bad(), comparison.better());
    if !better.is_empty() {
        println!("less by over {ALLOWED} %, so --renew is due: {}", better.join(", "));
    }
    if bad.is_empty() {
        println!("no case takes over {ALLOWED} % more instructions than the baseline");
        return Ok(ExitCode::SUCCESS);
    }
    println!("over {ALLOWED} % more instructions, or not on both sides: {}", bad.join(", "));
    println!("where that is wanted, --renew it, with the reason in the change's message");
    Ok(ExitCode::FAILURE)
}

fn renew() -> Result<ExitCode, Failure> {
    let now = core::baseline()?;
    if let Ok(before) = Baseline::read() {
        println!("{}", before.compare(&now));
    }
    now.write()?;
    println!("benches/report/baseline.json is of {} on {} now", now.compiler, now.target);
    Ok(ExitCode::SUCCESS)
}

fn task() -> Result<Task, String> {
    let (mut only, mut task) = (Vec::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let section = |name: &str| Section::ALL.into_iter().find(|section| section.name() == name);
        match argument.as_str() {
            "--check" if task.is_none() => task = Some(Task::Check),
            "--renew" if task.is_none() => task = Some(Task::Renew),
            "--only" => {
                let name = arguments.next().ok_or("--only wants a section")?;
                only.push(section(&name).ok_or_else(|| format!("{name:?} is no section"))?);
            }
            other => return Err(format!("{other:?} is not understood")),
        }
    }
    match task {
        Some(_) if !only.is_empty() => Err("--check and --renew go without --only".into()),
        Some(task) => Ok(task),
        None if only.is_empty() => Ok(Task::Measure(Section::ALL.to_vec())),
        None => Ok(Task::Measure(only)),
    }
}

fn usage() -> String {
    let mut text = String::from("usage: report [--only SECTION]… | --check | --renew\n\nSections:\n");
    for section in Section::ALL {
        text.push_str(&format!("  {:<10} {}\n", section.name(), section.about()));
    }
    text
}
