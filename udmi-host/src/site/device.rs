//! What the metadata of a device makes of it: its class (§8.4) and its config (§8.5).

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::json::{Node, SiteError};
use super::upgrade::CURRENT;

/// The level below which log entries are not published, if the metadata says nothing.
const DEFAULT_MIN_LOGLEVEL: i64 = 300;
/// Seconds between metrics, if the metadata says nothing.
const DEFAULT_METRICS_RATE_SEC: i64 = 10;
/// Seconds between complete samples, if the metadata says nothing.
const DEFAULT_SAMPLE_RATE_SEC: i64 = 300;
/// Seconds in a day, the longest rate there is.
const DAY_SEC: i64 = 86_400;
/// The family of a target that names none.
const DEFAULT_FAMILY: &str = "vendor";

/// How a device reaches the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceClass {
    /// By its own connection.
    Direct,
    /// By its own connection, which proxied devices share.
    Gateway,
    /// By the connection of its gateway.
    Proxied,
    /// Not at all.
    Virtual,
}

/// The config a device starts with.
#[derive(Clone, Debug, PartialEq)]
pub enum GeneratedConfig {
    /// Made from the metadata.
    Document(Value),
    /// The content of the file that `cloud.config.static_file` names, which need not be JSON.
    Static {
        /// The file.
        file: PathBuf,
        /// Its content.
        content: Vec<u8>,
    },
}

impl GeneratedConfig {
    /// The payload of the config message.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Document(document) => document.to_string().into_bytes(),
            Self::Static { content, .. } => content.clone(),
        }
    }
}

/// The class by what the metadata says outright or shows.
pub(super) fn class(metadata: &Node<'_>) -> Result<DeviceClass, SiteError> {
    let has_authentication = metadata.find(&["cloud", "auth_type"])?.is_some();
    let gateway_id = metadata.find(&["gateway", "gateway_id"])?;
    let proxy_ids = metadata.find(&["gateway", "proxy_ids"])?;
    let explicit = metadata.find(&["cloud", "resource_type"])?;
    let named = explicit.as_ref().map(Node::string).transpose()?;
    match (named, gateway_id, proxy_ids) {
        (_, Some(_), Some(proxies)) => Err(proxies.problem("a device with gateway_id cannot have proxy_ids")),
        (Some("DIRECT" | "GATEWAY"), Some(gateway), _) => {
            Err(gateway.problem("only a PROXIED device has a gateway_id"))
        }
        (Some("DIRECT"), None, Some(proxies)) => Err(proxies.problem("only a GATEWAY has proxy_ids")),
        (Some("DIRECT"), None, None) => Ok(DeviceClass::Direct),
        (Some("GATEWAY"), None, _) => Ok(DeviceClass::Gateway),
        (Some("PROXIED"), None, _) => {
            Err(metadata.missing("gateway/gateway_id", "the gateway of a PROXIED device"))
        }
        // Other names are parts of the cloud, or older names; the rest of the metadata decides.
        (_, Some(_), None) => Ok(DeviceClass::Proxied),
        (_, None, Some(_)) if has_authentication => Ok(DeviceClass::Gateway),
        (_, None, Some(_)) => Err(metadata.missing("cloud/auth_type", "ES256 or RS256 for a gateway")),
        (_, None, None) if has_authentication => Ok(DeviceClass::Direct),
        (_, None, None) => Ok(DeviceClass::Virtual),
    }
}

/// The config that metadata asks for, static files aside.
pub(super) fn config(metadata: &Node<'_>, class: DeviceClass) -> Result<Value, SiteError> {
    let mut config = Map::new();
    if let Some(timestamp) = metadata.string_at(&["timestamp"])? {
        config.insert("timestamp".to_owned(), json!(timestamp));
    }
    config.insert("version".to_owned(), json!(CURRENT));
    config.insert("system".to_owned(), system(metadata)?);
    let blocks = [
        ("gateway", gateway(metadata, class)?),
        ("pointset", pointset(metadata)?),
        ("localnet", localnet(metadata)?),
        ("discovery", discovery(metadata)?),
    ];
    for (name, block) in blocks {
        if let Some(block) = block {
            config.insert(name.to_owned(), Value::Object(block));
        }
    }
    Ok(Value::Object(config))
}

