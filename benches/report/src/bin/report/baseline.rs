//! What each case took when somebody last looked: a small file that goes with the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};
use udmi_report::cases::Case;

use crate::Failure;
use crate::callgrind::{Counts, Side};
use crate::table::{Table, grouped};

/// How much more a case may take, in percent.
pub(crate) const ALLOWED: f64 = 3.0;

/// Instructions of one turn of each case, and what they hold for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// Other compilers make other instructions.
    pub(crate) compiler: String,
    /// The target, and the C library whose allocator and memory functions are counted along.
    pub(crate) target: String,
    /// The core's side alone; the floor is not ours.
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Baseline {
    pub(crate) fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json")
    }

    pub(crate) fn read() -> Result<Self, Failure> {
        let path = Self::path();
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    pub(crate) fn write(&self) -> Result<(), Failure> {
        Ok(fs::write(Self::path(), serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// Of these counts.
    pub(crate) fn of(compiler: String, target: String, counts: &Counts) -> Self {
        let core = counts.iter().filter(|((_, side), _)| *side == Side::Core);
        let instructions = core.map(|((case, _), count)| (case.to_string(), *count)).collect();
        Self { compiler, target, instructions }
    }

    /// Why these counts say nothing about others, if they do not.
    pub(crate) fn differs(&self, other: &Self) -> Option<String> {
        if (&self.compiler, &self.target) == (&other.compiler, &other.target) {
            return None;
        }
        Some(format!(
            "the baseline holds for {} on {}, this is {} on {}: nothing can be compared. To renew it: \
             check out what it was made of, run `report --check` with the old compiler, then `report --renew` with \
             this one",
            self.compiler, self.target, other.compiler, other.target
        ))
    }

    /// What has become of each case.
    pub(crate) fn compare(&self, now: &Self) -> Comparison {
        let names: BTreeSet<_> = self.instructions.keys().chain(now.instructions.keys()).collect();
        let order = |name: &str| Case::named(name).map(|case| (case.what, case.size));
        let mut changes: Vec<_> = names
            .into_iter()
            .map(|name| Change {
                name: name.clone(),
                before: self.instructions.get(name).copied(),
                now: now.instructions.get(name).copied(),
            })
            .collect();
        changes.sort_by_key(|change| order(&change.name));
        Comparison(changes)
    }
}

/// One case, then and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    before: Option<u64>,
    now: Option<u64>,
}

impl Change {
    /// By how many percent it has grown.
    fn percent(&self) -> Option<f64> {
        let (before, now) = (self.before? as f64, self.now? as f64);
        Some((now / before - 1.0) * 100.0)
    }

    /// A case that is on one side only has to be looked at as well.
    fn is_bad(&self) -> bool {
        self.percent().is_none_or(|percent| percent > ALLOWED)
    }

    fn is_better(&self) -> bool {
        self.percent().is_some_and(|percent| percent < -ALLOWED)
    }
}

/// All cases, then and now.
#[derive(Debug)]
pub(crate) struct Comparison(Vec<Change>);

impl Comparison {
    /// The cases that have grown too much, or are new, or gone.
    pub(crate) fn bad(&self) -> Vec<&str> {
        self.0.iter().filter(|change| change.is_bad()).map(|change| change.name.as_str()).collect()
    }

    /// The cases for which the baseline is too generous by now.
    pub(crate) fn better(&self) -> Vec<&str> {
        self.0.iter().filter(|change| change.is_better()).map(|change| change.name.as_str()).collect()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["what", ">baseline", ">now", ">change"]);
        let shown = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), grouped);
        for change in &self.0 {
            let percent = change.percent().map_or_else(
                || if change.now.is_some() { "new".to_owned() } else { "gone".to_owned() },
                |percent| format!("{percent:+.2} %"),
            );
            table.row([change.name.clone(), shown(change.before), shown(change.now), percent]);
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(counts: &[(&str, u64)]) -> Baseline {
        let instructions = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Baseline { compiler: "rustc 1".into(), target: "a target".into(), instructions }
    }

    #[test]
    fn four_percent_more_is_too_much_and_two_are_not() {
        let before = baseline(&[("config/10", 100_000), ("sample/10", 100_000), ("sample/100", 100_000)]);
        let now = baseline(&[("config/10", 104_000), ("sample/10", 102_000), ("sample/100", 95_000)]);
        let comparison = before.compare(&now);
        assert_eq!(comparison.bad(), ["config/10"]);
        assert_eq!(comparison.better(), ["sample/100"]);
        let shown = comparison.to_string();
        assert!(shown.contains("| config/10 | 100,000 | 104,000 | +4.00 % |"), "{shown}");
    }

    #[test]
    fn a_case_on_one_side_only_has_to_be_looked_at() {
        let before = baseline(&[("config/10", 1), ("sample/10", 1)]);
        let now = baseline(&[("config/10", 1), ("tick/10", 1)]);
        assert_eq!(before.compare(&now).bad(), ["sample/10", "tick/10"]);
    }

    #[test]
    fn another_compiler_is_not_compared() {
        let before = baseline(&[]);
        let now = Baseline { compiler: "rustc 2".into(), ..before.clone() };
        assert_eq!(before.differs(&before), None);
        assert!(before.differs(&now).is_some_and(|why| why.contains("--renew")));
    }

    #[test]
    fn the_baseline_of_the_source_has_every_case() {
        let baseline = Baseline::read().expect("the file is there");
        let cases: BTreeSet<_> = Case::all().iter().map(ToString::to_string).collect();
        assert_eq!(baseline.instructions.into_keys().collect::<BTreeSet<_>>(), cases);
    }
}
