//! Curves as SVG: both axes logarithmic, a name at the end of each curve, readable on light and dark pages.

use std::fmt::Write as _;

use crate::curve::Curve;

const HEIGHT: f64 = 440.0;
/// The plot itself; above, below and left of it stand the title, the sizes and the costs, right of it the names.
const TOP: f64 = 72.0;
const BOTTOM: f64 = 56.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 670.0;
/// Room for the names of the curves: at least, and for each letter.
const NAMES: f64 = 150.0;
const LETTER: f64 = 8.2;
/// Least distance between two names.
const LINE: f64 = 17.0;
/// Of the classes `c0`, `c1` and so on.
const COLOURS: usize = 6;

/// Dark enough for a light page and light enough for a dark one; text and lines follow the page.
const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #57606a }
.title { font-size: 17px; font-weight: 600; fill: #1f2328 }
.label { font-weight: 600 }
.grid { stroke: #d0d7de; stroke-width: 1 }
.fine { stroke: #d0d7de; stroke-width: .5; opacity: .55 }
.guide { stroke: #8c959f; stroke-width: 1.25; stroke-dasharray: 2 5; fill: none; opacity: .7 }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
.dashed { stroke-dasharray: 7 6; stroke-width: 2 }
.c0 { stroke: #1f77d4 } .c1 { stroke: #d9730d } .c2 { stroke: #1a9c5b }
.c3 { stroke: #9457eb } .c4 { stroke: #d6336c } .c5 { stroke: #0f9aa8 }
text.c0, circle.c0 { fill: #1f77d4 } text.c1, circle.c1 { fill: #d9730d } text.c2, circle.c2 { fill: #1a9c5b }
text.c3, circle.c3 { fill: #9457eb } text.c4, circle.c4 { fill: #d6336c } text.c5, circle.c5 { fill: #0f9aa8 }
text.c0, text.c1, text.c2, text.c3, text.c4, text.c5 { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .title { fill: #f0f6fc } .grid, .fine { stroke: #3d444d } .guide { stroke: #7d8590 }
}";

/// One picture.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the sizes are numbers of.
    pub(crate) size: String,
    /// What the cost is, with its unit.
    pub(crate) cost: String,
    pub(crate) lines: Vec<Line>,
}

/// One curve in it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) curve: Curve,
    /// Curves of one colour belong together.
    pub(crate) colour: usize,
    /// For what stands beside another: the floor.
    pub(crate) dashed: bool,
}

/// A logarithmic axis: costs or sizes to places on the picture.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// From the power of ten (or its half) at or below the least to that at or above the most.
    fn new(values: impl Iterator<Item = f64>, from: f64, to: f64, snug: bool) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| *value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        let (mut low, mut high) = (low.log10(), high.log10());
        if !snug || high - low < 0.3 {
            let step = |value: f64| (value * 2.0).floor() / 2.0;
            (low, high) = (step(low - 0.02), -step(-high - 0.02));
        }
        Self { low, high, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let part = (value.max(f64::MIN_POSITIVE).log10() - self.low) / (self.high - self.low);
        self.from + part * (self.to - self.from)
    }

    fn holds(&self, value: f64) -> bool {
        let value = value.log10();
        value >= self.low - 1e-9 && value <= self.high + 1e-9
    }

    /// Powers of ten, and the whole multiples between them.
    fn marks(&self) -> Vec<(f64, bool)> {
        let powers = self.low.floor() as i32..=self.high.ceil() as i32;
        let marks = powers
            .flat_map(|power| (1..10).map(move |digit| (f64::from(digit) * 10f64.powi(power), digit == 1)));
        marks.filter(|(value, _)| self.holds(*value)).collect()
    }
}

impl Chart {
    /// The picture.
    pub(crate) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| line.curve.points.iter());
        let sizes = Axis::new(points().map(|point| point.0), LEFT, RIGHT, true);
        let costs = Axis::new(points().map(|point| point.1), HEIGHT - BOTTOM, TOP, false);
        let longest = self.lines.iter().map(|line| line.curve.name.chars().count()).max().unwrap_or(0);
        let width = (RIGHT + (longest as f64 * LETTER + 24.0).max(NAMES)).ceil();
        let mut svg = String::new();
        let (title, cost) = (escaped(&self.title), escaped(&self.cost));
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" \
             height=\"{HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>\n{STYLE}\n</style>\n\
             <text class=\"title\" x=\"20\" y=\"30\">{title}</text>\n<text x=\"20\" y=\"51\">{cost}</text>"
        );
        self.grid(&mut svg, &sizes, &costs);
        guides(&mut svg, &sizes, &costs);
        for line in &self.lines {
            line.draw(&mut svg, &sizes, &costs);
        }
        self.names(&mut svg, &costs);
        svg.push_str("</svg>\n");
        svg
    }

    fn grid(&self, svg: &mut String, sizes: &Axis, costs: &Axis) {
        let (left, right) = (LEFT, RIGHT);
        let (top, bottom) = (TOP, HEIGHT - BOTTOM);
        let few = costs.high - costs.low <= 1.5;
        for (value, whole) in costs.marks().into_iter().filter(|(_, whole)| *whole || few) {
            let y = costs.place(value);
            let class = if whole { "grid" } else { "fine" };
            let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>");
            let leading = value / 10f64.powf(value.log10().floor() + 1e-9).max(f64::MIN_POSITIVE);
            if whole || few && [2, 5].contains(&(leading.round() as i32)) {
                let (x, y) = (left - 9.0, y + 4.5);
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>",
                    brief(value)
                );
            }
        }
        let mut shown: Vec<f64> =
            self.lines.iter().flat_map(|line| &line.curve.points).map(|point| point.0).collect();
        shown.sort_by(f64::total_cmp);
        shown.dedup();
        for size in shown {
            let x = sizes.place(size);
            let _ = writeln!(svg, "<path class=\"fine\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>");
            let y = bottom + 21.0;
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
                brief(size)
            );
        }
        let (x, y) = ((left + right) / 2.0, HEIGHT - 12.0);
        let size = escaped(&self.size);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{size}</text>");
    }

    /// The curves' names at their ends, moved apart where they would lie over each other.
    fn names(&self, svg: &mut String, costs: &Axis) {
        let end = |line: &Line| line.curve.points.last().map(|point| costs.place(point.1));
        let mut ends: Vec<_> = self.lines.iter().filter_map(|line| Some((end(line)?, line))).collect();
        ends.sort_by(|one, other| one.0.total_cmp(&other.0));
        let wanted: Vec<_> = ends.iter().map(|(y, _)| *y).collect();
        for ((_, line), y) in ends.iter().zip(apart(&wanted, HEIGHT - BOTTOM)) {
            let (x, y, name) = (RIGHT + 13.0, y + 4.5, escaped(&line.curve.name));
            let class = line.colour % COLOURS;
            let _ = writeln!(svg, "<text class=\"label c{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>");
        }
    }
}

impl Line {
    fn draw(&self, svg: &mut String, sizes: &Axis, costs: &Axis) {
        let class = self.colour % COLOURS;
        let places: Vec<_> =
            self.curve.points.iter().map(|(size, cost)| (sizes.place(*size), costs.place(*cost))).collect();
        let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let dashed = if self.dashed { " dashed" } else { "" };
        let _ = writeln!(svg, "<path class=\"curve c{class}{dashed}\" d=\"M{}\"/>", path.join("L"));
        for ((x, y), (size, cost)) in places.iter().zip(&self.curve.points).filter(|_| !self.dashed) {
            let (name, size, cost) = (escaped(&self.curve.name), brief(*size), brief(*cost));
            let _ = writeln!(
                svg,
                "<circle class=\"c{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"><title>{name}, {size}: {cost}</title></circle>"
            );
        }
    }
}

/// Faint lines along which a cost doubles when the size does, one for each power of ten.
fn guides(svg: &mut String, sizes: &Axis, costs: &Axis) {
    let span = sizes.high - sizes.low;
    let lowest = (costs.low - span).floor() as i32;
    for power in lowest..=costs.high.ceil() as i32 {
        // Where the line enters and leaves the plot, as powers of ten of the size.
        let power = f64::from(power);
        let (enter, leave) = ((costs.low - power).max(0.0), (costs.high - power).min(span));
        if leave - enter < 0.2 {
            continue;
        }
        let place =
            |along: f64| (sizes.place(10f64.powf(sizes.low + along)), costs.place(10f64.powf(power + along)));
        let ((x, y), (end_x, end_y)) = (place(enter), place(leave));
        let _ = writeln!(svg, "<path class=\"guide\" d=\"M{x:.1} {y:.1}L{end_x:.1} {end_y:.1}\"/>");
    }
}

/// The same places in the same order, none nearer to the next than a line of text, none below `bottom`.
fn apart(places: &[f64], bottom: f64) -> Vec<f64> {
    let mut placed: Vec<f64> = Vec::new();
    for place in places {
        let least = placed.last().map_or(f64::NEG_INFINITY, |last| last + LINE);
        placed.push(place.max(least));
    }
    let mut most = bottom;
    for place in placed.iter_mut().rev() {
        *place = place.min(most);
        most = *place - LINE;
    }
    placed
}

/// A number in few letters: 1k, 20M.
fn brief(number: f64) -> String {
    let (value, unit) = match number {
        number if number >= 1e9 => (number / 1e9, "G"),
        number if number >= 1e6 => (number / 1e6, "M"),
        number if number >= 1e3 => (number / 1e3, "k"),
        number => (number, ""),
    };
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let line = |name, factor: f64, colour, dashed| Line {
            curve: Curve::new(name, [10.0, 100.0, 3000.0].map(|size| (size, size * factor))),
            colour,
            dashed,
        };
        Chart {
            title: "Cost & <growth>".into(),
            size: "points".into(),
            cost: "instructions".into(),
            lines: vec![
                line("one", 100.0, 0, false),
                line("its \"floor\"", 99.0, 0, true),
                line("other", 3.0, 1, false),
            ],
        }
    }

    /// Checks that elements are closed in order and that nothing is left bare that XML gives a meaning.
    fn well_formed(text: &str) -> Result<usize, String> {
        let (mut open, mut elements, mut rest) = (Vec::new(), 0, text);
        while let Some(start) = rest.find('<') {
            let content = &rest[..start];
            if content.contains('>')
                || content.matches('&').count() != content.matches(';').count()
                    && open.last() != Some(&"style")
            {
                return Err(format!("bare letters in {content:?}"));
            }
            let end = rest[start..].find('>').ok_or("an element without an end")? + start;
            let tag = &rest[start + 1..end];
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
            if tag.starts_with('/') {
                (open.pop() == Some(name)).then_some(()).ok_or(format!("{name} is not open"))?;
            } else {
                elements += 1;
                if tag.matches('"').count() % 2 != 0 || tag.contains('<') {
                    return Err(format!("quotes in {tag:?}"));
                }
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
            rest = &rest[end + 1..];
        }
        if open.is_empty() && rest.trim().is_empty() {
            Ok(elements)
        } else {
            Err(format!("left open: {open:?}"))
        }
    }

    #[test]
    fn a_picture_is_well_formed_and_has_all_curves() {
        let svg = chart().svg();
        assert!(well_formed(&svg).unwrap_or_else(|problem| panic!("{problem}\n{svg}")) > 30);
        assert_eq!(svg.matches("class=\"curve").count(), 3);
        assert_eq!(svg.matches("<circle").count(), 6);
        assert!(svg.contains("Cost &amp; &lt;growth&gt;") && !svg.contains("NaN") && !svg.contains("inf"));
        assert!(well_formed("<svg><a></svg>").is_err() && well_formed("<svg>a & b</svg>").is_err());
    }

    #[test]
    fn a_picture_of_nothing_and_one_of_a_single_cost_are_well_formed() {
        let mut chart = chart();
        chart.lines.truncate(1);
        chart.lines[0].curve.points.truncate(1);
        for _ in 0..2 {
            let svg = chart.svg();
            assert!(well_formed(&svg).is_ok() && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            chart.lines.clear();
        }
    }

    #[test]
    fn names_are_moved_apart() {
        assert_eq!(apart(&[10.0, 12.0, 100.0], 400.0), [10.0, 27.0, 100.0]);
        assert_eq!(apart(&[390.0, 395.0, 399.0], 400.0), [366.0, 383.0, 400.0]);
    }

    #[test]
    fn numbers_are_brief() {
        let shown = [1.0, 30.0, 1000.0, 2500.0, 3e6, 0.5].map(brief);
        assert_eq!(shown, ["1", "30", "1k", "2.5k", "3M", "0.5"]);
    }
}
