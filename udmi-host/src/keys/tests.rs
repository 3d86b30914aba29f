use super::*;

const EC_PASSWORD: &str = "4296a35c";
const RSA_PASSWORD: &str = "b0892e1e";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys").join(name)
}

fn load(name: &str, passphrase: Option<&str>) -> Result<PrivateKey, KeyError> {
    PrivateKey::load(&fixture(name), passphrase.map(Password::new).as_ref())
}

#[track_caller]
fn assert_same_key(name: &str, passphrase: Option<&str>, original: &str, kind: KeyKind) {
    let key = load(name, passphrase).unwrap_or_else(|error| panic!("{error}"));
    assert!(key.pkcs8_der() == std::fs::read(fixture(original)).unwrap(), "{name} is not {original}");
    assert_eq!(key.kind(), kind, "{name}");
}

#[test]
fn every_plain_form_becomes_the_bytes_openssl_writes_as_pkcs8() {
    for name in ["ec_sec1.pem", "ec_sec1.der", "ec_pkcs8.pem", "ec_private.pkcs8"] {
        assert_same_key(name, None, "ec_private.pkcs8", KeyKind::P256);
    }
    for name in ["rsa_pkcs1.pem", "rsa_pkcs1.der", "rsa_pkcs8.pem", "rsa_private.pkcs8"] {
        assert_same_key(name, None, "rsa_private.pkcs8", KeyKind::Rsa);
    }
}

#[test]
fn the_broker_password_is_the_same_whatever_the_file_form() {
    for name in ["ec_sec1.pem", "ec_private.pkcs8"] {
        assert_eq!(load(name, None).unwrap().broker_password().expose(), EC_PASSWORD, "{name}");
    }
    for name in ["rsa_pkcs1.pem", "rsa_private.pkcs8"] {
        assert_eq!(load(name, None).unwrap().broker_password().expose(), RSA_PASSWORD, "{name}");
    }
}

#[cfg(feature = "encrypted-keys")]
#[test]
fn encrypted_keys_are_opened_with_the_broker_password() {
    for name in ["ec_encrypted.pem", "ec_encrypted.der"] {
        assert_same_key(name, Some(EC_PASSWORD), "ec_private.pkcs8", KeyKind::P256);
    }
    assert_same_key("rsa_encrypted.pem", Some(RSA_PASSWORD), "rsa_private.pkcs8", KeyKind::Rsa);
}

#[cfg(feature = "encrypted-keys")]
#[test]
fn a_wrong_pass_phrase_is_told_from_an_unsupported_cipher() {
    let problem = |name: &str, passphrase: &str| load(name, Some(passphrase)).err().unwrap().problem;
    for guess in 0..40 {
        let wrong = format!("wrong {guess}");
        assert!(matches!(problem("ec_encrypted.pem", &wrong), KeyProblem::WrongPassphrase));
    }
    assert!(matches!(problem("ec_des3.pem", EC_PASSWORD), KeyProblem::UnsupportedEncryption(_)));
}

#[test]
fn an_encrypted_key_without_pass_phrase_says_so() {
    let error = load("ec_encrypted.pem", None).err().unwrap();
    assert!(matches!(error.problem, KeyProblem::PassphraseNeeded));
    assert!(error.to_string().contains("ec_encrypted.pem"), "{error}");
}

#[test]
fn the_encryption_before_pkcs8_is_named_with_its_remedy() {
    let error = load("ec_legacy.pem", Some(EC_PASSWORD)).err().unwrap();
    assert!(matches!(error.problem, KeyProblem::LegacyEncryption));
    assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}");
}

#[test]
fn what_is_not_a_key_is_refused_with_what_was_expected() {
    let refused = |bytes: &[u8]| PrivateKey::from_bytes(bytes, None).err().unwrap();
    for bytes in [&b""[..], b"hello", &[0xff, 0xfe], &[0x30, 0]] {
        assert!(matches!(refused(bytes), KeyProblem::NotAKey), "{bytes:?}");
    }
    let certificate = b"-----BEGIN CERTIFICATE-----\nTWFu\n-----END CERTIFICATE-----\n";
    let problem = refused(certificate);
    assert!(matches!(&problem, KeyProblem::NoKeyInPem(labels) if labels == &["CERTIFICATE"]));
    assert!(problem.to_string().contains("expected a private key"), "{problem}");
    let damaged = b"-----BEGIN PRIVATE KEY-----\nTWFu\n-----END PRIVATE KEY-----\n";
    assert!(matches!(refused(damaged), KeyProblem::Damaged(label) if label == "PRIVATE KEY"));
}

#[test]
fn a_missing_and_an_oversized_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = PrivateKey::load(&folder.path().join("none.pem"), None).err().unwrap();
    assert!(matches!(missing.problem, KeyProblem::Unreadable(_)));
    let large = folder.path().join("large.pem");
    std::fs::write(&large, vec![b'x'; MAX_KEY_FILE_BYTES as usize + 1]).unwrap();
    assert!(matches!(PrivateKey::load(&large, None).err().unwrap().problem, KeyProblem::TooLarge));
}

#[test]
fn every_cut_of_a_key_is_refused_without_panic() {
    for name in ["ec_sec1.der", "ec_private.pkcs8", "rsa_pkcs1.der", "ec_encrypted.der"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for length in 0..bytes.len() {
            assert!(PrivateKey::from_bytes(&bytes[..length], None).is_err(), "{name} cut to {length}");
        }
    }
}

#[test]
fn a_password_is_not_printed() {
    assert_eq!(format!("{:?}", Password::new("c0ffee00")), "***");
}
