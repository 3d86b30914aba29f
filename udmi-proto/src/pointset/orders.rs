//! The pointset block as a config brings it (§4.1): read in one pass, its texts borrowed from the message.
//!
//! It takes and refuses the same blocks as [`config::Pointset`](crate::model::config::Pointset), which tells what is
//! wrong with those it refuses.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::json::Text;
use crate::model::common::{Timestamp, Version};
use crate::model::value::SetValue;

/// What the config orders of the points.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Orders<'a> {
    pub(super) state_etag: Option<Cow<'a, str>>,
    pub(super) set_value_expiry: Option<Timestamp>,
    pub(super) sample_limit_sec: Option<i64>,
    pub(super) sample_rate_sec: Option<i64>,
    /// In the order of names, each of which is there once.
    pub(super) points: Option<Vec<(Cow<'a, str>, PointOrder<'a>)>>,
}

/// What it orders of one point.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PointOrder<'a> {
    pub(super) reference: Option<Cow<'a, str>>,
    pub(super) set_value: Option<SetValue>,
    pub(super) cov_increment: Option<f64>,
}

impl<'de> Deserialize<'de> for Orders<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrdersVisitor)
    }
}

struct OrdersVisitor;

impl<'de> Visitor<'de> for OrdersVisitor {
    type Value = Orders<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut orders = Orders::default();
        while let Some(Text(name)) = map.next_key()? {
            match name.as_ref() {
                "state_etag" => orders.state_etag = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                "set_value_expiry" => orders.set_value_expiry = map.next_value()?,
                "sample_limit_sec" => orders.sample_limit_sec = map.next_value()?,
                "sample_rate_sec" => orders.sample_rate_sec = map.next_value()?,
                "points" => {
                    orders.points = map.next_value::<Option<PointOrders<'de>>>()?.map(|points| points.0);
                }
                "timestamp" => {
                    map.next_value::<Option<Text<'de>>>()?;
                }
                "version" => {
                    map.next_value::<Option<Version>>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(orders)
    }
}

struct PointOrders<'a>(Vec<(Cow<'a, str>, PointOrder<'a>)>);

impl<'de> Deserialize<'de> for PointOrders<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PointOrdersVisitor)
    }
}

struct PointOrdersVisitor;

impl<'de> Visitor<'de> for PointOrdersVisitor {
    type Value = PointOrders<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut points: Vec<(Cow<'de, str>, PointOrder<'de>)> = Vec::new();
        let mut is_sorted = true;
        while let Some((Text(name), order)) = map.next_entry()? {
            is_sorted &= points.last().is_none_or(|(last, _)| *last < name);
            points.push((name, order));
        }
        if !is_sorted {
            sort(&mut points);
        }
        Ok(PointOrders(points))
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

impl<'de> Deserialize<'de> for PointOrder<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PointOrderVisitor)
    }
}

struct PointOrderVisitor;

impl<'de> Visitor<'de> for PointOrderVisitor {
    type Value = PointOrder<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut order = PointOrder::default();
        while let Some(Text(name)) = map.next_key()? {
            match name.as_ref() {
                "ref" => order.reference = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                // `null` is something the cloud asked for, and not the absence of a request.
                "set_value" => order.set_value = Some(map.next_value()?),
                "cov_increment" => order.cov_increment = map.next_value()?,
                "units" | "stop_time" => {
                    map.next_value::<Option<Text<'de>>>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString as _};

    use super::*;
    use crate::model::config;

    /// The same, by way of the model.
    fn modelled(text: &str) -> Result<String, serde_json::Error> {
        let block: config::Pointset = serde_json::from_str(text)?;
        let points = block.points.map(|points| {
            let order = |order: config::PointsetPoint| PointOrder {
                reference: order.ref_.map(Cow::Owned),
                set_value: order.set_value,
                cov_increment: order.cov_increment,
            };
            points.into_iter().map(|(name, point)| (Cow::Owned(name), order(point))).collect()
        });
        let orders = Orders {
            state_etag: block.state_etag.map(Cow::Owned),
            set_value_expiry: block.set_value_expiry,
            sample_limit_sec: block.sample_limit_sec,
            sample_rate_sec: block.sample_rate_sec,
            points,
        };
        Ok(format!("{orders:?}"))
    }

    fn assert_read_alike(text: &str) {
        let read = serde_json::from_str::<Orders<'_>>(text).map(|orders| format!("{orders:?}"));
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
        let orders: Orders<'_> = serde_json::from_str(r#"{"points":{"a":{"ref":"AV/1"}}}"#).unwrap();
        let (name, order) = orders.points.unwrap().pop().unwrap();
        assert!(matches!(name, Cow::Borrowed("a")));
        assert!(matches!(order.reference, Some(Cow::Borrowed("AV/1"))));
    }
}
