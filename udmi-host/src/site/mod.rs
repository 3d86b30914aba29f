//! Site models: what a folder of files says of a site's devices (§8).
//!
//! [`SiteModel::open`] takes the folder or its `cloud_iot_config.json`, [`SiteModel::device`] merges what the
//! layers say of one device, and [`SiteModel::endpoint`] derives where and as whom it connects. Every error
//! names the file, the place in it and what was expected.

mod device;
mod endpoint;
mod execution;
mod gateway;
mod json;
mod merge;
mod settings;
mod upgrade;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use udmi_proto::model::metadata::Metadata;

pub use device::{DeviceClass, GeneratedConfig};
pub use endpoint::{Credential, DEFAULT_PORT, Endpoint, TlsFiles, TokenAlgorithm};
pub use execution::{ProjectSpec, Provider};
pub use gateway::Behind;
pub use json::{MAX_SITE_FILE_BYTES, SiteError};
pub use settings::{Connection, Proof, point_model, settings, token};

use execution::Execution;
use json::Node;

/// A site model on disc.
#[derive(Clone, Debug)]
pub struct SiteModel {
    folder: PathBuf,
    execution: Execution,
    defaults: Map<String, Value>,
}

/// What a site model says of one device.
#[derive(Clone, Debug)]
pub struct Device {
    /// The device's id, such as `AHU-1`.
    pub id: String,
    /// How it reaches the cloud.
    pub class: DeviceClass,
    /// The gateway of a proxied device.
    pub gateway_id: Option<String>,
    /// The devices a gateway acts for.
    pub proxy_ids: Vec<String>,
    /// The merged, upgraded and normalised metadata.
    pub metadata: Metadata,
    /// The same as a document.
    pub document: Value,
    /// The serial number, `NA` if none is given.
    pub serial_no: String,
    /// The device's folder in the site model.
    pub folder: PathBuf,
    /// Where the device may keep what it remembers.
    pub output: PathBuf,
    /// Faults of other devices that may have hidden something of this one.
    pub warnings: Vec<SiteError>,
    metadata_file: PathBuf,
}

/// The devices of a site.
#[derive(Clone, Debug, Default)]
pub struct DeviceList {
    /// The ids, sorted by name.
    pub ids: Vec<String>,
    /// Entries of the folder that are no devices.
    pub refused: Vec<SiteError>,
}

impl SiteModel {
    /// Opens the site model in a folder, or the one a `cloud_iot_config.json` belongs to.
    ///
    /// # Errors
    /// A file is missing or faulty.
    pub fn open(path: &Path) -> Result<Self, SiteError> {
        let file = if path.is_dir() { path.join(execution::FILE_NAME) } else { path.to_owned() };
        let execution = Execution::read(&file)?;
        let beside = file.parent().unwrap_or(Path::new(""));
        let folder = match &execution.site_model {
            Some(site_model) => beside.join(site_model),
            None => beside.to_owned(),
        };
        let defaults_file = folder.join("site_defaults.json");
        let defaults = if defaults_file.exists() { json::read_object(&defaults_file)? } else { Map::new() };
        Ok(Self { folder, execution, defaults })
    }

    /// The folder of the site model.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of the site, if it has one.
    pub fn site_name(&self) -> Option<&str> {
        self.execution.site_name.as_deref()
    }

    /// The registry as the site model names it, without namespace and suffix.
    pub fn registry_id(&self) -> &str {
        &self.execution.registry_id
    }

    /// The device that `cloud_iot_config.json` names, if it names one.
    pub fn chosen_device(&self) -> Option<&str> {
        self.execution.device_id.as_deref()
    }

    /// The devices of the site; what begins with `.` or ends with `~` is passed over.
    ///
    /// # Errors
    /// The folder `devices` cannot be read.
    pub fn device_list(&self) -> Result<DeviceList, SiteError> {
        let folder = self.folder.join("devices");
        let fail = |error: std::io::Error| SiteError::file(&folder, format!("cannot be read: {error}"));
        let mut list = DeviceList::default();
        for entry in std::fs::read_dir(&folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || name.ends_with('~') || name == "README.md" {
                continue;
            }
            if is_device_id(&name) && path.is_dir() {
                list.ids.push(name);
            } else {
                list.refused
                    .push(SiteError::file(&path, "expected a folder named by a device id such as AHU-1"));
            }
        }
        list.ids.sort();
        list.refused.sort_by(|one, other| one.file.cmp(&other.file));
        Ok(list)
    }

