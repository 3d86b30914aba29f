//! How a site is reached: `cloud_iot_config.json` and the project specification of a command line (§8.2).

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

use super::json::{Node, SiteError, read_object};

/// The name of the file.
pub(super) const FILE_NAME: &str = "cloud_iot_config.json";

/// What carries messages between devices and the cloud (§1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// A broker such as mosquitto; the project is its host.
    Mqtt,
    /// A broker on this host, with the endpoint made from the site model.
    Implicit,
    /// As `Implicit`, chosen at run time.
    Dynamic,
    /// A broker that takes signed tokens; its host is named after an `@`.
    Jwt,
    /// ClearBlade.
    Clearblade,
    /// Google's building operating system.
    Gbos,
    /// The bridge of Google Cloud IoT Core, which is meant if none is named.
    GoogleCloud,
    /// No transport for devices.
    ToolsOnly,
}

impl Provider {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "mqtt" => Self::Mqtt,
            "implicit" => Self::Implicit,
            "dynamic" => Self::Dynamic,
            "jwt" => Self::Jwt,
            "clearblade" => Self::Clearblade,
            "gbos" => Self::Gbos,
            "gref" | "pubsub" | "etcd" | "local" => Self::ToolsOnly,
            _ => return None,
        })
    }
}

/// `[//provider/]project[@host][:port][/namespace][+user]`, where `--` is no project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectSpec {
    /// The provider before the project.
    pub provider: Option<Provider>,
    /// The project, for provider `mqtt` the host.
    pub project: Option<String>,
    /// The host of the bridge.
    pub bridge_host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// What is put before the registry's name.
    pub namespace: Option<String>,
    /// Who runs the tool.
    pub user: Option<String>,
}

impl FromStr for ProjectSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_project(text).ok_or_else(|| {
            format!(
                "expected [//provider/]project[@host][:port][/namespace][+user], found '{}'",
                text.escape_debug()
            )
        })
    }
}

fn parse_project(text: &str) -> Option<ProjectSpec> {
    let (provider, rest) = match text.strip_prefix("//") {
        None => (None, text),
        Some(rest) => {
            let (name, rest) = rest.split_once('/')?;
            (Some(Provider::from_name(name)?), rest)
        }
    };
    let (rest, user) = split_last(rest, '+');
    let (rest, namespace) = split_last(rest, '/');
    let (rest, port) = match rest.rsplit_once(':') {
        None => (rest, None),
        Some((rest, port)) => (rest, Some(port.parse().ok().filter(|port| *port != 0)?)),
    };
    let (project, bridge_host) = split_last(rest, '@');
    let is_host =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| is_lower(byte) || b".-".contains(&byte));
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(is_lower);
    let is_user = |text: &str| !text.is_empty() && text.bytes().all(|byte| is_lower(byte) || byte == b'-');
    let whole = is_host(project)
        && bridge_host.is_none_or(is_host)
        && namespace.is_none_or(is_word)
        && user.is_none_or(is_user);
    whole.then(|| ProjectSpec {
        provider,
        project: (project != "--").then(|| project.to_owned()),
        bridge_host: bridge_host.map(ToOwned::to_owned),
        port,
        namespace: namespace.map(ToOwned::to_owned),
        user: user.map(ToOwned::to_owned),
    })
}

fn split_last(text: &str, mark: char) -> (&str, Option<&str>) {
    text.rsplit_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// What `cloud_iot_config.json` says, checked.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    pub(super) file: PathBuf,
    /// The document, for members that are looked at later.
    pub(super) document: Value,
    pub(super) registry_id: String,
    pub(super) registry_suffix: Option<String>,
    pub(super) region: Option<String>,
    pub(super) site_name: Option<String>,
    pub(super) device_id: Option<String>,
    pub(super) serial_no: Option<String>,
    pub(super) site_model: Option<String>,
    pub(super) project: ProjectSpec,
}

impl Execution {
    pub(super) fn read(file: &Path) -> Result<Self, SiteError> {
        let document = Value::Object(read_object(file)?);
        let root = Node::root(file, &document);
        let text = |name: &str| root.string_at(&[name]).map(|text| text.map(ToOwned::to_owned));
        let registry_id = text("registry_id")?
            .ok_or_else(|| root.missing("registry_id", "the registry of the site, such as ZZ-TRI-FECTA"))?;
        let execution = Self {
            file: file.to_owned(),
            registry_id,
            registry_suffix: text("registry_suffix")?,
            region: text("cloud_region")?,
            site_name: text("site_name")?,
            device_id: text("device_id")?,
            serial_no: text("serial_no")?,
            site_model: text("site_model")?,
            project: project(&root)?,
            document: Value::Null,
        };
        Ok(Self { document, ..execution })
    }

    /// The registry's name in ids: `[namespace~]registry[suffix]` (§1.2).
    pub(super) fn registry(&self, namespace: Option<&str>) -> String {
        let namespace = namespace.map(|namespace| format!("{namespace}~")).unwrap_or_default();
        format!("{namespace}{}{}", self.registry_id, self.registry_suffix.as_deref().unwrap_or_default())
    }
}

/// The members that a project specification has as well.
fn project(root: &Node<'_>) -> Result<ProjectSpec, SiteError> {
    let text = |name: &str| root.string_at(&[name]);
    let mut project = match root.get("project_id")? {
        None => ProjectSpec::default(),
        Some(node) => node.string()?.parse().map_err(|problem: String| node.problem(problem))?,
    };
    if let Some(node) = root.get("iot_provider")? {
        let provider = Provider::from_name(node.string()?).ok_or_else(|| {
            node.expected("mqtt, implicit, dynamic, jwt, clearblade, gbos or another provider")
        })?;
        project.provider = Some(provider);
    }
    if let Some(host) = text("bridge_host")? {
        project.bridge_host = Some(host.to_owned());
    }
    if let Some(namespace) = text("udmi_namespace")? {
        project.namespace = Some(namespace.to_owned());
    }
    Ok(project)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_specifications_are_taken_apart() {
        let host = |host: &str| Some(host.to_owned());
        let spec: ProjectSpec = "//mqtt/localhost:46432".parse().unwrap();
        assert_eq!(
            (spec.provider, spec.project, spec.port),
            (Some(Provider::Mqtt), host("localhost"), Some(46432))
        );
        let spec: ProjectSpec = "//jwt/my-project@mqtt.example.com:443/space+some-one".parse().unwrap();
        assert_eq!((spec.project, spec.bridge_host), (host("my-project"), host("mqtt.example.com")));
        assert_eq!((spec.port, spec.namespace, spec.user), (Some(443), host("space"), host("some-one")));
        assert_eq!("--".parse(), Ok(ProjectSpec::default()));
        assert_eq!("my-project".parse::<ProjectSpec>().unwrap().provider, None);
    }

    #[test]
    fn faulty_project_specifications_are_refused() {
        for text in
            ["", "//mqtt", "//other/x", "Upper", "a b", "x:", "x:0", "x:99999", "x/", "x+", "x@", "x/a/b"]
        {
            let error = text.parse::<ProjectSpec>().unwrap_err();
            assert!(error.contains("expected [//provider/]project"), "{text}: {error}");
        }
    }
}
