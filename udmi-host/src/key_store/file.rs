//! Keys in the files that site models have (§8.1).
//!
//! A pair is several files, which no file system replaces at once. So the whole new pair is written to one
//! hidden file first; once that is safe, the new pair is in force, and the files are brought up to date from
//! it. Whoever opens the store after a crash finishes that before it reads anything.

mod files;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyPair, KeyStore, KeyStoreError, MAX_BACKUPS, is_backup_name};
use crate::certificate::CertificateInfo;
use crate::files::Access;
use crate::keys::{KeyError, KeyKind, KeyProblem, Password, PrivateKey, pem};
use crate::tls::MAX_CERTIFICATE_FILE_BYTES;
use files::{failed, read_text, remove, replace, replace_unsynced, sync_folder, temporary};

const BACKUP_FOLDER: &str = "key_backups";
const BACKUP_SUFFIX: &str = ".pem";

/// Which files of a device's folder: their names begin with the kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFamily {
    /// `ec_private.pem`, `ec_private.pkcs8`, `ec_private.crt`, `ec_public.pem`.
    Ec,
    /// `rsa_private.pem`, `rsa_private.pkcs8`, `rsa_private.crt`, `rsa_public.pem`.
    Rsa,
}

/// The key pair in a device's folder, and its backups in the folder `key_backups` in it, each one PEM file with
/// key and certificate.
///
/// Private keys are readable by their owner only. Every file is replaced as a whole, and a crash between two of
/// them is made good when the folder is next opened, so that key and certificate always belong together. Two
/// stores on one folder wait for each other, where the file system has locks.
#[derive(Debug)]
pub struct FileKeyStore {
    folder: PathBuf,
    family: KeyFamily,
    passphrase: Option<Password>,
}

impl KeyFamily {
    /// The family a key's files belong to, if there is one.
    pub fn of(kind: KeyKind) -> Option<Self> {
        match kind {
            KeyKind::Rsa => Some(Self::Rsa),
            KeyKind::P256 | KeyKind::P384 => Some(Self::Ec),
            KeyKind::Ed25519 | KeyKind::Other => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Ec => "ec",
            Self::Rsa => "rsa",
        }
    }
}

impl FileKeyStore {
    /// Opens the keys of one family in a folder, which is made if need be, and finishes what a crash interrupted.
    ///
    /// # Errors
    /// The folder cannot be made, or what a crash left cannot be finished.
    pub fn open(folder: impl Into<PathBuf>, family: KeyFamily) -> Result<Self, KeyStoreError> {
        let folder = folder.into();
        files::create_folder(&folder)?;
        let store = Self { folder, family, passphrase: None };
        let _lock = store.lock()?;
        store.clear()?;
        store.finish()?;
        Ok(store)
    }

    /// Reads an encrypted private key with that pass phrase; it is only tried on one that is encrypted. What the
    /// store writes is never encrypted.
    #[must_use]
    pub fn with_passphrase(self, passphrase: Password) -> Self {
        Self { passphrase: Some(passphrase), ..self }
    }

    /// The families that have a private key in a folder, also if only in the hidden file of an interrupted change.
    pub fn families(folder: &Path) -> Vec<KeyFamily> {
        let in_force = |family: &KeyFamily| {
            let store = Self { folder: folder.to_owned(), family: *family, passphrase: None };
            store.pending().exists() || store.key_file().is_some()
        };
        [KeyFamily::Ec, KeyFamily::Rsa].into_iter().filter(in_force).collect()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The private key's file in PEM form, which OpenSSL and mosquitto read.
    pub fn private_pem(&self) -> PathBuf {
        self.file("_private.pem")
    }

    /// The public key's file.
    pub fn public_pem(&self) -> PathBuf {
        self.file("_public.pem")
    }

    /// The certificate's file.
    pub fn certificate_file(&self) -> PathBuf {
        self.file("_private.crt")
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}{suffix}", self.family.prefix()))
    }

    fn pending(&self) -> PathBuf {
        self.folder.join(format!(".{}_key_pending.pem", self.family.prefix()))
    }

    fn backup_file(&self, name: &str) -> PathBuf {
        self.folder.join(BACKUP_FOLDER).join(format!("{name}{BACKUP_SUFFIX}"))
    }

    /// The first that exists, in the order of site models.
    fn key_file(&self) -> Option<PathBuf> {
        let names = ["_private.pkcs8", "2_private.pkcs8", "3_private.pkcs8", "_private.pem"];
        names.iter().map(|suffix| self.file(suffix)).find(|path| path.exists())
    }

    /// Held until dropped. A file system without locks has none to take.
    fn lock(&self) -> Result<Option<File>, KeyStoreError> {
        if !cfg!(unix) {
            return Ok(None);
        }
        let folder = File::open(&self.folder).map_err(failed("cannot open", &self.folder))?;
        Ok(folder.lock().is_ok().then_some(folder))
    }

    /// Removes what a crash in the middle of writing a file left: it may be half of a key.
    fn clear(&self) -> Result<(), KeyStoreError> {
        let files = ["_private.pkcs8", "_private.pem", "_public.pem", "_private.crt"];
        let files = files.map(|suffix| self.file(suffix));
        files.iter().chain([&self.pending()]).try_for_each(|path| remove(&temporary(path)))
    }

    /// Brings the files up to date from an interrupted change.
    fn finish(&self) -> Result<(), KeyStoreError> {
        let pending = self.pending();
        if !pending.exists() {
            return Ok(());
        }
        self.spread(&read_bundle(&pending)?)?;
        remove(&pending)
    }

