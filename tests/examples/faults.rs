//! Twenty faulty devices side by side through the whole conformance suite, and whether it tells of each exactly its
//! fault.
//!
//! ```sh
//! cargo build --release -p udmi-cli
//! cargo run -p udmi-tests --example faults [PROGRAM [FAULT...]]
//! ```

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use udmi_tests::conformance::fault::Fault;
use udmi_tests::live::broker::{self, Broker, Kind};
use udmi_tests::live::logging::LoggingBroker;
use udmi_tests::live::seeded::{Plan, run};

fn main() -> io::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let udmi = arguments.next().map_or_else(|| PathBuf::from("target/release/udmi"), PathBuf::from);
    let names: Vec<_> = arguments.collect();
    let wanted = |fault: &Fault| names.is_empty() || names.contains(&fault.name);
    let faults: Vec<_> = Fault::all().into_iter().filter(wanted).collect();
    let folder = tempfile::tempdir()?;
    let logging = LoggingBroker::start(folder.path())?;
    let own = Broker::start(Kind::Embedded, &broker::Plan::default())?;
    let (address, log) = match &logging {
        Some(logging) => (logging.address, Some(logging.log.clone())),
        None => (own.plain_address(), None),
    };
    let began = Instant::now();
    let plan = Plan { udmi, broker: address, broker_log: log, faults, only: None, folder: folder.path() };
    let told = run(&plan)?;
    for told in &told {
        let (count, ran) = (told.failures.len(), told.ran);
        println!(
            "{}: {ran} sequences run, {count} failures, {} not its own",
            told.fault,
            told.differences.len()
        );
        told.differences.iter().for_each(|difference| println!("  {difference}"));
    }
    let exact = told.iter().filter(|told| told.differences.is_empty()).count();
    println!("{exact} of {} faults told exactly, in {} s", told.len(), began.elapsed().as_secs());
    Ok(if exact == told.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
