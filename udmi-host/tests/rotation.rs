//! Keys rotated and restored, and what a crash in the middle leaves.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use udmi_host::certificate::CertificateInfo;
use udmi_host::key_store::{
    DeviceKeys, FileKeyStore, KeyFamily, KeyPair, KeyStore, KeyStoreError, MemoryKeyStore, Wanted,
};
use udmi_host::keys::{KeySpec, PrivateKey};
use udmi_host::tls::{Pem, TlsConfig, TlsSettings, Trust};
use udmi_proto::{Algorithm, SignRequest};

#[test]
fn a_rotation_puts_a_new_pair_in_force_and_keeps_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ensured(folder.path());
    let (clone, old) = (keys.clone(), keys.pair());
    let made = keys.rotate().unwrap();
    assert_eq!(made.public_key, keys.public_key().to_pem());
    assert_eq!(made.password.expose(), keys.password().expose());
    assert_eq!(clone.public_key(), keys.public_key());
    assert_ne!(old.key.public_key().unwrap(), keys.public_key());
    assert_eq!(keys.backups().unwrap(), [made.backup.as_str()]);
    assert_is_date(&made.backup);
    let backup = open(folder.path()).load_backup(&made.backup).unwrap();
    assert!(backup.is_same(&old));
    assert!(DeviceKeys::open(open(folder.path()), "AHU-1").unwrap().pair().is_same(&keys.pair()));
}

#[test]
fn a_prepared_pair_is_in_force_only_once_it_is_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ensured(folder.path());
    let old = keys.pair();
    let made = keys.prepare().unwrap();
    assert!(keys.pair().is_same(&old) && open(folder.path()).load().unwrap().unwrap().is_same(&old));
    assert!(open(folder.path()).load_backup(&made.backup).unwrap().is_same(&old));
    assert!(matches!(keys.adopt("another"), Err(KeyStoreError::NotPrepared)));
    for _ in 0..2 {
        keys.adopt(&made.public_key).unwrap();
        assert_eq!(keys.public_key().to_pem(), made.public_key);
    }
    let again = DeviceKeys::open(open(folder.path()), "AHU-1").unwrap();
    again.adopt(&made.public_key).unwrap();
    assert_eq!(keys.backups().unwrap(), [made.backup.as_str()], "one copy is enough");
}

/// The process that has prepared it is gone: nothing of it is left but the backup, which the next one takes over.
#[test]
fn a_pair_that_was_not_adopted_is_gone_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = ensured(folder.path()).prepare().unwrap();
    let keys = DeviceKeys::open(open(folder.path()), "AHU-1").unwrap();
    assert!(matches!(keys.adopt(&first.public_key), Err(KeyStoreError::NotPrepared)));
    let second = keys.prepare().unwrap();
    assert_eq!(second.backup, first.backup);
    assert!(matches!(keys.adopt(&first.public_key), Err(KeyStoreError::NotPrepared)));
    keys.adopt(&second.public_key).unwrap();
}

#[cfg(unix)]
#[test]
fn backups_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let backup = ensured(folder.path()).rotate().unwrap().backup;
    let backups = folder.path().join("key_backups");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&backups), mode(&backups.join(format!("{backup}.pem")))), (0o700, 0o600));
    for name in ["ec_private.pem", "ec_private.pkcs8"] {
        assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
    }
}

#[test]
fn the_certificate_is_renewed_with_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ensured(folder.path());
    let before = CertificateInfo::from_pem(&keys.pair().certificate.unwrap()).unwrap();
    keys.rotate().unwrap();
    let after = CertificateInfo::from_pem(&keys.pair().certificate.unwrap()).unwrap();
    assert_eq!(after.subject, before.subject);
    assert!(after.belongs_to(&keys.public_key()) && !before.belongs_to(&keys.public_key()));
    let trust = Trust::Private(Pem::Bytes(keys.pair().certificate.unwrap().into_bytes()));
    TlsConfig::new(&TlsSettings { trust, identity: keys.tls_identity() }).unwrap();
}

#[test]
fn a_key_without_certificate_is_rotated_without() {
    let key = PrivateKey::generate(KeySpec::P256).unwrap();
    let keys = DeviceKeys::open(MemoryKeyStore::with(KeyPair { key, certificate: None }), "AHU-1").unwrap();
    keys.rotate().unwrap();
    assert!(keys.pair().certificate.is_none() && keys.tls_identity().is_none());
}

#[test]
fn a_restored_backup_is_in_force_and_the_refused_pair_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ensured(folder.path());
    let old = keys.pair();
    let made = keys.rotate().unwrap();
    let refused = keys.pair();
    keys.restore(&made.backup).unwrap();
    assert!(keys.pair().is_same(&old));
    assert!(DeviceKeys::open(open(folder.path()), "AHU-1").unwrap().pair().is_same(&old));
    let backups = keys.backups().unwrap();
    assert_eq!(backups.len(), 2);
    assert!(open(folder.path()).load_backup(&backups[1]).unwrap().is_same(&refused));
    keys.restore(&made.backup).unwrap();
    assert_eq!(keys.backups().unwrap(), backups, "restoring what is in force changes nothing");
}

