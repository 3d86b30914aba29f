//! Where the device connects, and as whom: flags go before the site model.

use std::path::PathBuf;

use device_link::{Endpoint, Transport};
use udmi_host::key_store::DeviceKeys;
use udmi_host::site::{Connection, Device, ProjectSpec, Proof, SiteModel, TlsFiles, settings};
use udmi_host::tls::{TlsConfig, TlsSettings, Trust};
use udmi_proto::Settings;

use super::Access;
use super::authentication::{self, Authentication};
use crate::output::{Failure, Output};

/// What the device is and where it connects.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    /// Trust and client certificate, for endpoints that want TLS, if they are other than usual.
    pub(crate) tls: Option<Tls>,
    /// What signs and is rotated, if there are any.
    pub(crate) keys: Option<DeviceKeys>,
}

/// Trust and client certificate.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) settings: TlsSettings,
    /// Whether the certificate is that of the keys, and changes with them.
    pub(crate) rotates: bool,
}

/// Puts site model and flags together, and reads the files that are needed to connect.
pub(crate) fn plan(
    access: &Access,
    endpoint: Option<&Endpoint>,
    site: &SiteModel,
    device: &Device,
    output: &Output,
) -> Result<Plan, Failure> {
    let keys = authentication::keys(access, endpoint, device, output)?;
    let mut connection = match endpoint {
        None => of_site(site, device)?,
        Some(endpoint) => to_endpoint(endpoint, access, site, device),
    };
    if let (None, Some(registry)) = (endpoint, &access.registry) {
        let local = site.local_connection(device, Some(registry), &connection.host, connection.port);
        rename(&mut connection, &local.client_id);
        connection.topic_prefix = local.topic_prefix;
    }
    let authority = Some(site.folder().join("reflector/ca.crt")).filter(|path| path.exists());
    complete(access, connection, device, keys, authority)
}

/// As [`plan`], for a device of no site model at a broker of the user's own (§1.4). It has keys if flags name them.
pub(crate) fn plan_without_site(
    access: &Access,
    endpoint: &Endpoint,
    registry: &str,
    device: &Device,
    output: &Output,
) -> Result<Plan, Failure> {
    let keys = match &access.key {
        None => None,
        Some(_) => authentication::keys(access, Some(endpoint), device, output)?,
    };
    let prefix = format!("/r/{registry}/d/{}", device.id);
    let connection = Connection {
        host: endpoint.host.clone(),
        port: endpoint.port,
        tls: (endpoint.transport == Transport::Tls).then(TlsFiles::default),
        client_id: prefix.clone(),
        topic_prefix: prefix,
        proof: Proof::Nothing,
        config_sync_sec: 0,
        no_config_ack: false,
    };
    complete(access, connection, device, keys, None)
}

/// Lets the flags go before what is said already, and reads the files that are needed to connect.
fn complete(
    access: &Access,
    mut connection: Connection,
    device: &Device,
    keys: Option<DeviceKeys>,
    authority: Option<PathBuf>,
) -> Result<Plan, Failure> {
    apply_flags(&mut connection, access)?;
    authentication::apply(&mut connection, access, device, keys.as_ref())?;
    let mut settings = settings(device, &connection);
    settings.options.redirects = !access.no_redirect;
    settings.check().map_err(Failure::usage)?;
    let tls = tls(&connection, access, authority, keys.as_ref())?;
    Ok(Plan { settings, tls, keys })
}

fn of_site(site: &SiteModel, device: &Device) -> Result<Connection, Failure> {
    let endpoint = site.endpoint(device, &ProjectSpec::default()).map_err(|error| {
        let failure = Failure::usage(&error);
        failure.hint("--endpoint mqtt://127.0.0.1:1883 connects to a plain broker; --make-keys makes keys")
    })?;
    Ok(endpoint.into())
}

/// A broker of the user's own. Keys and certificates of the site model go with it only under TLS: a plain
/// connection would show the password to everybody on the way.
fn to_endpoint(endpoint: &Endpoint, access: &Access, site: &SiteModel, device: &Device) -> Connection {
    let registry = access.registry.as_deref();
    let mut connection = site.local_connection(device, registry, &endpoint.host, endpoint.port);
    if endpoint.transport == Transport::Tcp {
        return connection;
    }
    let own = site.endpoint(device, &ProjectSpec::default()).ok().map(Connection::from);
    match own {
        Some(mut own) => {
            rename(&mut own, &connection.client_id);
            connection.tls = Some(own.tls.unwrap_or_default());
            connection.proof = own.proof;
            connection.config_sync_sec = own.config_sync_sec;
            connection.no_config_ack = own.no_config_ack;
        }
        None => connection.tls = Some(TlsFiles::default()),
    }
    connection
}

/// Takes another client id. A user name that is the client id, as local brokers want it (§1.5), goes along.
fn rename(connection: &mut Connection, client_id: &str) {
    if let Proof::Password(username, _) = &mut connection.proof
        && *username == connection.client_id
    {
        client_id.clone_into(username);
    }
    client_id.clone_into(&mut connection.client_id);
}

fn apply_flags(connection: &mut Connection, access: &Access) -> Result<(), Failure> {
    if let Some(client_id) = &access.client_id {
        rename(connection, client_id);
    }
    if let Some(prefix) = &access.topic_prefix {
        connection.topic_prefix.clone_from(prefix);
    }
    let wants_tls = access.ca.is_some() || access.cert.is_some();
    if connection.tls.is_none() && wants_tls {
        return Err(Failure::usage("certificates are of use with TLS only").hint("say mqtts://"));
    }
    if let Some(tls) = &mut connection.tls {
        tls.authority = access.ca.clone().or(tls.authority.take());
        tls.identity = access.cert.clone().zip(access.key.clone()).or(tls.identity.take());
    }
    Ok(())
}

