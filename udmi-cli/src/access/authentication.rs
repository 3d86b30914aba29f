//! What the device proves itself with: chosen by `--auth`, or from the endpoint and the keys at hand (§1.6 to
//! §1.8).

use std::fs;

use clap::ValueEnum;
use device_link::{Endpoint, Transport};
use udmi_host::key_store::{DeviceKeys, FileKeyStore, KeyFamily, KeyPair, MemoryKeyStore, Wanted};
use udmi_host::keys::{KeySpec, Password, PrivateKey};
use udmi_host::site::{Connection, Device, Proof, token};
use udmi_proto::TokenSettings;

use super::Access;
use crate::output::{Failure, Output};
use crate::text;

/// The largest certificate or password file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The size of RSA keys that are made.
const RSA_BITS: usize = 2048;

/// How a device proves itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Authentication {
    /// What endpoint and keys lead to
    #[default]
    Auto,
    /// Not at all
    None,
    /// By user name and password; without --username, those of the key
    Basic,
    /// By client certificate alone
    Mtls,
    /// By signed tokens
    Jwt,
}

/// The device's keys, if there are any; makes them if that is wanted. Keys that cannot be used are in nobody's way
/// as long as nothing wants them.
pub(super) fn keys(
    access: &Access,
    endpoint: Option<&Endpoint>,
    device: &Device,
    output: &Output,
) -> Result<Option<DeviceKeys>, Failure> {
    let wanted = access.make_keys || access.key.is_some();
    let plain = endpoint.is_some_and(|endpoint| endpoint.transport == Transport::Tcp);
    match access.auth {
        Authentication::None if !wanted => Ok(None),
        Authentication::Auto if !wanted && plain => {
            Ok(find(access, device, output).unwrap_or_else(|failure| {
                output.remark(format!("the keys cannot be used: {failure}"));
                None
            }))
        }
        Authentication::Auto
        | Authentication::None
        | Authentication::Basic
        | Authentication::Mtls
        | Authentication::Jwt => find(access, device, output),
    }
}

fn find(access: &Access, device: &Device, output: &Output) -> Result<Option<DeviceKeys>, Failure> {
    if let Some(file) = &access.key {
        let key = PrivateKey::load(file, None).map_err(Failure::usage)?;
        let read = |file| text::read(file, FILE_BYTES_MAX).map_err(Failure::usage);
        let certificate = access.cert.as_deref().map(read).transpose()?;
        let store = MemoryKeyStore::with(KeyPair { key, certificate });
        return DeviceKeys::open(store, &device.id).map(Some).map_err(Failure::usage);
    }
    let rsa = authentication_type(device).is_some_and(|name| name.starts_with("RS"));
    let family = if rsa { KeyFamily::Rsa } else { KeyFamily::Ec };
    let found = FileKeyStore::families(&device.folder);
    if !found.contains(&family) && !access.make_keys {
        return match found.first() {
            None => Ok(None),
            Some(other) => open(device, *other).map(Some),
        };
    }
    if !access.make_keys {
        return open(device, family).map(Some);
    }
    let key = if rsa { KeySpec::rsa(RSA_BITS) } else { Some(KeySpec::P256) };
    let wanted = Wanted { key: key.unwrap_or(KeySpec::P256), certificate: true };
    let store = FileKeyStore::open(&device.folder, family).map_err(Failure::usage)?;
    let public = store.public_pem();
    let (keys, made) = DeviceKeys::ensure(store, &device.id, wanted).map_err(Failure::usage)?;
    if made.key {
        output.remark(format!("a key was made; register {} at the broker", public.display()));
    }
    Ok(Some(keys))
}

fn open(device: &Device, family: KeyFamily) -> Result<DeviceKeys, Failure> {
    let store = FileKeyStore::open(&device.folder, family).map_err(Failure::usage)?;
    DeviceKeys::open(store, &device.id).map_err(Failure::usage)
}

fn authentication_type(device: &Device) -> Option<&str> {
    device.document.get("cloud")?.get("auth_type")?.as_str()
}

/// Brings a connection to what is wanted.
pub(super) fn apply(
    connection: &mut Connection,
    access: &Access,
    device: &Device,
    keys: Option<&DeviceKeys>,
) -> Result<(), Failure> {
    let missing = || missing_key(access.auth, device);
    let given = given(access)?;
    connection.proof = match access.auth {
        Authentication::Auto => given.unwrap_or(std::mem::take(&mut connection.proof)),
        Authentication::None => {
            if let Some(tls) = &mut connection.tls {
                tls.identity = None;
            }
            Proof::Nothing
        }
        Authentication::Basic => match given {
            Some(given) => given,
            None => Proof::Password(connection.client_id.clone(), keys.ok_or_else(missing)?.password()),
        },
        Authentication::Mtls => {
            if connection.tls.is_none() {
                return Err(
                    Failure::usage("certificates are of use with TLS only").hint("say --endpoint mqtts://…")
                );
            }
            if keys.and_then(DeviceKeys::tls_identity).is_none() {
                return Err(missing());
            }
            given.unwrap_or_default()
        }
        Authentication::Jwt => Proof::Token(tokens(connection, access, keys.ok_or_else(missing)?)?),
    };
    Ok(())
}

/// The user name and password of the flags.
fn given(access: &Access) -> Result<Option<Proof>, Failure> {
    let Some(username) = &access.username else { return Ok(None) };
    let password = match &access.password_file {
        None => Password::new(access.password.clone().unwrap_or_default()),
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
            Password::new(text.lines().next().unwrap_or_default())
        }
    };
    Ok(Some(Proof::Password(username.clone(), password)))
}

fn tokens(connection: &Connection, access: &Access, keys: &DeviceKeys) -> Result<TokenSettings, Failure> {
    let algorithm = keys.signer().map_err(Failure::usage)?.algorithm();
    let of_site = match &connection.proof {
        Proof::Token(token) => Some(token.audience.clone()),
        Proof::Nothing | Proof::Password(..) => None,
    };
    let of_client = || {
        let rest = connection.client_id.strip_prefix("projects/")?;
        rest.split('/').next().map(ToOwned::to_owned)
    };
    let audience = access.audience.clone().or(of_site).or_else(of_client).ok_or_else(|| {
        Failure::usage("for whom the tokens are is not said").hint("say --audience, such as the project's id")
    })?;
    Ok(token(algorithm, audience))
}

fn missing_key(authentication: Authentication, device: &Device) -> Failure {
    let what = match authentication {
        Authentication::Auto | Authentication::None | Authentication::Basic => {
            "a password wants --username with --password-file, or a private key"
        }
        Authentication::Mtls => "a client certificate is missing, or its private key",
        Authentication::Jwt => "signed tokens want a private key",
    };
    let folder = device.folder.display();
    Failure::usage(format!("{what}; there is none in {folder}"))
        .hint("--make-keys makes what is missing; --key and --cert name files")
}