fn system(metadata: &Node<'_>) -> Result<Value, SiteError> {
    let level = metadata.integer_at(&["system", "min_loglevel"], 100, 800)?;
    let rate = metadata.integer_at(&["system", "metrics_rate_sec"], 0, DAY_SEC)?;
    Ok(json!({
        "operation": {},
        "min_loglevel": level.unwrap_or(DEFAULT_MIN_LOGLEVEL),
        "metrics_rate_sec": rate.unwrap_or(DEFAULT_METRICS_RATE_SEC),
    }))
}

fn gateway(metadata: &Node<'_>, class: DeviceClass) -> Result<Option<Map<String, Value>>, SiteError> {
    let mut gateway = Map::new();
    match class {
        DeviceClass::Direct | DeviceClass::Virtual => return Ok(None),
        DeviceClass::Gateway => {
            if let Some(proxies) = metadata.find(&["gateway", "proxy_ids"])? {
                gateway.insert("proxy_ids".to_owned(), proxies.value().clone());
            }
        }
        DeviceClass::Proxied => {
            if let Some(target) = target(metadata)? {
                gateway.insert("target".to_owned(), Value::Object(target));
            }
        }
    }
    Ok(Some(gateway))
}

/// How the gateway reaches a proxied device: the address stands in the target or under `localnet`, not in both.
pub(super) fn target(metadata: &Node<'_>) -> Result<Option<Map<String, Value>>, SiteError> {
    let Some(target) = metadata.find(&["gateway", "target"])? else { return Ok(None) };
    let family = target.string_at(&["family"])?.unwrap_or(DEFAULT_FAMILY);
    let own = target.get("addr")?;
    let local = metadata.string_at(&["localnet", "families", family, "addr"])?;
    let mut merged = target.object()?.clone();
    match (own, local) {
        (Some(own), Some(_)) => {
            return Err(own.problem(format!("also defined by /localnet/families/{family}/addr")));
        }
        (None, Some(address)) => {
            merged.insert("addr".to_owned(), json!(address));
        }
        (Some(_) | None, None) => {}
    }
    Ok(Some(merged))
}

fn pointset(metadata: &Node<'_>) -> Result<Option<Map<String, Value>>, SiteError> {
    let Some(model) = metadata.get("pointset")? else { return Ok(None) };
    let mut pointset = Map::new();
    if !model.bool_at(&["exclude_points_from_config"])?.unwrap_or(false) {
        let with_units = !model.bool_at(&["exclude_units_from_config"])?.unwrap_or(false);
        let mut points = Map::new();
        if let Some(models) = model.get("points")? {
            for (name, model) in models.members()? {
                points.insert(name.to_owned(), point(&model, with_units)?);
            }
        }
        pointset.insert("points".to_owned(), Value::Object(points));
    }
    let rate = model.integer_at(&["sample_rate_sec"], 1, DAY_SEC)?.unwrap_or(DEFAULT_SAMPLE_RATE_SEC);
    pointset.insert("sample_rate_sec".to_owned(), json!(rate));
    if let Some(limit) = model.integer_at(&["sample_limit_sec"], 0, DAY_SEC)? {
        pointset.insert("sample_limit_sec".to_owned(), json!(limit));
    }
    Ok(Some(pointset))
}

fn point(model: &Node<'_>, with_units: bool) -> Result<Value, SiteError> {
    let mut point = Map::new();
    if let Some(reference) = model.string_at(&["ref"])? {
        point.insert("ref".to_owned(), json!(reference));
    }
    if let Some(units) = model.string_at(&["units"])?.filter(|_| with_units) {
        point.insert("units".to_owned(), json!(units));
    }
    if model.bool_at(&["writable"])?.unwrap_or(false)
        && let Some(value) = model.get("baseline_value")?
    {
        point.insert("set_value".to_owned(), value.value().clone());
    }
    Ok(Value::Object(point))
}

