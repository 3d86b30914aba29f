//! The section about what a cost does when there is twice as much of something.

use std::collections::BTreeSet;

use udmi_report::cases::{Case, What};

use crate::Failure;
use crate::callgrind::{self, Counts, Side};
use crate::chart::{Chart, Line};
use crate::curve::Curve;
use crate::section::Figures;
use crate::table::{Table, grouped};

/// What doubling may do between neighbours: the depth of ordered tables shows there, as a step here and there.
const WANTED: f64 = 2.05;
/// What it may do on the whole, as two digits show it.
const WHOLE_WANTED: f64 = 2.005;

/// What is shown in one picture: what is done, which side of it, its name, its colour.
type Shown = (What, Side, &'static str, usize);

const POINTS: [Shown; 6] = [
    (What::Config, Side::Core, "config", 0),
    (What::Config, Side::Floor, "config, floor", 0),
    (What::Sample, Side::Core, "sample", 1),
    (What::Sample, Side::Floor, "sample, floor", 1),
    (What::Tick, Side::Core, "idle tick", 2),
    (What::Deadline, Side::Core, "deadline", 3),
];
const DEVICES: [Shown; 4] = [
    (What::ProxyMinute, Side::Core, "a minute of samples", 1),
    (What::ProxyConfig, Side::Core, "config of one device", 0),
    (What::ProxyTick, Side::Core, "idle tick", 2),
    (What::ProxyDeadline, Side::Core, "deadline", 3),
];
const MESSAGES: [Shown; 4] = [
    (What::Publish, Side::Core, "sent, acknowledged", 4),
    (What::Publish, Side::Floor, "floor", 4),
    (What::Receive, Side::Core, "received", 5),
    (What::Receive, Side::Floor, "floor", 5),
];

/// Counts everything at many sizes.
pub(crate) fn measure() -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    for (file, title, unit, shown) in [
        ("points.svg", "What a device costs as its points grow", "points", &POINTS[..]),
        (
            "devices.svg",
            "What a gateway costs as its devices grow",
            "proxied devices of ten points",
            &DEVICES,
        ),
        ("messages.svg", "What messages cost as more come at once", "messages of 200 bytes", &MESSAGES),
    ] {
        eprintln!("  counting: {title}");
        let counts = count(shown)?;
        let sizes = shown.iter().flat_map(|(what, ..)| what.growing()).collect::<BTreeSet<_>>();
        let sizes: Vec<_> = sizes.into_iter().map(|size| format!(">{}", grouped(*size as u64))).collect();
        let mut columns = vec!["instructions"];
        columns.extend(sizes.iter().map(String::as_str).chain([">a doubling", ">at most"]));
        let mut table = Table::new(&columns);
        let lines: Vec<_> = shown.iter().map(|shown| line(*shown, &counts)).collect();
        for Line { curve, dashed, .. } in &lines {
            let (Some(most), Some(whole)) = (curve.doubling(), curve.whole()) else { continue };
            let what = format!("{}: × {whole:.2}, at most × {most:.2}, when the {unit} double", curve.name);
            figures.miss_if((most > WANTED || whole > WHOLE_WANTED) && !dashed, what);
            let costs = curve.points.iter().map(|(_, cost)| grouped(*cost as u64));
            let growth = [whole, most].map(|factor| format!("× {factor:.2}"));
            table.row([curve.name.clone()].into_iter().chain(costs).chain(growth));
        }
        figures.text.push_str(&format!("![{title}](performance/{file})\n\n{table}\n"));
        let chart = Chart {
            title: title.to_owned(),
            size: unit.to_owned(),
            cost: "instructions; along the dotted lines they double when the number does".to_owned(),
            lines,
        };
        figures.pictures.push((file.to_owned(), chart.svg()));
    }
    Ok(figures)
}

fn count(shown: &[Shown]) -> Result<Counts, Failure> {
    let cases = |(what, side, ..): &Shown| {
        let (what, side) = (*what, *side);
        what.growing().iter().map(move |size| (Case { what, size: *size }, side))
    };
    let mut wanted: Vec<_> = shown.iter().flat_map(cases).collect();
    wanted.sort_by_key(|(case, _)| std::cmp::Reverse(case.size)); // the longest first
    callgrind::count(&wanted, &|_, _, _| {})
}

fn line((what, side, name, colour): Shown, counts: &Counts) -> Line {
    let of = |size: &usize| Some((*size as f64, *counts.get(&(Case { what, size: *size }, side))? as f64));
    Line {
        curve: Curve::new(name, what.growing().iter().filter_map(of)),
        colour,
        dashed: side == Side::Floor,
    }
}
