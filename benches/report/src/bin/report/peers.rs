//! The section about the adapters beside rumqttc, a bare socket and what is wanted: what `peers` of the benches measures.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::Failure;
use crate::chart::{Chart, Line};
use crate::curve::Curve;
use crate::program::{BUILD, cargo, output};
use crate::section::Figures;
use crate::table::{Table, grouped, short};

const ROUNDS: &str = "3";
const PATIENCE: Duration = Duration::from_secs(BUILD.as_secs() + 600);
/// Whose names begin so is ours.
const OURS: &str = "udmi";
/// Telemetry from point values to mosquitto: points, messages a second.
const TELEMETRY: [(u32, f64); 3] = [(10, 80_000.0), (100, 40_000.0), (1000, 8_000.0)];
/// Config to state: points, unit, microseconds.
const CONFIG: [(u32, &str, f64); 3] =
    [(10, "us p50", 400.0), (10, "us p99", 5_000.0), (1000, "us CPU", 1_300.0)];

/// What the program writes.
#[derive(Debug, Deserialize)]
struct Measured {
    rounds: u32,
    rows: Vec<Row>,
}

/// One unit of one client.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    what: String,
    broker: String,
    points: u32,
    client: String,
    unit: String,
    median: f64,
    low: f64,
    high: f64,
    ratio: Option<f64>,
    reference: Option<String>,
}

/// Runs the program and puts its rows in order.
pub(crate) fn measure() -> Result<Figures, Failure> {
    let mut command =
        cargo(&["bench", "--profile", "release", "--quiet", "-p", "udmi-benches", "--bench", "peers"]);
    command.args(["--", "--json", "--rounds", ROUNDS]);
    eprintln!("  building peers, then {ROUNDS} rounds");
    let output = output(command, PATIENCE)?;
    let json = output.lines().next_back().ok_or("the program has told nothing")?;
    let mut measured: Measured = serde_json::from_str(json)?;
    let clients = measured.shorten();
    let mut figures = figures(&measured);
    figures.text.insert_str(0, &clients);
    Ok(figures)
}

impl Measured {
    /// Names clients without what stands in brackets, where that leaves them apart; tells what stood there.
    fn shorten(&mut self) -> String {
        let brief = |name: &str| name.split(" (").next().unwrap_or_default().to_owned();
        let names: BTreeSet<_> = self.rows.iter().map(|row| row.client.clone()).collect();
        let is_alone = |name: &str| names.iter().filter(|other| brief(other) == brief(name)).count() == 1;
        for row in &mut self.rows {
            for name in [Some(&mut row.client), row.reference.as_mut()].into_iter().flatten() {
                if is_alone(name) {
                    *name = brief(name);
                }
            }
        }
        let told = names.iter().filter(|name| name.contains(" (") && is_alone(name));
        let told: Vec<_> = told.map(String::as_str).collect();
        if told.is_empty() { String::new() } else { format!("Clients: {}.\n\n", told.join("; ")) }
    }
}

fn figures(measured: &Measured) -> Figures {
    let mut figures = Figures::default();
    for (what, title) in titles(&measured.rows) {
        let rows: Vec<_> = measured.rows.iter().filter(|row| row.what == what).collect();
        figures.text.push_str(&format!(
            "{title}, medians of {} rounds:\n\n{}\n",
            measured.rounds,
            table(&rows)
        ));
    }
    for (what, title, file) in [
        ("telemetry", "Telemetry at QoS 1 through mosquitto", "telemetry.svg"),
        ("publish", "Ready-made messages at QoS 1 through mosquitto", "publish.svg"),
    ] {
        if let Some(chart) = chart(&measured.rows, what, title) {
            figures.text.push_str(&format!("![{title}](performance/{file})\n\n"));
            figures.pictures.push((file.to_owned(), chart.svg()));
        }
    }
    for row in &measured.rows {
        judge(row, &mut figures);
    }
    figures
}

/// What was done, in the order it was done, and what it is called.
fn titles(rows: &[Row]) -> Vec<(&str, String)> {
    let mut titles: Vec<(&str, String)> = Vec::new();
    for row in rows {
        if titles.iter().all(|(what, _)| *what != row.what) {
            let title = match row.what.as_str() {
                "publish" => "Ready-made messages published at QoS 1",
                "receive" => "Messages received at QoS 1",
                "echo" => "Messages to a broker and back",
                "telemetry" => {
                    "Telemetry at QoS 1, built from values for each message, beside ready-made bytes"
                }
                "config" => "Config to state, leading edge",
                other => other,
            };
            titles.push((&row.what, title.to_owned()));
        }
    }
    titles
}

/// A line for each client at each size, a pair of columns for each unit.
fn table(rows: &[&Row]) -> String {
    let mut units: Vec<&str> = Vec::new();
    let mut lines: Vec<(_, BTreeMap<&str, &Row>)> = Vec::new();
    for row in rows {
        if !units.contains(&row.unit.as_str()) {
            units.push(&row.unit);
        }
        let key = (row.broker.as_str(), row.points, row.client.as_str());
        match lines.iter_mut().find(|(other, _)| *other == key) {
            Some((_, line)) => line.insert(&row.unit, row),
            None => {
                lines.push((key, [(row.unit.as_str(), *row)].into()));
                None
            }
        };
    }
    let references = rows.iter().filter_map(|row| row.reference.as_deref());
    let reference = references.min().map_or_else(String::new, |name| format!(">× {name}"));
    let mut columns = vec!["broker".to_owned(), ">points".to_owned(), "client".to_owned()];
    for unit in &units {
        columns.push(format!(">{}", unit.replace("us ", "µs, ")));
        columns.extend((!reference.is_empty()).then(|| reference.clone()));
    }
    let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for ((broker, points, client), values) in lines {
        let mut cells = vec![broker.to_owned(), grouped(u64::from(points)), client.to_owned()];
        for unit in &units {
            let row = values.get(unit);
            let dash = || "–".to_owned();
            cells.push(row.map_or_else(dash, |row| {
                format!("{} ({}–{})", short(row.median), short(row.low), short(row.high))
            }));
            if !reference.is_empty() {
                cells.push(row.and_then(|row| row.ratio).map_or_else(dash, |ratio| format!("{ratio:.2}")));
            }
        }
        table.row(cells);
    }
    table.to_string()
}

