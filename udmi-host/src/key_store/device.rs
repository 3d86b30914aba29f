//! The keys of one device, shared by all that need them: signing, passwords, TLS, rotation.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;
use udmi_proto::{NewKey, Secret, SignError, SignRequest};

use super::{KeyPair, KeyStore, KeyStoreError};
use crate::certificate;
use crate::keys::{KeySpec, Password, PrivateKey, PublicKey};
use crate::sign::Signer;
use crate::tls::{Identity, Pem};

/// Issues the certificate of a new key in place of signing it with the key itself: key and device name in,
/// PEM or a reason out. It may take its time; it must not ask for the keys it is certifying for.
pub type Certifier = Box<dyn Fn(&PrivateKey, &str) -> Result<String, String> + Send + Sync>;

/// The key pair of one device. Cheap to clone; all clones see a rotation at once.
#[derive(Clone)]
pub struct DeviceKeys(Arc<Shared>);

struct Shared {
    /// The subject of certificates.
    name: String,
    certifier: Option<Certifier>,
    /// Held for as long as a rotation takes.
    kept: Mutex<Kept>,
    /// Held for a moment only, so that signing goes on while a rotation makes its key.
    current: RwLock<Arc<Current>>,
}

struct Kept {
    store: Box<dyn KeyStore>,
    /// Made and not in force yet.
    prepared: Option<Current>,
}

struct Current {
    pair: KeyPair,
    public_key: PublicKey,
    /// None if keys of this kind sign no tokens; TLS takes them all the same.
    signer: Option<Signer>,
}

/// What a device without keys gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which private key.
    pub key: KeySpec,
    /// Whether a certificate goes with it.
    pub certificate: bool,
}

/// What [`DeviceKeys::ensure`] had to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ensured {
    /// The private key is new.
    pub key: bool,
    /// The certificate is new.
    pub certificate: bool,
}

impl Default for Wanted {
    /// A P-256 key with a certificate.
    fn default() -> Self {
        Self { key: KeySpec::P256, certificate: true }
    }
}

impl DeviceKeys {
    /// Loads the keys of the device `name`; new certificates will have that name as their subject.
    ///
    /// # Errors
    /// There is no key ([`KeyStoreError::NoKey`]), or it cannot be read or used.
    pub fn open(store: impl KeyStore + 'static, name: &str) -> Result<Self, KeyStoreError> {
        Self::of(Box::new(store), name, None)
    }