    /// Writes every file of a pair, each as a whole.
    fn spread(&self, pair: &KeyPair) -> Result<(), KeyStoreError> {
        let key = &pair.key;
        replace_unsynced(&self.file("_private.pkcs8"), key.pkcs8_der(), Access::Owner)?;
        replace_unsynced(&self.private_pem(), key.to_pem().as_bytes(), Access::Owner)?;
        match key.public_key() {
            Some(public) => {
                replace_unsynced(&self.public_pem(), public.to_pem().as_bytes(), Access::Everybody)?;
            }
            None => remove(&self.public_pem())?,
        }
        match &pair.certificate {
            Some(certificate) => {
                replace_unsynced(&self.certificate_file(), certificate.as_bytes(), Access::Everybody)?;
            }
            None => remove(&self.certificate_file())?,
        }
        sync_folder(&self.folder)
    }

    /// The pair that the files hold.
    fn read(&self) -> Result<Option<KeyPair>, KeyStoreError> {
        let path = self.certificate_file();
        let Some(key) = self.key_file() else {
            // A new key would replace it.
            return if path.exists() { Err(KeyStoreError::CertificateWithoutKey(path)) } else { Ok(None) };
        };
        let key = PrivateKey::load(&key, self.passphrase.as_ref()).map_err(KeyStoreError::Key)?;
        let certificate = match read_text(&path, MAX_CERTIFICATE_FILE_BYTES) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("cannot read", &path)(error)),
        };
        if certificate.as_ref().is_some_and(|text| CertificateInfo::from_pem(text).is_err()) {
            return Err(KeyStoreError::NotACertificate(path));
        }
        Ok(Some(KeyPair { key, certificate }))
    }
}

impl KeyStore for FileKeyStore {
    fn load(&mut self) -> Result<Option<KeyPair>, KeyStoreError> {
        let _lock = self.lock()?;
        self.finish()?;
        self.read()
    }

    fn save(&mut self, pair: &KeyPair) -> Result<(), KeyStoreError> {
        if KeyFamily::of(pair.key.kind()) != Some(self.family) {
            return Err(KeyStoreError::Family(pair.key.kind()));
        }
        let _lock = self.lock()?;
        self.finish()?;
        let old = self.read().ok().flatten();
        let pending = self.pending();
        replace(&pending, &bundle(pair), Access::Owner)?;
        // From here on the new pair is in force.
        let spread = self.spread(pair);
        if let (Err(_), Some(old)) = (&spread, &old) {
            // A disc that fails half way: the old pair again, as far as the disc lets us.
            let _ = remove(&pending).and_then(|()| self.spread(old));
            return spread;
        }
        spread.and_then(|()| remove(&pending))
    }

    fn back_up(&mut self, name: &str, pair: &KeyPair) -> Result<(), KeyStoreError> {
        if !is_backup_name(name) {
            return Err(KeyStoreError::BackupName);
        }
        let path = self.backup_file(name);
        let folder = self.folder.join(BACKUP_FOLDER);
        files::create_folder(&folder)?;
        let _lock = self.lock()?;
        if path.symlink_metadata().is_ok() {
            return Err(KeyStoreError::BackupTaken(name.to_owned()));
        }
        if backups_in(&folder)?.len() >= MAX_BACKUPS {
            return Err(KeyStoreError::TooManyBackups(Some(folder)));
        }
        replace(&path, &bundle(pair), Access::Owner)
    }

    fn load_backup(&mut self, name: &str) -> Result<KeyPair, KeyStoreError> {
        if !is_backup_name(name) {
            return Err(KeyStoreError::BackupName);
        }
        let path = self.backup_file(name);
        if !path.exists() {
            return Err(KeyStoreError::NoBackup(name.to_owned()));
        }
        read_bundle(&path)
    }

    fn backups(&mut self) -> Result<Vec<String>, KeyStoreError> {
        backups_in(&self.folder.join(BACKUP_FOLDER))
    }
}

fn backups_in(folder: &Path) -> Result<Vec<String>, KeyStoreError> {
    let fail = || failed("cannot read", folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail())?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(fail())?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(BACKUP_SUFFIX));
        names.extend(name.filter(|name| is_backup_name(name)).map(ToOwned::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Key and certificate in one PEM text.
fn bundle(pair: &KeyPair) -> Zeroizing<Vec<u8>> {
    let key = pair.key.to_pem();
    let certificate = pair.certificate.as_deref().unwrap_or_default();
    let mut text = Zeroizing::new(Vec::with_capacity(key.len() + certificate.len()));
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(certificate.as_bytes());
    text
}

fn read_bundle(path: &Path) -> Result<KeyPair, KeyStoreError> {
    let unusable = |problem| KeyStoreError::Key(KeyError { path: path.to_owned(), problem });
    let text = read_text(path, MAX_CERTIFICATE_FILE_BYTES).map_err(failed("cannot read", path))?;
    let text = Zeroizing::new(text);
    let key = PrivateKey::from_bytes(text.as_bytes(), None).map_err(unusable)?;
    let certificates = pem::sections(&text).into_iter().filter(|section| section.label == "CERTIFICATE");
    let mut certificate = None;
    for section in certificates {
        let body = section.body.map_err(|_| unusable(KeyProblem::Damaged(section.label.clone())))?;
        certificate.get_or_insert_with(String::new).push_str(&pem::encode("CERTIFICATE", &body));
    }
    Ok(KeyPair { key, certificate })
}