/// Trust and client certificate. A plain endpoint has them as well, for where it may be redirected to.
fn tls(
    connection: &Connection,
    access: &Access,
    authority: Option<PathBuf>,
    keys: Option<&DeviceKeys>,
) -> Result<Option<Tls>, Failure> {
    let files = match &connection.tls {
        Some(tls) => tls.clone(),
        None => TlsFiles { authority, ..TlsFiles::default() },
    };
    let mut settings = files.settings().map_err(Failure::usage)?;
    let own = connection.tls.is_none() || access.auth == Authentication::Mtls || settings.identity.is_some();
    let of_keys = keys.and_then(DeviceKeys::tls_identity).filter(|_| own);
    let rotates = of_keys.is_some() && access.auth != Authentication::None;
    if rotates {
        settings.identity = of_keys;
    }
    let usual = matches!(settings.trust, Trust::System) && settings.identity.is_none();
    if usual && connection.tls.is_none() {
        return Ok(None);
    }
    // What cannot be used is told before anything begins.
    TlsConfig::new(&settings).map_err(Failure::usage)?;
    Ok(Some(Tls { settings, rotates }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cloud;
    use crate::output::Colour;
    use crate::sample;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        access: Access,
        #[arg(long, value_parser = cloud::endpoint)]
        endpoint: Option<Endpoint>,
    }

    fn planned(flags: &[&str]) -> Result<Settings, Failure> {
        let folder = tempfile::tempdir().unwrap();
        sample::write(folder.path()).unwrap();
        let Line { access, endpoint } = Line::try_parse_from([&["udmi"], flags].concat()).unwrap();
        let site = SiteModel::open(folder.path()).unwrap();
        let device = site.device(sample::DEVICE).unwrap();
        let output = Output::new(Colour::Never, false, true);
        plan(&access, endpoint.as_ref(), &site, &device, &output).map(|plan| plan.settings)
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
        let others = ["--topic-prefix", "/devices/AHU-1", "--username", "u"];
        let settings = planned(&[&endpoint[..], &others].concat()).unwrap();
        assert_eq!((settings.client_id.as_str(), settings.topic_prefix.as_str()), ("me", "/devices/AHU-1"));
        assert_eq!(settings.credentials.unwrap().username, "u");
        let settings = planned(&["--endpoint", "mqtt://127.0.0.1", "--registry", "REG"]).unwrap();
        assert_eq!(settings.topic_prefix, "/r/REG/d/AHU-1");
    }

    #[test]
    fn a_password_file_counts_up_to_its_first_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "s3cret \r\nnotes\n").unwrap();
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

    const PLAIN: [&str; 2] = ["--endpoint", "mqtt://127.0.0.1:1884"];

    #[test]
    fn a_made_key_gives_the_password_of_the_local_broker() {
        let wanted = [&PLAIN[..], &["--auth", "basic", "--make-keys"]].concat();
        let credentials = planned(&wanted).unwrap().credentials.unwrap();
        assert_eq!(credentials.username, "/r/ZZ-DEM-SITE1/d/AHU-1");
        assert_eq!(credentials.password.expose().len(), 8);
        assert_eq!(planned(&["--make-keys"]).unwrap().credentials.unwrap().username, credentials.username);
    }

    /// §1.5: local brokers want the client id as user name.
    #[test]
    fn regression_the_user_name_of_a_keys_password_goes_with_the_client_id() {
        let named = |flags: &[&str]| {
            let settings = planned(&[&["--make-keys"], flags].concat()).unwrap();
            (settings.credentials.unwrap().username, settings.client_id)
        };
        let other = ["--endpoint", "mqtts://h", "--registry", "REG"];
        for (flags, wanted) in
            [(&other[..], "/r/REG/d/AHU-1"), (&other[2..], "/r/REG/d/AHU-1"), (&["--client-id", "me"], "me")]
        {
            assert_eq!(named(flags), (wanted.to_owned(), wanted.to_owned()), "{flags:?}");
        }
    }

    #[test]
    fn tokens_are_of_the_keys_kind_and_for_whom_is_said() {
        let wanted = [&PLAIN[..], &["--auth", "jwt", "--make-keys", "--audience", "me"]].concat();
        let token = planned(&wanted).unwrap().token.unwrap();
        assert_eq!((token.algorithm.name(), token.audience.as_str()), ("ES256", "me"));
        let client = ["--auth", "jwt", "--make-keys", "--client-id", "projects/p/locations/l"];
        assert_eq!(planned(&[&PLAIN[..], &client].concat()).unwrap().token.unwrap().audience, "p");
        let unsaid = planned(&[&PLAIN[..], &["--auth", "jwt", "--make-keys"]].concat()).unwrap_err();
        assert_eq!(unsaid.to_string(), "for whom the tokens are is not said");
    }

    #[test]
    fn what_is_missing_is_said() {
        for (wanted, missing) in [
            ("basic", "a password wants --username"),
            ("jwt", "signed tokens want a private key"),
            ("mtls", "certificates are of use with TLS only"),
        ] {
            let failure = planned(&[&PLAIN[..], &["--auth", wanted]].concat()).unwrap_err();
            assert!(failure.to_string().starts_with(missing), "{failure}");
        }
        let failure = planned(&["--endpoint", "mqtts://h", "--auth", "mtls"]).unwrap_err();
        assert!(failure.to_string().starts_with("a client certificate is missing"), "{failure}");
    }

    #[test]
    fn redirects_are_followed_unless_they_are_not_wanted() {
        assert!(planned(&PLAIN).unwrap().options.redirects);
        assert!(!planned(&[&PLAIN[..], &["--no-redirect"]].concat()).unwrap().options.redirects);
    }
}