fn localnet(metadata: &Node<'_>) -> Result<Option<Map<String, Value>>, SiteError> {
    let Some(localnet) = metadata.get("localnet")? else { return Ok(None) };
    let mut families = Map::new();
    if let Some(models) = localnet.get("families")? {
        for (name, _) in models.members()? {
            families.insert(name.to_owned(), json!({}));
        }
    }
    Ok(Some(Map::from_iter([("families".to_owned(), Value::Object(families))])))
}

fn discovery(metadata: &Node<'_>) -> Result<Option<Map<String, Value>>, SiteError> {
    let Some(discovery) = metadata.get("discovery")? else { return Ok(None) };
    let mut families = Map::new();
    if let Some(models) = discovery.get("families")? {
        for (name, model) in models.members()? {
            families.insert(name.to_owned(), Value::Object(discovery_family(&model)?));
        }
    }
    Ok(Some(Map::from_iter([("families".to_owned(), Value::Object(families))])))
}

fn discovery_family(model: &Node<'_>) -> Result<Map<String, Value>, SiteError> {
    let mut family = Map::new();
    let interval = model.integer_at(&["scan_interval_sec"], 0, i64::from(u32::MAX))?;
    if let Some(generation) = model.get("generation")? {
        if interval.is_none() {
            return Err(generation.problem("a generation needs a scan_interval_sec beside it"));
        }
        family.insert("generation".to_owned(), json!(generation.string()?));
    }
    if let Some(interval) = interval {
        family.insert("scan_interval_sec".to_owned(), json!(interval));
    }
    if let Some(duration) = model.integer_at(&["scan_duration_sec"], 0, i64::from(u32::MAX))? {
        family.insert("scan_duration_sec".to_owned(), json!(duration));
    }
    Ok(family)
}

/// Brings merged and upgraded metadata into the form tools write as `metadata_norm.json`: the default log
/// level, adjuncts as texts, and the full address of a proxied device's points.
pub(super) fn normalise(metadata: &mut Map<String, Value>) {
    if let Some(Value::Object(system)) = metadata.get_mut("system") {
        system.entry("min_loglevel").or_insert(json!(DEFAULT_MIN_LOGLEVEL));
    }
    for blocks in [["localnet", "networks"], ["localnet", "families"], ["pointset", "points"]] {
        for member in members(metadata, blocks) {
            adjunct_to_texts(member);
        }
    }
    let Some((family, address)) = reach(metadata) else { return };
    for point in members(metadata, ["pointset", "points"]) {
        let Some(reference) = point.get("ref").and_then(Value::as_str) else { continue };
        let url = if reference.contains("://") {
            reference.to_owned()
        } else {
            format!("{family}://{address}/{reference}")
        };
        point.entry("url").or_insert(Value::String(url));
    }
}

/// Family and address (with unit) a gateway reaches the device by.
fn reach(metadata: &Map<String, Value>) -> Option<(String, String)> {
    let gateway = metadata.get("gateway").filter(|gateway| gateway.get("gateway_id").is_some())?;
    let target = gateway.get("target")?;
    let family = target.get("family").and_then(Value::as_str).unwrap_or(DEFAULT_FAMILY);
    let local = metadata.get("localnet").and_then(|localnet| localnet.get("families")?.get(family));
    let part = |name: &str| target.get(name).or_else(|| local?.get(name)).and_then(Value::as_str);
    let unit = part("unitid").map(|unit| format!("/{unit}")).unwrap_or_default();
    Some((family.to_owned(), format!("{}{unit}", part("addr")?)))
}

fn members<'a>(
    root: &'a mut Map<String, Value>,
    [block, table]: [&str; 2],
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let table = root.get_mut(block).and_then(|block| block.get_mut(table)).and_then(Value::as_object_mut);
    table.into_iter().flat_map(|table| table.values_mut().filter_map(Value::as_object_mut))
}

