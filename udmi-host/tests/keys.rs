//! Keys made, signed with, and kept secret; OpenSSL agrees where it is there.

use std::fs;
use std::path::Path;
use std::process::Command;

use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use udmi_host::certificate::{self, CertificateInfo};
use udmi_host::key_store::{
    DeviceKeys, FileKeyStore, KeyFamily, KeyPair, KeyStore as _, KeyStoreError, MemoryKeyStore, Wanted,
};
use udmi_host::keys::{KeyKind, KeySpec, Password, PrivateKey, PublicKey};
use udmi_host::sign::Signer;
use udmi_host::tls::{Pem, TlsConfig, TlsSettings, Trust};
use udmi_proto::{Algorithm, SignError, SignRequest};

#[test]
fn es256_signatures_are_64_bytes_in_base64url_and_verify() {
    let key = PrivateKey::generate(KeySpec::P256).unwrap();
    let signature = signature(&key, Algorithm::Es256);
    assert_eq!(signature.len(), 64);
    let public = key.public_key().unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point_of(&public))
        .verify(INPUT.as_bytes(), &signature)
        .unwrap();
}

#[test]
fn rs256_signatures_verify_for_every_form_of_the_key_file() {
    for name in ["rsa_pkcs1.pem", "rsa_pkcs8.pem", "rsa_private.pkcs8"] {
        let key = fixture(name);
        let public = key.public_key().unwrap();
        assert_eq!((public.kind(), public.bits()), (KeyKind::Rsa, 2048));
        let signature = signature(&key, Algorithm::Rs256);
        assert_eq!(signature.len(), 256);
        // After the algorithm, whose length is fixed, comes the key in its own form.
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public.der()[24..])
            .verify(INPUT.as_bytes(), &signature)
            .unwrap();
    }
}

#[test]
fn a_sec1_key_signs_too() {
    let key = fixture("ec_sec1.pem");
    let public = key.public_key().unwrap();
    let signature = signature(&key, Algorithm::Es256);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point_of(&public))
        .verify(INPUT.as_bytes(), &signature)
        .unwrap();
}

#[test]
fn an_algorithm_of_the_other_kind_is_refused() {
    for (name, algorithm) in [("rsa_pkcs8.pem", Algorithm::Es256), ("ec_pkcs8.pem", Algorithm::Rs256)] {
        let signer = Signer::new(&fixture(name)).unwrap();
        let refused = signer.sign(&SignRequest { algorithm, input: INPUT.into() });
        assert_eq!(refused.err(), Some(SignError::WrongKind), "{name}");
    }
}

#[cfg(feature = "rsa-keygen")]
#[test]
fn a_made_rsa_key_has_its_size_signs_and_gets_a_certificate() {
    let key = PrivateKey::generate(KeySpec::Rsa2048).unwrap();
    let public = key.public_key().unwrap();
    assert_eq!(
        (public.kind(), public.bits(), KeySpec::like(&public)),
        (KeyKind::Rsa, 2048, KeySpec::Rsa2048)
    );
    assert_eq!(signature(&key, Algorithm::Rs256).len(), 256);
    let certificate = certificate::self_signed(&key, "AHU-1", now()).unwrap();
    assert!(CertificateInfo::from_pem(&certificate).unwrap().belongs_to(&public));
    assert_openssl_agrees(&key);
}

#[cfg(not(feature = "rsa-keygen"))]
#[test]
fn a_build_without_rsa_says_so() {
    let refused = PrivateKey::generate(KeySpec::Rsa2048).err().unwrap();
    assert!(refused.to_string().contains("no RSA keys"), "{refused}");
}

#[test]
fn a_made_p256_key_is_what_openssl_would_have_written() {
    let key = PrivateKey::generate(KeySpec::P256).unwrap();
    let again = PrivateKey::from_bytes(key.to_pem().as_bytes(), None).unwrap();
    assert!(again.pkcs8_der() == key.pkcs8_der());
    assert_openssl_agrees(&key);
}

