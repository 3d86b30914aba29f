//! Which points the core is to ask for, since families can read them.

use std::collections::BTreeSet;

use udmi_proto::family::{Family, Url, is_absolute};
use udmi_proto::{Map, PointModel, ProxySettings, Settings, Source};

/// Makes points asked for that would otherwise be waited for: those that families can read, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polling {
    /// The families whose points can be read.
    pub families: BTreeSet<String>,
    /// Whether the application reads all others of proxied devices.
    pub all: bool,
}

impl Polling {
    /// Applies it to the points of a device and of all that it acts for.
    pub fn apply(&self, settings: &mut Settings) {
        let Settings { points, families, gateway, .. } = settings;
        self.apply_to(points, families, false);
        if let Some(gateway) = gateway {
            gateway.proxies.values_mut().for_each(|proxy| self.apply_to_proxy(proxy));
        }
    }

    /// Applies it to the points of a proxied device.
    pub fn apply_to_proxy(&self, proxy: &mut ProxySettings) {
        self.apply_to(&mut proxy.points, &proxy.families, self.all);
    }

    fn apply_to(&self, points: &mut Map<String, PointModel>, families: &Map<String, String>, all: bool) {
        for model in points.values_mut().filter(|model| model.source == Source::Pushed) {
            let is_read = model.reference.as_ref().is_some_and(|reference| self.reads(reference, families));
            if all || is_read {
                model.source = Source::Polled;
            }
        }
    }

    /// Whether the reference is one of a family that can be read, at one of the device's addresses or in full.
    fn reads(&self, reference: &str, addresses: &Map<String, String>) -> bool {
        if is_absolute(reference) {
            return Url::parse(reference).is_ok_and(|url| self.families.contains(url.family.as_str()));
        }
        let has_points = |name: &str| Family::from_name(name).is_none_or(|family| check(family, reference));
        addresses.keys().any(|name| self.families.contains(name) && has_points(name))
    }
}

/// Whether a family has points at all, and this reference may be one: the unit of a Modbus device may stand in its
/// target.
fn check(family: Family, reference: &str) -> bool {
    match family {
        Family::Bacnet | Family::Modbus | Family::Vendor => !reference.is_empty(),
        Family::Ipv4 | Family::Ipv6 | Family::Ether | Family::Iot | Family::Fqdn => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(reference: Option<&str>, family: &str) -> ProxySettings {
        let mut proxy = ProxySettings::default();
        let model = PointModel { reference: reference.map(Into::into), ..PointModel::default() };
        proxy.points.insert("t".into(), model);
        proxy.families.insert(family.into(), "1".into());
        proxy
    }

    fn source(polling: &Polling, mut proxy: ProxySettings) -> Source {
        polling.apply_to_proxy(&mut proxy);
        proxy.points["t"].source
    }

    #[test]
    fn points_with_a_reference_in_a_served_family_are_asked_for() {
        let served = ["bacnet", "ether"].map(String::from).into();
        let polling = Polling { families: served, all: false };
        for (reference, family, expected) in [
            (Some("AV/1"), "bacnet", Source::Polled),
            (None, "bacnet", Source::Pushed),
            (Some("AV/1"), "vendor", Source::Pushed),
            (Some("AV/1"), "ether", Source::Pushed),
            (Some("bacnet://7/AV/1"), "vendor", Source::Polled),
            (Some("modbus://plc/1/3/1"), "bacnet", Source::Pushed),
        ] {
            assert_eq!(source(&polling, device(reference, family)), expected, "{reference:?} {family}");
        }
    }

    #[test]
    fn all_points_are_asked_for_if_the_application_reads_them() {
        let polling = Polling { all: true, ..Polling::default() };
        assert_eq!(source(&polling, device(None, "vendor")), Source::Polled);
        let mut computed = device(None, "vendor");
        computed.points.get_mut("t").unwrap().source = Source::Computed;
        assert_eq!(source(&polling, computed), Source::Computed);
    }
}
