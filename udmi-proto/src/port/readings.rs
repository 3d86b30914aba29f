//! Readings of several points at once.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Reading;

/// Names of points, made ready once for many [`Readings`]. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointNames(Arc<[Name]>);

/// A name, and where it stood among those given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    name: Box<str>,
    at: usize,
}

/// What was read of several points at the same moment; of a point that is named twice the last reading counts.
///
/// ```
/// use udmi_proto::{PointNames, Reading, Readings, Value};
/// let names = PointNames::new(["fan_speed", "air_temperature"]);
/// let readings = names.with([Value::from(60), Value::Number(21.5)].map(|value| Some(Reading::Value(value))));
/// let same = [("air_temperature", Value::Number(21.5)), ("fan_speed", Value::from(60))];
/// assert_eq!(readings, same.into_iter().map(|(name, value)| (name, Reading::Value(value))).collect());
/// ```
#[derive(Clone, Debug)]
pub struct Readings {
    names: PointNames,
    /// In the order in which the names were given.
    readings: Vec<Option<Reading>>,
}

impl PointNames {
    /// These names, in this order.
    pub fn new<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        let named = |(at, name): (usize, N)| Name { name: name.into(), at };
        let mut names: Vec<_> = names.into_iter().enumerate().map(named).collect();
        names.sort_by(|one, other| one.name.cmp(&other.name));
        Self(names.into())
    }

    /// A reading for each name, in the order in which the names were given; none says nothing of its point. Names without
    /// a reading, and readings without a name, are left out.
    #[must_use]
    pub fn with(&self, readings: impl IntoIterator<Item = Option<Reading>>) -> Readings {
        let mut taken = Vec::with_capacity(self.0.len());
        taken.extend(readings.into_iter().take(self.0.len()));
        Readings { names: self.clone(), readings: taken }
    }
}

impl Readings {
    /// Whether they say nothing of any point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readings.iter().all(Option::is_none)
    }

    /// All readings with their names, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Reading)> {
        let reading = |name: &Name| self.readings.get(name.at)?.as_ref();
        self.names.0.iter().filter_map(move |name| Some((&*name.name, reading(name)?)))
    }

    /// Hands out all readings with their names, in the order of names.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (&str, Reading)> {
        let readings = &mut self.readings;
        let mut reading = move |name: &Name| readings.get_mut(name.at)?.take();
        self.names.0.iter().filter_map(move |name| Some((&*name.name, reading(name)?)))
    }
}

impl<N: Into<Box<str>>> FromIterator<(N, Reading)> for Readings {
    fn from_iter<I: IntoIterator<Item = (N, Reading)>>(readings: I) -> Self {
        let (names, readings): (Vec<N>, Vec<_>) =
            readings.into_iter().map(|(name, reading)| (name, Some(reading))).unzip();
        Self { names: PointNames::new(names), readings }
    }
}

impl PartialEq for Readings {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for Readings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Readings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<Box<str>, Reading>::deserialize(deserializer).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::Value;

    fn value(number: i64) -> Option<Reading> {
        Some(Reading::Value(Value::from(number)))
    }

    #[test]
    fn readings_come_in_the_order_of_names_and_say_nothing_of_what_is_missing() {
        let names = PointNames::new(["c", "a", "d", "b"]);
        let mut readings = names.with([value(3), value(1), None]);
        let text = r#"{"a":{"Value":1},"c":{"Value":3}}"#;
        assert_eq!(serde_json::to_string(&readings).unwrap(), text);
        assert_eq!(serde_json::from_str::<Readings>(text).unwrap(), readings);
        let taken: Vec<_> = readings.take().map(|(name, _)| Box::<str>::from(name)).collect();
        assert_eq!(taken, [Box::from("a"), Box::from("c")]);
        assert!(readings.is_empty());
    }

    #[test]
    fn readings_without_a_name_are_left_out_and_of_two_of_one_point_the_last_comes_last() {
        let readings = PointNames::new(["b", "a", "b"]).with([value(1), value(2), value(3), value(4)]);
        let read: Vec<_> = readings.iter().map(|(name, reading)| (name, reading.clone())).collect();
        assert_eq!(read, [("a", value(2).unwrap()), ("b", value(1).unwrap()), ("b", value(3).unwrap())]);
    }
}