#[test]
fn backups_of_one_second_do_not_overwrite_each_other() {
    let keys = DeviceKeys::ensure(MemoryKeyStore::new(), "AHU-1", Wanted::default()).unwrap().0;
    let names: Vec<_> = (0..20).map(|_| keys.rotate().unwrap().backup).collect();
    assert_eq!(keys.backups().unwrap(), names);
    names.iter().for_each(|name| assert_is_date(name));
}

#[test]
fn a_pair_that_somebody_else_put_in_the_store_is_not_lost_either() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ensured(folder.path());
    let other = DeviceKeys::open(open(folder.path()), "AHU-1").unwrap();
    let first = keys.pair();
    other.rotate().unwrap();
    let made = keys.rotate().unwrap();
    let mut store = open(folder.path());
    assert!(store.load_backup(&made.backup).unwrap().is_same(&first));
    let backups = keys.backups().unwrap();
    assert!(backups.iter().any(|name| store.load_backup(name).unwrap().is_same(&other.pair())));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ensured(folder.path());
    for name in ["", "..", "../ec_private", "a/b", "/etc/passwd", "a.pem", &"x".repeat(65)] {
        assert!(matches!(keys.restore(name), Err(KeyStoreError::BackupName)), "{name}");
    }
    assert!(matches!(keys.restore("20200101T000000Z"), Err(KeyStoreError::NoBackup(_))));
    let pair = keys.pair();
    open(folder.path()).back_up("20200101T000000Z", &pair).unwrap();
    let taken = open(folder.path()).back_up("20200101T000000Z", &pair);
    assert!(matches!(taken, Err(KeyStoreError::BackupTaken(_))));
}

#[test]
fn a_store_that_fails_leaves_the_old_pair_in_force() {
    let (store, fails) = Failing::new();
    let keys = DeviceKeys::ensure(store, "AHU-1", Wanted::default()).unwrap().0;
    let (old, request) = (keys.pair(), SignRequest { algorithm: Algorithm::Es256, input: "input".into() });
    fails.store(true, Ordering::Relaxed);
    assert_eq!(keys.rotate().unwrap_err().to_string(), "the disc is full");
    assert!(keys.pair().is_same(&old) && keys.sign(&request).is_ok());
    fails.store(false, Ordering::Relaxed);
    keys.rotate().unwrap();
    assert_eq!(keys.backups().unwrap().len(), 1, "one copy of the old pair is enough");
}

#[test]
fn a_certifier_issues_certificates_or_stops_the_rotation() {
    let folder = tempfile::tempdir().unwrap();
    ensured(folder.path());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let note = asked.clone();
    let keys = DeviceKeys::open_with_certifier(
        open(folder.path()),
        "AHU-1",
        Box::new(move |key, name| {
            note.lock().unwrap().push((name.to_owned(), key.public_key().unwrap()));
            Err("ask again tomorrow".to_owned())
        }),
    )
    .unwrap();
    let before = keys.pair();
    assert_eq!(keys.rotate().unwrap_err().to_string(), "no certificate was issued: ask again tomorrow");
    assert!(keys.pair().is_same(&before) && keys.backups().unwrap().is_empty());
    assert_eq!(asked.lock().unwrap()[0].0, "AHU-1");
}

#[test]
fn signing_goes_on_while_keys_are_rotated_from_many_threads() {
    let keys = DeviceKeys::ensure(MemoryKeyStore::new(), "AHU-1", Wanted::default()).unwrap().0;
    let request = SignRequest { algorithm: Algorithm::Es256, input: "input".into() };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| drop(keys.rotate().unwrap())));
            scope.spawn(|| (0..100).for_each(|_| drop(keys.sign(&request).unwrap())));
        }
    });
    assert_eq!(keys.backups().unwrap().len(), 40);
}

#[test]
fn a_crash_between_any_two_files_is_finished_when_the_folder_is_next_opened() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (old_keys, new_keys) = (ensured(old.path()), ensured(new.path()));
    let files = ["ec_private.pkcs8", "ec_private.pem", "ec_public.pem", "ec_private.crt"];
    for replaced in 0..=files.len() {
        let crashed = tempfile::tempdir().unwrap();
        for (index, name) in files.iter().enumerate() {
            let source = if index < replaced { new.path() } else { old.path() };
            fs::copy(source.join(name), crashed.path().join(name)).unwrap();
        }
        let pair = new_keys.pair();
        let bundle = format!("{}{}", *pair.key.to_pem(), pair.certificate.as_ref().unwrap());
        fs::write(crashed.path().join(".ec_key_pending.pem"), bundle).unwrap();
        assert_eq!(FileKeyStore::families(crashed.path()), [KeyFamily::Ec]);
        assert!(open(crashed.path()).load().unwrap().unwrap().is_same(&pair), "{replaced} files replaced");
        assert_consistent(crashed.path());
        assert!(!crashed.path().join(".ec_key_pending.pem").exists());
    }
    let crashed = old.path();
    fs::write(crashed.join("..ec_key_pending.pem.tmp"), "half a").unwrap();
    assert!(open(crashed).load().unwrap().unwrap().is_same(&old_keys.pair()));
    assert!(!crashed.join("..ec_key_pending.pem.tmp").exists());
}

