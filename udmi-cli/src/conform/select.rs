//! Which sequences run (§9.1).

use serde_json::Value;
use udmi_proto::model::common::Stage;
use udmi_tests::conformance::{Scenario, Subject};

use crate::output::Failure;

/// Enabled for every device.
const SYSTEM: &str = "system";

/// What the user wants.
#[derive(Debug)]
pub(super) struct Selection {
    /// Names, perhaps with `+FAMILY`; all if there are none.
    pub(super) only: Vec<String>,
    /// The least stage.
    pub(super) stage: Stage,
}

/// A sequence for one device.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) scenario: Scenario,
    /// The family that its scans look at, if it scans.
    pub(super) facet: Option<String>,
    /// Why it does not run, if it does not.
    pub(super) reason: Option<String>,
}

impl Selection {
    /// The sequences for a device, in the order in which they run.
    ///
    /// # Errors
    /// There is no sequence of a name.
    pub(super) fn sequences(&self, subject: &Subject) -> Result<Vec<Sequence>, Failure> {
        for name in &self.only {
            let (name, _) = parts(name);
            if !Scenario::names().any(|known| known == name) {
                let hint = format!("there are {}", Scenario::names().collect::<Vec<_>>().join(", "));
                return Err(Failure::usage(format!("there is no sequence {name}")).hint(hint));
            }
        }
        let mut sequences = Vec::new();
        for name in Scenario::names() {
            let wanted: Vec<_> =
                self.only.iter().map(|only| parts(only)).filter(|(only, _)| *only == name).collect();
            if !self.only.is_empty() && wanted.is_empty() {
                continue;
            }
            let scenario = Scenario::of(name, subject).map_err(Failure::new)?;
            if self.only.is_empty() && scenario.stage < self.stage {
                continue;
            }
            let reason = self.disabled(&scenario, subject);
            if !scenario.has_facets() || subject.families.is_empty() {
                sequences.push(Sequence { scenario, facet: None, reason });
                continue;
            }
            for family in &subject.families {
                let is_wanted = |(_, facet): &(&str, Option<&str>)| facet.is_none_or(|facet| facet == family);
                if wanted.is_empty() || wanted.iter().any(is_wanted) {
                    let scenario = Scenario::of(name, &subject.with_facet(family)).map_err(Failure::new)?;
                    let (facet, reason) = (Some(family.clone()), reason.clone());
                    sequences.push(Sequence { scenario, facet, reason });
                }
            }
        }
        Ok(sequences)
    }

    /// The bucket has to be among the features of the metadata, at preview at least, if these tell of features.
    fn disabled(&self, scenario: &Scenario, subject: &Subject) -> Option<String> {
        let all = !self.only.is_empty() || self.stage == Stage::Alpha || scenario.bucket == SYSTEM;
        let features = subject.metadata.get("features").filter(|_| !all)?;
        let feature = features.get(&scenario.bucket);
        let stage = feature.map(|feature| feature.get("stage").and_then(Value::as_str));
        let enabled = match stage {
            Some(Some(stage)) => Stage::from_text(stage) >= Stage::Preview,
            Some(None) => true,
            None => false,
        };
        (!enabled).then(|| format!("Feature bucket {} not enabled", scenario.bucket))
    }
}

/// Name and family of `NAME+FAMILY`.
fn parts(name: &str) -> (&str, Option<&str>) {
    name.split_once('+').map_or((name, None), |(name, facet)| (name, Some(facet)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use udmi_tests::model::Model;

    use super::*;

    fn names(only: &[&str], stage: Stage, subject: &Subject) -> Vec<String> {
        let only = only.iter().map(ToString::to_string).collect();
        let sequences = Selection { only, stage }.sequences(subject).unwrap();
        let name = |Sequence { scenario, facet, reason }: Sequence| {
            let family = facet.map(|family| format!("+{family}")).unwrap_or_default();
            format!("{}{family}{}", scenario.sequence, if reason.is_some() { " off" } else { "" })
        };
        sequences.into_iter().map(name).collect()
    }

    #[test]
    fn scans_run_for_each_family_and_alpha_is_all_there_is() {
        let subject = Model::air_handler().subject();
        let all = names(&[], Stage::Alpha, &subject);
        // Six of the 55 are scans, of two families.
        assert_eq!(all.len(), 61);
        assert!(all.contains(&"scan_single_now+bacnet".to_owned()));
        assert!(all.contains(&"gateway_attach_handling".to_owned()));
        let preview = names(&[], Stage::Preview, &subject);
        assert!(preview.contains(&"enumerate_nothing".to_owned()));
        assert!(!preview.contains(&"too_much_state".to_owned()));
        assert!(!names(&[], Stage::Stable, &subject).contains(&"enumerate_nothing".to_owned()));
    }

    #[test]
    fn buckets_that_the_features_do_not_have_are_off_unless_named() {
        let mut subject = Model::air_handler().subject();
        subject.metadata["features"] = json!({ "pointset": {}, "discovery.scan": { "stage": "alpha" } });
        let preview = names(&[], Stage::Preview, &subject);
        for wanted in
            ["pointset_publish", "scan_single_now+vendor off", "enumerate_nothing off", "broken_config"]
        {
            assert!(preview.contains(&wanted.to_owned()), "{wanted} is not in {preview:?}");
        }
        assert_eq!(names(&["scan_single_now+vendor"], Stage::Preview, &subject), ["scan_single_now+vendor"]);
        assert_eq!(names(&["too_much_state"], Stage::Preview, &subject), ["too_much_state"]);
    }
}
