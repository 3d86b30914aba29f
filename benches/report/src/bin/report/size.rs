//! The section about how large programs are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::program::{self, BUILD, artifact, cargo};
use crate::section::Figures;
use crate::table::{Table, grouped};

/// A program, and how it is built.
struct Built {
    what: &'static str,
    name: &'static str,
    cargo: &'static [&'static str],
    /// Bytes it has to stay under.
    wanted: u64,
}

const PROGRAMS: [Built; 2] = [
    Built {
        what: "the smallest device of `udmi-std`, with two points, TLS and a password",
        name: "smallest",
        cargo: &[
            "rustc",
            "--profile",
            "smallest",
            "-p",
            "udmi-std",
            "--example",
            "smallest",
            "--",
            "-Clink-arg=-Wl,--icf=all,-zpack-relative-relocs,-Tchecks/size/no-unwinding.ld",
        ],
        wanted: 2_500_000,
    },
    Built {
        what: "the core alone, whole and without the standard library",
        name: "core-size",
        cargo: &["build", "--release", "--manifest-path", "checks/size/Cargo.toml"],
        wanted: 300_000,
    },
];

/// Builds them and looks at their files.
pub(crate) fn measure() -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    let mut table = Table::new(&["program", ">code and data", ">file, stripped", ">wanted", "command"]);
    for built in &PROGRAMS {
        eprintln!("  building {}", built.name);
        let command = format!("`cargo {}`", built.cargo.join(" "));
        let (loaded, file) = match built.sizes() {
            Ok(sizes) => sizes,
            Err(problem) => {
                figures.missed.push(format!("{}: failed, {problem}", built.what));
                continue;
            }
        };
        let size = loaded.unwrap_or(file);
        let what = format!("{}: {} bytes, wanted under {}", built.what, grouped(size), grouped(built.wanted));
        figures.miss_if(size >= built.wanted, what);
        let loaded = loaded.map_or_else(|| "–".to_owned(), grouped);
        table.row([
            built.what.to_owned(),
            loaded,
            grouped(file),
            format!("< {}", grouped(built.wanted)),
            command,
        ]);
    }
    figures.text = table.to_string();
    Ok(figures)
}

impl Built {
    /// Bytes of code and data, if they can be told, and of the file.
    fn sizes(&self) -> Result<(Option<u64>, u64), Failure> {
        let (what, of) = self.cargo.split_at(1); // what follows `--` is the compiler's
        let mut command = cargo(what);
        command.args(["--quiet", "--message-format", "json"]).args(of);
        let program = artifact(&program::output(command, BUILD)?, self.name)?;
        let file = fs::metadata(&program)?.len();
        Ok((loaded(&program), file))
    }
}

/// What binutils' `size` adds up: code, constants, data.
fn loaded(program: &Path) -> Option<u64> {
    let mut command = std::process::Command::new("size");
    command.arg(PathBuf::from(program));
    sum(&program::output(command, BUILD).ok()?)
}

/// Text (with constants) and data of the program, of which the second line tells.
fn sum(output: &str) -> Option<u64> {
    let mut columns = output.lines().nth(1)?.split_whitespace().map(str::parse::<u64>);
    Some(columns.next()?.ok()? + columns.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_data_are_added_up() {
        let output = "   text\t   data\t    bss\t    dec\t    hex\tfilename\n 200000\t   1000\t     64\t 201064\t  31168\tcore\n";
        assert_eq!(sum(output), Some(201_000));
        assert_eq!(sum("size: no such file\n"), None);
    }
}
