//! Ten kills of the broker under 100 events a second; see [`udmi_tests::live::restarts`].

use udmi_tests::live::broker::Kind;
use udmi_tests::live::device::Runtime;
use udmi_tests::live::restarts::{Plan, run};

use crate::Failure;
use crate::table::Table;

const RESTARTS: usize = 10;

pub(crate) fn measure(table: &mut Table) -> Result<(), Failure> {
    for kind in [Kind::Embedded, Kind::Mosquitto].into_iter().filter(|kind| kind.is_there_or_say("restarts"))
    {
        for runtime in Runtime::ALL {
            let report = run(Plan { events: 100, ..Plan::new(kind, runtime, RESTARTS) })?;
            let what = format!("{RESTARTS} broker kills, {runtime:?}, {kind:?} broker");
            let figures = format!(
                "{} of {} events seen, {} again; {} states, {} out of order",
                report.seen,
                report.sent,
                report.repeated,
                report.states,
                report.disorder.len()
            );
            table.row(&what, figures, "all seen, 0 out of order", report.is_clean());
            if !report.is_clean() {
                let lost = report.missing.len();
                table.failures.push(format!(
                    "{what}: {lost} lost, {} overflows, {:?}",
                    report.overflows, report.disorder
                ));
            }
        }
    }
    Ok(())
}
