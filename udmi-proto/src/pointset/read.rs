//! Readings: what the application says the values are.

use alloc::boxed::Box;

use super::changes::{Changes, entry, says};
use super::model::Model;
use super::number::{means_same, normalise};
use super::point::{Point, Reading};
use crate::model::category::Category;
use crate::model::value::Value;
use crate::scope::Scope;

impl Changes {
    /// A point was read.
    pub(super) fn accept(&mut self, sc: &Scope<'_, '_>, name: &str, point: &mut Point, value: Value) {
        let kind = point.model().and_then(Model::kind);
        let value = match normalise(kind, value) {
            Ok(value) => value,
            Err(cause) => return self.fail(sc, name, point, &cause),
        };
        point.fresh = true;
        // A read-back of the set value keeps the form in which it was set: 60, not 60.0.
        if point.extra().shown.as_ref().is_some_and(|shown| !means_same(shown, &value)) {
            point.clear_shown();
        }
        if matches!(point.reading, Reading::Failed(_)) && point.is_in_force() {
            self.log(entry(sc, Category::PointsetPointNominal, name, "read again"));
            self.state = true;
        }
        point.reading = Reading::Value(value);
        self.moved |= point.has_moved();
    }

    /// A point cannot be read.
    pub(super) fn fail(&mut self, sc: &Scope<'_, '_>, name: &str, point: &mut Point, cause: &str) {
        point.fresh = true;
        point.clear_shown();
        if let Reading::Failed(entry) = &point.reading
            && says(entry, &Category::PointsetPointFailure, cause)
        {
            return;
        }
        let entry = entry(sc, Category::PointsetPointFailure, name, cause);
        if point.is_in_force() {
            self.log(entry.clone());
            self.state = true;
        }
        point.reading = Reading::Failed(Box::new(entry));
    }
}
