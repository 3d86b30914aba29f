//! The pointset block as a config brings it (§4.1): read in one pass, its texts borrowed from the message.
//!
//! It takes and refuses the same blocks as [`config::Pointset`](crate::model::config::Pointset), which tells what is
//! wrong with those it refuses.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::model::common::Timestamp;
use crate::model::place::{Object, Place, Read, Refusal, Table, leaf, text};
use crate::model::value::SetValue;

/// What the config orders of the points.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Orders<'a> {
    pub(super) state_etag: Option<Cow<'a, str>>,
    pub(super) set_value_expiry: Option<Timestamp>,
    pub(super) sample_limit_sec: Option<i64>,
    pub(super) sample_rate_sec: Option<i64>,
    pub(super) points: Option<Points<'a>>,
    version: Option<Unused>,
    unused: Option<UnusedText>,
}

/// What it orders of one point.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PointOrder<'a> {
    pub(super) reference: Option<Cow<'a, str>>,
    pub(super) set_value: Option<SetValue>,
    pub(super) cov_increment: Option<f64>,
    unused: Option<UnusedText>,
}

/// A member that has to be a text and is of no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct UnusedText;

/// A member that may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Unused;

leaf! {
    UnusedText: "a string", |scalar| text(scalar).map(|_| Self);
    Unused: "a version", |_| Ok::<_, Refusal<'_>>(Self);
}

impl<'de> Read<'de> for Orders<'de> {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Object(self)
    }
}

impl<'de> Object<'de> for Orders<'de> {
    fn member(&mut self, name: &Cow<'de, str>) -> Place<'_, 'de> {
        match name.as_ref() {
            "state_etag" => self.state_etag.place(),
            "set_value_expiry" => self.set_value_expiry.place(),
            "sample_limit_sec" => self.sample_limit_sec.place(),
            "sample_rate_sec" => self.sample_rate_sec.place(),
            "points" => self.points.place(),
            "timestamp" => self.unused.place(),
            "version" => self.version.place(),
            _ => Place::Nowhere,
        }
    }
}

/// The points of a block.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Points<'a> {
    /// In the order of names, each of which is there once.
    pub(super) orders: Vec<(Cow<'a, str>, PointOrder<'a>)>,
    is_unsorted: bool,
}

impl<'de> Read<'de> for Points<'de> {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Table(self)
    }
}

impl<'de> Table<'de> for Points<'de> {
    fn begin(&mut self) {
        *self = Self::default();
    }

    fn entry(&mut self, name: Cow<'de, str>) -> Place<'_, 'de> {
        self.is_unsorted |= self.orders.last().is_some_and(|(last, _)| *last >= name);
        self.orders.push((name, PointOrder::default()));
        self.orders.last_mut().map_or(Place::Nowhere, |(_, order)| Place::Object(order))
    }

    fn end(&mut self) {
        if core::mem::take(&mut self.is_unsorted) {
            sort(&mut self.orders);
        }
    }
}

/// Brings points in order. Of those of one name the last counts.
fn sort(points: &mut Vec<(Cow<'_, str>, PointOrder<'_>)>) {
    points.sort_by(|(one, _), (other, _)| one.cmp(other));
    points.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            core::mem::swap(later, earlier);
        }
        is_same
    });
}

impl<'de> Object<'de> for PointOrder<'de> {
    fn member(&mut self, name: &Cow<'de, str>) -> Place<'_, 'de> {
        match name.as_ref() {
            "ref" => self.reference.place(),
            "set_value" => self.set_value.place(),
            "cov_increment" => self.cov_increment.place(),
            "units" | "stop_time" => self.unused.place(),
            _ => Place::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString as _};

    use super::*;
    use crate::json;
    use crate::model::config;

    /// The same, by way of the model.
    fn modelled(text: &str) -> Result<String, serde_json::Error> {
        let block: config::Pointset = json::from_slice(text.as_bytes())?;
        let points = block.points.map(|points| {
            let order = |order: config::PointsetPoint| PointOrder {
                reference: order.ref_.map(Cow::Owned),
                set_value: order.set_value,
                cov_increment: order.cov_increment,
                unused: None,
            };
            let orders = points.into_iter().map(|(name, point)| (Cow::Owned(name), order(point)));
            Points { orders: orders.collect(), is_unsorted: false }
        });
        let orders = Orders {
            state_etag: block.state_etag.map(Cow::Owned),
            set_value_expiry: block.set_value_expiry,
            sample_limit_sec: block.sample_limit_sec,
            sample_rate_sec: block.sample_rate_sec,
            points,
            ..Orders::default()
        };
        Ok(format!("{orders:?}"))
    }

    fn read(text: &str) -> Result<Orders<'_>, serde_json::Error> {
        let mut orders = json::from_slice::<Orders<'_>>(text.as_bytes())?;
        (orders.version, orders.unused) = (None, None);
        let points = orders.points.iter_mut().flat_map(|points| &mut points.orders);
        points.for_each(|(_, order)| order.unused = None);
        Ok(orders)
    }

    fn assert_read_alike(text: &str) {
        let read = read(text).map(|orders| format!("{orders:?}"));
        let (read, modelled) = (read.map_err(|e| e.to_string()), modelled(text).map_err(|e| e.to_string()));
        assert_eq!(read, modelled, "{text}");
    }

    const VALUES: [&str; 16] = [
        "null",
        "true",
        "0",
        "-7",
        "2.5",
        "1e3",
        "1e999",
        "18446744073709551615",
        r#""""#,
        r#""text""#,
        r#""\u00b0\n""#,
        r#""\ud800""#,
        "[]",
        "[1,{}]",
        "{}",
        r#"{"a":{"ref":"x"}}"#,
    ];

    #[test]
    fn every_member_of_every_type_is_read_as_the_model_reads_it() {
        let block = ["timestamp", "version", "state_etag", "set_value_expiry", "sample_limit_sec"];
        for name in block.into_iter().chain(["sample_rate_sec", "points", "other", "\\u0070oints"]) {
            for value in VALUES {
                assert_read_alike(&format!(r#"{{"{name}":{value}}}"#));
                assert_read_alike(&format!(r#"{{"{name}":{value},"{name}":null}}"#));
            }
        }
        for name in ["ref", "units", "set_value", "stop_time", "cov_increment", "other", "r\\u0065f"] {
            for value in VALUES {
                assert_read_alike(&format!(r#"{{"points":{{"a":{{"{name}":{value}}}}}}}"#));
                assert_read_alike(&format!(r#"{{"points":{{"a":{{"{name}":{value},"{name}":1}}}}}}"#));
            }
        }
        for value in VALUES {
            assert_read_alike(value);
            assert_read_alike(&format!(r#"{{"points":{{"a":{value}}}}}"#));
        }
    }

    #[test]
    fn points_in_any_order_are_read_as_the_model_reads_them() {
        for names in ["ab", "ba", "cbab", "bacab", "aaa", "abcabc", "cba", ""] {
            let points =
                names.chars().enumerate().map(|(at, name)| format!(r#""{name}":{{"set_value":{at}}}"#));
            let points: alloc::vec::Vec<_> = points.collect();
            assert_read_alike(&format!(r#"{{"points":{{{}}}}}"#, points.join(",")));
        }
    }

    #[test]
    fn texts_without_escapes_are_not_copied() {
        let orders = read(r#"{"points":{"a":{"ref":"AV/1"}}}"#).unwrap();
        let (name, order) = orders.points.unwrap().orders.pop().unwrap();
        assert!(matches!(name, Cow::Borrowed("a")));
        assert!(matches!(order.reference, Some(Cow::Borrowed("AV/1"))));
    }
}