#[test]
fn a_signing_request_carries_name_and_key() {
    let key = PrivateKey::generate(KeySpec::P256).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("csr.pem"), certificate::signing_request(&key, "AHU-1").unwrap()).unwrap();
    let arguments = ["req", "-in", "csr.pem", "-verify", "-noout", "-subject", "-pubkey"];
    let Some(text) = openssl(folder.path(), &arguments) else { return };
    assert!(text.contains("CN = AHU-1") || text.contains("CN=AHU-1"), "{text}");
    assert!(text.contains(&key.public_key().unwrap().to_pem()), "{text}");
}

#[test]
fn what_is_missing_is_made_once_in_files_of_the_right_names_and_access() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("AHU-1");
    let ensure = || {
        let store = FileKeyStore::open(&device, KeyFamily::Ec).unwrap();
        DeviceKeys::ensure(store, "AHU-1", Wanted::default()).unwrap()
    };
    let (keys, made) = ensure();
    assert!(made.key && made.certificate);
    assert_eq!(names(&device), ["ec_private.crt", "ec_private.pem", "ec_private.pkcs8", "ec_public.pem"]);
    let pair = keys.pair();
    assert!(fs::read(device.join("ec_private.pkcs8")).unwrap() == pair.key.pkcs8_der());
    assert_eq!(fs::read_to_string(device.join("ec_public.pem")).unwrap(), keys.public_key().to_pem());
    let info =
        CertificateInfo::from_pem(&fs::read_to_string(device.join("ec_private.crt")).unwrap()).unwrap();
    assert!(info.subject == "CN=AHU-1" && info.is_valid_now() && info.belongs_to(&keys.public_key()));
    assert_accesses(&device, &[("ec_private.pem", 0o600), ("ec_private.pkcs8", 0o600)]);

    let (again, made) = ensure();
    assert!(!made.key && !made.certificate && again.pair().is_same(&pair));
}

#[test]
fn a_certificate_is_added_to_a_key_without_one_and_the_key_stays() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture_path("rsa_pkcs1.pem"), folder.path().join("rsa_private.pem")).unwrap();
    let store = FileKeyStore::open(folder.path(), KeyFamily::Rsa).unwrap();
    let (keys, made) = DeviceKeys::ensure(store, "AHU-1", Wanted::default()).unwrap();
    assert!(!made.key && made.certificate);
    assert_eq!(keys.password().expose(), fixture("rsa_pkcs1.pem").broker_password().expose());
    let trust = Trust::Private(Pem::Bytes(keys.pair().certificate.unwrap().into_bytes()));
    TlsConfig::new(&TlsSettings { trust, identity: keys.tls_identity() }).unwrap();
}

#[test]
fn a_key_that_signs_no_tokens_still_serves_tls_and_passwords() {
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let made = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&made).unwrap().pem();
        let key = PrivateKey::from_bytes(made.serialize_pem().as_bytes(), None).unwrap();
        let store = MemoryKeyStore::with(KeyPair { key, certificate: Some(certificate.clone()) });
        let keys = DeviceKeys::open(store, "AHU-1").unwrap();
        assert_eq!(keys.signer().err(), Some(SignError::WrongKind));
        let request = SignRequest { algorithm: Algorithm::Es256, input: INPUT.into() };
        assert_eq!(keys.sign(&request).err(), Some(SignError::WrongKind));
        assert!(CertificateInfo::from_pem(&certificate).unwrap().belongs_to(&keys.public_key()));
        let trust = Trust::Private(Pem::Bytes(certificate.into_bytes()));
        TlsConfig::new(&TlsSettings { trust, identity: keys.tls_identity() }).unwrap();
    }
}

#[test]
fn what_is_damaged_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let ensure = || {
        let store = FileKeyStore::open(folder.path(), KeyFamily::Ec).unwrap();
        DeviceKeys::ensure(store, "AHU-1", Wanted::default()).map(|_| ()).unwrap_err()
    };
    fs::write(folder.path().join("ec_private.crt"), "whose is this?").unwrap();
    assert!(matches!(ensure(), KeyStoreError::CertificateWithoutKey(_)));
    fs::write(folder.path().join("ec_private.pem"), "no key").unwrap();
    assert!(matches!(ensure(), KeyStoreError::Key(_)));
    fs::copy(fixture_path("ec_sec1.pem"), folder.path().join("ec_private.pem")).unwrap();
    assert!(matches!(ensure(), KeyStoreError::NotACertificate(_)));
    assert_eq!(names(folder.path()), ["ec_private.crt", "ec_private.pem"]);
}

