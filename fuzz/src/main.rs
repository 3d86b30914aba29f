//! Runs a target on inputs made from its corpus: `udmi-fuzz TARGET [--inputs N] [--seed S]`.
//!
//! The same seed gives the same inputs. What makes a target panic is shown and kept in `artifacts`; `udmi-fuzz TARGET
//! FILE` runs it again.

use std::error::Error;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use udmi_fuzz::mutate::Inputs;
use udmi_fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Vec<String>) -> Result<bool, Box<dyn Error>> {
    let mut arguments = arguments.into_iter();
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    let usage = || format!("usage: udmi-fuzz {} [FILE | --inputs N --seed S]", names.join("|"));
    let name = arguments.next().ok_or_else(usage)?;
    let target = TARGETS.iter().find(|target| target.name == name).ok_or_else(usage)?;
    let (mut inputs, mut seed) = (1_000_000u64, 1u64);
    while let Some(argument) = arguments.next() {
        let mut number =
            || arguments.next().ok_or_else(usage)?.parse::<u64>().map_err(|error| error.to_string());
        match argument.as_str() {
            "--inputs" => inputs = number()?,
            "--seed" => seed = number()?,
            file => {
                (target.run)(&fs::read(file)?);
                return Ok(true);
            }
        }
    }
    fuzz(target, inputs, seed)
}

fn fuzz(target: &Target, inputs: u64, seed: u64) -> Result<bool, Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = fs::read_dir(here.join("corpus").join(target.name))?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let corpus = files.iter().map(|file| fs::read(file.path())).collect::<Result<Vec<_>, _>>()?;
    println!("{}: {inputs} inputs from {} files, seed {seed}", target.name, corpus.len());
    let mut made = Inputs::new(corpus, target.repair, seed);
    let start = Instant::now();
    let mut bytes = 0u64;
    for number in 0..inputs {
        let input = made.next();
        bytes += input.len() as u64;
        if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
            let kept = here.join("artifacts").join(format!("{}-{seed}-{number}", target.name));
            fs::create_dir_all(here.join("artifacts"))?;
            fs::write(&kept, input)?;
            println!("input {number} panics: {input:02x?}\nkept as {}", kept.display());
            return Ok(false);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (rate, mean) = (inputs as f64 / seconds, bytes as f64 / inputs.max(1) as f64);
    println!("no panic; {seconds:.1} s, {rate:.0} inputs/s, {mean:.0} bytes each");
    Ok(true)
}
