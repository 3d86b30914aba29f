//! What may be taken at most.

use std::process::ExitCode;

/// Lower than its bound by more than this part, a figure asks for a lower bound.
const SLACK: f64 = 0.05;

/// The bounds, and what is over them.
pub struct Bounds {
    over: Vec<String>,
}

impl Bounds {
    pub fn new() -> Self {
        Self { over: Vec::new() }
    }

    /// Notes whether so many bytes of what has so many points are over their bound.
    pub fn hold(&mut self, what: &str, points: usize, bytes: usize) {
        let name = format!("{what}-{points}");
        match bound(&name) {
            Some(bound) if bytes > bound => self.over.push(format!("{name}: {bytes} bytes of {bound}")),
            Some(bound) if (bytes as f64) < bound as f64 * (1.0 - SLACK) => {
                eprintln!("{name}: {bytes} bytes of {bound}: lower the bound in checks/bounds");
            }
            Some(_) => {}
            None => self.over.push(format!("{name} has no bound")),
        }
    }

    pub fn verdict(&self) -> ExitCode {
        for over in &self.over {
            eprintln!("over its bound in checks/bounds: {over}");
        }
        if self.over.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn bound(name: &str) -> Option<usize> {
    let words = |line: &'static str| line.split_once(' ');
    let mut lines = include_str!("../../bounds").lines().filter_map(words);
    lines.find(|(other, _)| *other == name).and_then(|(_, bytes)| bytes.parse().ok())
}