#[test]
fn an_encrypted_key_is_opened_with_the_pass_phrase_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture_path("ec_encrypted.pem"), folder.path().join("ec_private.pem")).unwrap();
    let open = || FileKeyStore::open(folder.path(), KeyFamily::Ec).unwrap();
    assert!(matches!(DeviceKeys::open(open(), "AHU-1"), Err(KeyStoreError::Key(_))));
    let store = open().with_passphrase(Password::new("4296a35c"));
    assert_eq!(DeviceKeys::open(store, "AHU-1").unwrap().password().expose(), "4296a35c");
}

#[test]
fn nothing_printable_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = FileKeyStore::open(folder.path(), KeyFamily::Ec)
        .unwrap()
        .with_passphrase(Password::new("a planted pass phrase"));
    let (keys, _) = DeviceKeys::ensure(MemoryKeyStore::new(), "AHU-1", Wanted::default()).unwrap();
    let pair = keys.pair();
    let mut needles = needles(&pair.key);
    needles.push("a planted pass phrase".into());
    let rotated = keys.rotate().unwrap();
    needles.extend(self::needles(&keys.pair().key));
    let trust = Trust::Private(Pem::Bytes(pair.certificate.clone().unwrap().into_bytes()));
    let settings = TlsSettings { trust, identity: keys.tls_identity() };
    let request = SignRequest { algorithm: Algorithm::Es256, input: INPUT.into() };
    let mut shown = vec![
        format!("{keys:#?} {pair:#?} {rotated:#?} {files:#?} {:#?}", MemoryKeyStore::with(keys.pair())),
        format!("{:#?} {:#?} {:#?}", keys.signer(), keys.public_key(), keys.password()),
        format!("{settings:#?} {:#?} {:#?}", TlsConfig::new(&settings).unwrap(), keys.sign(&request)),
        serde_json::to_string(&rotated).unwrap(),
        keys.public_key().to_pem(),
        pair.certificate.clone().unwrap(),
        certificate::signing_request(&pair.key, "AHU-1").unwrap(),
    ];
    shown.extend(errors_about(&pair, folder.path(), &mut files));
    for text in &shown {
        for needle in &needles {
            assert!(!text.contains(needle.as_str()), "{needle} in {text}");
        }
    }
    // The search finds what is there.
    let key = pair.key.to_pem().replace('\n', "");
    assert!(needles.iter().any(|needle| key.contains(needle.as_str())));
}

#[test]
fn a_panic_while_signing_keys_are_at_hand_shows_none() {
    let (keys, _) = DeviceKeys::ensure(MemoryKeyStore::new(), "AHU-1", Wanted::default()).unwrap();
    let needles = needles(&keys.pair().key);
    let panicked = std::thread::spawn(move || {
        let wrong = SignRequest { algorithm: Algorithm::Rs256, input: INPUT.into() };
        keys.sign(&wrong).unwrap();
    });
    let text = panicked.join().unwrap_err().downcast::<String>().unwrap();
    assert!(
        text.contains("WrongKind") && !needles.iter().any(|needle| text.contains(needle.as_str())),
        "{text}"
    );
}

