//! Site models: each file, and what the files say of each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use udmi_host::site::{Device, DeviceClass, GeneratedConfig, SiteError, SiteModel};

use super::address;
use super::kind::Kind;
use super::schema::Schemas;
use super::{Finding, Report};
use crate::text;

/// Whether a folder holds a site model.
pub(super) fn is_site(folder: &Path) -> bool {
    folder.join("cloud_iot_config.json").is_file() || folder.join("devices").is_dir()
}

/// Checks a site model, device by device.
pub(super) fn check(folder: &Path, schemas: &mut Schemas) -> Vec<Report> {
    let mut reports = vec![top(folder, schemas)];
    let Ok(site) = SiteModel::open(folder) else { return reports };
    let list = match site.device_list() {
        Ok(list) => list,
        Err(error) => {
            add(&mut reports, error.into());
            return reports;
        }
    };
    list.refused.into_iter().for_each(|error| add(&mut reports, error.into()));
    let mut devices = BTreeMap::new();
    for id in list.ids {
        let file = folder.join("devices").join(&id).join("metadata.json");
        let mut findings = Vec::new();
        match site.device(&id) {
            Ok(device) => {
                findings.extend(device_findings(&device, &file, schemas));
                devices.insert(id, device);
            }
            Err(error) => {
                findings.push(unknown_template(&error, folder, &file).unwrap_or_else(|| error.into()));
            }
        }
        reports.push(Report { file, kind: Some(Kind::in_site("metadata")), findings, remark: None });
    }
    relations(&devices).into_iter().for_each(|finding| add(&mut reports, finding));
    reports
}

/// Checks the metadata of a device that is part of a site model, as the site model makes it; none if it is not.
pub(super) fn check_metadata(path: &Path, schemas: &mut Schemas) -> Option<Report> {
    let whole = std::path::absolute(path).ok()?;
    let devices = whole.parent()?.parent()?;
    let site = devices.parent()?;
    let is_metadata = whole.ends_with("metadata.json") && devices.ends_with("devices");
    if !is_metadata || !is_site(site) {
        return None;
    }
    let report = check(site, schemas).into_iter().find(|report| report.file == whole)?;
    let named = |finding: Finding| match finding.file == whole {
        true => Finding { file: path.to_owned(), ..finding },
        false => finding,
    };
    let findings = report.findings.into_iter().map(named).collect();
    Some(Report { file: path.to_owned(), findings, ..report })
}

/// The finding of a template that is not there belongs to who names it.
fn unknown_template(error: &SiteError, site: &Path, file: &Path) -> Option<Finding> {
    let name = error.file.strip_prefix(site.join("templates")).ok().filter(|_| !error.file.exists())?;
    Some(Finding {
        file: file.to_owned(),
        line: None,
        column: None,
        path: "/extend".to_owned(),
        problem: format!("expected a template of this site, found none named templates/{}", name.display()),
    })
}

impl From<SiteError> for Finding {
    fn from(SiteError { file, path, problem }: SiteError) -> Self {
        Self { file, line: None, column: None, path, problem }
    }
}

/// Adds a finding to the report of its file, else to the first, which is the site's.
fn add(reports: &mut [Report], finding: Finding) {
    let own = reports.iter().position(|report| report.file == finding.file).unwrap_or_default();
    if let Some(report) = reports.get_mut(own) {
        report.findings.push(finding);
    }
}

/// The file that says how the site is reached, and the defaults.
fn top(folder: &Path, schemas: &mut Schemas) -> Report {
    let file = folder.join("cloud_iot_config.json");
    let mut findings: Vec<Finding> = SiteModel::open(folder).err().map(Finding::from).into_iter().collect();
    let document = text::read(&file, text::FILE_BYTES_MAX).ok().and_then(|text| text::parse(&text).ok());
    let kind = Kind::in_site("configuration_execution");
    if let Some(document) = document {
        findings.extend(schemas.findings(kind.document, &file, &document));
    }
    Report { file, kind: Some(kind), findings, remark: None }
}

/// What can be said of a device by itself: the merged metadata, and the config made from it.
fn device_findings(device: &Device, file: &Path, schemas: &mut Schemas) -> Vec<Finding> {
    let mut findings = schemas.findings("metadata", file, &device.document);
    findings.extend(address::findings(device, |path, problem| finding(device, path, problem)));
    match device.generated_config() {
        Ok(GeneratedConfig::Document(config)) if findings.is_empty() => {
            let made = schemas.findings("config", file, &config).into_iter();
            findings.extend(made.map(|finding| Finding {
                problem: format!("in the config made from it: {}", finding.problem),
                ..finding
            }));
        }
        // Faulty metadata makes a faulty config; a static one need not be a config at all.
        Ok(GeneratedConfig::Document(_) | GeneratedConfig::Static { .. }) => {}
        Err(error) => findings.push(error.into()),
    }
    findings
}