/// Messages a second against points, at mosquitto.
fn chart(rows: &[Row], what: &str, title: &str) -> Option<Chart> {
    let mut curves: Vec<Curve> = Vec::new();
    for row in
        rows.iter().filter(|row| row.what == what && row.broker == "mosquitto" && row.unit == "messages/s")
    {
        let point = (f64::from(row.points), row.median);
        match curves.iter_mut().find(|curve| curve.name == row.client) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve::new(&row.client, [point])),
        }
    }
    let line =
        |(colour, curve): (usize, Curve)| Line { dashed: !curve.name.starts_with(OURS), curve, colour };
    let lines: Vec<_> = curves.into_iter().enumerate().map(line).collect();
    (!lines.is_empty()).then(|| Chart {
        title: title.to_owned(),
        size: "points of each message".to_owned(),
        cost: "messages a second".to_owned(),
        guides: false,
        lines,
    })
}

fn judge(row: &Row, figures: &mut Figures) {
    let Row { what, broker, points, client, unit, median, ratio, .. } = row;
    if !client.starts_with(OURS) {
        return;
    }
    let about = format!("{what}, {client}, {broker}, {points} points");
    if let ("publish" | "receive", "messages/s", Some(ratio)) = (what.as_str(), unit.as_str(), ratio) {
        figures.miss_if(*ratio < 0.995, format!("{about}: {ratio:.2} of the reference's rate, wanted 1.0"));
    }
    if let ("echo", "us p99", Some(ratio)) = (what.as_str(), unit.as_str(), ratio) {
        figures.miss_if(*ratio > 1.005, format!("{about}: {ratio:.2} of the reference's p99, wanted 1.0"));
    }
    for (size, wanted) in TELEMETRY {
        if (what.as_str(), broker.as_str(), unit.as_str()) == ("telemetry", "mosquitto", "messages/s")
            && *points == size
        {
            let text = format!("{about}: {} messages a second, wanted {}", short(*median), short(wanted));
            figures.miss_if(*median < wanted, text);
        }
    }
    for (size, of, wanted) in CONFIG {
        if (what.as_str(), unit.as_str()) == ("config", of) && *points == size {
            figures.miss_if(
                *median >= wanted,
                format!("{about}: {} {of}, wanted under {wanted}", short(*median)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let row = |what: &str, client: &str, unit: &str, points: u32, median: f64, ratio: Option<f64>| {
            serde_json::json!({
                "what": what, "broker": "mosquitto", "points": points, "bytes": 500, "client": client, "unit": unit,
                "median": median, "low": median * 0.9, "high": median * 1.1, "ratio": ratio,
                "reference": ratio.map(|_| "rumqttc"),
            })
        };
        let rows = [
            row("publish", "rumqttc", "messages/s", 10, 100_000.0, None),
            row("publish", "rumqttc", "us CPU", 10, 5.0, None),
            row("publish", "udmi-std", "messages/s", 10, 110_000.0, Some(1.1)),
            row("publish", "udmi-std", "us CPU", 10, 4.0, Some(0.8)),
            row("publish", "rumqttc", "messages/s", 100, 90_000.0, None),
            row("publish", "udmi-std", "messages/s", 100, 80_000.0, Some(0.89)),
            row("telemetry", "udmi-std", "messages/s", 1000, 7_000.0, None),
            row("config", "udmi-std", "us p50", 10, 350.0, None),
        ];
        let json = serde_json::json!({ "section": "peers", "rounds": 3, "rows": rows });
        serde_json::from_value(json).expect("it is what the program writes")
    }

    #[test]
    fn a_client_has_one_line_with_all_its_units() {
        let figures = figures(&measured());
        let text = &figures.text;
        assert!(
            text.contains("| broker | points | client | messages/s | × rumqttc | µs, CPU | × rumqttc |"),
            "{text}"
        );
        assert!(
            text.contains(
                "| mosquitto | 10 | udmi-std | 110,000 (99,000–121,000) | 1.10 | 4.00 (3.60–4.40) | 0.80 |"
            ),
            "{text}"
        );
        assert_eq!(figures.pictures.len(), 2);
    }

    #[test]
    fn clients_are_named_briefly_where_that_tells_them_apart() {
        let mut measured = measured();
        for row in &mut measured.rows {
            row.client.push_str(" (inflight 100)");
        }
        assert_eq!(measured.shorten(), "Clients: rumqttc (inflight 100); udmi-std (inflight 100).\n\n");
        assert_eq!(measured.rows[0].client, "rumqttc");
        measured.rows[0].client = "udmi-std (inflight 1)".into();
        measured.rows[1].client = "udmi-std (inflight 2)".into();
        measured.shorten();
        assert_eq!(measured.rows[1].client, "udmi-std (inflight 2)");
    }

    #[test]
    fn what_is_slower_than_wanted_is_told() {
        let figures = figures(&measured());
        assert_eq!(
            figures.missed,
            [
                "publish, udmi-std, mosquitto, 100 points: 0.89 of the reference's rate, wanted 1.0",
                "telemetry, udmi-std, mosquitto, 1000 points: 7,000 messages a second, wanted 8,000",
            ]
        );
    }
}