/// Every error that damaged or misplaced key files cause.
fn errors_about(pair: &KeyPair, folder: &Path, store: &mut FileKeyStore) -> Vec<String> {
    let pem = pair.key.to_pem();
    let der = pair.key.pkcs8_der();
    let mut shown = Vec::new();
    let damaged: [&[u8]; 5] =
        [&pem.as_bytes()[..120], &pem.as_bytes()[30..], &der[..der.len() - 1], &der[30..], &der[..40]];
    for bytes in damaged {
        for name in ["ec_private.pkcs8", ".ec_key_pending.pem"] {
            fs::write(folder.join(name), bytes).unwrap();
            let error = store.load().unwrap_err();
            shown.push(format!("{error} {error:?}"));
            fs::remove_file(folder.join(name)).unwrap();
        }
    }
    // The scalar is spoilt: the form is right, the key is not.
    let mut unsound = der.to_vec();
    unsound[36..68].fill(0xff);
    let unsound = PrivateKey::from_bytes(&unsound, None).unwrap();
    let error = Signer::new(&unsound).err().unwrap();
    shown.push(format!("{error} {error:?}"));
    let error = certificate::self_signed(&unsound, "AHU-1", now()).unwrap_err();
    shown.push(format!("{error} {error:?}"));
    let certificate = Some(String::from_utf8_lossy(der).into_owned());
    let mut broken = MemoryKeyStore::with(KeyPair { key: pair.key.clone(), certificate });
    shown.push(format!("{:?}", broken.load().unwrap()));
    shown
}

const INPUT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJwcm9qZWN0In0";

/// How the secret scalar of a P-256 key and its password may show up in a text.
fn needles(key: &PrivateKey) -> Vec<String> {
    let scalar = &key.pkcs8_der()[36..68];
    let hexadecimal: String = scalar.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<_> = scalar[..6].iter().map(ToString::to_string).collect();
    let mut needles = vec![
        hexadecimal[..24].to_owned(),
        hexadecimal[..24].to_uppercase(),
        decimal.join(", "),
        key.broker_password().expose().to_owned(),
    ];
    // Base64 of every alignment, without the digits that depend on neighbours.
    for skipped in 0..3 {
        needles.push(base64(&scalar[skipped..][..18]));
    }
    needles
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let words = bytes.chunks_exact(3).map(|three| u32::from_be_bytes([0, three[0], three[1], three[2]]));
    let digit = |word: u32, shift: u32| char::from(DIGITS[(word >> shift & 63) as usize]);
    words.flat_map(|word| [18, 12, 6, 0].map(|shift| digit(word, shift))).collect()
}

fn signature(key: &PrivateKey, algorithm: Algorithm) -> Vec<u8> {
    let signer = Signer::new(key).unwrap();
    assert_eq!(signer.algorithm(), algorithm);
    let encoded = signer.sign(&SignRequest { algorithm, input: INPUT.into() }).unwrap();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(encoded.expose().chars().all(plain), "padding or other digits");
    let padded = encoded.expose().replace('-', "+").replace('_', "/");
    let padded = format!("{padded}{}", "=".repeat((4 - padded.len() % 4) % 4));
    let pem = format!("-----BEGIN CERTIFICATE-----\n{padded}\n-----END CERTIFICATE-----\n");
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

/// What follows the algorithm, whose length is fixed.
fn point_of(public: &PublicKey) -> &[u8] {
    &public.der()[26..]
}

#[track_caller]
fn assert_openssl_agrees(key: &PrivateKey) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key.pem"), key.to_pem().as_bytes()).unwrap();
    let run = |arguments: &[&str]| openssl(folder.path(), arguments);
    let Some(public) = run(&["pkey", "-in", "key.pem", "-check", "-pubout"]) else { return };
    assert!(public.contains(&key.public_key().unwrap().to_pem()), "{public}");
    run(&["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "key.der"]).unwrap();
    assert!(fs::read(folder.path().join("key.der")).unwrap() == key.pkcs8_der());
}

/// What OpenSSL says, or `None`, told, if it is not there.
#[track_caller]
fn openssl(folder: &Path, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new("openssl").args(arguments).current_dir(folder).output() else {
        println!("left out: there is no openssl to ask");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn fixture_path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys").join(name)
}

fn fixture(name: &str) -> PrivateKey {
    PrivateKey::load(&fixture_path(name), None).unwrap()
}

fn now() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(unix)]
fn assert_accesses(folder: &Path, expected: &[(&str, u32)]) {
    use std::os::unix::fs::PermissionsExt as _;
    for (name, mode) in expected {
        let found = fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, *mode, "{name}");
    }
}

#[cfg(not(unix))]
fn assert_accesses(_folder: &Path, _expected: &[(&str, u32)]) {}