    /// What the site model says of one device.
    ///
    /// # Errors
    /// The id is none, or the device's metadata is missing or faulty.
    pub fn device(&self, id: &str) -> Result<Device, SiteError> {
        let folder = self.device_folder(id)?;
        let metadata_file = folder.join("metadata.json");
        let mut merged = self.merged(id)?;
        let mut warnings = Vec::new();
        if wants_proxy_ids(&merged) {
            let proxy_ids = self.proxies_of(id, &mut warnings)?;
            if let Some(gateway) = merged.entry("gateway").or_insert(json!({})).as_object_mut() {
                gateway.insert("proxy_ids".to_owned(), json!(proxy_ids));
            }
        }
        let serial_no = self.execution.serial_no.clone().filter(|_| self.chosen_device() == Some(id));
        let output = self.folder.join("out/devices").join(id);
        let made = Device::of(id, merged, metadata_file, Places { folder, output }, serial_no)?;
        Ok(Device { warnings, ..made })
    }

    /// Where and as whom a device connects; what `project` says goes before `cloud_iot_config.json`.
    ///
    /// # Errors
    /// Something needed is missing or faulty, or the device has no connection at all.
    pub fn endpoint(&self, device: &Device, project: &ProjectSpec) -> Result<Endpoint, SiteError> {
        let gateway = match (device.class, &device.gateway_id) {
            (DeviceClass::Virtual, _) => {
                return Err(device
                    .root()
                    .missing("cloud/auth_type", "RS256 or ES256 for a device that connects"));
            }
            (DeviceClass::Proxied, Some(gateway_id)) => Some(self.device(gateway_id)?),
            (DeviceClass::Proxied | DeviceClass::Direct | DeviceClass::Gateway, _) => None,
        };
        let key_device = gateway.as_ref().unwrap_or(device);
        endpoint::Sources { site: &self.folder, execution: &self.execution, project, device, key_device }
            .endpoint()
    }

    /// The folder of a device; refuses what is no device id, so that no id leads out of the site model.
    fn device_folder(&self, id: &str) -> Result<PathBuf, SiteError> {
        let devices = self.folder.join("devices");
        if !is_device_id(id) {
            let problem = format!("expected a device id such as AHU-1, found '{}'", id.escape_debug());
            return Err(SiteError::file(&devices, problem));
        }
        Ok(devices.join(id))
    }

    /// Defaults, template and the device's own file laid over each other, brought up to date (§8.3).
    fn merged(&self, id: &str) -> Result<Map<String, Value>, SiteError> {
        let file = self.device_folder(id)?.join("metadata.json");
        let mut own = json::read_object(&file)?;
        if let Some(name) = own.remove("extend") {
            let template = self.template(&file, &name)?;
            own = merge::overlay(template, own);
        }
        let mut merged = merge::overlay(self.defaults.clone(), own);
        merge::drop_conditional(&mut merged);
        upgrade::upgrade(&mut merged).map_err(|problem| SiteError {
            file,
            path: "/version".to_owned(),
            problem,
        })?;
        Ok(merged)
    }

    fn template(&self, file: &Path, name: &Value) -> Result<Map<String, Value>, SiteError> {
        let is_name = |name: &&str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
        };
        let name = name.as_str().filter(is_name).ok_or_else(|| SiteError {
            file: file.to_owned(),
            path: "/extend".to_owned(),
            problem: format!("expected the name of a file in templates, without .json; found {name}"),
        })?;
        let path = self.folder.join("templates").join(format!("{name}.json"));
        let template = json::read_object(&path)?;
        if template.contains_key("extend") {
            let problem = "a template cannot extend another".to_owned();
            return Err(SiteError { file: path, path: "/extend".to_owned(), problem });
        }
        Ok(template)
    }

    /// The devices that name `gateway` as theirs.
    fn proxies_of(&self, gateway: &str, warnings: &mut Vec<SiteError>) -> Result<Vec<String>, SiteError> {
        let mut proxies = Vec::new();
        for id in self.device_list()?.ids {
            match self.merged(&id) {
                Ok(metadata) => {
                    let named = metadata.get("gateway").and_then(|block| block.get("gateway_id"));
                    if named.and_then(Value::as_str) == Some(gateway) {
                        proxies.push(id);
                    }
                }
                Err(error) => warnings.push(error),
            }
        }
        Ok(proxies)
    }
}

