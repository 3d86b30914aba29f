//! The section about how large programs are.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::program::{self, BUILD, artifact, cargo};
use crate::section::Figures;
use crate::table::{Table, grouped};

/// A program, and how it is built.
struct Built {
    what: &'static str,
    name: &'static str,
    cargo: &'static [&'static str],
    /// Bytes it has to stay under, and of what.
    wanted: (Of, u64),
}

/// What has to stay under a bound.
#[derive(Clone, Copy)]
enum Of {
    File,
    Loaded,
}

const PROGRAMS: [Built; 2] = [
    Built {
        what: "the smallest device of `udmi-std`, with two points, TLS and a password",
        name: "smallest",
        cargo: &[
            "rustc",
            "--profile",
            "smallest",
            "--locked",
            "-p",
            "udmi-std",
            "--example",
            "smallest",
            "--",
            "-Clink-arg=-Wl,--icf=all,-zpack-relative-relocs,-Tchecks/size/no-unwinding.ld",
        ],
        wanted: (Of::File, 2_500_000),
    },
    Built {
        what: "the core alone, whole and without the standard library",
        name: "core-size",
        cargo: &["build", "--release", "--locked", "--manifest-path", "checks/size/Cargo.toml"],
        wanted: (Of::Loaded, 300_000),
    },
];

/// Builds them and looks at their files.
pub(crate) fn measure() -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    let mut table = Table::new(&[
        "program",
        ">code",
        ">constants",
        ">unwinding",
        ">data",
        ">other",
        ">all that is loaded",
        ">file, stripped",
        ">wanted",
        "command",
    ]);
    for built in &PROGRAMS {
        eprintln!("  building {}", built.name);
        let (sections, file) = match built.sizes() {
            Ok(sizes) => sizes,
            Err(problem) => {
                figures.missed.push(format!("{}: failed, {problem}", built.what));
                continue;
            }
        };
        let all = sections.all();
        let (size, wanted) = match built.wanted {
            (Of::File, wanted) => (file, wanted),
            (Of::Loaded, wanted) => (all, wanted),
        };
        let what = format!("{}: {} bytes, wanted under {}", built.what, grouped(size), grouped(wanted));
        figures.miss_if(size >= wanted, what);
        let Sections { code, constants, unwinding, data, other } = sections;
        let sizes = [code, constants, unwinding, data, other, all, file].map(grouped);
        let ends = [format!("< {}", grouped(wanted)), format!("`cargo {}`", built.cargo.join(" "))];
        table.row([built.what.to_owned()].into_iter().chain(sizes).chain(ends));
    }
    figures.text = table.to_string();
    Ok(figures)
}

impl Built {
    /// What is loaded of it, and how large the file is.
    fn sizes(&self) -> Result<(Sections, u64), Failure> {
        let (first, rest) = self.cargo.split_first().ok_or("a command has words")?;
        let mut command = cargo(&[first, "--quiet", "--message-format=json"]);
        command.args(rest);
        let program = artifact(&program::output(command, BUILD)?, self.name)?;
        Ok((Sections::of(&program)?, fs::metadata(&program)?.len()))
    }
}

/// Bytes of a program that are loaded, by what they are.
#[derive(Debug, Default, PartialEq)]
struct Sections {
    code: u64,
    constants: u64,
    /// Tables that tell how to unwind.
    unwinding: u64,
    data: u64,
    /// Tables of the linker.
    other: u64,
}

impl Sections {
    /// As binutils' `size` tells.
    fn of(program: &Path) -> Result<Self, Failure> {
        let mut command = Command::new("size");
        command.args(["-A", "-d"]).arg(program);
        let told = program::output(command, BUILD)?;
        let sections = Self::read(&told);
        if sections.all() == 0 { Err(format!("not what `size` tells: {told}").into()) } else { Ok(sections) }
    }

    /// From lines of a name, a size and an address, which is 0 for what is not loaded.
    fn read(told: &str) -> Self {
        let mut sections = Self::default();
        for line in told.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let [name, size, address] = words[..] else { continue };
            let (Ok(size), Ok(address)) = (size.parse::<u64>(), address.parse::<u64>()) else { continue };
            if address == 0 || name.ends_with("bss") || name.ends_with("padding") {
                continue; // zeros are no part of a program
            }
            *sections.part(name) += size;
        }
        sections
    }

    fn part(&mut self, section: &str) -> &mut u64 {
        match section {
            ".text" | ".init" | ".fini" | ".plt" | ".plt.got" => &mut self.code,
            ".rodata" => &mut self.constants,
            ".eh_frame" | ".eh_frame_hdr" | ".gcc_except_table" => &mut self.unwinding,
            ".data" | ".data.rel.ro" | ".tdata" | ".got" | ".got.plt" => &mut self.data,
            _ => &mut self.other,
        }
    }

    fn all(&self) -> u64 {
        let Self { code, constants, unwinding, data, other } = self;
        code + constants + unwinding + data + other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_is_added_up_by_what_it_is() {
        let told = "core-size  :\nsection             size    addr\n.interp               28     848\n\
                    .rela.dyn           7000    2000\n.rodata            60000    9000\n.eh_frame           5000   70000\n\
                    .text             400000   80000\n.data.rel.ro        9000  500000\n.bss               64000  600000\n\
                    .comment             150       0\nTotal             545178\n";
        let read = Sections::read(told);
        let wanted =
            Sections { code: 400_000, constants: 60_000, unwinding: 5_000, data: 9_000, other: 7_028 };
        assert_eq!(read, wanted);
        assert_eq!(read.all(), 481_028);
        assert_eq!(Sections::read("size: no such file\n").all(), 0);
    }
}
