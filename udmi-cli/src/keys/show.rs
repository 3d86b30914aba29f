//! What is shown of keys: everything public, and the broker password if asked for.

use std::path::PathBuf;

use serde_json::{Value, json};
use udmi_host::certificate::CertificateInfo;
use udmi_host::key_store::DeviceKeys;
use udmi_host::keys::{KeyKind, PublicKey};

use crate::output::{Failure, Output, Role};

/// In place of a password.
const MASK: &str = "********";

/// What is shown of a device's keys.
#[derive(Debug)]
pub(super) struct Shown {
    folder: PathBuf,
    key: PublicKey,
    /// Masked unless it was to be revealed.
    password: String,
    certificate: Option<CertificateInfo>,
    backups: Vec<String>,
    /// The backup of the pair that was just replaced.
    pub(super) replaced: Option<String>,
}

impl Shown {
    pub(super) fn new(folder: PathBuf, keys: &DeviceKeys, reveal: bool) -> Self {
        let password = if reveal { keys.password().expose().to_owned() } else { MASK.to_owned() };
        let certificate = keys.pair().certificate.and_then(|text| CertificateInfo::from_pem(&text).ok());
        // What cannot be listed is not there to be restored either.
        let backups = keys.backups().unwrap_or_default();
        Self { folder, key: keys.public_key(), password, certificate, backups, replaced: None }
    }

    pub(super) fn print(&self, output: &Output) -> Result<(), Failure> {
        if output.json {
            return output.line(self.document());
        }
        output.raw(self.text(output))
    }

    fn document(&self) -> Value {
        let certificate = self.certificate.as_ref().map(|info| {
            json!({
                "subject": info.subject,
                "issuer": info.issuer,
                "not_before": info.not_before.to_string(),
                "not_after": info.not_after.to_string(),
                "fingerprint": info.fingerprint,
                "valid_now": info.is_valid_now(),
                "belongs_to_key": info.belongs_to(&self.key),
            })
        });
        let mut document = json!({
            "folder": self.folder,
            "kind": short_kind(&self.key),
            "bits": self.key.bits(),
            "fingerprint": self.key.fingerprint(),
            "password": self.password,
            "certificate": certificate,
            "backups": self.backups,
            "public_key": self.key.to_pem(),
        });
        if let Some(backup) = &self.replaced {
            document["backup"] = json!(backup);
        }
        document
    }

    fn text(&self, output: &Output) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            let label = output.paint(Role::Faint, format!("{label:<12}"));
            text.push_str(&format!("{label} {value}\n"));
        };
        line("kind", &format!("{}, {} bits", long_kind(&self.key), self.key.bits()));
        line("fingerprint", &format!("SHA-256 {}", self.key.fingerprint()));
        line("password", &self.password);
        match &self.certificate {
            None => line("certificate", "none"),
            Some(info) => {
                line("certificate", &format!("{}, issued by {}", info.subject, info.issuer));
                let note = if info.is_valid_now() { "" } else { " (not valid now)" };
                line("", &format!("valid from {} until {}{note}", info.not_before, info.not_after));
                line("", &format!("SHA-256 {}", info.fingerprint));
                if !info.belongs_to(&self.key) {
                    line("", &output.paint(Role::Bad, "it belongs to another key: TLS will refuse it"));
                }
            }
        }
        line("backups", if self.backups.is_empty() { "none" } else { &self.backups[0] });
        self.backups.iter().skip(1).for_each(|backup| line("", backup));
        text.push_str(&self.key.to_pem());
        text
    }
}

fn short_kind(key: &PublicKey) -> &'static str {
    match key.kind() {
        KeyKind::Rsa => "rsa",
        KeyKind::P256 | KeyKind::P384 => "ec",
        KeyKind::Ed25519 | KeyKind::Other => "other",
    }
}

fn long_kind(key: &PublicKey) -> &'static str {
    match key.kind() {
        KeyKind::Rsa => "RSA",
        KeyKind::P256 => "elliptic curve P-256",
        KeyKind::P384 => "elliptic curve P-384",
        KeyKind::Ed25519 => "Ed25519",
        KeyKind::Other => "other",
    }
}