/// Folders of a device.
struct Places {
    folder: PathBuf,
    output: PathBuf,
}

impl Device {
    /// A device of no site model: what a metadata document, such as one that many devices share, says of it. It has no
    /// folders of its own.
    ///
    /// # Errors
    /// The document is faulty; errors name it as `file`.
    pub fn from_document(id: &str, document: Map<String, Value>, file: &Path) -> Result<Self, SiteError> {
        let nowhere = Places { folder: PathBuf::new(), output: PathBuf::new() };
        Self::of(id, document, file.to_owned(), nowhere, None)
    }

    fn of(
        id: &str,
        mut merged: Map<String, Value>,
        metadata_file: PathBuf,
        places: Places,
        serial_no: Option<String>,
    ) -> Result<Self, SiteError> {
        device::normalise(&mut merged);
        let document = Value::Object(merged);
        let root = Node::root(&metadata_file, &document);
        let serial_no = match serial_no {
            Some(serial_no) => serial_no,
            None => root.string_at(&["system", "serial_no"])?.unwrap_or("NA").to_owned(),
        };
        Ok(Self {
            id: id.to_owned(),
            class: device::class(&root)?,
            gateway_id: root.string_at(&["gateway", "gateway_id"])?.map(ToOwned::to_owned),
            proxy_ids: strings(root.find(&["gateway", "proxy_ids"])?.as_ref())?,
            metadata: typed(&root)?,
            serial_no,
            output: places.output,
            folder: places.folder,
            warnings: Vec::new(),
            metadata_file,
            document,
        })
    }

    /// The config the device is to start with.
    ///
    /// # Errors
    /// The metadata is contradictory, or a static file cannot be read.
    pub fn generated_config(&self) -> Result<GeneratedConfig, SiteError> {
        let root = self.root();
        if let Some(node) = root.find(&["cloud", "config", "static_file"])? {
            let name = node.string()?;
            if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
                return Err(node.expected("the name of a file in the device's folder config"));
            }
            let file = self.folder.join("config").join(name);
            let content = json::read_bytes(&file)?;
            return Ok(GeneratedConfig::Static { file, content });
        }
        device::config(&root, self.class).map(GeneratedConfig::Document)
    }

    fn root(&self) -> Node<'_> {
        Node::root(&self.metadata_file, &self.document)
    }
}

/// `^[A-Z]{2,6}-[1-9][0-9]*$` (§1.2).
fn is_device_id(id: &str) -> bool {
    let Some((kind, number)) = id.split_once('-') else { return false };
    (2..=6).contains(&kind.len())
        && kind.bytes().all(|byte| byte.is_ascii_uppercase())
        && number.starts_with(|digit: char| digit != '0')
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is a gateway by name that lists no devices of its own (§8.4).
fn wants_proxy_ids(metadata: &Map<String, Value>) -> bool {
    let resource_type = metadata.get("cloud").and_then(|cloud| cloud.get("resource_type"));
    let listed = metadata.get("gateway").and_then(|gateway| gateway.get("proxy_ids"));
    resource_type.and_then(Value::as_str) == Some("GATEWAY") && listed.is_none()
}

fn strings(list: Option<&Node<'_>>) -> Result<Vec<String>, SiteError> {
    let items = list.map(Node::items).transpose()?.unwrap_or_default();
    items.iter().map(|item| item.string().map(ToOwned::to_owned)).collect()
}

/// The metadata as the model's type; an error names the member at fault.
fn typed(root: &Node<'_>) -> Result<Metadata, SiteError> {
    for (name, what) in
        [("timestamp", "when it was written"), ("version", "such as 1.5.7"), ("system", "an object")]
    {
        if root.get(name)?.is_none() {
            return Err(root.missing(name, what));
        }
    }
    serde_path_to_error::deserialize(root.value()).map_err(|error| {
        let path = format!("/{}", error.path().to_string().replace('.', "/"));
        SiteError { path, ..root.problem(error.inner().to_string()) }
    })
}
