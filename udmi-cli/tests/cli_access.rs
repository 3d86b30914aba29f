//! Who may read what the command writes, where no umask takes access away.
#![cfg(unix)]

mod bench;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bench::{Bench, config, stderr};
use serde_json::json;

/// The same command with a umask of 000.
fn unmasked(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000 && exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn run(arguments: &[&str]) {
    let output = unmasked(bench::udmi().args(arguments)).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
}

/// Everything below a folder, with its mode.
fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let mut modes = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            modes.insert(name, metadata.permissions().mode() & 0o777);
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    modes
}

fn assert_modes(
    modes: &BTreeMap<String, u32>,
    folder_mode: u32,
    file_mode: u32,
    public: &[&str],
    root: &Path,
) {
    for (name, mode) in modes {
        let file_mode = if public.contains(&name.as_str()) { 0o644 } else { file_mode };
        let expected = if root.join(name).is_dir() { folder_mode } else { file_mode };
        assert_eq!(*mode, expected, "{name}: {mode:o}, not {expected:o}");
    }
}

#[test]
fn what_a_device_writes_is_for_its_owner_only_whatever_the_umask() {
    let bench = Bench::start();
    bench.configure(&config());
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("device");
    fs::create_dir(&root).unwrap();
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let site = folder.path().join("site").to_str().unwrap().to_owned();
    run(&["init", &site]);
    let arguments =
        ["--site", &site, "--device", "AHU-1", "--trace", &path("run.ndjson"), "--state-dir", &path("state")];
    let mut device = bench.udmi("device", &arguments);
    device.args(["--restart", "exec", "--until-input-ends"]);
    let mut device = unmasked(&device).spawn().unwrap();
    while bench.message("state")["system"]["last_config"] != config()["timestamp"] {}
    let update = bench::write(folder.path(), "update.json", &json!({ "version": "v2" }));
    let order = bench.udmi("blob", &["--device", "AHU-1", "--data", &update]).output().unwrap();
    assert!(order.status.success(), "{}", stderr(&order));
    drop(device.stdin.take());
    let output = device.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));

    let modes = modes(&root);
    for wanted in [
        "run.ndjson",
        "state",
        "state/lock",
        "state/system.json",
        "state/software/system.installed",
        "state/staging",
    ] {
        assert!(modes.contains_key(wanted), "{wanted} is not in {modes:?}");
    }
    assert_modes(&modes, 0o700, 0o600, &[], &root);
}

#[test]
fn private_keys_are_for_their_owner_only_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let (keys, request) = (keys.to_str().unwrap(), folder.path().join("request.pem"));
    run(&["keys", "generate", "--dir", keys, "--name", "AHU-1"]);
    run(&["keys", "rotate", "--dir", keys]);
    run(&["keys", "csr", "--dir", keys, "--out", request.to_str().unwrap()]);
    let public = ["request.pem", "keys/ec_public.pem", "keys/ec_private.crt"];
    let modes = modes(folder.path());
    for wanted in public.iter().chain(&["keys/ec_private.pkcs8", "keys/ec_private.pem", "keys/key_backups"]) {
        assert!(modes.contains_key(*wanted), "{wanted} is not in {modes:?}");
    }
    assert_modes(&modes, 0o700, 0o600, &public, folder.path());
}

#[test]
fn a_site_model_can_be_read_by_all_and_written_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    run(&["init", folder.path().join("site").to_str().unwrap()]);
    let modes = modes(folder.path());
    assert!(modes.len() > 8, "{modes:?}");
    assert_modes(&modes, 0o755, 0o644, &[], folder.path());
}

#[test]
fn what_the_broker_remembers_is_for_its_owner_only_and_follows_no_link() {
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (folder.path().join("broker.json"), folder.path().join("other"));
    fs::write(&other, "not ours").unwrap();
    std::os::unix::fs::symlink(&other, folder.path().join("broker.json.new")).unwrap();
    let arguments = ["broker", "--port", "0", "--data", data.to_str().unwrap(), "--until-input-ends"];
    let mut broker = unmasked(bench::udmi().args(arguments)).spawn().unwrap();
    drop(broker.stdin.take());
    let output = broker.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let modes = modes(folder.path());
    assert_eq!(modes.get("broker.json"), Some(&0o600), "{modes:?}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "not ours");
}