    /// The same, with certificates of new keys issued by `certifier`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_certifier(
        store: impl KeyStore + 'static,
        name: &str,
        certifier: Certifier,
    ) -> Result<Self, KeyStoreError> {
        Self::of(Box::new(store), name, Some(certifier))
    }

    /// Makes what is missing of `wanted`, then loads. What is there is never changed, but for a certificate that
    /// is added to a key without one; a damaged key is an error.
    ///
    /// # Errors
    /// The keys cannot be read, made or stored.
    pub fn ensure(
        mut store: impl KeyStore + 'static,
        name: &str,
        wanted: Wanted,
    ) -> Result<(Self, Ensured), KeyStoreError> {
        let found = store.load()?;
        let key_is_new = found.is_none();
        let mut pair = match found {
            Some(pair) => pair,
            None => KeyPair {
                key: PrivateKey::generate(wanted.key).map_err(KeyStoreError::Generate)?,
                certificate: None,
            },
        };
        let certificate_is_new = wanted.certificate && pair.certificate.is_none();
        if certificate_is_new {
            pair.certificate = Some(certify(None, &pair.key, name)?);
        }
        if key_is_new || certificate_is_new {
            store.save(&pair)?;
        }
        let made = Ensured { key: key_is_new, certificate: certificate_is_new };
        Ok((Self::open(store, name)?, made))
    }

    fn of(
        mut store: Box<dyn KeyStore>,
        name: &str,
        certifier: Option<Certifier>,
    ) -> Result<Self, KeyStoreError> {
        let current = Current::new(store.load()?.ok_or(KeyStoreError::NoKey)?)?;
        Ok(Self(Arc::new(Shared {
            name: name.to_owned(),
            certifier,
            kept: Mutex::new(Kept { store, prepared: None }),
            current: RwLock::new(Arc::new(current)),
        })))
    }

    /// Signs with the key in force; see [`Signer::sign`].
    ///
    /// # Errors
    /// The key is of another kind, or signing failed.
    pub fn sign(&self, request: &SignRequest) -> Result<Secret<String>, SignError> {
        self.0.current().signer.as_ref().ok_or(SignError::WrongKind)?.sign(request)
    }

    /// The signer of the key in force; it stays with that key when the keys are rotated.
    ///
    /// # Errors
    /// [`SignError::WrongKind`] if the key is neither RSA nor on P-256, which is enough for TLS and passwords.
    pub fn signer(&self) -> Result<Signer, SignError> {
        self.0.current().signer.clone().ok_or(SignError::WrongKind)
    }

    /// The key pair in force.
    pub fn pair(&self) -> KeyPair {
        self.0.current().pair.clone()
    }

    /// The name of the device, which is the subject of new certificates.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The public key in force.
    pub fn public_key(&self) -> PublicKey {
        self.0.current().public_key.clone()
    }

    /// The broker password of the key in force (§1.6).
    pub fn password(&self) -> Password {
        self.0.current().pair.key.broker_password()
    }

    /// Certificate and key in force for TLS, if there is a certificate.
    pub fn tls_identity(&self) -> Option<Identity> {
        let pair = self.pair();
        let certificates = Pem::Bytes(pair.certificate?.into_bytes());
        Some(Identity { certificates, key: pair.key })
    }

    /// The names of the backups, the newest last.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn backups(&self) -> Result<Vec<String>, KeyStoreError> {
        self.0.kept().store.backups()
    }

    /// Makes a new key of the same kind and size, with a certificate if the old one had one, keeps the old pair
    /// as a backup named by the time (`yyyymmddThhmmssZ`), and puts the new pair in force.
    ///
    /// Making an RSA key takes seconds; signing with the old key goes on meanwhile.
    ///
    /// # Errors
    /// Something could not be made or stored; the old pair is still in force.
    pub fn rotate(&self) -> Result<NewKey, KeyStoreError> {
        let mut kept = self.0.kept();
        let made = self.0.prepare(&mut kept)?;
        self.0.adopt(&mut kept, &made.public_key)?;
        Ok(made)
    }

    /// The first half of [`Self::rotate`]: the old pair is backed up and stays in force, the new one waits in memory
    /// for [`Self::adopt`], in place of one that waited before. Whoever notes down in between what is about to
    /// happen can tell after a crash whether it has.
    ///
    /// # Errors
    /// Something could not be made or stored.
    pub fn prepare(&self) -> Result<NewKey, KeyStoreError> {
        self.0.prepare(&mut self.0.kept())
    }

    /// The second half: puts the prepared pair with that public key (PEM) in force. If it is in force already, there
    /// is nothing to do.
    ///
    /// # Errors
    /// [`KeyStoreError::NotPrepared`] if there is no such pair, as after a crash in between, or it could not be
    /// stored; the old pair is still in force.
    pub fn adopt(&self, public_key: &str) -> Result<(), KeyStoreError> {
        self.0.adopt(&mut self.0.kept(), public_key)
    }

    /// Puts the key pair of a backup in force. The pair it replaces is kept as a backup too, unless it is one.
    ///
    /// # Errors
    /// There is no such backup, or it cannot be read, or something could not be stored; the present pair is
    /// still in force.
    pub fn restore(&self, backup: &str) -> Result<(), KeyStoreError> {
        let mut kept = self.0.kept();
        let restored = Current::new(kept.store.load_backup(backup)?)?;
        self.0.replace(&mut kept, restored)
    }
}

