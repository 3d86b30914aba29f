//! `udmi keys`: makes, shows, rotates and restores the keys of a device.

mod place;
mod show;

use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use udmi_host::certificate;
use udmi_host::files::Access;
use udmi_host::key_store::{DeviceKeys, KeyFamily, KeyStoreError, Wanted};
use udmi_host::keys::KeySpec;
use udmi_proto::NewKey;

use crate::output::{Failure, Output, Role};
use place::{Place, Where};
use show::Shown;

const AFTER_HELP: &str = "\
Keys are in the device's folder of the site model: ec_private.pem, .pkcs8 and .crt, and ec_public.pem, or the
same with rsa_. A rotation or restore keeps the pair it replaces in key_backups/. Stop the device meanwhile:
a running one keeps the keys it has started with.

Examples:
  udmi keys generate --site site --device AHU-1            the kind that the metadata's auth_type wants
  udmi keys generate --dir . --kind rsa --bits 3072
  udmi keys show --site site --device AHU-1 --reveal       with the password at a local broker
  udmi keys csr --dir site/devices/AHU-1 > AHU-1.csr       for an authority to sign

Exit codes: 0 done, 1 it could not be done, 2 the command line or the files cannot be used; 2 also if
`generate` finds keys, which it never overwrites.";

/// Make, show, rotate and restore the keys of a device
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key pair and a self-signed certificate; nothing is overwritten
    Generate(Generate),
    /// Show the public key, its fingerprint, the certificate and the broker password
    Show(Look),
    /// Print a request for a certificate (PKCS#10), to be signed by an authority
    Csr(Csr),
    /// Make a new pair of the same kind and keep the old one as a dated backup
    Rotate(Look),
    /// Put the pair of a backup back in force
    Restore(Restore),
}

#[derive(Debug, clap::Args)]
struct Generate {
    #[command(flatten)]
    place: Where,
    /// The size of an RSA key: 2048, 3072 or 4096; 2048 if not said
    #[arg(long, value_name = "N")]
    bits: Option<usize>,
    /// Make no certificate
    #[arg(long)]
    no_certificate: bool,
    /// Show the broker password instead of stars
    #[arg(long)]
    reveal: bool,
}

#[derive(Debug, clap::Args)]
struct Look {
    #[command(flatten)]
    place: Where,
    /// Show the broker password instead of stars
    #[arg(long)]
    reveal: bool,
}

#[derive(Debug, clap::Args)]
struct Csr {
    #[command(flatten)]
    place: Where,
    /// Write it to a new file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Restore {
    /// The name of the backup, as `udmi keys show` lists it
    #[arg(value_name = "NAME")]
    backup: String,
    #[command(flatten)]
    look: Look,
}

/// The kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Elliptic curve P-256
    Ec,
    /// RSA
    Rsa,
}

impl Kind {
    fn family(self) -> KeyFamily {
        match self {
            Self::Ec => KeyFamily::Ec,
            Self::Rsa => KeyFamily::Rsa,
        }
    }
}

/// Does what the sub-command says.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Generate(arguments) => generate(&arguments, output),
        Command::Show(arguments) => show_keys(&arguments, output),
        Command::Csr(arguments) => csr(&arguments, output),
        Command::Rotate(arguments) => rotate(&arguments, output),
        Command::Restore(arguments) => restore(&arguments, output),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn generate(arguments: &Generate, output: &Output) -> Result<(), Failure> {
    let place = arguments.place.find()?;
    let spec = spec(place.kind_to_make(), arguments.bits)?;
    place.refuse_filled()?;
    let family = place.kind_to_make().family();
    let wanted = Wanted { key: spec, certificate: !arguments.no_certificate };
    let (keys, _) = DeviceKeys::ensure(place.store(family)?, &place.name, wanted).map_err(failure)?;
    done(output, format!("made new keys in {}", place.folder.display()))?;
    shown(&place, &keys, arguments.reveal).print(output)
}

fn spec(kind: Kind, bits: Option<usize>) -> Result<KeySpec, Failure> {
    match (kind, bits) {
        (Kind::Ec, None | Some(256)) => Ok(KeySpec::P256),
        (Kind::Ec, Some(_)) => {
            Err(Failure::usage("an elliptic curve key has 256 bits").hint("say --kind rsa"))
        }
        (Kind::Rsa, bits) => KeySpec::rsa(bits.unwrap_or(2048))
            .ok_or_else(|| Failure::usage("an RSA key has 2048, 3072 or 4096 bits")),
    }
}

fn show_keys(arguments: &Look, output: &Output) -> Result<(), Failure> {
    let place = arguments.place.find()?;
    shown(&place, &place.keys()?, arguments.reveal).print(output)
}

fn csr(arguments: &Csr, output: &Output) -> Result<(), Failure> {
    let place = arguments.place.find()?;
    let keys = place.keys()?;
    let request = certificate::signing_request(&keys.pair().key, keys.name()).map_err(Failure::usage)?;
    let Some(file) = &arguments.out else {
        return if output.json { output.line(json!({ "csr": request })) } else { output.raw(request) };
    };
    let written = Access::Everybody.create_new(file).and_then(|mut file| file.write_all(request.as_bytes()));
    written.map_err(|error| Failure::usage(format!("cannot write {}: {error}", file.display())))?;
    if output.json {
        return output.line(json!({ "file": file }));
    }
    done(output, format!("wrote the request to {}", file.display()))
}

fn rotate(arguments: &Look, output: &Output) -> Result<(), Failure> {
    let place = arguments.place.find()?;
    let keys = place.keys()?;
    let NewKey { backup, .. } = keys.rotate().map_err(failure)?;
    done(output, format!("made a new pair; the old one is kept as {backup}"))?;
    output.remark("register the new public key before the device starts again");
    let mut shown = shown(&place, &keys, arguments.reveal);
    shown.replaced = Some(backup);
    shown.print(output)
}

fn restore(arguments: &Restore, output: &Output) -> Result<(), Failure> {
    let place = arguments.look.place.find()?;
    let keys = place.keys()?;
    keys.restore(&arguments.backup).map_err(|error| match error {
        KeyStoreError::NoBackup(_) | KeyStoreError::BackupName => {
            Failure::usage(error).hint("`udmi keys show` lists the backups")
        }
        error => failure(error),
    })?;
    done(output, format!("the pair {} is in force again", arguments.backup))?;
    shown(&place, &keys, arguments.look.reveal).print(output)
}

fn shown(place: &Place, keys: &DeviceKeys, reveal: bool) -> Shown {
    Shown::new(place.folder.clone(), keys, reveal)
}

/// One line for people.
fn done(output: &Output, text: impl Display) -> Result<(), Failure> {
    if output.json || output.quiet {
        return Ok(());
    }
    output.line(format!("{} {text}", output.paint(Role::Good, "✔")))
}

/// Files that cannot be used are the user's to put right; a disc that fails is not.
fn failure(error: KeyStoreError) -> Failure {
    match error {
        error @ (KeyStoreError::Io { .. } | KeyStoreError::Generate(_) | KeyStoreError::Other(_)) => {
            Failure::new(error)
        }
        error => Failure::usage(error),
    }
}