fn adjunct_to_texts(member: &mut Map<String, Value>) {
    let Some(Value::Object(adjunct)) = member.get_mut("adjunct") else { return };
    for value in adjunct.values_mut() {
        if value.is_number() || value.is_boolean() {
            *value = Value::String(value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn class_of(metadata: &Value) -> Result<DeviceClass, String> {
        class(&Node::root(Path::new("m"), metadata)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_class_shows_in_the_metadata() {
        let cases = [
            (json!({"cloud": {"auth_type": "RS256"}}), DeviceClass::Direct),
            (json!({"cloud": {"auth_type": "RS256"}, "gateway": {"proxy_ids": []}}), DeviceClass::Gateway),
            (json!({"cloud": {"resource_type": "GATEWAY"}, "gateway": {}}), DeviceClass::Gateway),
            (json!({"cloud": {"resource_type": "DIRECT"}}), DeviceClass::Direct),
            (json!({"gateway": {"gateway_id": "GAT-1"}}), DeviceClass::Proxied),
            (
                json!({"cloud": {"resource_type": "DEVICE"}, "gateway": {"gateway_id": "GAT-1"}}),
                DeviceClass::Proxied,
            ),
            (json!({}), DeviceClass::Virtual),
        ];
        for (metadata, expected) in cases {
            assert_eq!(class_of(&metadata), Ok(expected), "{metadata}");
        }
    }

    #[test]
    fn contradictory_classes_are_refused_with_their_place() {
        for (metadata, place) in [
            (json!({"gateway": {"gateway_id": "GAT-1", "proxy_ids": []}}), "/gateway/proxy_ids"),
            (
                json!({"cloud": {"resource_type": "DIRECT"}, "gateway": {"gateway_id": "G"}}),
                "/gateway/gateway_id",
            ),
            (
                json!({"cloud": {"resource_type": "DIRECT"}, "gateway": {"proxy_ids": []}}),
                "/gateway/proxy_ids",
            ),
            (json!({"cloud": {"resource_type": "PROXIED"}}), "/gateway/gateway_id"),
            (json!({"gateway": {"proxy_ids": []}}), "/cloud/auth_type"),
            (json!({"cloud": 7}), "/cloud"),
        ] {
            let error = class_of(&metadata).unwrap_err();
            assert!(error.starts_with(&format!("m: {place}: ")), "{error}");
        }
    }

    #[test]
    fn an_address_in_two_places_is_refused() {
        let metadata = json!({
            "gateway": {"gateway_id": "GAT-1", "target": {"family": "bacnet", "addr": "1"}},
            "localnet": {"families": {"bacnet": {"addr": "1"}}},
        });
        let error = config(&Node::root(Path::new("m"), &metadata), DeviceClass::Proxied).unwrap_err();
        assert_eq!(
            error.to_string(),
            "m: /gateway/target/addr: also defined by /localnet/families/bacnet/addr"
        );
    }

    #[test]
    fn rates_out_of_bounds_are_refused() {
        let metadata = json!({"pointset": {"points": {}, "sample_rate_sec": 0}});
        let error = config(&Node::root(Path::new("m"), &metadata), DeviceClass::Direct).unwrap_err();
        assert_eq!(error.path, "/pointset/sample_rate_sec");
    }

    #[test]
    fn units_and_points_can_be_kept_out_of_the_config() {
        let mut metadata = json!({"pointset": {
            "points": {"t": {"units": "Bars", "writable": true, "baseline_value": 5}},
            "exclude_units_from_config": true, "sample_limit_sec": 2,
        }});
        let pointset = |metadata: &Value| {
            config(&Node::root(Path::new("m"), metadata), DeviceClass::Direct).unwrap()["pointset"].take()
        };
        let expected =
            json!({"points": {"t": {"set_value": 5}}, "sample_rate_sec": 300, "sample_limit_sec": 2});
        assert_eq!(pointset(&metadata), expected);
        metadata["pointset"]["exclude_points_from_config"] = json!(true);
        assert_eq!(pointset(&metadata), json!({"sample_rate_sec": 300, "sample_limit_sec": 2}));
    }
}
