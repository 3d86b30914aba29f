//! Where the device connects, and as whom: flags go before the site model.

use std::fs;
use std::path::PathBuf;

use device_link::{Endpoint, Transport};
use udmi_host::keys::Password;
use udmi_host::site::{Connection, Device, ProjectSpec, SiteModel, TlsFiles, settings};
use udmi_host::tls::TlsConfig;
use udmi_proto::Settings;

use super::Arguments;
use crate::output::Failure;

/// What the device is and where it connects.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    /// Ready to use, if the endpoint wants TLS.
    pub(super) tls: Option<TlsConfig>,
}

/// Puts site model and flags together, and reads the files that are needed to connect.
pub(super) fn plan(arguments: &Arguments, site: &SiteModel, device: &Device) -> Result<Plan, Failure> {
    let mut connection = match &arguments.endpoint {
        None => of_site(site, device)?,
        Some(endpoint) => to_endpoint(endpoint, arguments, site, device),
    };
    if let (None, Some(registry)) = (&arguments.endpoint, &arguments.registry) {
        let local = site.local_connection(device, Some(registry), &connection.host, connection.port);
        connection =
            Connection { client_id: local.client_id, topic_prefix: local.topic_prefix, ..connection };
    }
    apply_flags(&mut connection, arguments)?;
    let mut settings = settings(device, &connection);
    if let Some(serial) = &arguments.serial {
        settings.identity.serial_no.clone_from(serial);
    }
    settings.check().map_err(Failure::usage)?;
    Ok(Plan { settings, tls: connection.tls.as_ref().map(tls).transpose()? })
}

fn of_site(site: &SiteModel, device: &Device) -> Result<Connection, Failure> {
    let endpoint = site.endpoint(device, &ProjectSpec::default()).map_err(|error| {
        Failure::usage(&error).hint("--endpoint mqtt://127.0.0.1:1883 connects to a plain broker instead")
    })?;
    Connection::try_from(endpoint).map_err(|error| {
        Failure::usage(error).hint("say --endpoint, and --username with --password-file if it wants them")
    })
}

/// A broker of the user's own. Keys and certificates of the site model go with it only under TLS: a plain
/// connection would show the password to everybody on the way.
fn to_endpoint(endpoint: &Endpoint, arguments: &Arguments, site: &SiteModel, device: &Device) -> Connection {
    let registry = arguments.registry.as_deref();
    let mut connection = site.local_connection(device, registry, &endpoint.host, endpoint.port);
    if endpoint.transport == Transport::Tcp {
        return connection;
    }
    let own =
        site.endpoint(device, &ProjectSpec::default()).ok().and_then(|own| Connection::try_from(own).ok());
    match own {
        Some(own) => {
            connection.tls = Some(own.tls.unwrap_or_default());
            connection.credentials = own.credentials;
            connection.config_sync_sec = own.config_sync_sec;
        }
        None => connection.tls = Some(TlsFiles::default()),
    }
    connection
}

fn apply_flags(connection: &mut Connection, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(client_id) = &arguments.client_id {
        connection.client_id.clone_from(client_id);
    }
    if let Some(prefix) = &arguments.topic_prefix {
        connection.topic_prefix.clone_from(prefix);
    }
    if let Some(username) = &arguments.username {
        connection.credentials = Some((username.clone(), password(arguments)?));
    }
    let wants_tls = arguments.ca.is_some() || arguments.cert.is_some();
    match &mut connection.tls {
        None if wants_tls => {
            return Err(Failure::usage("certificates are of use with TLS only").hint("say mqtts://"));
        }
        None => {}
        Some(tls) => {
            tls.authority = arguments.ca.clone().or(tls.authority.take());
            let given: Option<(PathBuf, PathBuf)> = arguments.cert.clone().zip(arguments.key.clone());
            tls.identity = given.or(tls.identity.take());
        }
    }
    Ok(())
}

fn password(arguments: &Arguments) -> Result<Password, Failure> {
    let Some(path) = &arguments.password_file else {
        return Ok(Password::new(arguments.password.clone().unwrap_or_default()));
    };
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(Password::new(text.lines().next().unwrap_or_default()))
}

fn tls(files: &TlsFiles) -> Result<TlsConfig, Failure> {
    let settings = files.settings().map_err(Failure::usage)?;
    TlsConfig::new(&settings).map_err(Failure::usage)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::sample;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn planned(flags: &[&str]) -> Result<Settings, Failure> {
        let folder = tempfile::tempdir().unwrap();
        sample::write(folder.path()).unwrap();
        let site = folder.path().to_str().unwrap();
        let line = [&["udmi", "--site", site], flags].concat();
        let arguments = Line::try_parse_from(line).unwrap().arguments;
        let site = SiteModel::open(folder.path()).unwrap();
        let device = site.device(sample::DEVICE).unwrap();
        plan(&arguments, &site, &device).map(|plan| plan.settings)
    }

    #[test]
    fn a_plain_broker_gets_the_local_form_and_no_credentials() {
        let settings = planned(&["--endpoint", "mqtt://127.0.0.1:1884"]).unwrap();
        assert_eq!(settings.endpoint.to_string(), "mqtt://127.0.0.1:1884");
        assert_eq!(settings.client_id, "/r/ZZ-DEM-SITE1/d/AHU-1");
        assert_eq!(settings.topic_prefix, settings.client_id);
        assert_eq!(settings.credentials, None);
        assert_eq!(settings.points.len(), 10);
    }

    #[test]
    fn flags_go_before_the_site_model() {
        let endpoint = ["--endpoint", "mqtt://127.0.0.1", "--registry", "REG", "--client-id", "me"];
        let others = ["--topic-prefix", "/devices/AHU-1", "--serial", "S-7", "--username", "u"];
        let settings = planned(&[endpoint, others].concat()).unwrap();
        assert_eq!((settings.client_id.as_str(), settings.topic_prefix.as_str()), ("me", "/devices/AHU-1"));
        assert_eq!(settings.identity.serial_no, "S-7");
        assert_eq!(settings.credentials.unwrap().username, "u");
        let settings = planned(&["--endpoint", "mqtt://127.0.0.1", "--registry", "REG"]).unwrap();
        assert_eq!(settings.topic_prefix, "/r/REG/d/AHU-1");
    }

    #[test]
    fn a_password_file_counts_up_to_its_first_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "s3cret \r\nnotes\n").unwrap();
        let flags = ["--endpoint", "mqtt://h", "--username", "u", "--password-file", file.to_str().unwrap()];
        let credentials = planned(&flags).unwrap().credentials.unwrap();
        assert_eq!(credentials.password.expose(), "s3cret ");
    }

    #[test]
    fn certificates_without_tls_are_refused() {
        let failure = planned(&["--endpoint", "mqtt://h", "--ca", "ca.crt"]).unwrap_err();
        assert_eq!(failure.to_string(), "certificates are of use with TLS only");
    }

    #[test]
    fn a_prefix_with_wildcards_is_refused() {
        let failure = planned(&["--endpoint", "mqtt://h", "--topic-prefix", "/r/+/d/AHU-1"]).unwrap_err();
        assert!(failure.to_string().contains("topic prefix"), "{failure}");
    }
}
