//! Which device's keys are meant, and in which files.

use std::path::PathBuf;

use udmi_host::certificate::CertificateInfo;
use udmi_host::key_store::{DeviceKeys, FileKeyStore, KeyFamily, KeyStore as _, KeyStoreError};
use udmi_host::site::{DeviceClass, SiteModel};

use super::{Kind, failure};
use crate::output::Failure;

/// Where the keys are.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// The site model: its folder, or its cloud_iot_config.json
    #[arg(long, value_name = "DIR", requires = "device", required_unless_present = "dir")]
    site: Option<PathBuf>,
    /// The device, such as AHU-1; the keys of a proxied device are its gateway's
    #[arg(long, value_name = "ID", requires = "site")]
    device: Option<String>,
    /// A folder of keys, with or without a site model around it
    #[arg(long, value_name = "DIR", conflicts_with = "site")]
    dir: Option<PathBuf>,
    /// The kind of key, if the folder has both, or for a new one
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// The subject of certificates; without, the device, or the folder's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// A device's folder, and what is known of its keys.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    /// The subject of certificates.
    pub(super) name: String,
    is_name_guessed: bool,
    said: Option<Kind>,
    /// What the metadata's auth_type wants.
    wanted: Option<Kind>,
}

impl Where {
    pub(super) fn find(&self) -> Result<Place, Failure> {
        let mut place = match (&self.site, &self.device, &self.dir) {
            (Some(site), Some(device), _) => {
                of_site(&SiteModel::open(site).map_err(Failure::usage)?, device)?
            }
            (_, _, Some(folder)) => {
                let whole = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Place { folder: folder.clone(), name, is_name_guessed: true, said: None, wanted: None }
            }
            _ => return Err(Failure::usage("say --site with --device, or --dir")),
        };
        place.said = self.kind;
        if let Some(name) = &self.name {
            place.name.clone_from(name);
            place.is_name_guessed = false;
        }
        Ok(place)
    }
}

fn of_site(site: &SiteModel, id: &str) -> Result<Place, Failure> {
    let mut device = site.device(id).map_err(Failure::usage)?;
    if let (DeviceClass::Proxied, Some(gateway)) = (device.class, &device.gateway_id) {
        device = site.device(gateway).map_err(Failure::usage)?;
    }
    let authentication = device.document["cloud"]["auth_type"].as_str();
    let wanted = authentication.map(|name| if name.starts_with("RS") { Kind::Rsa } else { Kind::Ec });
    Ok(Place { folder: device.folder, name: device.id, is_name_guessed: false, said: None, wanted })
}

impl Place {
    pub(super) fn kind_to_make(&self) -> Kind {
        self.said.or(self.wanted).unwrap_or(Kind::Ec)
    }

    /// A new key of the other kind is welcome: site models have both.
    pub(super) fn refuse_filled(&self) -> Result<(), Failure> {
        let family = self.kind_to_make().family();
        if FileKeyStore::families(&self.folder).contains(&family) {
            let folder = self.folder.display();
            return Err(Failure::usage(format!(
                "there are keys in {folder} already; they are not overwritten"
            ))
            .hint("`udmi keys rotate` makes a new pair and keeps the old one as a backup"));
        }
        Ok(())
    }

    pub(super) fn store(&self, family: KeyFamily) -> Result<FileKeyStore, Failure> {
        FileKeyStore::open(&self.folder, family).map_err(failure)
    }

    /// The keys that are there.
    pub(super) fn keys(&self) -> Result<DeviceKeys, Failure> {
        let found = FileKeyStore::families(&self.folder);
        let family = match (self.said.or(self.wanted), found.as_slice()) {
            (Some(kind), found) if found.contains(&kind.family()) => kind.family(),
            (None, [family]) => *family,
            (None, [_, _, ..]) => {
                return Err(
                    Failure::usage("there are keys of both kinds").hint("say --kind ec or --kind rsa")
                );
            }
            (_, _) => return Err(self.no_keys()),
        };
        let mut store = self.store(family)?;
        let name = self.name_of(&mut store)?;
        DeviceKeys::open(store, &name).map_err(|error| match error {
            KeyStoreError::NoKey => self.no_keys(),
            error => failure(error),
        })
    }

    /// A folder's name is a guess; the certificate that is there knows better.
    fn name_of(&self, store: &mut FileKeyStore) -> Result<String, Failure> {
        let certificate = store.load().map_err(failure)?.and_then(|pair| pair.certificate);
        let info = certificate.and_then(|text| CertificateInfo::from_pem(&text).ok());
        let subject = info.and_then(|info| info.subject.strip_prefix("CN=").map(ToOwned::to_owned));
        Ok(subject.filter(|_| self.is_name_guessed).unwrap_or_else(|| self.name.clone()))
    }

    fn no_keys(&self) -> Failure {
        let kind = match self.said.or(self.wanted) {
            Some(Kind::Ec) => "ec ",
            Some(Kind::Rsa) => "rsa ",
            None => "",
        };
        Failure::usage(format!("there is no {kind}key in {}", self.folder.display()))
            .hint("`udmi keys generate` makes one")
    }
}