/// What devices say of each other.
fn relations(devices: &BTreeMap<String, Device>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for device in devices.values() {
        match device.class {
            DeviceClass::Proxied => findings.extend(gateway_of(device, devices)),
            DeviceClass::Gateway => findings.extend(proxies_of(device, devices)),
            DeviceClass::Direct | DeviceClass::Virtual => {}
        }
    }
    findings.extend(shared_addresses(devices));
    findings
}

fn finding(device: &Device, path: impl Into<String>, problem: String) -> Finding {
    Finding { file: metadata_file(device), line: None, column: None, path: path.into(), problem }
}

fn metadata_file(device: &Device) -> PathBuf {
    device.folder.join("metadata.json")
}

/// The gateway of a proxied device is there, and is one.
fn gateway_of(device: &Device, devices: &BTreeMap<String, Device>) -> Option<Finding> {
    let found = |problem| Some(finding(device, "/gateway/gateway_id", problem));
    let Some(id) = &device.gateway_id else {
        return found("expected the gateway of a proxied device, which is missing".to_owned());
    };
    match devices.get(id).map(|gateway| (gateway.class, &gateway.proxy_ids)) {
        None if is_broken(device, id) => None, // its own finding tells more
        None => found(format!("expected a gateway of this site, found {id}, which is no device of it")),
        Some((DeviceClass::Gateway, proxies)) if proxies.contains(&device.id) => None,
        Some((DeviceClass::Gateway, _)) => found(format!("{id} does not name this device in its proxy_ids")),
        Some((DeviceClass::Direct | DeviceClass::Proxied | DeviceClass::Virtual, _)) => {
            found(format!("expected a gateway, found {id}, which is none"))
        }
    }
}

/// Whether there is metadata of a device beside `device`, which then could not be read.
fn is_broken(device: &Device, id: &str) -> bool {
    device.folder.parent().is_some_and(|devices| devices.join(id).join("metadata.json").is_file())
}

/// The devices of a gateway are there, are proxied, and by this gateway.
fn proxies_of(gateway: &Device, devices: &BTreeMap<String, Device>) -> Vec<Finding> {
    let problem =
        |id: &String| match devices.get(id).map(|device| (device.class, device.gateway_id.as_deref())) {
            None if is_broken(gateway, id) => None,
            None => Some(format!("expected a device of this site, found {id}, which is none")),
            Some((DeviceClass::Proxied, Some(of))) if of == gateway.id => None,
            Some((DeviceClass::Proxied, of)) => {
                Some(format!("{id} names {} as its gateway, not {}", of.unwrap_or("none"), gateway.id))
            }
            Some((DeviceClass::Direct | DeviceClass::Gateway, _)) => {
                Some(format!("expected a proxied device, found {id}, which connects by itself"))
            }
            Some((DeviceClass::Virtual, _)) => {
                Some(format!("expected a proxied device, found {id}, which names no gateway"))
            }
        };
    let place = |index| format!("/gateway/proxy_ids/{index}");
    let each = gateway.proxy_ids.iter().enumerate();
    each.filter_map(|(index, id)| Some(finding(gateway, place(index), problem(id)?))).collect()
}

/// Families in which an address leads to one device of a site.
const ONE_DEVICE_EACH: &[&str] = &["bacnet", "ether"];

/// An address leads to one device.
fn shared_addresses(devices: &BTreeMap<String, Device>) -> Vec<Finding> {
    let mut owners = BTreeMap::new();
    let mut findings = Vec::new();
    for device in devices.values() {
        let localnet = device.metadata.localnet.as_ref();
        for (name, family) in localnet.into_iter().flat_map(|localnet| &localnet.families) {
            let Some(addr) = family.addr.as_ref().filter(|_| ONE_DEVICE_EACH.contains(&name.as_str())) else {
                continue;
            };
            let place = (name, addr, &family.network);
            match owners.insert(place, device) {
                // A part has the address of the whole.
                Some(other) if family.parent_id.is_none() && family.shadow_id.is_none() => {
                    let problem = format!("the {name} address {addr} is that of {} already", other.id);
                    findings.push(finding(device, format!("/localnet/families/{name}/addr"), problem));
                }
                Some(_) | None => {}
            }
        }
    }
    findings
}