const FOLDER: &str = "UDMI_HOST_TEST_KEY_FOLDER";
const MARK: &str = "rotated ";
const KILLS: u32 = 40;

/// Doubles as the rotating process: the test starts itself with a folder in its environment.
#[test]
fn kill_9_at_random_moments_leaves_a_whole_pair_and_every_earlier_one() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        rotate_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut seen = vec![ensured(folder.path()).public_key().fingerprint()];
    let mut random = 0x5eed_1234_abcd_0001_u64;
    for kill in 0..KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seen.extend(rotate_and_kill(folder.path(), random >> 33));
        let keys = DeviceKeys::open(open(folder.path()), "AHU-1").unwrap();
        assert_consistent(folder.path());
        let mut store = open(folder.path());
        let backups = keys.backups().unwrap();
        let mut kept: Vec<_> = backups
            .iter()
            .map(|name| store.load_backup(name).unwrap().key.public_key().unwrap().fingerprint())
            .collect();
        kept.push(keys.public_key().fingerprint());
        for fingerprint in &seen {
            assert!(kept.contains(fingerprint), "kill {kill} lost a key");
        }
        fs::remove_dir_all(folder.path().join("key_backups")).unwrap_or_default();
        seen = vec![keys.public_key().fingerprint()];
    }
}

/// Lets a process rotate for a while, kills it, and returns the keys it said were in force.
fn rotate_and_kill(folder: &Path, random: u64) -> Vec<String> {
    let name = "kill_9_at_random_moments_leaves_a_whole_pair_and_every_earlier_one";
    let mut child = Rotating(
        Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The first two lines are the test runner's; then some rotations, then some moment within one.
    let mut said: Vec<_> = lines.by_ref().take(2 + (random % 4) as usize).collect();
    for _ in 0..random % 3_000_000 {
        std::hint::spin_loop();
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    said.extend(lines);
    said.iter().filter_map(|line| line.strip_prefix(MARK).map(ToOwned::to_owned)).collect()
}

fn rotate_for_ever(folder: &Path) -> ! {
    let keys = DeviceKeys::open(open(folder), "AHU-1").unwrap();
    loop {
        keys.rotate().unwrap();
        let mut output = std::io::stdout().lock();
        let line = format!("{MARK}{}", keys.public_key().fingerprint());
        if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
            std::process::exit(0);
        }
    }
}

struct Rotating(Child);

impl Drop for Rotating {
    fn drop(&mut self) {
        // Already done unless the test failed half way.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A store of one's own whose `save` fails on demand.
#[derive(Default)]
struct Failing {
    inner: MemoryKeyStore,
    fails: Arc<AtomicBool>,
}

impl Failing {
    fn new() -> (Self, Arc<AtomicBool>) {
        let store = Self::default();
        let fails = store.fails.clone();
        (store, fails)
    }
}

impl KeyStore for Failing {
    fn load(&mut self) -> Result<Option<KeyPair>, KeyStoreError> {
        self.inner.load()
    }

    fn save(&mut self, pair: &KeyPair) -> Result<(), KeyStoreError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(KeyStoreError::Other("the disc is full".to_owned()));
        }
        self.inner.save(pair)
    }

    fn back_up(&mut self, name: &str, pair: &KeyPair) -> Result<(), KeyStoreError> {
        self.inner.back_up(name, pair)
    }

    fn load_backup(&mut self, name: &str) -> Result<KeyPair, KeyStoreError> {
        self.inner.load_backup(name)
    }

    fn backups(&mut self) -> Result<Vec<String>, KeyStoreError> {
        self.inner.backups()
    }
}

fn open(folder: &Path) -> FileKeyStore {
    FileKeyStore::open(folder, KeyFamily::Ec).unwrap()
}

fn ensured(folder: &Path) -> DeviceKeys {
    DeviceKeys::ensure(open(folder), "AHU-1", Wanted::default()).unwrap().0
}

/// All four files are of one key.
#[track_caller]
fn assert_consistent(folder: &Path) {
    let key = PrivateKey::load(&folder.join("ec_private.pkcs8"), None).unwrap();
    let pem = PrivateKey::load(&folder.join("ec_private.pem"), None).unwrap();
    let public = key.public_key().unwrap();
    assert!(pem.pkcs8_der() == key.pkcs8_der(), "the two private files differ");
    assert_eq!(fs::read_to_string(folder.join("ec_public.pem")).unwrap(), public.to_pem());
    let certificate = fs::read_to_string(folder.join("ec_private.crt")).unwrap();
    assert!(CertificateInfo::from_pem(&certificate).unwrap().belongs_to(&public));
}

#[track_caller]
fn assert_is_date(name: &str) {
    let (date, number) = name.split_at(16);
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "00000000T000000Z", "{name}");
    assert!(number.is_empty() || number.starts_with('-') && number.len() == 4, "{name}");
}
