//! Kills devices during redirects and updates; see [`udmi_tests::live::kills`].

use std::io;

use udmi_tests::live::kills::{Plan, Report, redirects, updates};

use crate::Failure;
use crate::table::{Sample, Table, millis};
use crate::udmi::Udmi;

const KILLS: usize = 200;
/// Devices at a time: what is killed mostly waits.
const DEVICES: usize = 20;

pub(crate) fn redirects(udmi: &Udmi, seed: u64, table: &mut Table) -> Result<(), Failure> {
    measure("redirects", redirects::run, udmi, seed, table)
}

pub(crate) fn updates(udmi: &Udmi, seed: u64, table: &mut Table) -> Result<(), Failure> {
    measure("updates", updates::run, udmi, seed, table)
}

fn measure(
    what: &str,
    run: fn(&Plan) -> io::Result<Report>,
    udmi: &Udmi,
    seed: u64,
    table: &mut Table,
) -> Result<(), Failure> {
    eprintln!("the seed is {seed}");
    let plan = Plan { program: udmi.program().to_owned(), devices: DEVICES, kills: KILLS, seed };
    let report = run(&plan)?;
    let met = report.is_clean(&plan);
    let found = report.found.iter().map(|(how, count)| format!("{count} {how}"));
    let found = found.collect::<Vec<_>>().join("; ");
    let boots = Sample::new(report.boots);
    let (median, longest) = (millis(boots.percentile(50)), millis(boots.maximum()));
    let figures = format!(
        "{} kills; found {found}; at work again after median {median}, max {longest}; {} wrong",
        report.kills,
        report.wrong.len()
    );
    table.row(&format!("{KILLS} kills during {what}, seed {seed}"), figures, "0 wrong", met);
    table.failures.extend(report.wrong);
    if report.kills < KILLS {
        table.failures.push(format!("{what}: only {} of {KILLS} kills took place", report.kills));
    }
    Ok(())
}
