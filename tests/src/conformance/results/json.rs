//! Outcomes as one JSON document.

use serde::Serialize;

use super::Summary;
use crate::conformance::Outcome;

/// What the document's form is called; it changes with what a reader would have to know.
const FORM: u32 = 1;

#[derive(Debug, Serialize)]
struct Document<'a> {
    form: u32,
    summary: Summary,
    outcomes: &'a [Outcome],
}

/// The document: number of its form, summary, and the outcomes in their order.
#[must_use]
pub fn json(outcomes: &[Outcome]) -> String {
    let document = Document { form: FORM, summary: Summary::of(outcomes), outcomes };
    let mut text = serde_json::to_string_pretty(&document).expect("all of its keys are texts");
    text.push('\n');
    text
}