impl Shared {
    fn prepare(&self, kept: &mut Kept) -> Result<NewKey, KeyStoreError> {
        let old = self.current();
        let key = PrivateKey::generate(KeySpec::like(&old.public_key)).map_err(KeyStoreError::Generate)?;
        let certificate = match old.pair.certificate {
            Some(_) => Some(certify(self.certifier.as_ref(), &key, &self.name)?),
            None => None,
        };
        let new = Current::new(KeyPair { key, certificate })?;
        let backup = keep(&mut *kept.store, &old.pair)?;
        let made = NewKey {
            public_key: new.public_key.to_pem(),
            backup,
            password: Secret::new(new.pair.key.broker_password().expose().to_owned()),
        };
        kept.prepared = Some(new);
        Ok(made)
    }

    fn adopt(&self, kept: &mut Kept, public_key: &str) -> Result<(), KeyStoreError> {
        if self.current().public_key.to_pem() == public_key {
            return Ok(());
        }
        let prepared = kept.prepared.take_if(|prepared| prepared.public_key.to_pem() == public_key);
        self.replace(kept, prepared.ok_or(KeyStoreError::NotPrepared)?)
    }

    fn replace(&self, kept: &mut Kept, new: Current) -> Result<(), KeyStoreError> {
        let replaced = self.current();
        if replaced.pair.is_same(&new.pair) {
            return Ok(());
        }
        keep(&mut *kept.store, &replaced.pair)?;
        kept.store.save(&new.pair)?;
        self.put(new);
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere cannot leave a store half changed: that is what `save` promises.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, current: Current) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
    }
}

impl Current {
    /// Checks that the key can be used before anything relies on it.
    fn new(pair: KeyPair) -> Result<Self, KeyStoreError> {
        let signer = match Signer::new(&pair.key) {
            Ok(signer) => Some(signer),
            Err(SignError::WrongKind) => None,
            Err(error @ (SignError::NoKey | SignError::Failed(_))) => {
                return Err(KeyStoreError::Unusable(error));
            }
        };
        let public_key = pair.key.public_key().ok_or(KeyStoreError::NoPublicKey)?;
        Ok(Self { pair, public_key, signer })
    }
}

fn certify(certifier: Option<&Certifier>, key: &PrivateKey, name: &str) -> Result<String, KeyStoreError> {
    match certifier {
        None => certificate::self_signed(key, name, Timestamp::now()).map_err(KeyStoreError::Certificate),
        Some(certifier) => certifier(key, name).map_err(KeyStoreError::Certifier),
    }
}

/// Backs up what is about to be replaced: the pair in use, and the one in the store if somebody else has changed
/// it since. Tells the name of the former's backup.
fn keep(store: &mut dyn KeyStore, used: &KeyPair) -> Result<String, KeyStoreError> {
    if let Some(stored) = store.load()?.filter(|stored| !stored.is_same(used)) {
        back_up(store, &stored)?;
    }
    back_up(store, used)
}

/// Keeps a copy under the date, with a number after it if that second has a backup already.
fn back_up(store: &mut dyn KeyStore, pair: &KeyPair) -> Result<String, KeyStoreError> {
    let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let taken = store.backups()?;
    if let Some(same) = taken.last() {
        // A rotation that failed after its backup is tried again: one copy is enough.
        if store.load_backup(same).is_ok_and(|backup| backup.is_same(pair)) {
            return Ok(same.clone());
        }
    }
    let numbered = (2..).map(|number: u32| format!("{date}-{number:03}"));
    let free = std::iter::once(date.clone()).chain(numbered).find(|name| !taken.contains(name));
    let name = free.ok_or(KeyStoreError::BackupName)?;
    store.back_up(&name, pair)?;
    Ok(name)
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceKeys")
            .field("name", &self.0.name)
            .field("public_key", &self.0.current().public_key)
            .finish_non_exhaustive()
    }
}
