//! A simulated software module: its payloads say their version, or how installing them fails (§5.5).

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use udmi_host::files::Access;
use udmi_proto::{BlobOutcome, Outcome};

/// The blob that is the module's software.
pub(super) const NAME: &str = "system";

/// How long installing takes.
const INSTALLING: Duration = Duration::from_secs(2);
/// The largest payload that is looked into, in bytes.
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;
/// The longest version.
const VERSION_BYTES_MAX: usize = 128;

/// The module's software is a file that is staged beside the one that is installed.
#[derive(Debug)]
pub(super) struct Module {
    /// Where it is installed.
    folder: PathBuf,
    installing: Duration,
}

impl Module {
    /// The module whose software is kept in a folder.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, installing: INSTALLING }
    }

    /// Looks into a payload and stages it.
    pub(super) fn process(&self, name: &str, payload: &Path) -> Outcome {
        let version = match read(payload).and_then(|content| understand(&content)) {
            Ok(Payload::Version(version)) => version,
            Ok(Payload::Outcome(outcome)) => {
                // An update that is undone has been tried before.
                thread::sleep(self.installing);
                return outcome;
            }
            Err(message) => return Outcome::Invalid { message },
        };
        thread::sleep(self.installing);
        let staged =
            Access::Owner.create_folder(&self.folder).and_then(|()| fs::copy(payload, self.staged(name)));
        match staged {
            Ok(_) => Outcome::Blob(BlobOutcome::Processed { version: Some(version) }),
            Err(error) => Outcome::Failed { message: format!("cannot be staged: {error}") },
        }
    }

    /// Puts staged software in the place of the installed one. Doing it twice is as good as once.
    pub(super) fn activate(&self, name: &str) -> Outcome {
        match fs::rename(self.staged(name), self.installed(name)) {
            Ok(()) => Outcome::Done,
            Err(_) if self.installed(name).exists() => Outcome::Done,
            Err(error) => Outcome::Failed { message: format!("cannot be installed: {error}") },
        }
    }

    /// Tells whether software of that version is installed, and none staged.
    pub(super) fn check(&self, name: &str, version: Option<&str>) -> Outcome {
        let installed = read(&self.installed(name)).and_then(|content| understand(&content));
        let is_installed =
            matches!(installed, Ok(Payload::Version(found)) if Some(found.as_str()) == version);
        let is_activated = is_installed && !self.staged(name).exists();
        Outcome::Blob(if is_activated { BlobOutcome::Activated } else { BlobOutcome::NotActivated })
    }

    fn staged(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.staged"))
    }

    fn installed(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.installed"))
    }
}

/// What a payload leads to.
#[derive(Debug, PartialEq)]
enum Payload {
    Version(String),
    Outcome(Outcome),
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let mut content = Vec::new();
    File::open(path).map_err(failed)?.take(PAYLOAD_BYTES_MAX).read_to_end(&mut content).map_err(failed)?;
    Ok(content)
}

/// Tells what a payload leads to, or why it is none.
fn understand(content: &[u8]) -> Result<Payload, String> {
    let Ok(Value::Object(payload)) = serde_json::from_slice(content) else {
        return Err("the payload is no JSON object".to_owned());
    };
    let of = |name: &str| payload.get(name).and_then(Value::as_str);
    let version = of("version").filter(|version| !version.is_empty() && version.len() <= VERSION_BYTES_MAX);
    let fault = of("simulate").or(of("trigger"));
    let failed = |message: &str| message.to_owned();
    Ok(Payload::Outcome(match (fault, version) {
        (Some("incompatible"), _) => return Err("the software does not fit this device".to_owned()),
        (Some("apply_failure"), _) => Outcome::Failed { message: failed("installing has failed") },
        (Some("abort"), _) => {
            Outcome::Blob(BlobOutcome::Aborted { message: failed("installing was called off") })
        }
        (Some("rollback"), _) => {
            let message = failed("installing has failed, the software before is back");
            Outcome::Blob(BlobOutcome::RolledBack { message })
        }
        (_, Some(version)) => return Ok(Payload::Version(version.to_owned())),
        (_, None) => return Err("the payload has no version".to_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processed(content: &str) -> (tempfile::TempDir, Module, Outcome) {
        let folder = tempfile::tempdir().unwrap();
        let module = Module { folder: folder.path().join("software"), installing: Duration::ZERO };
        let payload = folder.path().join("payload");
        fs::write(&payload, content).unwrap();
        let outcome = module.process("system", &payload);
        (folder, module, outcome)
    }

    #[test]
    fn a_version_is_staged_and_then_installed_once_or_twice() {
        let (_folder, module, outcome) = processed(r#"{ "version": "v2" }"#);
        assert_eq!(outcome, Outcome::Blob(BlobOutcome::Processed { version: Some("v2".into()) }));
        assert!(!module.installed("system").exists());
        assert_eq!(module.check("system", Some("v2")), Outcome::Blob(BlobOutcome::NotActivated));
        assert_eq!(module.activate("system"), Outcome::Done);
        assert_eq!(module.check("system", Some("v2")), Outcome::Blob(BlobOutcome::Activated));
        assert_eq!(module.check("system", Some("v1")), Outcome::Blob(BlobOutcome::NotActivated));
        assert_eq!(module.activate("system"), Outcome::Done);
        assert!(module.installed("system").exists() && !module.staged("system").exists());
    }

    #[test]
    fn faults_are_as_the_payload_wants_them() {
        let outcome = |content: &str| processed(content).2;
        let fault = |name: &str| outcome(&format!(r#"{{ "version": "v2", "simulate": "{name}" }}"#));
        assert!(matches!(fault("incompatible"), Outcome::Invalid { .. }));
        assert!(matches!(fault("apply_failure"), Outcome::Failed { .. }));
        assert!(matches!(fault("abort"), Outcome::Blob(BlobOutcome::Aborted { .. })));
        assert!(matches!(fault("rollback"), Outcome::Blob(BlobOutcome::RolledBack { .. })));
        assert!(matches!(outcome(r#"{ "trigger": "incompatible" }"#), Outcome::Invalid { .. }));
        for invalid in ["no JSON", "[]", "{}", r#"{ "version": "" }"#] {
            assert!(matches!(outcome(invalid), Outcome::Invalid { .. }), "{invalid}");
        }
    }

    #[test]
    fn what_was_never_staged_cannot_be_activated() {
        let folder = tempfile::tempdir().unwrap();
        let module = Module::new(folder.path().join("software"));
        assert!(matches!(module.activate("system"), Outcome::Failed { .. }));
    }
}
