//! `udmi keys` on a device's folder and in a site model.

mod bench;

use std::path::Path;
use std::process::Output;

use bench::{ndjson, stderr, stdout, udmi};
use serde_json::Value;

#[test]
fn keys_are_made_shown_rotated_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let made = document(&keys(folder.path(), &["generate", "--json", "--reveal", "--name", "AHU-1"]));
    assert_eq!((made["kind"].as_str(), made["bits"].as_u64()), (Some("ec"), Some(256)));
    assert_eq!(made["certificate"]["subject"], "CN=AHU-1");
    assert_eq!(made["certificate"]["belongs_to_key"], true);
    assert_eq!(made["certificate"]["valid_now"], true);
    assert_eq!(made["password"].as_str().unwrap().len(), 8);

    let rotated = document(&keys(folder.path(), &["rotate", "--json"]));
    assert_ne!(rotated["fingerprint"], made["fingerprint"]);
    assert_eq!(rotated["certificate"]["belongs_to_key"], true);
    assert_eq!(rotated["certificate"]["subject"], "CN=AHU-1");
    assert_eq!(rotated["password"], "********");
    let backup = rotated["backup"].as_str().unwrap();
    assert_eq!(rotated["backups"], serde_json::json!([backup]));

    let restored = document(&keys(folder.path(), &["restore", backup, "--json", "--reveal"]));
    assert_eq!((&restored["fingerprint"], &restored["password"]), (&made["fingerprint"], &made["password"]));
    assert_eq!(restored["backups"].as_array().unwrap().len(), 2);
}

#[test]
fn keys_that_are_there_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    assert!(keys(folder.path(), &["generate"]).status.success());
    let before = std::fs::read(folder.path().join("ec_private.pkcs8")).unwrap();
    let again = keys(folder.path(), &["generate"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        stderr(&again).contains("not overwritten") && stderr(&again).contains("rotate"),
        "{}",
        stderr(&again)
    );
    assert!(std::fs::read(folder.path().join("ec_private.pkcs8")).unwrap() == before);
}

#[test]
fn an_rsa_key_is_made_beside_an_elliptic_one() {
    let folder = tempfile::tempdir().unwrap();
    assert!(keys(folder.path(), &["generate", "--kind", "ec"]).status.success());
    let made = document(&keys(folder.path(), &["generate", "--kind", "rsa", "--bits", "2048", "--json"]));
    assert_eq!((made["kind"].as_str(), made["bits"].as_u64()), (Some("rsa"), Some(2048)));
    let unclear = keys(folder.path(), &["show"]);
    assert_eq!(unclear.status.code(), Some(2));
    assert!(stderr(&unclear).contains("--kind"), "{}", stderr(&unclear));
    let shown = document(&keys(folder.path(), &["show", "--kind", "rsa", "--json"]));
    assert_eq!(shown["fingerprint"], made["fingerprint"]);
    for wrong in [&["--kind", "rsa", "--bits", "1024"], &["--kind", "ec", "--bits", "384"]] {
        assert_eq!(keys(folder.path(), &[&["generate"], &wrong[..]].concat()).status.code(), Some(2));
    }
}

#[test]
fn what_people_are_shown_has_no_secret_in_it_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    assert!(keys(folder.path(), &["generate"]).status.success());
    let revealed = document(&keys(folder.path(), &["show", "--json", "--reveal"]));
    let password = revealed["password"].as_str().unwrap();
    let shown = keys(folder.path(), &["show"]);
    let text = stdout(&shown);
    for expected in [
        "elliptic curve P-256, 256 bits",
        "-----BEGIN PUBLIC KEY-----",
        revealed["fingerprint"].as_str().unwrap(),
        "valid from ",
        "********",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains(password) && !text.contains("PRIVATE"), "{text}");
    assert!(stdout(&keys(folder.path(), &["show", "--reveal"])).contains(password));
}

#[test]
fn a_signing_request_goes_to_standard_output_or_to_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(keys(folder.path(), &["generate"]).status.success());
    let printed = keys(folder.path(), &["csr"]);
    assert!(stdout(&printed).starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{}", stdout(&printed));
    let file = folder.path().join("device.csr");
    let out = ["csr", "--out", file.to_str().unwrap()];
    assert!(keys(folder.path(), &out).status.success());
    assert!(std::fs::read_to_string(&file).unwrap().contains("CERTIFICATE REQUEST"));
    assert_eq!(keys(folder.path(), &out).status.code(), Some(2), "a file is not overwritten");
}

#[test]
fn the_site_model_says_where_and_of_which_kind() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    let site = site.to_str().unwrap();
    assert!(udmi().args(["init", site]).output().unwrap().status.success());
    let of_device = |command: &str, device: &str| {
        udmi().args(["keys", command, "--site", site, "--device", device, "--json"]).output().unwrap()
    };
    let missing = of_device("show", "AHU-1");
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("udmi keys generate"), "{}", stderr(&missing));
    let made = document(&of_device("generate", "AHU-1"));
    assert_eq!(
        (made["kind"].as_str(), made["certificate"]["subject"].as_str()),
        (Some("ec"), Some("CN=AHU-1"))
    );
    assert!(Path::new(site).join("devices/AHU-1/ec_private.pkcs8").exists());
    let of_gateway = document(&of_device("generate", "EM-1"));
    assert_eq!(of_gateway["certificate"]["subject"], "CN=GAT-1");
    assert_eq!(of_device("show", "NO-1").status.code(), Some(2));
}

#[test]
fn a_certificate_of_another_key_is_shown_as_such_and_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (site, stranger) = (folder.path().join("site"), folder.path().join("stranger"));
    let site_text = site.to_str().unwrap();
    let device = ["--site", site_text, "--device", "AHU-1"];
    assert!(udmi().args(["init", site_text]).output().unwrap().status.success());
    assert!(udmi().args(["keys", "generate"]).args(device).output().unwrap().status.success());
    assert!(keys(&stranger, &["generate"]).status.success());
    std::fs::copy(stranger.join("ec_private.crt"), site.join("devices/AHU-1/ec_private.crt")).unwrap();

    let shown = udmi().args(["keys", "show"]).args(device).output().unwrap();
    assert!(stdout(&shown).contains("it belongs to another key"), "{}", stdout(&shown));
    let started =
        udmi().arg("device").args(device).args(["--endpoint", "mqtts://127.0.0.1:1"]).output().unwrap();
    assert_eq!(started.status.code(), Some(2));
    let why = stderr(&started);
    assert!(why.contains("the client key does not belong to the client certificate"), "{why}");
}

#[test]
fn an_unknown_backup_and_a_missing_place_are_told() {
    let folder = tempfile::tempdir().unwrap();
    assert!(keys(folder.path(), &["generate"]).status.success());
    for name in ["20200101T000000Z", "../ec_private"] {
        let refused = keys(folder.path(), &["restore", name]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("backup"), "{}", stderr(&refused));
    }
    assert_eq!(udmi().args(["keys", "show"]).output().unwrap().status.code(), Some(2));
}

fn keys(folder: &Path, arguments: &[&str]) -> Output {
    udmi().arg("keys").args(arguments).args(["--dir", folder.to_str().unwrap()]).output().unwrap()
}

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    let [document] = ndjson(output).try_into().unwrap();
    document
}
