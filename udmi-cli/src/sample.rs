//! The bundled sample site: one air handler, one fan coil, one gateway with two meters.

use std::io::{self, Write as _};
use std::path::Path;

use udmi_host::files::Access;

/// The device that the demo runs.
pub(crate) const DEVICE: &str = "AHU-1";

/// The registry of the site.
pub(crate) const REGISTRY: &str = "ZZ-DEM-SITE1";

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../sample-site/", $path)))),+]
    };
}

/// Path within the site, and content.
const FILES: &[(&str, &str)] = files![
    "cloud_iot_config.json",
    "site_metadata.json",
    "site_defaults.json",
    "devices/AHU-1/metadata.json",
    "devices/FCU-1/metadata.json",
    "devices/GAT-1/metadata.json",
    "devices/EM-1/metadata.json",
    "devices/EM-2/metadata.json",
];

/// Writes the site into `folder`, which is made if need be. No file is overwritten.
///
/// # Errors
/// A file cannot be written, or is there already.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    for (path, content) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            Access::Everybody.create_folder(parent)?;
        }
        Access::Everybody.create_new(&path)?.write_all(content.as_bytes())?;
    }
    Ok(())
}

/// Paths of all files within the site.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(path, _)| *path)
}

#[cfg(test)]
mod tests {
    use udmi_host::site::{DeviceClass, SiteModel};

    use super::*;

    #[test]
    fn the_sample_site_loads_without_a_complaint() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let site = SiteModel::open(folder.path()).unwrap();
        assert_eq!(site.registry(), REGISTRY);
        let list = site.device_list().unwrap();
        assert_eq!(list.ids, ["AHU-1", "EM-1", "EM-2", "FCU-1", "GAT-1"]);
        assert_eq!(list.refused, []);
        for id in &list.ids {
            let device = site.device(id).unwrap();
            assert_eq!(device.warnings, [], "{id}");
            device.generated_config().unwrap();
        }
        assert_eq!(site.device("GAT-1").unwrap().class, DeviceClass::Gateway);
        assert_eq!(site.device("EM-1").unwrap().class, DeviceClass::Proxied);
    }

    #[test]
    fn a_site_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        assert_eq!(write(folder.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
