//! The section about the core beside its floors.

use udmi_report::cases::{Case, What};

use crate::Failure;
use crate::baseline::Baseline;
use crate::callgrind::{self, Counts, Side};
use crate::machine;
use crate::section::Figures;
use crate::table::{Table, grouped, time};
use crate::timing::Times;

/// What the core may cost beside its floor.
const WANTED: f64 = 1.25;
/// From so many points on.
const WANTED_FROM: usize = 100;

/// Counts and times all cases. Without valgrind the times are there alone, and the page says so.
pub(crate) fn measure() -> Result<Figures, Failure> {
    let counts = count();
    let mut table = Table::new(&[
        "what",
        ">size",
        ">instructions",
        ">floor",
        ">ratio",
        ">time",
        ">floor",
        ">ratio",
        ">wanted",
    ]);
    let mut figures = Figures::default();
    for case in Case::all() {
        let times = Times::of(case);
        let of = |side| counts.as_ref().ok().and_then(|counts| counts.get(&(case, side)).copied());
        let (core, floor) = (of(Side::Core), of(Side::Floor));
        let counted = core.zip(floor).map(|(core, floor)| core as f64 / floor as f64);
        eprintln!("  {case}: {}, {} of the floor", time(times.core), ratio(times.ratio));
        let wanted = wanted(case);
        for (what, ratio) in [("instructions", counted), ("time", times.ratio)] {
            if let (Some(wanted), Some(ratio)) = (wanted, ratio) {
                let text = format!("{case}: {ratio:.2} of the floor's {what}, wanted {wanted}");
                figures.miss_if(ratio > wanted, text);
            }
        }
        let shown = |count: Option<u64>| count.map_or_else(dash, grouped);
        table.row([
            describe(case.what).to_owned(),
            format!("{} {}", case.size, unit(case)),
            shown(core),
            shown(floor),
            ratio(counted),
            time(times.core),
            times.floor.map_or_else(dash, time),
            ratio(times.ratio),
            wanted.map_or_else(dash, |wanted| format!("≤ {wanted}")),
        ]);
    }
    figures.text = table.to_string();
    if let Err(problem) = counts {
        figures.missed.push(format!("instructions were not counted: {problem}"));
    }
    Ok(figures)
}

/// Instructions of all cases and their floors.
fn count() -> Result<Counts, Failure> {
    let sides = |case: Case| [Side::Core, Side::Floor].map(|side| (case, side));
    let with_floor = |(case, side): &(Case, Side)| *side == Side::Core || case.what.has_floor();
    let wanted: Vec<_> = Case::all().into_iter().flat_map(sides).filter(with_floor).collect();
    eprintln!("  counting instructions of {} cases and floors", wanted.len());
    callgrind::count(&wanted, &|_, _, _| {})
}

/// Instructions of all cases, each told as it comes.
pub(crate) fn baseline() -> Result<Baseline, Failure> {
    let wanted: Vec<_> = Case::all().into_iter().map(|case| (case, Side::Core)).collect();
    let counts = callgrind::count(&wanted, &|case, _, count| eprintln!("  {case}: {}", grouped(count)))?;
    Ok(Baseline::of(machine::compiler(), machine::target(), &counts))
}

fn wanted(case: Case) -> Option<f64> {
    (matches!(case.what, What::Config | What::Sample) && case.size >= WANTED_FROM).then_some(WANTED)
}

fn describe(what: What) -> &'static str {
    match what {
        What::Config => "config with its state",
        What::Sample => "sample",
        What::Receive => "QoS 1 received, acknowledged",
        What::Publish => "QoS 1 sent, acknowledged",
        What::Tick => "idle tick",
        What::Deadline => "`deadline`",
        What::ProxyConfig => "config of one of",
        What::ProxyMinute => "gateway's minute, all sampled",
        What::ProxyTick => "gateway's idle tick",
        What::ProxyDeadline => "gateway's `deadline`",
    }
}

fn unit(case: Case) -> &'static str {
    if case.size == 1 { case.what.unit().trim_end_matches('s') } else { case.what.unit() }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(dash, |ratio| format!("{ratio:.2}"))
}

fn dash() -> String {
    "–".to_owned()
}
